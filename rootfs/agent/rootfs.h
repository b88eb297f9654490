/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's root: bound onto itself in the new mount namespace, filled
 * with mounts and devices, then made `/`.
 */
#ifndef HULL_AGENT_ROOTFS_H
#define HULL_AGENT_ROOTFS_H

#include <stdbool.h>

struct err;
struct oci_spec;

/* rootfs_begin() - cut all propagation, bind root.path; its descriptor (O_PATH). */
int rootfs_begin(const struct oci_spec *spec, struct err *err);

/* rootfs_enter() - pivot_root to @root, the old one goes; last, so that nothing
 * of the container is looked up in it before. */
int rootfs_enter(int root, const struct oci_spec *spec, struct err *err);

/* sysctl.c: linux.sysctl through the agent's /proc, in the new namespaces. */
int sysctl_apply(const struct oci_spec *spec, struct err *err);
/* Those of network interfaces ("net.ipv4.conf.eth0...") are for later: before the start,
 * when the interfaces are there, in the current namespace. */
bool sysctl_has_interfaces(const struct oci_spec *spec);
int sysctl_apply_interfaces(const struct oci_spec *spec, struct err *err);

/* net.c: set the loopback interface up in this network namespace. */
int net_loopback_up(struct err *err);

#endif
