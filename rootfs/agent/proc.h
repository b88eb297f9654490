/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct proc - a process of a container: its init, or one that was exec'd.
 *
 *	PROC_SETUP	cloned; does what comes before the user's program
 *	PROC_CREATED	(init only) waits for AGENT_START
 *	PROC_STARTING	(init only) released, its execve is under way
 *	PROC_RUNNING	the user's program
 *
 * `sync` is a SOCK_SEQPACKET connection to the child until its execve closes
 * it: struct child_msg from the child, one byte to release it.  The end of file
 * without an error before means that the execve was done.
 *
 * A proc is owned by its container and is freed once it was reaped and its exit
 * told.  Streams may outlive it.
 */
#ifndef HULL_AGENT_PROC_H
#define HULL_AGENT_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"
#include "rootfs/agent/watch.h"
#include "vmm/agent_proto.h"

struct agent;
struct container;
struct stream;

enum proc_state {
	PROC_SETUP,
	PROC_CREATED,
	PROC_STARTING,
	PROC_RUNNING,
};

enum child_msg_type {
	CHILD_TTY = 1, /* the master of its terminal goes with it */
	CHILD_READY, /* all but the execve is done */
	CHILD_ERROR,
};

/* The phases of an init, for the timeline; their names are in proc.c. */
enum child_mark {
	CHILD_CLONED,
	CHILD_NAMESPACES, /* set up */
	CHILD_MOUNTS,
	CHILD_DEVICES,
	CHILD_MASKS,
	CHILD_ROOT, /* entered */
	CHILD_MARKS,
};

/* The child sends as much of it as its type needs. */
struct child_msg {
	uint32_t type;
	int32_t pid; /* as the child sees itself */
	uint64_t marks[CHILD_MARKS]; /* (ns) of agent_uptime_ns(); 0: none */
	struct err err; /* CHILD_ERROR */
};

struct proc {
	struct proc *next; /* in its container */
	struct container *container;
	uint32_t number;
	enum proc_state state;
	bool terminal;
	struct err *error; /* owned: what the child said, answered when it is reaped */
	bool reaped;
	int status; /* as waitpid() gives it, once reaped */
	pid_t pid; /* in the agent's pid namespace */
	int32_t inner_pid; /* in the container's; 0 until the child told it */
	int pidfd;
	int sync_fd;
	struct watch sync;
	uint32_t seq; /* of the request to answer, or 0 */
	struct stream *streams[AGENT_STREAM_KINDS]; /* while they are open; [0]: none */
};

/* proc_start() - AGENT_START: let the created init go on. */
void proc_start(struct agent *a, struct proc *p, uint32_t seq);

/* proc_watch() - @p was cloned: wait for its messages. */
int proc_watch(struct agent *a, struct proc *p, struct err *err);

/* proc_reap_all() - SIGCHLD: collect all that have ended. */
void proc_reap_all(struct agent *a);

/* proc_stream_opened() - a stream of @p is known to the host now, or lost. */
void proc_stream_opened(struct agent *a, struct proc *p);

/* proc_kill() - 0 or -errno. */
int proc_kill(const struct proc *p, int sig);

/* proc_drop_streams() - at once: @p has come to nothing. */
void proc_drop_streams(struct proc *p);

/* proc_free() - close what it holds and take it off its container. */
void proc_free(struct agent *a, struct proc *p);

#endif
