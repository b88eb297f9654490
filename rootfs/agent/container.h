/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct container - one container of this guest, from AGENT_CREATE until its
 * init was reaped and all exec'd processes with it.
 */
#ifndef HULL_AGENT_CONTAINER_H
#define HULL_AGENT_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "rootfs/agent/fsfreeze.h"
#include "rootfs/agent/proc.h"

struct agent;
struct agent_frame;
struct err;
struct net;
struct resolver;
struct oci_spec;
struct sock_fprog;

struct container {
	struct agent *agent;
	uint16_t number;
	char *id; /* owned */
	struct oci_spec *spec; /* owned */
	struct sock_fprog *filter; /* owned: linux.seccomp compiled, or NULL */
	int cgroup_fd; /* O_DIRECTORY */
	int pid_ns_fd; /* of its init; -1: it has none of its own */
	int memory_events_fd;
	int memory_watch; /* cgroup_watch_file() of memory.events, or -1 */
	int events_watch; /* of cgroup.events, while freeze_seq; otherwise -1 */
	uint32_t
		freeze_seq; /* AGENT_FREEZE to be answered when all are frozen; 0: none */
	struct fsfreeze fsfreeze;
	uint64_t oom_kills; /* told so far */
	struct proc *procs; /* init and exec'd, in no order */
	int net_ns_fd; /* its network namespace, unless it is the agent's; -1 */
	struct net *net; /* owned; NULL: the host has told nothing of it */
	struct resolver *resolver; /* owned; NULL: its name server can be reached */
	bool given_network; /* its network namespace is the agent's own */
	bool init_gone; /* its exit was told: no more execs */
};

/*
 * container_create() - AGENT_CREATE up to the clone; answered by events.
 * Return: 0; -errno: @err tells why, nothing is left behind
 */
int container_create(struct agent *a, const struct agent_frame *f, const char *id,
		     const char *config, size_t len, struct err *err);

/* container_exec() - AGENT_EXEC likewise. */
int container_exec(struct agent *a, struct container *c, const struct agent_frame *f,
		   const char *process, struct err *err);

/*
 * container_ready_network() - before its start, with all interfaces there: linux.sysctl
 * of interfaces, its name server if it needs one.
 */
int container_ready_network(struct container *c, const struct proc *init,
			    struct err *err);

/* container_network() - AGENT_NET: as net_apply(). */
int container_network(struct container *c, const void *messages, size_t len,
		      struct err *err);

struct proc *container_proc(const struct container *c, uint32_t number);

/* container_kill_all() - a signal to every process in its cgroup; 0 or -errno. */
int container_kill_all(const struct container *c, int sig);

/* container_check_oom() - tell of kills in memory.events not told yet. */
void container_check_oom(struct agent *a, struct container *c);

/* container_done() - called when a process has gone: free it when it was the last. */
void container_done(struct agent *a, struct container *c);

/*
 * container_sweep() - remove the cgroups of containers that have gone.  Not done
 * when they go: usually the machine ends then, and nobody waits for its tidiness.
 */
void container_sweep(struct agent *a);

/* container_shutdown_all() - AGENT_SHUTDOWN, and again when a process has gone. */
void container_shutdown_all(struct agent *a);

#endif
