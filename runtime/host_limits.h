/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources on the host: what of the container's limits holds for hull-vmm too,
 * with room for the machine around the container (docs/design.md "Resources").
 */
#ifndef HULL_RUNTIME_HOST_LIMITS_H
#define HULL_RUNTIME_HOST_LIMITS_H

#include <stdint.h>

#include "oci/spec.h"

struct err;

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
 */
void host_limits_of(const struct oci_resources *res, const struct machine *machine,
		    struct host_limits *ret);

/*
 * host_limits_changed() - the same for limits that change: what @res does not have, and
 * belongs to what it has, is what the host's @cgroup (a folder of cgroup v2) says now.
 */
void host_limits_changed(int cgroup, const struct oci_resources *res,
			 const struct machine *machine, struct host_limits *ret);

/* host_limits_hard() - (bytes) of memory, when none can be swapped out; or 0 */
uint64_t host_limits_hard(const struct host_limits *limits);

/*
 * host_limits_set() - write them into the host's @cgroup.
 * Return: 0 or -errno; the error names the file, and what came before it has been set
 */
int host_limits_set(int cgroup, const struct host_limits *limits, struct err *err);

#endif
