/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources under the names of cgroup v1 (OCI runtime-spec 1.3
 * config-linux.md#control-groups; Linux Documentation/admin-guide/cgroup-v1): hull-vmm's
 * part of it, for a guest has cgroup v2.  What is written, and in which order, is what
 * runc writes.  These are host_cgroup_v1's half of runtime/host_cgroup_ops.h.
 */
#ifndef HULL_RUNTIME_CGROUP1_LIMITS_H
#define HULL_RUNTIME_CGROUP1_LIMITS_H

#include <stdint.h>

struct cgroup_saved;
struct err;
struct host_cgroup;
struct host_limits;

/*
 * cgroup1_set() - write @limits, and what a folder of cpuset needs before it takes a
 * process.
 * Return: 0 or -errno; what came before the failure has been set
 */
int cgroup1_set(const struct host_cgroup *h, const struct host_limits *limits,
		struct err *err);

struct cgroup_saved *cgroup1_save(const struct host_cgroup *h,
				  const struct host_limits *limits);

int cgroup1_cpu_max(const struct host_cgroup *h, int64_t *ret_quota,
		    uint64_t *ret_period);
int cgroup1_idle(const struct host_cgroup *h, int64_t *ret);

/* cgroup1_inherit_cpuset() - the CPUs and nodes of the folder above @dir where it has none. */
int cgroup1_inherit_cpuset(int dir, struct err *err);

#endif
