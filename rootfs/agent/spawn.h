/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes of a container: cloned into its cgroup and namespaces, their stdio
 * made and joined with streams.
 *
 * struct launch is all that the child needs to know; it is filled in by the
 * agent before the clone, so the child starts with it in its copy of memory.
 */
#ifndef HULL_AGENT_SPAWN_H
#define HULL_AGENT_SPAWN_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/agent_proto.h"

struct agent;
struct agent_frame;
struct container;
struct err;
struct oci_process;
struct oci_spec;
struct sock_fprog;

/*
 * The child's end of the sync connection, once its descriptors are in place: behind
 * stdio.  Behind preserved descriptors, if it has any: launch_sync_fd().
 */
#define LAUNCH_SYNC_FD 3

#define LAUNCH_MAX_FDS (3 + AGENT_MAX_PRESERVED)

struct launch {
	const struct oci_process *process;
	const struct oci_spec *spec; /* of the container */
	const struct sock_fprog *filter; /* or NULL */
	const char *container_id;
	bool terminal;
	bool no_cr; /* the terminal puts no CR before LF */
	uint64_t namespaces; /* CLONE_NEW* that the container has of its own */
	int init_pidfd; /* exec: whose namespaces to join */
	int cgroup_fd; /* exec: a cgroup that was asked for, or -1; borrowed */
	int fds[LAUNCH_MAX_FDS]; /* its stdio, -1 with a terminal; preserved ones */
	unsigned int n_preserved;
	int sync_fd;
};

/*
 * @f: the request
 * @cgroup: below the container's, or NULL
 */
int spawn_init(struct agent *a, struct container *c, const struct agent_frame *f,
	       struct err *err);
int spawn_exec(struct agent *a, struct container *c, const struct agent_frame *f,
	       const struct oci_process *process, const char *cgroup, struct err *err);

/*
 * spawn_plain() - a process in the container, made like an exec'd one, that no request
 * asked for and nobody watches: the caller reaps it (__WALL).  In a child of the
 * agent's: it leaves the caller's later children in the container's pid namespace.
 * @fds: its stdio
 * @ret_sock: messages as of any other (struct child_msg); ends with its execve
 * Return: its pid; -errno
 */
pid_t spawn_plain(struct agent *a, struct container *c, const struct oci_process *process,
		  const int fds[3], int *ret_sock, int *ret_pidfd, struct err *err);

/* The children's main functions. */
void init_child(const struct launch *l) __attribute__((noreturn));
void exec_child(const struct launch *l) __attribute__((noreturn));

/* spawn_namespaces() - CLONE_NEW* of the namespaces that @spec lists. */
uint64_t spawn_namespaces(const struct oci_spec *spec);

#endif
