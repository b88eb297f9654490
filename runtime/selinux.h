/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.selinuxLabel: the label of hull-vmm, which is what the host has of a
 * container's processes.  In the guest there is no SELinux.
 *
 * Two files are all that is needed (Linux Documentation/admin-guide/LSM/index.rst,
 * proc_pid_attr(5)), so there is no libselinux.
 */
#ifndef HULL_RUNTIME_SELINUX_H
#define HULL_RUNTIME_SELINUX_H

#include <stdbool.h>

struct err;

/* struct selinux - where the kernel says and hears it. */
struct selinux {
	const char *fs; /* selinuxfs, unless it is mounted elsewhere */
	long magic; /* of selinuxfs, as statfs(2) tells it */
	const char *proc;
};

/* The host's. */
extern const struct selinux selinux_host;

/* selinux_enabled() - is there a policy that labels processes? */
bool selinux_enabled(const struct selinux *s);

/*
 * selinux_check() - may there be a @label (NULL or "": none)?
 * Return: 0; -ENOTSUP with runc's words
 */
int selinux_check(const struct selinux *s, const char *label, struct err *err);

/*
 * selinux_check_exec() - may a further process of a container have @label?  All of them are
 * one process of the host, hull-vmm, with the label @of_container.
 * Return: 0; -ENOTSUP
 */
int selinux_check_exec(const struct selinux *s, const char *label,
		       const char *of_container, struct err *err);

/*
 * selinux_label_exec() - have the next execve of the calling thread change to @label;
 * NULL or "": as the policy says.
 * Return: 0 or -errno (EINVAL: the policy has no such label)
 */
int selinux_label_exec(const struct selinux *s, const char *label, struct err *err);

#endif
