/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct stream - bytes between a process and the host.
 *
 * Joins a stream connection (vmm/agent_proto.h) with the agent's ends of a
 * process' pipes, or of a pair of sockets, or with the master of its terminal.  Each
 * direction ends by itself: the end of file and "the reader has gone" cross as half
 * a shutdown.
 *
 * A stream frees itself when both directions have ended.
 */
#ifndef HULL_AGENT_STREAM_H
#define HULL_AGENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rootfs/agent/watch.h"
#include "vmm/agent_proto.h"

struct agent;
struct proc;

/* One direction. */
struct flow {
	char *pending; /* owned: what the other side did not take */
	size_t len; /* (bytes) in pending, from */
	size_t off;
	bool eof; /* the source has ended; what is pending goes first */
	bool done;
};

struct stream {
	struct agent *agent;
	struct stream *next;
	struct proc *proc; /* NULL once it has gone */
	struct agent_stream header;
	bool opened; /* connected, and the header is sent */
	bool terminal; /* in_fd and out_fd are one */
	bool socket; /* in_fd and out_fd are copies of one */
	bool closed; /* which the process has closed */
	bool attached;
	int sock;
	int in_fd; /* what the host sends goes here; -1: nothing */
	int out_fd; /* what goes to the host comes from here; -1: nothing */
	struct watch sock_watch;
	struct watch in_watch;
	struct watch out_watch; /* also of a terminal */
	struct flow in;
	struct flow out;
};

/*
 * stream_open() - connect a stream for @p; NULL: no connection could be begun.
 * @kind: enum agent_stream_kind
 */
struct stream *stream_open(struct agent *a, struct proc *p, unsigned int kind);

/*
 * stream_attach() - give @s the process' end: it owns the descriptors, which must
 * be non-blocking.  @in_fd, @out_fd: one of them may be -1; with a terminal the same
 * Return: 0 or -errno (the descriptors are closed)
 */
int stream_attach(struct stream *s, int in_fd, int out_fd);

/* stream_attach_socket() - likewise the other end of the process' stream socket. */
int stream_attach_socket(struct stream *s, int fd);

/* stream_drain() - move what is there now, until the connection is full. */
void stream_drain(struct stream *s);

/* stream_winsize() - 0 or -errno (ENOTTY: no terminal). */
int stream_winsize(const struct stream *s, uint16_t rows, uint16_t columns);

/* stream_free() - at once, whatever is under way. */
void stream_free(struct stream *s);

/* stream_refill() - open connections ahead for the next process. */
void stream_refill(struct agent *a);

#endif
