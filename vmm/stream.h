/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct stream - the caller's descriptors on one side, a vsock connection of the
 * guest on the other: stdin and stdout of a process, or its stderr.
 *
 *	source (stdin)  -> guest	read straight into the guest's buffers
 *	guest -> sink (stdout)		written straight from them; what the sink
 *					does not take now waits in a ring of at most
 *					VSOCK_BUF_ALLOC bytes, made when needed
 *
 * End of the source: VIRTIO_VSOCK_SHUTDOWN_SEND.  A sink that takes no more (no
 * reader, disk full): SHUTDOWN_RCV, so the process gets EPIPE.  The guest's end
 * of file closes the sink when the last byte is out: then a reader of the pipe
 * sees its end.  A stalled sink stalls its own stream only: the guest runs out of credit.
 *
 * Calling sequence: stream_new() with the descriptors, stream_attach() when the
 * guest's connection has come, stream_free() at any time.
 * The loop's thread only.
 */
#ifndef HULL_VMM_STREAM_H
#define HULL_VMM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct buf;
struct err;
struct loop;
struct stream;
struct vsock_conn;

struct stream_params {
	struct loop *loop; /* borrowed until stream_free() */
	int source_fd; /* owned from now on; -1: at its end */
	int sink_fd; /* owned from now on; -1: takes all */
	bool one_way; /* no source, and the guest does not wait for its end: stderr */
	bool half_close; /* the sink is a socket that others hold too, and the guest's
			  * end of file is to be its peer's: shutdown(2).  The guest's
			  * close is none: others may go on with the socket */
	bool no_rights; /* descriptors that the source's peer passes (SCM_RIGHTS) end the
			 * stream, by name; else they are dropped */
	bool reopen; /* /proc is there: see vmm/stream_fd.h */
	const char *name; /* for the log: "stdout"; static */
	/* The ring ran empty, the stream ended or stalled; @opaque's owner may ask
	 * which.  It must not free the stream from here. May be NULL. */
	void (*changed)(void *opaque, struct stream *s);
	void *opaque;
};

/* stream_new() - the descriptors are taken also when it fails. */
int stream_new(const struct stream_params *params, struct stream **ret_stream,
	       struct err *err);

/* stream_free() - resets the connection when there still is one; what is left in the ring
 * is dropped. */
void stream_free(struct stream *s);

/* stream_attach() - @conn is the stream's from now on; once. */
void stream_attach(struct stream *s, struct vsock_conn *conn);
bool stream_attached(const struct stream *s);

/*
 * stream_save() - append to @out what came from the guest and waits for the sink.
 * Return: 0; -EAGAIN: it is on its way where it cannot be seen; -ENOMEM
 */
int stream_save(const struct stream *s, struct buf *out);

/* stream_conn() - its connection, or NULL. */
const struct vsock_conn *stream_conn(const struct stream *s);

/*
 * stream_resume() - as stream_attach(), with a connection that has been another stream's in
 * the machine that was saved.
 * @conn: NULL: it has ended, but not all is handed on
 * @waiting: what stream_save() gave; as much as the connection has unconsumed
 * Return: 0; -EPROTO (more or less than that); -ENOMEM
 */
int stream_resume(struct stream *s, struct vsock_conn *conn, const void *waiting,
		  size_t len);
/* stream_hold() / stream_let_go() - nothing is handed to the sink in between: what waits is
 * in an image. */
void stream_hold(struct stream *s);
void stream_let_go(struct stream *s);

/* stream_go_on() - after stream_resume(), once the guest runs. */
void stream_go_on(struct stream *s);

/* stream_gone() - it was attached, its connection has ended, and all is handed on. */
bool stream_gone(const struct stream *s);

/* stream_input() - bytes that came with the connection's first ones. */
int stream_input(struct stream *s, const struct iovec *iov, unsigned int n, size_t len);

/* stream_idle() - all that came from the guest has been handed on. */
bool stream_idle(const struct stream *s);

/* stream_ended() - and nothing will come any more. */
bool stream_ended(const struct stream *s);

/* stream_pending() - (bytes) that came from the guest and wait for the sink. */
size_t stream_pending(const struct stream *s);

/* stream_progress() - (bytes) ever taken by the sink. */
uint64_t stream_progress(const struct stream *s);

/* stream_sink() - the sink's descriptor, borrowed; -1 when closed. */
int stream_sink(const struct stream *s);

/*
 * stream_hurry() - the process has ended: a pipe that is full is made larger, now and
 * whenever it is full again, so that what is left fits.
 */
void stream_hurry(struct stream *s);

/* stream_stuck() - bytes wait for a pipe that nobody reads: it was made as large as it may be. */
bool stream_stuck(const struct stream *s);

struct stream_stats {
	uint64_t to_guest; /* (bytes) */
	uint64_t from_guest;
	uint64_t reads; /* calls that read from a source */
	uint64_t writes; /* calls that wrote to a sink */
	uint64_t copied; /* (bytes) that went through a ring */
	uint64_t stalls; /* times a sink was full */
};

/* stream_stats() - sums over all streams of the process. */
const struct stream_stats *stream_stats(void);
void stream_log_stats(void);

#endif
