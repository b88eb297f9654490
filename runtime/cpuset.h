/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources.cpu.cpus and mems: the host's CPUs and memory nodes.
 *
 * They mean nothing in the guest, whose CPUs have numbers of their own: hull-vmm and
 * all its threads are bound to them instead, and it gets as many vCPUs.
 */
#ifndef HULL_RUNTIME_CPUSET_H
#define HULL_RUNTIME_CPUSET_H

#include <stdbool.h>

#include "oci/cpu_list.h"

struct err;
struct oci_spec;

struct cpuset {
	bool has_cpus;
	bool has_mems;
	struct oci_cpu_set cpus;
	struct oci_cpu_set mems;
};

/* cpuset_take() - move both lists from @spec to @ret; 0 or -EINVAL. */
int cpuset_take(struct oci_spec *spec, struct cpuset *ret, struct err *err);

/* cpuset_apply() - bind the calling process, and what it execs; 0 or -errno. */
int cpuset_apply(const struct cpuset *set, struct err *err);

#endif
