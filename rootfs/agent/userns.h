/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's user namespace: linux.uidMappings and linux.gidMappings.  Its other
 * namespaces belong to it, and what its init does there it does as the namespace's
 * root: mounts and files are as under runc.  `hostID` is an id of the guest, which
 * virtio-fs knows as the host's.
 *
 * The namespace is made by the clone.  What needs a privilege outside of it is the
 * agent's part: userns_begin(), for which the child waits in userns_enter().
 */
#ifndef HULL_AGENT_USERNS_H
#define HULL_AGENT_USERNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct launch;
struct oci_id_mappings;
struct oci_spec;

/* userns_wanted() - does @spec ask for one? */
bool userns_wanted(const struct oci_spec *spec);

/*
 * userns_id() - @id of the container as the agent knows it.
 * Return: UINT32_MAX: it is not mapped
 */
uint32_t userns_id(const struct oci_id_mappings *map, uint32_t id);

/* userns_own() - give what @fd is to the container's root; nothing without one. */
int userns_own(int fd, const struct oci_spec *spec, struct err *err);

/* userns_own_cgroup() - likewise its cgroup, as cgroup v2 delegates. */
int userns_own_cgroup(int cgroup, const struct oci_spec *spec, struct err *err);

/* userns_begin() - in the agent: the maps of the new child @pid, and its limits. */
int userns_begin(pid_t pid, const struct launch *l, struct err *err);

/* userns_enter() - in the child: wait for launch_sync_fd()'s byte, become root. */
int userns_enter(struct err *err);

/* userns_become_root() - of the namespace that was entered. */
int userns_become_root(struct err *err);

#endif
