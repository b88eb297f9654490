/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent: serves hull-vmm over one control connection (vmm/agent_proto.h),
 * makes containers, relays their stdio.  PID 1 in the guest; anywhere else (the
 * unit tests) it needs root and a cgroup v2 directory of its own.
 *
 * One thread, one epoll, no waiting anywhere: what takes time is a state of a
 * struct proc or a struct stream, moved on by an event.
 *
 *	request.c	requests in, results and events out
 *	container.c	the table of containers; create and shutdown
 *	proc.c		processes: their states, reaping, exit
 *	spawn.c		clone3() of a container's init and of exec'd processes
 *	init_child.c	what the new init does: namespaces, rootfs, then launch
 *	exec_child.c	what an exec'd process does: join, then launch
 *	userns.c	the user namespace of a container, if it has one
 *	launch.c	the last steps of both: privileges down, execve
 *	start_hooks.c	before that of an init: hooks.startContainer
 *	stream.c	pipes and terminals <-> stream connections
 *	stats.c		a container's counters
 *	fsfreeze.c	freezing a container's file systems
 *	update.c	new limits for a running container
 *	memory.c	RAM that comes when it is needed
 *	resolver.c	a container's name server on the host
 *	sockets.c	unix sockets of the host's, offered in the guest
 *	notices.c	changes on the host, told to who watches
 *	net_apply.c	the container's network as the host tells it (net.h)
 */
#ifndef HULL_AGENT_AGENT_H
#define HULL_AGENT_AGENT_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rootfs/agent/frame.h"
#include "rootfs/agent/memory.h"
#include "rootfs/agent/watch.h"
#include "vmm/agent_proto.h"

struct container;
struct err;
struct oci_spec;
struct stream;

/* What the agent is given by main(), or by a test. */
struct agent_params {
	int control_fd; /* a connected stream socket; agent_run() owns it */
	const char *cgroup_dir; /* containers' cgroups are made in it */
	const char *cgroup_root; /* where cgroup2 is mounted */

	/*
	 * stream_connect() - begin a stream connection.
	 * Return: a non-blocking socket, perhaps still connecting; -errno
	 */
	int (*stream_connect)(void *opaque);
	/* resolver_connect() - likewise, for a query (rootfs/agent/resolver.h). */
	int (*resolver_connect)(void *opaque);
	/* socket_connect() - likewise, for a connection to a socket of the host's. */
	int (*socket_connect)(void *opaque);
	/*
	 * socket_dir() - AGENT_SOCKET_DIR of a root (rootfs/agent/sockets.h).
	 * Return: a descriptor, the caller's; -errno
	 */
	int (*socket_dir)(void *opaque, unsigned int root);
	/*
	 * raise_event() - tell those who watch an inode of the shared file system what
	 * has happened to it; @name: "" or in that directory.  May be NULL: refused.
	 * Return: 1; 0: nobody watches it; -errno
	 */
	int (*raise_event)(void *opaque, const struct agent_notice *notice,
			   const char *name);
	/* warn() - one line for the kernel's log.  May be NULL. */
	void (*warn)(void *opaque, const char *text);
	/* prepare() - mount what the paths of @spec need.  May be NULL. */
	int (*prepare)(void *opaque, const struct oci_spec *spec, struct err *err);
	/* wake() - AGENT_WAKE.  May be NULL: then it is refused. */
	int (*wake)(void *opaque, const struct agent_wake *wake, struct err *err);
	/* finish() - write everything back and unmount; all processes are dead. */
	void (*finish)(void *opaque);
	void *opaque;
	/*
	 * The agent's own network namespace is for the first container that asks
	 * for a new one: nothing of the agent's is in it, and to make one takes
	 * longer than all the other namespaces together.
	 */
	bool give_network;
	/* Freeze file systems on block devices as well: they are this guest's alone. */
	bool freeze_blocks;
	/* For the timeline (agent_uptime_ns()); 0: not told. */
	uint64_t began_ns; /* the agent's first instruction */
	uint64_t mounted_ns; /* what it mounts by itself is there */
};

static_assert(AGENT_MAX_CONTAINERS <= 64, "a bit for each");

#define AGENT_MAX_SOCKET_SEQS 1024u

struct agent {
	const struct agent_params *params;
	struct watch_loop loop;
	struct watch control;
	struct frame_reader reader;
	struct frame_writer writer;
	struct watch signals; /* SIGCHLD by signalfd */
	struct watch inotify; /* memory.events of the containers */
	struct memory memory;
	int cgroup_fd; /* params->cgroup_dir, O_PATH */
	int pid_ns_fd; /* the agent's own pid namespace; -1 until needed */
	int time_ns_fd; /* likewise */

	struct container *containers[AGENT_MAX_CONTAINERS];
	struct stream *streams; /* all that are open */
	int spare_streams[2]; /* connections opened ahead, or -1 */

	struct watch sockets; /* the child of sockets.c; not added: there is none */
	pid_t sockets_pid;
	uint32_t socket_seqs[AGENT_MAX_SOCKET_SEQS]; /* requests that it has */
	unsigned int n_socket_seqs;

	uint32_t shutdown_seq; /* of AGENT_SHUTDOWN while it is under way */
	bool network_given;
	uint64_t stale_cgroups; /* a bit for each container whose cgroup is still there */
};

/*
 * agent_run() - serve until the control connection ends.
 * Return: 0: the host closed it; -errno
 */
int agent_run(const struct agent_params *params, struct err *err);

/* Results and events; an error of the connection ends agent_run() later. */
void agent_result(struct agent *a, uint32_t seq, uint64_t value);
void agent_result_data(struct agent *a, uint32_t seq, const void *data, uint32_t len);
void agent_result_err(struct agent *a, uint32_t seq, const struct err *err);
void agent_event(struct agent *a, uint16_t type, uint16_t container, uint32_t proc,
		 uint32_t arg);

/* agent_mark() - for the timeline: leaves with the next frame. @ns: 0: now */
void agent_mark(struct agent *a, const char *name, uint64_t ns);

/* agent_uptime_ns() - since the kernel started. */
uint64_t agent_uptime_ns(void);

#endif
