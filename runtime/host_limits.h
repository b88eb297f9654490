/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources on the host: what of the container's limits holds for hull-vmm too,
 * with room for the machine around the container (docs/design.md "Resources").
 */
#ifndef HULL_RUNTIME_HOST_LIMITS_H
#define HULL_RUNTIME_HOST_LIMITS_H

#include <stdint.h>

struct cgroup_saved;
struct err;
struct oci_resources;

/* struct machine - what the room depends on. */
struct machine {
	uint64_t memory; /* (bytes) the guest's RAM */
	unsigned int vcpus;
};

/*
 * host_limits_set() - write them into the host's cgroup (a folder of cgroup v2).
 * @res: as the container has it; NULL: nothing to do
 * Return: 0 or -errno; the error names the file
 */
int host_limits_set(int cgroup, const struct oci_resources *res,
		    const struct machine *machine, struct err *err);

/*
 * host_limits_update() - the same for limits that change: what @res does not have stays.
 * @ret_saved: for cgroup_put_back(), should the guest refuse its part; the caller's
 * Return: 0; -errno: nothing has changed
 */
int host_limits_update(int cgroup, const struct oci_resources *res,
		       const struct machine *machine, struct cgroup_saved **ret_saved,
		       struct err *err);

#endif
