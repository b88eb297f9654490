/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host_limits.h"

#include <errno.h>
#include <sys/sysinfo.h>

#include "lib/err.h"
#include "oci/cgroup2.h"
#include "runtime/cpuset.h"
#include "runtime/host_cgroup.h"
#include "runtime/host_cgroup_ops.h"

/*
 * (bytes) hull-vmm's own memory and what the host's kernel holds for it: heap, page
 * tables (two times 1/512 of the RAM when all of it is small pages), sockets, and
 * enough page cache of the container's files that it is not read again and again.
 */
#define MEMORY_ROOM(ram) ((UINT64_C(64) << 20) + (ram) / 64)

/* Threads of hull-vmm besides its vCPUs: the loop, the maker, virtio-fs. */
#define PIDS_ROOM 32

#define CPU_SHARES_DEFAULT 1024u

/*
 * A quarter of a CPU for exits and devices. The container's own share is held in the
 * guest; without room here the guest's kernel and agent would stand still with it.
 */
#define CPU_ROOM(period) ((int64_t)((period) / 4))

/* add() - a limit with room, at most what its type holds. */
static void add(int64_t *limit, int64_t room)
{
	if (__builtin_add_overflow(*limit, room, limit))
		*limit = INT64_MAX;
}

/* memory_limit() - the machine's; swap stays what it was beyond the limit. */
static void memory_limit(struct oci_memory *m, const struct machine *machine)
{
	int64_t old = m->limit.set ? m->limit.value : 0;

	if (old <= 0)
		return;
	m->limit.value = (int64_t)(machine->memory + MEMORY_ROOM(machine->memory));
	if (m->swap.set && m->swap.value >= old)
		add(&m->swap.value, m->limit.value - old);
}

static void cpu_limit(struct oci_cpu *c)
{
	if (c->quota.set && c->quota.value > 0)
		add(&c->quota.value, CPU_ROOM(cgroup_cpu_period(c)));
}

/* take_part() - a copy of what means something on the host, with the container's values. */
static void take_part(const struct oci_resources *res, const struct cpuset *set,
		      struct host_limits *ret)
{
	*ret = (struct host_limits){ 0 };
	if (!res)
		return;
	if (res->memory) {
		ret->memory = *res->memory;
		ret->res.memory = &ret->memory;
	}
	if (res->cpu) {
		ret->cpu = *res->cpu;
		ret->res.cpu = &ret->cpu;
		ret->cpu.cpus = set->cpu_list;
		ret->cpu.mems = set->mem_list;
	}
	if (res->pids) {
		ret->pids = *res->pids;
		ret->res.pids = &ret->pids;
	}
	/* Here are the devices that it names, and here is the file server. */
	ret->res.block_io = res->block_io;
	ret->res.rdma = res->rdma;
	ret->res.unified = res->unified; /* of which only the host's is set */
	ret->res.network = res->network;
	/* hull-vmm has none: for those who look. */
	ret->res.hugepage_limits.v = res->hugepage_limits.v;
	ret->res.hugepage_limits.n = res->hugepage_limits.n;
}

/* make_room() - hull-vmm's values instead. */
static void make_room(struct host_limits *l, const struct machine *machine)
{
	memory_limit(&l->memory, machine);
	cpu_limit(&l->cpu);
	if (l->pids.limit.value >= 0)
		add(&l->pids.limit.value, machine->vcpus + PIDS_ROOM);
}

void host_limits_of(const struct oci_resources *res, const struct cpuset *set,
		    const struct machine *machine, struct host_limits *ret)
{
	take_part(res, set, ret);
	make_room(ret, machine);
}

/* complete_cpu() - the room is a part of the period: what is not given stays. */
static void complete_cpu(const struct host_cgroup *h, struct oci_cpu *c)
{
	uint64_t period;
	int64_t quota;

	if (c->quota.set == c->period.set || h->ops->cpu_max(h, &quota, &period) < 0)
		return;
	if (c->quota.set)
		c->period = (struct oci_opt_u64){ true, period };
	else /* the container's: without the room */
		c->quota =
			(struct oci_opt_i64){ true,
					      quota < 0 ? -1 : quota - CPU_ROOM(period) };
}

/*
 * complete_idle() - the kernel gives a cgroup that stops being idle its default weight:
 * say so, for systemd has one property for both.
 */
static void complete_idle(const struct host_cgroup *h, struct oci_cpu *c)
{
	int64_t idle;

	if (c->idle.set && c->idle.value == 0 && !c->shares.set &&
	    h->ops->idle(h, &idle) == 0 && idle == 1)
		c->shares = (struct oci_opt_u64){ true, CPU_SHARES_DEFAULT };
}

/*
 * complete_memory() - swap counts from the container's limit: without that beside it, only
 * "none" means something here.  The guest, which knows its limit, holds the rest.
 */
static void complete_memory(struct oci_memory *m)
{
	bool has_limit = m->limit.set && m->limit.value;

	if (!has_limit && m->swap.set && m->swap.value > 0)
		m->swap = (struct oci_opt_i64){ 0 };
	/* runc changes it with no update, and here nothing would put it back. */
	m->disable_oom_killer = (struct oci_opt_bool){ 0 };
}

void host_limits_changed(const struct host_cgroup *h, const struct oci_resources *res,
			 const struct cpuset *set, const struct machine *machine,
			 struct host_limits *ret)
{
	take_part(res, set, ret);
	complete_cpu(h, &ret->cpu);
	complete_idle(h, &ret->cpu);
	complete_memory(&ret->memory);
	make_room(ret, machine);
}

uint64_t host_limits_hard(const struct host_cgroup *h, const struct host_limits *limits)
{
	const struct oci_memory *m = &limits->memory;
	struct sysinfo host;
	bool no_swap;

	if (!m->limit.set || m->limit.value <= 0)
		return 0;
	/* Who meets it then waits for ever. */
	if (h->ops->oom_control && m->disable_oom_killer.value)
		return 0;
	no_swap = (m->swap.set && m->swap.value == m->limit.value) ||
		  (sysinfo(&host) == 0 && !host.totalswap);
	return no_swap ? (uint64_t)m->limit.value : 0;
}

int host_limits_set(const struct host_cgroup *h, const struct host_limits *limits,
		    struct err *err)
{
	int ret = h->ops->set(h, limits, err);

	return ret < 0 ? err_wrap(err, ret, "host") : 0;
}

struct cgroup_saved *host_limits_save(const struct host_cgroup *h,
				      const struct host_limits *limits)
{
	return h->ops->save(h, limits);
}
