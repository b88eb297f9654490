/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct container - the life of the container inside hull-vmm: it joins the agent,
 * the control socket, the streams, the status file and the creating command.
 *
 *	booting    the agent has not said hello	-> sync error after boot_timeout_ms
 *	creating   AGENT_CREATE is under way		-> VM_SYNC_CREATED or _ERROR
 *	created    waits for CONTROL_START
 *	running
 *	ending     init has ended (or CONTROL_STOP, or a START that failed): AGENT_SHUTDOWN
 *		   and the rest of the streams are under way
 *	over       status file says stopped, all who wait are answered, the loop quits
 *
 * Exit status: that of init as a shell shows it (128 + signal); 137 (as if killed by
 * SIGKILL) when the guest stopped by itself or broke the protocol; 1 when the
 * container was not made, or its START failed and no exit came.
 *
 * Calling sequence, all on the loop's thread:
 *	container_new	before the jail: opens the caller's pipes and terminals anew
 *	(jail, vm_run)
 *	container_begin, loop_run
 *	container_signal, container_guest_stopped	from sources of the loop
 *	container_exit_status, container_free	after loop_run(), before the vsock device
 */
#ifndef HULL_VMM_CONTAINER_H
#define HULL_VMM_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>

#include "vmm/agent_link.h"
#include "vmm/control.h"
#include "vmm/vm.h"
#include "vmm/vm_config.h"

struct buf;
struct container;
struct err;
struct loop;
struct net_cards;
struct sections;
struct signalfd_siginfo;
struct vsock;

enum container_gate {
	CONTAINER_GATE_OPEN,
	CONTAINER_GATE_MOVING,
	CONTAINER_GATE_CLOSED,
};

struct container_params {
	/* Borrowed until container_free(); of its descriptors container_new() takes
	 * control_fd, status_fd, sync_fd, stdio_fd and preserved_fd (when it
	 * succeeds). */
	const struct vm_config *config;
	const void *spec; /* spec_size bytes; borrowed until container_free() */
	struct loop *loop;
	struct vsock *vsock; /* not yet listening on the agent's ports */
	struct net_cards *cards; /* NULL: no network */
	/* As vm_console_tail(); may be NULL. */
	size_t (*console_tail)(void *opaque, char *dst, size_t max);
	/* Fills in what is not about vsock; may be NULL. */
	void (*fill_stats)(void *opaque, struct control_stats *stats);
	/* grow() - the guest wants @bytes of RAM beyond what it started with: any number,
	 * any time. May be NULL. */
	void (*grow)(void *opaque, uint64_t bytes);
	/* set_gate() - begin to close (or to open) the write gate of all file systems; what
	 * gate() says afterwards is looked at, and again with container_gate_moved(). */
	void (*set_gate)(void *opaque, bool closed);
	/* gate() - enum container_gate; -errno: it could not be closed, and is open. */
	int (*gate)(void *opaque);
	/* Requests that wait at the gate; may be NULL. */
	unsigned int (*waiting)(void *opaque);
	/*
	 * ready() - once, when the agent has said hello and before it is asked for
	 * anything: true: container_go_on() will say when to.  May be NULL.
	 */
	bool (*ready)(void *opaque);
	/* made() - once: the container is, and nobody was told yet.  May be NULL. */
	void (*made)(void *opaque);
	/*
	 * save() - the whole machine into @fd, in one go (CONTROL_CHECKPOINT); of its memory
	 * only what changed since the dump @parent (its id), unless that is NULL.  On success
	 * it stands still until let_go(); otherwise it goes on.
	 * Return: 0; -EAGAIN: at another moment; -errno
	 */
	int (*save)(void *opaque, int fd, const uint8_t *parent, struct err *err);
	/*
	 * dump_begin(), dump_some() - memory into @fd while the machine runs; dump_some() again
	 * as long as it returns 1.
	 * Return: 0; -EAGAIN: begin at another moment; -errno
	 */
	int (*dump_begin)(void *opaque, int fd, const uint8_t *parent, struct err *err);
	int (*dump_some)(void *opaque, int fd, struct err *err);
	void (*let_go)(void *opaque);
	/* whole() - is all of it there, to be saved?  If not yet, it will be by itself.  May be
	 * NULL: always. */
	bool (*whole)(void *opaque);
	/* container_restore() is to come: the container that was saved is to go on. */
	bool resumes;
	uint32_t image_flags; /* enum image_machine_flags: how it was then */
	/* Once, before the guest is asked to write back and shut down; may be NULL. */
	void (*before_shutdown)(void *opaque);
	void *opaque;
};

int container_new(const struct container_params *params, struct container **ret_container,
		  struct err *err);
void container_free(struct container *c);

/*
 * container_begin() - the guest runs now: start the boot deadline.
 * @restored: the machine was saved when it was ready()
 */
int container_begin(struct container *c, bool restored, struct err *err);

/* container_is_quiet() - ready, and nothing is under way between us and the agent. */
bool container_is_quiet(const struct container *c);

/*
 * container_save() - what the container is, when its machine is held.
 * Errors: EAGAIN
 */
int container_save(const struct container *c, struct buf *out, struct err *err);

/*
 * container_restore() - after container_new() and the devices, before the guest runs: what
 * container_save() has put.  container_begin() then has it go on, paused if it was.
 * Errors: EPROTO, ENOMEM
 */
int container_restore(struct container *c, struct sections *in, struct err *err);

/* container_image_flags() - enum image_machine_flags: what is so at the moment */
uint32_t container_image_flags(const struct container *c);

/* container_go_on() - after ready(): make the container. */
void container_go_on(struct container *c);

/*
 * container_signal() - hull-vmm got a signal: forward it to init.
 * Not forwarded: SIGCHLD; SIGPIPE that our own writes raised; SIGWINCH with a
 * console (the new size is told instead).  SIGHUP, SIGINT, SIGQUIT, SIGTERM end a container
 * that is still being made.
 */
void container_signal(struct container *c, const struct signalfd_siginfo *si);

/* container_guest_stopped() - the VM ended by itself. @err: with VM_STOP_ERROR */
void container_guest_stopped(struct container *c, enum vm_stop_reason reason,
			     const struct err *err);

/* container_gate_moved() - gate() may say something else now. */
void container_gate_moved(struct container *c);

/*
 * container_socket() - ask the agent to offer a socket of the host's (AGENT_SOCKET).
 * @done: called once, if the request could be sent
 */
int container_socket(struct container *c, unsigned int root, uint64_t node, int type,
		     agent_done_fn done, void *opaque, struct err *err);

/* container_notices() - tell the agent of changes on the host (AGENT_NOTICES); likewise. */
int container_notices(struct container *c, const void *payload, size_t len,
		      agent_done_fn done, void *opaque, struct err *err);

/* container_exit_status() - 0-255, valid after loop_run(). */
int container_exit_status(const struct container *c);

/* container_ended_by_oom() - its guest killed its init for lack of memory; likewise. */
bool container_ended_by_oom(const struct container *c);

#endif
