/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's cgroup of hull-vmm: linux.cgroupsPath, or /<id> below the caller's own when
 * config.json names none.
 *
 * A place to account for and find hull's processes, with every controller that the
 * host lets it have; runtime/host_limits.h sets its limits.  On cgroup v2 it is one
 * folder, in which hull-vmm is born.  On v1, also where an empty v2 tree is mounted
 * beside it (hybrid), it is one folder in each hierarchy, which hull-vmm joins before it
 * is executed.  Hosts with neither: none is made, and the log says so.  With
 * --systemd-cgroup systemd makes it: runtime/host_scope.h.
 */
#ifndef HULL_RUNTIME_HOST_CGROUP_H
#define HULL_RUNTIME_HOST_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/cleanup.h"

struct container;
struct err;
struct host_cgroup_ops;
struct oci_resources;
struct oci_spec;

/* A hierarchy for each controller of v1, systemd's and the v2 tree, and some room. */
#define HOST_CGROUP_MAX 20u

/* struct host_cgroup - its folders, open. */
struct host_cgroup {
	const struct host_cgroup_ops *ops;
	size_t n; /* 0: there is none */
	struct host_cgroup_dir {
		const char *controllers; /* the container's; v1: "cpu,cpuacct" */
		int fd; /* owned */
	} dir[HOST_CGROUP_MAX];
};

/* host_cgroup_is_v2() - cgroup v2 alone is mounted (on hybrid hosts its place is elsewhere). */
bool host_cgroup_is_v2(void);

/* host_cgroup_is_v1() - controllers of v1 are mounted, and v2 is not in their place. */
bool host_cgroup_is_v1(void);

/* host_cgroup_check() - fail for what in @res this host's version cannot do; NULL: nothing. */
int host_cgroup_check(const struct oci_resources *res, struct err *err);

/*
 * host_cgroup_create() - make the folders, remember them in @c.  One that has processes
 * already, or is frozen, is refused: -EBUSY.
 * @ret: none where the host has no cgroups
 */
int host_cgroup_create(const struct oci_spec *spec, struct container *c,
		       struct host_cgroup *ret, struct err *err);

/* host_cgroup_open() - the folders that are remembered in @c. */
int host_cgroup_open(const struct container *c, struct host_cgroup *ret, struct err *err);

/* host_cgroup_own() - cgroup.procs of the caller's cgroup, to be written to; -1: it has
 * none of version 2. */
int host_cgroup_own(void);

void host_cgroup_close(struct host_cgroup *h);
#define auto_host_cgroup auto_call(host_cgroup_close)

/* host_cgroup_birthplace() - a folder of v2 for clone3(); -1: host_cgroup_join() */
int host_cgroup_birthplace(const struct host_cgroup *h);

/* host_cgroup_join() - the calling process, where it was not born in it. */
int host_cgroup_join(const struct host_cgroup *h, struct err *err);

/*
 * host_cgroup_thaw() - let processes in it die that were killed: on v1 one that is frozen
 * does not.
 */
void host_cgroup_thaw(const struct container *c);

/* host_cgroup_remove() - folders and systemd's unit; what is gone already is no error. */
int host_cgroup_remove(const struct container *c, struct err *err);

#endif
