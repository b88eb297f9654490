/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: an update is complete or has not been
 *
 * The kernel takes limits one file at a time.  So the files that an update may
 * write are read before; when one of the writes fails, those that have changed
 * since get their old contents again.
 *
 * Files depend on each other: a burst may not exceed the quota, an idle cgroup has
 * no weight.  So what cannot be written back at first is tried once more after
 * the others.
 */
#include "rootfs/agent/update.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/spec.h"
#include "rootfs/agent/cgroup.h"

#define MAX_FILE 4096u /* (bytes) of a file with limits */
#define RESTORE_TRIES 2u

/* ---- the cgroup as it is ------------------------------------------------------------ */

/* read_limit() - "max" is -1; -ENOENT: there is no such file. */
static int read_limit(int cgroup, const char *name, int64_t *ret)
{
	auto_buf struct buf b = BUF_INIT;

	if (io_read_file(cgroup, name, MAX_FILE, &b, NULL) < 0)
		return -ENOENT;
	*ret = strncmp(b.data, "max", 3) == 0 ? -1 : strtoll(b.data, NULL, 10);
	return 0;
}

/* A file and what it held; in an arena. */
struct saved {
	struct saved *next;
	const char *name;
	const char *text;
};

static int save(int cgroup, const char *name, struct arena *a, struct saved **list)
{
	auto_buf struct buf b = BUF_INIT;
	struct saved *s;

	/* What cannot be read is not there, and the write will say so. */
	if (io_read_file(cgroup, name, MAX_FILE, &b, NULL) < 0 || !b.len)
		return 0;
	s = arena_alloc(a, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->name = arena_strdup(a, name);
	s->text = arena_strdup(a, b.data);
	s->next = *list;
	*list = s;
	return s->name && s->text ? 0 : -ENOMEM;
}

/* save_all() - every file that cgroup_set() may write for @res. */
static int save_all(int cgroup, const struct oci_resources *res, struct arena *a,
		    struct saved **list)
{
	static const char *const files[] = {
		"pids.max",      "memory.swap.max", "memory.max", "memory.low",
		"io.bfq.weight", "io.weight",       "cpu.idle",   "cpu.weight",
		"cpu.max",       "cpu.max.burst",
	};
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && ret == 0; i++)
		ret = save(cgroup, files[i], a, list);
	for (size_t i = 0; i < res->hugepage_limits.n && ret == 0; i++) {
		const char *size = res->hugepage_limits.v[i].page_size;
		const char *max = arena_printf(a, "hugetlb.%.24s.max", size);
		const char *rsvd = arena_printf(a, "hugetlb.%.24s.rsvd.max", size);

		ret = max && rsvd ? save(cgroup, max, a, list) : -ENOMEM;
		if (ret == 0)
			ret = save(cgroup, rsvd, a, list);
	}
	for (size_t i = 0; i < res->unified.n && ret == 0; i++)
		if (!strchr(res->unified.v[i].key, '/'))
			ret = save(cgroup, res->unified.v[i].key, a, list);
	return ret;
}

/* put_back() - line by line, as the kernel takes them; 0 when nothing is left to do. */
static int put_back(int cgroup, const struct saved *s)
{
	auto_buf struct buf now = BUF_INIT;
	auto_free char *text = NULL;
	char *rest;
	char *line;
	int ret = 0;

	if (io_read_file(cgroup, s->name, MAX_FILE, &now, NULL) == 0 && now.len &&
	    strcmp(now.data, s->text) == 0)
		return 0;
	text = strdup(s->text);
	if (!text)
		return -ENOMEM;
	for (rest = text; (line = strsep(&rest, "\n"));)
		if (*line && io_write_file(cgroup, s->name, line, NULL) < 0)
			ret = -EIO;
	return ret;
}

static void put_all_back(int cgroup, const struct saved *list)
{
	bool failed = true;

	for (unsigned int i = 0; i < RESTORE_TRIES && failed; i++) {
		failed = false;
		for (const struct saved *s = list; s; s = s->next)
			failed |= put_back(cgroup, s) < 0;
	}
}

/* ---- what belongs together -------------------------------------------------------------- */

/* complete_cpu() - quota and period are one file: what is not given stays. */
static void complete_cpu(int cgroup, struct oci_cpu *c)
{
	auto_buf struct buf b = BUF_INIT;
	bool max;
	char *period;

	if (c->quota.set == c->period.set)
		return;
	if (io_read_file(cgroup, "cpu.max", MAX_FILE, &b, NULL) < 0 || !b.len)
		return;
	max = strncmp(b.data, "max", 3) == 0;
	period = strchr(b.data, ' ');
	if (!c->quota.set)
		c->quota = (struct oci_opt_i64){
			true, max ? -1 : (int64_t)strtoll(b.data, NULL, 10)
		};
	else if (period)
		c->period = (struct oci_opt_u64){ true, strtoull(period, NULL, 10) };
}

/*
 * complete_memory() - linux.resources has memory + swap in one number, cgroup v2 swap
 * alone: when one of the two numbers changes, the other one is the cgroup's.
 */
static void complete_memory(int cgroup, struct oci_memory *m)
{
	bool has_limit = m->limit.set && m->limit.value;
	bool has_swap = m->swap.set && m->swap.value;
	int64_t limit = -1;
	int64_t swap = -1;

	if (has_limit == has_swap || read_limit(cgroup, "memory.max", &limit) < 0)
		return;
	if (has_swap && limit >= 0)
		m->limit = (struct oci_opt_i64){ true, limit };
	/* No swap file: the kernel has no swap, and nothing to keep. */
	if (has_swap || m->limit.value < 0 || limit < 0 ||
	    read_limit(cgroup, "memory.swap.max", &swap) < 0 || swap < 0)
		return;
	m->swap = (struct oci_opt_i64){ true, limit + swap };
}

/* ---- what cannot be promised -------------------------------------------------------------- */

/* check_usage() - checkBeforeUpdate: no limit that would kill at once. */
static int check_usage(int cgroup, const struct oci_memory *m, struct err *err)
{
	int64_t usage;

	if (!m->check_before_update.value ||
	    read_limit(cgroup, "memory.current", &usage) < 0)
		return 0;
	if (m->limit.set && m->limit.value > 0 && usage > m->limit.value)
		return err_msg(err, EBUSY,
			       "rejecting memory limit %" PRId64 " < usage %" PRId64,
			       m->limit.value, usage);
	if (m->swap.set && m->swap.value > 0 && usage > m->swap.value)
		return err_msg(err, EBUSY,
			       "rejecting memory+swap limit %" PRId64 " < usage %" PRId64,
			       m->swap.value, usage);
	return 0;
}

static int check_size(const struct oci_memory *m, uint64_t memory, struct err *err)
{
	if (m->limit.set && m->limit.value > 0 && (uint64_t)m->limit.value > memory)
		return err_msg(err, ENOTSUP,
			       "linux.resources.memory.limit: %" PRId64
			       " is more than the "
			       "machine's memory, %" PRIu64 ", which cannot grow",
			       m->limit.value, memory);
	return 0;
}

int update_apply(int cgroup, struct oci_resources *res, uint64_t memory, struct err *err)
{
	auto_arena struct arena arena = ARENA_INIT;
	struct saved *list = NULL;
	int ret = 0;

	if (res->cpu)
		complete_cpu(cgroup, res->cpu);
	if (res->memory) {
		/* Before the completion: what there is already may be any. */
		ret = check_size(res->memory, memory, err);
		if (ret == 0)
			ret = check_usage(cgroup, res->memory, err);
		complete_memory(cgroup, res->memory);
	}
	if (ret < 0)
		return ret;
	/* 0 leaves it, as runc; at create it is 1. */
	if (res->pids && res->pids->limit.set && !res->pids->limit.value)
		res->pids = NULL;
	ret = save_all(cgroup, res, &arena, &list);
	if (ret < 0)
		return err_set(err, -ret, "update");
	ret = cgroup_set(cgroup, res, err);
	if (ret < 0)
		put_all_back(cgroup, list);
	return ret;
}

int update_parse(int cgroup, const char *json, size_t len, struct err *err)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	struct sysinfo info;
	int ret = oci_resources_parse(json, len, &spec, err);

	if (ret < 0)
		return ret;
	if (sysinfo(&info) < 0)
		return err_set(err, errno, "sysinfo");
	return update_apply(cgroup, spec->linux_->resources,
			    (uint64_t)info.totalram * info.mem_unit, err);
}
