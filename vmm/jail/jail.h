/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How hull-vmm gives up what it does not need, in named stages.  All of them
 * stand before the first guest instruction:
 *
 *	jail_root	an empty, read-only root; the old one is unmounted
 *	jail_user_begin	a user namespace of its own, maps asked for
 *	(the VM is built meanwhile)
 *	jail_user_end	maps stand: uid 0 there, seven capabilities for files
 *	jail_limits	resource limits, no_new_privs, not dumpable
 *	jail_thread	the seccomp filter of the calling thread
 *
 * The namespaces that hull-vmm is born into (network, mount, ipc, uts, cgroup,
 * pid) belong to the user namespace it leaves, so it has no capability in them.
 * The first three stages are for a process with one thread.
 */
#ifndef HULL_VMM_JAIL_JAIL_H
#define HULL_VMM_JAIL_JAIL_H

#include <stdbool.h>

struct err;

/*
 * jail_tmpfs() - a tiny file system that is mounted nowhere.
 * @inodes: how many, its root's included
 * @attrs: MOUNT_ATTR_*
 * Return: its descriptor, the caller's
 */
int jail_tmpfs(const char *inodes, unsigned int attrs, struct err *err);

/*
 * jail_root() - pivot into an empty tmpfs.
 * @sockets: @n detached mounts, each of one unix socket, to be connected to from
 *	within: they are mounted there by their place in this list, "/0", "/1", ...
 * Should: keep only what is open.  Mustn't: need any other path afterwards.
 */
int jail_root(const int *sockets, unsigned int n, struct err *err);

/*
 * jail_user_begin() - leave the user namespace and ask for maps over @sync_fd.
 * @no_userns: stay where we are (the host has none); the maps are asked for and
 *	the capabilities dropped all the same
 */
int jail_user_begin(int sync_fd, bool no_userns, struct err *err);

/*
 * jail_user_end() - wait for the maps, then drop all other capabilities.
 * @root_fd: a descriptor that may come with the answer takes its place
 */
int jail_user_end(int sync_fd, bool no_userns, int root_fd, struct err *err);

/* jail_caps() - drop all capabilities but the @n of @kept, for good. */
int jail_caps(const int *kept, int n, struct err *err);

int jail_limits(struct err *err);

/* The kinds of threads, each with the system calls its work needs. */
enum jail_kind {
	JAIL_LOOP, /* the main thread: event loop, vsock, streams, control */
	JAIL_VCPU, /* KVM_RUN and what its exits ask for */
	JAIL_FS, /* a worker of the virtio-fs server */
	JAIL_LAZY, /* reads memory that a restored guest asks for */
	JAIL_NET, /* hull-net, a process of its own (vmm/net/helper) */
	JAIL_KINDS,
};

/* jail_thread() - from now on the calling thread makes only its kind's calls;
 * any other ends the process.  The lists: vmm/<part>/syscalls.h. */
int jail_thread(enum jail_kind kind, struct err *err);

#endif
