/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host_limits.h"

#include "lib/err.h"
#include "oci/cgroup2.h"
#include "oci/spec.h"

/*
 * (bytes) hull-vmm's own memory and what the host's kernel holds for it: heap, page
 * tables (two times 1/512 of the RAM when all of it is small pages), sockets, and
 * enough page cache of the container's files that it is not read again and again.
 */
#define MEMORY_ROOM(ram) ((UINT64_C(64) << 20) + (ram) / 64)

/* Threads of hull-vmm besides its vCPUs: the loop, the maker, virtio-fs. */
#define PIDS_ROOM 32

/*
 * A quarter of a CPU for exits and devices. The container's own share is held in the
 * guest; without room here the guest's kernel and agent would stand still with it.
 */
#define CPU_PERIOD_DEFAULT 100000u /* (us) */
#define CPU_ROOM(period) ((int64_t)((period) / 4))

/* memory_limit() - the machine's; swap stays what it was beyond the limit. */
static void memory_limit(struct oci_memory *m, const struct machine *machine)
{
	int64_t old = m->limit.set ? m->limit.value : 0;

	if (old <= 0)
		return;
	m->limit.value = (int64_t)(machine->memory + MEMORY_ROOM(machine->memory));
	if (m->swap.set && m->swap.value >= old)
		m->swap.value += m->limit.value - old;
}

static void cpu_limit(struct oci_cpu *c)
{
	uint64_t period =
		c->period.set && c->period.value ? c->period.value : CPU_PERIOD_DEFAULT;

	if (c->quota.set && c->quota.value > 0)
		c->quota.value += CPU_ROOM(period);
	/* Measured by the quota it was made for. */
	c->burst.set = false;
}

int host_limits_set(int cgroup, const struct oci_resources *res,
		    const struct machine *machine, struct err *err)
{
	struct oci_memory memory;
	struct oci_cpu cpu;
	struct oci_pids pids;
	struct oci_resources host = { 0 };
	int ret;

	if (!res)
		return 0;
	if (res->memory) {
		memory = *res->memory;
		memory_limit(&memory, machine);
		host.memory = &memory;
	}
	if (res->cpu) {
		cpu = *res->cpu;
		cpu_limit(&cpu);
		host.cpu = &cpu;
	}
	if (res->pids) {
		pids = *res->pids;
		if (pids.limit.value >= 0)
			pids.limit.value += machine->vcpus + PIDS_ROOM;
		host.pids = &pids;
	}
	/* Here are the devices that it names, and here is the file server. */
	host.block_io = res->block_io;
	ret = cgroup_set(cgroup, &host, err);
	return ret < 0 ? err_wrap(err, ret, "host") : 0;
}
