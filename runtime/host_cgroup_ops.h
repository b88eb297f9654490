/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two versions of cgroups do each in its way: the other side of
 * runtime/host_cgroup.h and runtime/host_limits.h.
 */
#ifndef HULL_RUNTIME_HOST_CGROUP_OPS_H
#define HULL_RUNTIME_HOST_CGROUP_OPS_H

#include <stdbool.h>
#include <stdint.h>

struct cgroup_saved;
struct container;
struct err;
struct host_cgroup;
struct host_limits;

struct host_cgroup_ops {
	/* Make the folders, and remember each in @c as soon as it is there. */
	int (*create)(const char *name, struct container *c, struct err *err);
	int (*open)(const struct container *c, struct host_cgroup *ret, struct err *err);
	/* The calling process; NULL: hull-vmm is born in the first folder. */
	int (*join)(const struct host_cgroup *h, struct err *err);
	void (*thaw)(const struct container *c); /* NULL: what is frozen can be killed */
	int (*remove)(const struct container *c, struct err *err);
	int (*set)(const struct host_cgroup *h, const struct host_limits *limits,
		   struct err *err);
	/* The files that set() may write; NULL: no memory. */
	struct cgroup_saved *(*save)(const struct host_cgroup *h,
				     const struct host_limits *limits);
	/* What holds now; -ENOENT where there is no such file. */
	int (*cpu_max)(const struct host_cgroup *h, int64_t *ret_quota,
		       uint64_t *ret_period);
	int (*idle)(const struct host_cgroup *h, int64_t *ret);
	bool oom_control; /* memory.disableOOMKiller means something */
};

extern const struct host_cgroup_ops host_cgroup_v1;
extern const struct host_cgroup_ops host_cgroup_v2;

/* host_cgroup_reads() - does the file @name in @dir have @text?  One that is not there has not. */
bool host_cgroup_reads(int dir, const char *name, const char *text);

/* Why an existing folder is refused: nobody else's limits and freezer may be ours. -EBUSY */
int host_cgroup_not_empty(const char *path, struct err *err);
int host_cgroup_frozen(const char *path, struct err *err);

#endif
