/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's mounts.  All of it happens in the new mount namespace, before
 * pivot_root, with the new mount API: a mount is made and given its attributes
 * while nobody can see it, then moved onto a descriptor of its mount point that
 * was looked up below the container's root.
 */
#ifndef HULL_AGENT_MOUNTS_H
#define HULL_AGENT_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct err;
struct oci_mount;
struct oci_spec;

/*
 * mounts_prepare() - for a container with a user namespace of its own, where no mount's
 * access time can be changed: sources of bind mounts get the one that is asked for.  In
 * the agent's mount namespace, before the container has one.
 */
int mounts_prepare(const struct oci_spec *spec, struct err *err);

/* mounts_make() - all of spec->mounts in order, below @root. */
int mounts_make(int root, const struct oci_spec *spec, struct err *err);

/* mounts_finish() - read-only what had to be written to until now (tmpfs, /dev). */
int mounts_finish(int root, const struct oci_spec *spec, struct err *err);

/* mounts_mask() - linux.maskedPaths and linux.readonlyPaths. */
int mounts_mask(int root, const struct oci_spec *spec, struct err *err);

/* mounts_attr() - MS_* of mount(2) as MOUNT_ATTR_* of mount_setattr(2). */
uint64_t mounts_attr(unsigned long ms_flags);

/* mounts_attach() - move the detached mount @mnt onto @target. */
int mounts_attach(int mnt, int target);

/* mounts_set() - change the attributes of the mount @mnt; 0 or -errno. */
int mounts_set(int mnt, bool recursive, uint64_t set, uint64_t clear,
	       uint64_t propagation);

/*
 * mounts_new() - a new file system, detached.
 * @data: options joined with commas
 * @sb_flags: MS_* that belong to the file system and not to the mount
 * Return: its descriptor, or -errno with the kernel's own words in @err
 */
int mounts_new(const char *type, const char *source, const char *data,
	       unsigned long sb_flags, uint64_t attr, struct err *err);

/* mounts_bind_dev() - is there a bind mount at /dev?  Then it is left alone. */
bool mounts_bind_dev(const struct oci_spec *spec);

/* copyup.c: copy what is in the directory @from into the empty @to. */
int copyup(int from, int to, struct err *err);

#endif
