/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources on the host: what of the container's limits holds for hull-vmm too,
 * with room for the machine around the container (docs/design.md "Resources").
 */
#ifndef HULL_RUNTIME_HOST_LIMITS_H
#define HULL_RUNTIME_HOST_LIMITS_H

#include <stdint.h>

#include "oci/spec.h"

struct cgroup_saved;
struct cpuset;
struct err;
struct host_cgroup;

/* struct machine - what the room depends on. */
struct machine {
	uint64_t memory; /* (bytes) the guest's RAM */
	unsigned int vcpus;
};

/* struct host_limits - the host's part of a linux.resources object; it cannot be copied. */
struct host_limits {
	struct oci_resources res; /* points to the others, and to what it was made of */
	struct oci_memory memory;
	struct oci_cpu cpu;
	struct oci_pids pids;
};

/*
 * host_limits_of() - hull-vmm's limits.
 * @res: as the container has it; NULL: none
 * @set: what was taken out of it
 */
void host_limits_of(const struct oci_resources *res, const struct cpuset *set,
		    const struct machine *machine, struct host_limits *ret);

/*
 * host_limits_changed() - the same for limits that change: what @res does not have, and
 * belongs to what it has, is what the host's cgroup @h says now.
 */
void host_limits_changed(const struct host_cgroup *h, const struct oci_resources *res,
			 const struct cpuset *set, const struct machine *machine,
			 struct host_limits *ret);

/*
 * host_limits_hard() - (bytes) of memory; 0 where some can be swapped out, or nobody is
 * killed at the limit
 */
uint64_t host_limits_hard(const struct host_cgroup *h, const struct host_limits *limits);

/*
 * host_limits_set() - write them into the files of @h, which is one.
 * Return: 0 or -errno; the error names the file, and what came before it has been set
 */
int host_limits_set(const struct host_cgroup *h, const struct host_limits *limits,
		    struct err *err);

/* host_limits_save() - what these files say now (oci/cgroup_saved.h); NULL: no memory. */
struct cgroup_saved *host_limits_save(const struct host_cgroup *h,
				      const struct host_limits *limits);

#endif
