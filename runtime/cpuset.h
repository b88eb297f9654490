/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources.cpu.cpus and mems, linux.memoryPolicy: the host's CPUs and memory
 * nodes.
 *
 * They mean nothing in the guest, whose CPUs have numbers of their own: hull-vmm and
 * all its threads are bound to them instead, and it gets as many vCPUs.
 */
#ifndef HULL_RUNTIME_CPUSET_H
#define HULL_RUNTIME_CPUSET_H

#include <stdbool.h>
#include <sys/types.h>

#include "oci/cpu_list.h"

struct err;
struct oci_spec;

struct cpuset {
	bool has_cpus;
	bool has_mems;
	struct oci_cpu_set cpus;
	struct oci_cpu_set mems;
	char *cpu_list; /* the same as config.json has them, or NULL; the spec's */
	char *mem_list;
	const struct oci_memory_policy *policy; /* in place of mems, or NULL; the spec's */
};

/*
 * cpuset_of_unified() - cpuset.cpus and cpuset.mems of resources.unified are those of
 * resources.cpu: move them there, in front of what it says.  0 or -ENOMEM.
 */
int cpuset_of_unified(struct oci_spec *spec, struct err *err);

/* cpuset_take() - move lists and policy from @spec to @ret; 0 or -EINVAL. */
int cpuset_take(struct oci_spec *spec, struct cpuset *ret, struct err *err);

/*
 * cpuset_apply() - bind the calling process, and what it execs; without cpus: to no CPU
 * in particular, whatever its caller is bound to.
 * Return: 0 or -errno
 */
int cpuset_apply(const struct cpuset *set, struct err *err);

/* cpuset_read() - what the process @pid is bound to; 0 or -errno. */
int cpuset_read(pid_t pid, struct oci_cpu_set *ret, struct err *err);

/*
 * cpuset_move() - bind the running process @pid, all its threads, to @cpus.
 * Return: 0; -errno: no thread was moved, or it has ended meanwhile
 */
int cpuset_move(pid_t pid, const struct oci_cpu_set *cpus, struct err *err);

/*
 * cpuset_check_mems() - 0 when the memory of the process @pid is bound to @mems
 * already: that of a running one cannot be bound anew from outside.
 */
int cpuset_check_mems(pid_t pid, const struct oci_cpu_set *mems, struct err *err);

#endif
