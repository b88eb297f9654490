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

struct agent;
struct container;
struct err;
struct oci_process;
struct oci_spec;
struct sock_fprog;

/* The child's end of the sync connection, once its descriptors are in place. */
#define LAUNCH_SYNC_FD 3

struct launch {
	const struct oci_process *process;
	const struct oci_spec *spec; /* of the container */
	const struct sock_fprog *filter; /* or NULL */
	const char *container_id;
	bool terminal;
	bool no_cr; /* the terminal puts no CR before LF */
	uint64_t namespaces; /* CLONE_NEW* that the container has of its own */
	int init_pidfd; /* exec: whose namespaces to join */
	int stdio[3]; /* -1 with a terminal */
	int sync_fd;
};

/* @flags: enum control_exec_flags */
int spawn_init(struct agent *a, struct container *c, uint32_t seq, uint32_t flags,
	       struct err *err);
int spawn_exec(struct agent *a, struct container *c, uint32_t number, uint32_t seq,
	       uint32_t flags, const struct oci_process *process, struct err *err);

/* The children's main functions. */
void init_child(const struct launch *l) __attribute__((noreturn));
void exec_child(const struct launch *l) __attribute__((noreturn));

/* spawn_namespaces() - CLONE_NEW* of the namespaces that @spec lists. */
uint64_t spawn_namespaces(const struct oci_spec *spec);

#endif
