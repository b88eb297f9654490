/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host cgroup that hull-vmm is born into: linux.cgroupsPath on cgroup v2, or
 * /<id> below the caller's own when config.json names none.
 *
 * A place to account for and find hull's processes, with every controller that the
 * host lets it have; runtime/host_limits.h sets its limits.  Hosts without cgroup
 * v2: none is made, and the log says so.
 */
#ifndef HULL_RUNTIME_HOST_CGROUP_H
#define HULL_RUNTIME_HOST_CGROUP_H

struct container;
struct err;
struct oci_spec;

/*
 * host_cgroup_create() - make the folder, remember it in @c->cgroup.
 * @ret_fd: the folder, owned by the caller; -1 where there is no cgroup v2
 */
int host_cgroup_create(const struct oci_spec *spec, struct container *c, int *ret_fd,
		       struct err *err);

/* host_cgroup_remove() - what is gone already is no error. */
int host_cgroup_remove(const char *path, struct err *err);

#endif
