/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host cgroup that hull-vmm is born into: linux.cgroupsPath on cgroup v2, or
 * /<id> below the caller's own when config.json names none.
 *
 * A place to account for and find hull's processes, with every controller that the
 * host lets it have; runtime/host_limits.h sets its limits.  Hosts without cgroup
 * v2: none is made, and the log says so.  With --systemd-cgroup systemd makes it:
 * runtime/host_scope.h.
 */
#ifndef HULL_RUNTIME_HOST_CGROUP_H
#define HULL_RUNTIME_HOST_CGROUP_H

#include <stdbool.h>

struct container;
struct err;
struct oci_spec;

/* host_cgroup_is_v2() - cgroup v2 alone is mounted (on hybrid hosts its place is elsewhere). */
bool host_cgroup_is_v2(void);

/*
 * host_cgroup_create() - make the folder, remember it in @c->cgroup.  One that has
 * processes already, or is frozen, is refused: -EBUSY.
 * @ret_fd: the folder, owned by the caller; -1 where there is no cgroup v2
 */
int host_cgroup_create(const struct oci_spec *spec, struct container *c, int *ret_fd,
		       struct err *err);

/*
 * host_cgroup_open() - remember a folder that is there in @c->cgroup, and open it.
 * @name: below the root of all
 */
int host_cgroup_open(const char *name, struct container *c, int *ret_fd, struct err *err);

/* host_cgroup_remove() - the folder, and systemd's unit; what is gone already is no error. */
int host_cgroup_remove(const struct container *c, struct err *err);

#endif
