/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup1_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/cgroup2.h"
#include "oci/cgroup2_saved.h"
#include "oci/honoured.h"
#include "runtime/cgroup1_places.h"
#include "runtime/host_cgroup.h"
#include "runtime/host_limits.h"

#define MAX_FILE 4096u /* (bytes) of a file with limits */

/* dir_of() - the folder in the hierarchy that has @controller, or -1. */
static int dir_of(const struct host_cgroup *h, const char *controller)
{
	for (size_t i = 0; i < h->n; i++)
		if (cgroup1_has(h->dir[i].controllers, controller))
			return h->dir[i].fd;
	return -1;
}

/* folder_of() - the same; where it is missing the error is in runc's words. */
static int folder_of(const struct host_cgroup *h, const char *controller, struct err *err)
{
	int dir = dir_of(h, controller);

	return dir >= 0 ? dir
			: err_msg(err, ENOENT,
				  "cannot set %s limit: container could not join or "
				  "create cgroup",
				  controller);
}

static bool exists(int dir, const char *name)
{
	return dir >= 0 && faccessat(dir, name, F_OK, 0) == 0;
}

/* ---- writing ------------------------------------------------------------------------ */

static int set_text(int dir, const char *name, const char *text, struct err *err)
{
	int ret = io_write_file(dir, name, text, NULL);

	return ret < 0 ? err_set(err, -ret, "cgroup: write '%s' to '%s'", text, name) : 0;
}

static int set_number(int dir, const char *name, int64_t value, struct err *err)
{
	char text[24];

	(void)!snprintf(text, sizeof(text), "%" PRId64, value);
	return set_text(dir, name, text, err);
}

/* set_limit() - -1 is none, 0 is left as it is. */
static int set_limit(int dir, const char *name, int64_t limit, struct err *err)
{
	return limit ? set_number(dir, name, limit, err) : 0;
}

/*
 * A pair of numbers that the kernel checks against each other: the first may fit only
 * when the second is there.
 */
static int set_pair(int dir, const char *first, int64_t value, const char *second,
		    int64_t other, struct err *err)
{
	struct err why = ERR_INIT;
	int ret = set_limit(dir, first, value, &why);
	bool again = ret == -EINVAL && other;

	if (ret == 0 || again)
		ret = set_limit(dir, second, other, &why);
	if (ret == 0 && again)
		ret = set_limit(dir, first, value, &why);
	return ret < 0 ? err_msg(err, -ret, "%s", why.msg) : 0;
}

/* ---- cpuset ------------------------------------------------------------------------- */

static int inherit(int from, int dir, const char *name, struct err *err)
{
	auto_buf struct buf now = BUF_INIT;
	auto_buf struct buf above = BUF_INIT;
	int ret = io_read_file(dir, name, MAX_FILE, &now, err);

	if (ret < 0 || (now.len && now.data[0] != '\n'))
		return ret;
	ret = io_read_file(from, name, MAX_FILE, &above, err);
	if (ret < 0 || !above.len)
		return ret;
	above.data[strcspn(above.data, "\n")] = 0;
	return set_text(dir, name, above.data, err);
}

int cgroup1_inherit_cpuset(int dir, struct err *err)
{
	auto_fd int from = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret;

	if (from < 0)
		return err_set(err, errno, "open the cgroup above");
	ret = inherit(from, dir, "cpuset.cpus", err);
	return ret < 0 ? ret : inherit(from, dir, "cpuset.mems", err);
}

static int set_cpuset(const struct host_cgroup *h, const struct oci_cpu *c,
		      struct err *err)
{
	int dir = dir_of(h, "cpuset");
	int ret = 0;

	/* Without one hull-vmm's threads are bound all the same: runtime/cpuset.h. */
	if (dir < 0)
		return 0;
	if (c->cpus)
		ret = set_text(dir, "cpuset.cpus", c->cpus, err);
	if (ret == 0 && c->mems)
		ret = set_text(dir, "cpuset.mems", c->mems, err);
	return ret < 0 ? ret : cgroup1_inherit_cpuset(dir, err);
}

/* ---- memory ------------------------------------------------------------------------- */

#define BURST "cpu.cfs_burst_us"
#define LIMIT "memory.limit_in_bytes"
#define WITH_SWAP "memory.memsw.limit_in_bytes"

/* set_swap() - a kernel that does not count swap has no such file: fine without swap. */
static int set_swap(int dir, int64_t swap, struct err *err)
{
	struct sysinfo host;

	if (!exists(dir, WITH_SWAP) &&
	    (swap < 0 || (sysinfo(&host) == 0 && !host.totalswap)))
		return 0;
	return set_limit(dir, WITH_SWAP, swap, err);
}

/* grows() - the limit of memory and swap has to go up before that of memory can. */
static bool grows(int dir, int64_t swap)
{
	int64_t now;

	return swap < 0 || (cgroup_read_limit(dir, LIMIT, &now) == 0 && now < swap);
}

static int set_limits(int dir, const struct oci_memory *m, struct err *err)
{
	int64_t limit = m->limit.set ? m->limit.value : 0;
	int64_t swap = m->swap.set ? m->swap.value : 0;
	int ret;

	if (limit < 0 && !swap)
		swap = -1;
	if (limit && swap && grows(dir, swap)) {
		ret = set_swap(dir, swap, err);
		return ret < 0 ? ret : set_limit(dir, LIMIT, limit, err);
	}
	ret = set_limit(dir, LIMIT, limit, err);
	return ret < 0 || !swap ? ret : set_swap(dir, swap, err);
}

static int set_memory(const struct host_cgroup *h, const struct oci_memory *m,
		      struct err *err)
{
	int dir;
	int ret;

	if (!m->limit.value && !m->swap.value && !m->reservation.value &&
	    !m->disable_oom_killer.value && !m->swappiness.set)
		return 0;
	dir = folder_of(h, "memory", err);
	if (dir < 0)
		return dir;
	ret = set_limits(dir, m, err);
	if (ret == 0 && m->reservation.set)
		ret = set_limit(dir, "memory.soft_limit_in_bytes", m->reservation.value,
				err);
	if (ret == 0 && m->swappiness.set)
		ret = set_number(dir, "memory.swappiness", (int64_t)m->swappiness.value,
				 err);
	if (ret == 0 && m->disable_oom_killer.value)
		ret = set_text(dir, "memory.oom_control", "1", err);
	return ret;
}

/* ---- cpu ---------------------------------------------------------------------------- */

/* set_shares() - the kernel takes any number and keeps one within its bounds. */
static int set_shares(int dir, int64_t shares, struct err *err)
{
	int64_t kept;
	int ret = set_number(dir, "cpu.shares", shares, err);

	if (ret < 0 || cgroup_read_limit(dir, "cpu.shares", &kept) < 0 || kept == shares)
		return ret;
	return err_msg(
		err, EINVAL,
		"linux.resources.cpu.shares: the %s allowed cpu-shares is %" PRId64,
		kept < shares ? "maximum" : "minimum", kept);
}

static int set_cpu(const struct host_cgroup *h, const struct oci_cpu *c, struct err *err)
{
	bool burst = c->burst.set && exists(dir_of(h, "cpu"), BURST);
	int dir;
	int ret = 0;

	if (!c->shares.value && !c->quota.value && !c->period.value && !c->idle.set &&
	    !burst && !c->realtime_period.value && !c->realtime_runtime.value)
		return 0;
	dir = folder_of(h, "cpu", err);
	if (dir < 0)
		return dir;
	if (c->shares.value)
		ret = set_shares(dir, (int64_t)c->shares.value, err);
	/* It may not exceed the quota, which may fall or rise. */
	if (ret == 0 && burst)
		(void)set_number(dir, BURST, (int64_t)c->burst.value, NULL);
	if (ret == 0)
		ret = set_pair(dir, "cpu.cfs_period_us", (int64_t)c->period.value,
			       "cpu.cfs_quota_us", c->quota.value, err);
	if (ret == 0 && burst)
		ret = set_number(dir, BURST, (int64_t)c->burst.value, err);
	if (ret == 0 && c->idle.set)
		ret = set_number(dir, "cpu.idle", c->idle.value, err);
	if (ret == 0)
		ret = set_pair(dir, "cpu.rt_period_us", (int64_t)c->realtime_period.value,
			       "cpu.rt_runtime_us", c->realtime_runtime.value, err);
	return ret;
}

/* ---- blkio -------------------------------------------------------------------------- */

/* set_devices() - a device at a time; @rate 0: none. */
static int set_device(int dir, const char *name, int64_t major, int64_t minor,
		      uint64_t rate, struct err *err)
{
	char text[80];

	(void)!snprintf(text, sizeof(text), "%" PRId64 ":%" PRId64 " %" PRIu64, major,
			minor, rate);
	return set_text(dir, name, text, err);
}

static int set_throttle(int dir, const struct oci_throttle_devices *list,
			const char *name, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < list->n && ret == 0; i++)
		ret = set_device(dir, name, list->v[i].major, list->v[i].minor,
				 list->v[i].rate, err);
	return ret;
}

static int set_weights(int dir, const struct oci_block_io *b, struct err *err)
{
	bool plain = exists(dir, "blkio.weight"); /* CFQ's; BFQ has names of its own */
	int ret = set_limit(dir, plain ? "blkio.weight" : "blkio.bfq.weight",
			    b->weight.value, err);

	if (ret == 0)
		ret = set_limit(dir, "blkio.leaf_weight", b->leaf_weight.value, err);
	for (size_t i = 0; i < b->weight_device.n && ret == 0; i++) {
		const struct oci_weight_device *d = &b->weight_device.v[i];

		if (d->weight.value)
			ret = set_device(dir,
					 plain ? "blkio.weight_device"
					       : "blkio.bfq.weight_device",
					 d->major, d->minor, d->weight.value, err);
		if (ret == 0 && d->leaf_weight.value)
			ret = set_device(dir, "blkio.leaf_weight_device", d->major,
					 d->minor, d->leaf_weight.value, err);
	}
	return ret;
}

static int set_block_io(const struct host_cgroup *h, const struct oci_block_io *b,
			struct err *err)
{
	int dir;
	int ret;

	if (!b->weight.value && !b->leaf_weight.value && !b->weight_device.n &&
	    !b->throttle_read_bps.n && !b->throttle_write_bps.n &&
	    !b->throttle_read_iops.n && !b->throttle_write_iops.n)
		return 0;
	dir = folder_of(h, "blkio", err);
	if (dir < 0)
		return dir;
	ret = set_weights(dir, b, err);
	if (ret == 0)
		ret = set_throttle(dir, &b->throttle_read_bps,
				   "blkio.throttle.read_bps_device", err);
	if (ret == 0)
		ret = set_throttle(dir, &b->throttle_write_bps,
				   "blkio.throttle.write_bps_device", err);
	if (ret == 0)
		ret = set_throttle(dir, &b->throttle_read_iops,
				   "blkio.throttle.read_iops_device", err);
	if (ret == 0)
		ret = set_throttle(dir, &b->throttle_write_iops,
				   "blkio.throttle.write_iops_device", err);
	return ret;
}

/* ---- the rest ----------------------------------------------------------------------- */

/*
 * set_hugepages() - in the guest they hold; here for those who look, where the host has
 * the hierarchy.
 */
static int set_hugepages(const struct host_cgroup *h, const struct host_limits *l,
			 struct err *err)
{
	int dir = dir_of(h, "hugetlb");
	int ret = 0;

	for (size_t i = 0; dir >= 0 && i < l->res.hugepage_limits.n && ret == 0; i++) {
		const struct oci_hugepage_limit *p = &l->res.hugepage_limits.v[i];
		char name[80];
		char text[24];

		(void)!snprintf(text, sizeof(text), "%" PRIu64, p->limit);
		(void)!snprintf(name, sizeof(name), "hugetlb.%.24s.limit_in_bytes",
				p->page_size);
		ret = set_text(dir, name, text, err);
		(void)!snprintf(name, sizeof(name), "hugetlb.%.24s.rsvd.limit_in_bytes",
				p->page_size);
		/* Older kernels do not count reservations. */
		if (ret == 0 && exists(dir, name))
			ret = set_text(dir, name, text, err);
	}
	return ret;
}

static int set_network(const struct host_cgroup *h, const struct oci_network *n,
		       struct err *err)
{
	int dir = 0;
	int ret = 0;

	if (n->class_id.value)
		dir = folder_of(h, "net_cls", err);
	if (n->class_id.value && dir >= 0)
		ret = set_number(dir, "net_cls.classid", n->class_id.value, err);
	if (dir < 0 || ret < 0 || !n->priorities.n)
		return dir < 0 ? dir : ret;
	dir = folder_of(h, "net_prio", err);
	if (dir < 0)
		return dir;
	for (size_t i = 0; i < n->priorities.n && ret == 0; i++) {
		char text[64];

		(void)!snprintf(text, sizeof(text), "%.32s %" PRIu32,
				n->priorities.v[i].name, n->priorities.v[i].priority);
		ret = set_text(dir, "net_prio.ifpriomap", text, err);
	}
	return ret;
}

/* set_same() - what has the same files in both versions. */
static int set_same(const struct host_cgroup *h, const char *controller,
		    const struct oci_resources *part, struct err *err)
{
	int dir = folder_of(h, controller, err);

	return dir < 0 ? dir : cgroup_set(dir, part, OCI_BY_HOST, err);
}

int cgroup1_set(const struct host_cgroup *h, const struct host_limits *limits,
		struct err *err)
{
	const struct oci_resources *res = &limits->res;
	struct oci_resources pids = { .pids = res->pids };
	struct oci_resources rdma = { .rdma = { res->rdma.v, res->rdma.n } };
	int ret = set_cpuset(h, &limits->cpu, err);

	if (ret == 0 && res->memory)
		ret = set_memory(h, res->memory, err);
	if (ret == 0 && res->cpu)
		ret = set_cpu(h, res->cpu, err);
	if (ret == 0 && res->pids && res->pids->limit.set)
		ret = set_same(h, "pids", &pids, err);
	if (ret == 0 && res->block_io)
		ret = set_block_io(h, res->block_io, err);
	if (ret == 0)
		ret = set_hugepages(h, limits, err);
	if (ret == 0 && res->network)
		ret = set_network(h, res->network, err);
	if (ret == 0 && res->rdma.n)
		ret = set_same(h, "rdma", &rdma, err);
	return ret;
}

/* ---- what holds now ----------------------------------------------------------------- */

static int save_hugepages(struct cgroup_saved *s, int dir, const char *size)
{
	static const char *const kinds[] = { "limit_in_bytes", "rsvd.limit_in_bytes" };
	char name[80];
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && ret == 0; i++) {
		(void)!snprintf(name, sizeof(name), "hugetlb.%.24s.%s", size, kinds[i]);
		ret = cgroup_saved_add(s, dir, name, NULL);
	}
	return ret;
}

static int save_all(struct cgroup_saved *s, const struct host_cgroup *h,
		    const struct host_limits *limits)
{
	static const struct {
		const char *controller;
		const char *name;
		const char *lift; /* of cgroup_saved_add() */
	} files[] = {
		{ "cpuset", "cpuset.cpus", NULL },
		{ "cpuset", "cpuset.mems", NULL },
		{ "memory", WITH_SWAP, NULL },
		{ "memory", LIMIT, NULL },
		{ "memory", "memory.soft_limit_in_bytes", NULL },
		{ "memory", "memory.swappiness", NULL },
		{ "cpu", "cpu.shares", NULL },
		{ "cpu", "cpu.cfs_quota_us", NULL },
		{ "cpu", "cpu.cfs_period_us", NULL },
		{ "cpu", BURST, NULL },
		{ "cpu", "cpu.idle", NULL },
		{ "cpu", "cpu.rt_runtime_us", NULL },
		{ "cpu", "cpu.rt_period_us", NULL },
		{ "pids", "pids.max", NULL },
		{ "blkio", "blkio.weight", NULL },
		{ "blkio", "blkio.bfq.weight", NULL },
		{ "blkio", "blkio.leaf_weight", NULL },
		{ "blkio", "blkio.weight_device", "0" },
		{ "blkio", "blkio.bfq.weight_device", "default" },
		{ "blkio", "blkio.leaf_weight_device", "0" },
		{ "blkio", "blkio.throttle.read_bps_device", "0" },
		{ "blkio", "blkio.throttle.write_bps_device", "0" },
		{ "blkio", "blkio.throttle.read_iops_device", "0" },
		{ "blkio", "blkio.throttle.write_iops_device", "0" },
		{ "net_cls", "net_cls.classid", NULL },
		{ "net_prio", "net_prio.ifpriomap", NULL },
	};
	int huge = dir_of(h, "hugetlb");
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && ret == 0; i++) {
		int dir = dir_of(h, files[i].controller);

		if (dir >= 0)
			ret = cgroup_saved_add(s, dir, files[i].name, files[i].lift);
	}
	for (size_t i = 0; huge >= 0 && i < limits->res.hugepage_limits.n && ret == 0;
	     i++)
		ret = save_hugepages(s, huge, limits->res.hugepage_limits.v[i].page_size);
	return ret;
}

struct cgroup_saved *cgroup1_save(const struct host_cgroup *h,
				  const struct host_limits *limits)
{
	struct cgroup_saved *s = cgroup_saved_new();

	if (!s || save_all(s, h, limits) == 0)
		return s;
	cgroup_saved_free(s);
	return NULL;
}

int cgroup1_cpu_max(const struct host_cgroup *h, int64_t *ret_quota, uint64_t *ret_period)
{
	int dir = dir_of(h, "cpu");
	int64_t period;

	if (dir < 0 || cgroup_read_limit(dir, "cpu.cfs_quota_us", ret_quota) < 0 ||
	    cgroup_read_limit(dir, "cpu.cfs_period_us", &period) < 0)
		return -ENOENT;
	*ret_period = (uint64_t)period;
	return 0;
}

int cgroup1_idle(const struct host_cgroup *h, int64_t *ret)
{
	int dir = dir_of(h, "cpu");

	return dir < 0 ? -ENOENT : cgroup_read_limit(dir, "cpu.idle", ret);
}
