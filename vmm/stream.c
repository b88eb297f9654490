/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Care is taken with calls into the vsock device: they may start a round, which may call
 * any stream's callbacks.  So each is the last thing that a function here does.
 */
#include "vmm/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "lib/log.h"
#include "vmm/loop.h"
#include "vmm/stream_fd.h"
#include "vmm/virtio/vsock.h"

#define RING_SIZE ((size_t)VSOCK_BUF_ALLOC)

struct stream {
	struct stream_params params;
	struct vsock_conn *conn; /* NULL: not attached yet, or gone */
	bool attached;

	struct stream_fd source;
	struct loop_source source_event;
	bool source_ready; /* reading may give something */

	struct stream_fd sink;
	struct loop_source sink_event;
	bool sink_broken; /* it takes no more */
	bool guest_eof; /* the guest will not send any more */
	bool guest_deaf; /* nor read */
	bool shut_sink; /* it said so, and keeps the descriptor: params.half_close */
	bool hurry;
	bool held; /* stream_hold() */
	uint64_t progress;

	char *ring; /* NULL while empty; RING_SIZE bytes */
	size_t ring_first;
	size_t ring_len;
};

static struct stream_stats stats;

/* ---- the ring ------------------------------------------------------------------ */

/* ring_put() - append @iov without its first @skip bytes. */
static int ring_put(struct stream *s, const struct iovec *iov, unsigned int n,
		    size_t skip, size_t len)
{
	struct iovec rest[VSOCK_MAX_IOV];

	/* The credit given to the guest does not let it come so far. */
	if (n > VSOCK_MAX_IOV || len > RING_SIZE - s->ring_len)
		return -ENOSPC;
	if (!s->ring)
		s->ring = malloc(RING_SIZE);
	if (!s->ring)
		return -ENOMEM;
	n = vsock_iov_skip(rest, iov, n, skip, len);
	for (unsigned int i = 0; i < n; i++) {
		const char *src = rest[i].iov_base;
		size_t left = rest[i].iov_len;

		while (left) {
			size_t at = (s->ring_first + s->ring_len) % RING_SIZE;
			size_t take = RING_SIZE - at < left ? RING_SIZE - at : left;

			memcpy(s->ring + at, src, take);
			s->ring_len += take;
			src += take;
			left -= take;
		}
	}
	stats.copied += len;
	return 0;
}

static unsigned int ring_iov(const struct stream *s, struct iovec iov[2])
{
	size_t first = RING_SIZE - s->ring_first;

	if (first > s->ring_len)
		first = s->ring_len;
	iov[0].iov_base = s->ring + s->ring_first;
	iov[0].iov_len = first;
	iov[1].iov_base = s->ring;
	iov[1].iov_len = s->ring_len - first;
	return iov[1].iov_len ? 2 : 1;
}

static void ring_drop(struct stream *s, size_t len)
{
	s->ring_first = (s->ring_first + len) % RING_SIZE;
	s->ring_len -= len;
	if (s->ring_len)
		return;
	s->ring_first = 0;
	free(s->ring);
	s->ring = NULL;
}

/* ---- the sink ------------------------------------------------------------------ */

static void changed(struct stream *s)
{
	if (s->params.changed)
		s->params.changed(s->params.opaque, s);
}

static void close_sink(struct stream *s)
{
	loop_remove(s->params.loop, &s->sink_event);
	stream_fd_close(&s->sink);
}

/* end_sink() - the last byte is out. */
static void end_sink(struct stream *s)
{
	/* It fails when the peer has gone, who needs not be told then. */
	if (s->shut_sink && s->sink.mode == STREAM_FD_SOCKET)
		(void)shutdown(s->sink.fd, SHUT_WR);
	close_sink(s);
}

/* break_sink() - nobody takes these bytes any more; how many were dropped. */
static size_t break_sink(struct stream *s, int code)
{
	size_t dropped = s->ring_len;

	if (code != EPIPE && code != EIO)
		log_warn("%s: write: %s", s->params.name, strerrordesc_np(code));
	close_sink(s);
	ring_drop(s, dropped);
	s->sink_broken = true;
	return dropped;
}

/* sink_write() - as stream_fd_writev(); a pipe grows when there is a hurry. */
static ssize_t sink_write(struct stream *s, const struct iovec *iov, unsigned int n)
{
	ssize_t ret;

	do {
		ret = stream_fd_writev(&s->sink, iov, n);
		stats.writes++;
	} while (ret == -EAGAIN && s->hurry && stream_fd_grow(&s->sink));
	if (ret > 0) {
		s->progress += (uint64_t)ret;
		stats.from_guest += (uint64_t)ret;
	}
	if (ret == -EAGAIN && !s->sink.pollable)
		return -EIO; /* nothing would tell us when to go on */
	return ret;
}

static void on_sink(struct loop_source *src, uint32_t events);

/* watch_sink() - for room when @full, always for a reader that goes away. */
static int watch_sink(struct stream *s, bool full)
{
	uint32_t events = full ? EPOLLOUT : 0;

	if (s->sink.mode == STREAM_FD_NONE || !s->sink.pollable)
		return 0;
	if (s->sink_event.ready)
		return loop_modify(s->params.loop, &s->sink_event, events);
	return loop_add(s->params.loop, &s->sink_event, s->sink.fd, events, on_sink,
			NULL);
}

/* sink_flush() - hand on what waits; how many bytes left the ring, or -errno. */
static ssize_t sink_flush(struct stream *s)
{
	size_t done = 0;
	ssize_t ret;

	ret = stream_fd_flush(&s->sink);
	if (ret == -EAGAIN && s->hurry && stream_fd_grow(&s->sink))
		ret = stream_fd_flush(&s->sink);
	while (ret >= 0 && s->ring_len) {
		struct iovec iov[2];
		unsigned int n = ring_iov(s, iov);

		ret = sink_write(s, iov, n);
		if (ret > 0) {
			ring_drop(s, (size_t)ret);
			done += (size_t)ret;
		}
	}
	if (ret >= 0 && s->sink.held)
		ret = -EAGAIN;
	if (ret < 0 && ret != -EAGAIN)
		return ret;
	ret = watch_sink(s, ret == -EAGAIN);
	return ret < 0 ? ret : (ssize_t)done;
}

/* sink_go_on() - there may be room; gives the guest credit for what went out. */
static void sink_go_on(struct stream *s)
{
	ssize_t done = sink_flush(s);
	struct vsock_conn *conn;

	if (done < 0) {
		done = (ssize_t)break_sink(s, (int)-done);
		if (s->conn)
			vsock_conn_shutdown(s->conn, VSOCK_SHUT_RCV);
	} else if (s->guest_eof && stream_idle(s)) {
		end_sink(s);
	}
	conn = s->conn;
	changed(s);
	if (conn && done)
		vsock_conn_consumed(conn, (size_t)done);
}

static void on_sink(struct loop_source *src, uint32_t events)
{
	struct stream *s = container_of(src, struct stream, sink_event);

	if (s->held) {
		/* Level triggered: it would come again and again. */
		loop_remove(s->params.loop, &s->sink_event);
		return;
	}
	if (events & (EPOLLERR | EPOLLHUP)) {
		size_t dropped = break_sink(s, EPIPE);
		struct vsock_conn *conn = s->conn;

		changed(s);
		if (!conn)
			return;
		/* Nothing of what is called here closes a connection. */
		vsock_conn_shutdown(conn, VSOCK_SHUT_RCV);
		if (s->conn)
			vsock_conn_consumed(s->conn, dropped);
		return;
	}
	sink_go_on(s);
}

int stream_input(struct stream *s, const struct iovec *iov, unsigned int n, size_t len)
{
	struct iovec rest[VSOCK_MAX_IOV];
	size_t done = 0;
	ssize_t ret = 0;

	if (s->sink_broken) {
		vsock_conn_consumed(s->conn, len);
		return 0;
	}
	if (stream_idle(s)) {
		while (done < len) {
			unsigned int left =
				vsock_iov_skip(rest, iov, n, done, len - done);

			ret = sink_write(s, rest, left);
			if (ret < 0)
				break;
			done += (size_t)ret;
		}
	} else {
		ret = -EAGAIN;
	}
	if (done < len && ret == -EAGAIN) {
		if (!s->ring_len)
			stats.stalls++;
		ret = ring_put(s, iov, n, done, len - done);
		if (ret < 0)
			return (int)ret;
	}
	if (ret >= 0)
		ret = watch_sink(s, !stream_idle(s));
	if (ret < 0) {
		(void)break_sink(s, (int)-ret); /* its ring is part of len */
		done = len;
		vsock_conn_shutdown(s->conn, VSOCK_SHUT_RCV);
	}
	if (!stream_idle(s) && s->hurry)
		changed(s);
	if (s->conn && done)
		vsock_conn_consumed(s->conn, done);
	return 0;
}

/* ---- the source ---------------------------------------------------------------- */

static void close_source(struct stream *s)
{
	loop_remove(s->params.loop, &s->source_event);
	stream_fd_close(&s->source);
	s->source_ready = false;
}

static void on_source(struct loop_source *src, uint32_t events)
{
	struct stream *s = container_of(src, struct stream, source_event);

	(void)events;
	s->source_ready = true;
	if (s->conn)
		vsock_conn_want_send(s->conn);
	/* The guest did not take it (no credit, no buffers): level triggered, the event
	 * would only come again.  pull() watches anew when it has read. */
	if (s->source_ready)
		loop_remove(s->params.loop, &s->source_event);
}

/* watch_source() - true: an event will say when there is something. */
static bool watch_source(struct stream *s)
{
	if (!s->source.pollable)
		return false;
	if (!s->source_event.ready &&
	    loop_add(s->params.loop, &s->source_event, s->source.fd, EPOLLIN, on_source,
		     NULL) < 0)
		s->source.pollable = false; /* EPERM: such as /dev/null */
	s->source_ready = !s->source.pollable;
	return s->source.pollable;
}

static ssize_t stream_pull(struct vsock_conn *conn, const struct iovec *iov,
			   unsigned int n, size_t room)
{
	struct stream *s = vsock_conn_opaque(conn);
	ssize_t ret;

	if (!s->source_ready)
		return 0;
	ret = stream_fd_readv(&s->source, iov, n);
	stats.reads++;
	if (s->source.cut && s->params.no_rights) {
		log_warn("%s: passing descriptors (SCM_RIGHTS) is not supported",
			 s->params.name);
		ret = 0;
	}
	if (ret == -EAGAIN && watch_source(s))
		return 0;
	if (ret <= 0) {
		/* A terminal that hung up says EIO. */
		if (ret < 0 && ret != -EIO)
			log_warn("%s: read: %s", s->params.name,
				 strerrordesc_np((int)-ret));
		close_source(s);
		return VSOCK_PULL_EOF;
	}
	stats.to_guest += (uint64_t)ret;
	if ((size_t)ret < room)
		(void)watch_source(s); /* empty for now; a file stays ready */
	return ret;
}

/* ---- the connection -------------------------------------------------------------- */

static int stream_recv(struct vsock_conn *conn, const struct iovec *iov, unsigned int n,
		       size_t len)
{
	return stream_input(vsock_conn_opaque(conn), iov, n, len);
}

static void guest_is_done(struct stream *s)
{
	s->guest_eof = true;
	if (stream_idle(s))
		end_sink(s);
}

static void stream_peer_shutdown(struct vsock_conn *conn, unsigned int flags)
{
	struct stream *s = vsock_conn_opaque(conn);

	if (flags & VSOCK_SHUT_RCV) {
		s->guest_deaf = true;
		close_source(s);
	}
	if (flags & VSOCK_SHUT_SEND) {
		s->shut_sink = s->params.half_close && !s->guest_deaf;
		guest_is_done(s);
	}
	changed(s);
}

static void stream_closed(struct vsock_conn *conn)
{
	struct stream *s = vsock_conn_opaque(conn);

	s->conn = NULL;
	close_source(s);
	guest_is_done(s);
	changed(s);
}

static const struct vsock_conn_ops stream_ops = {
	.recv = stream_recv,
	.pull = stream_pull,
	.peer_shutdown = stream_peer_shutdown,
	.closed = stream_closed,
};

int stream_new(const struct stream_params *params, struct stream **ret_stream,
	       struct err *err)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s) {
		close_fd(params->source_fd);
		close_fd(params->sink_fd);
		return err_set(err, ENOMEM, "%s", params->name);
	}
	s->params = *params;
	s->source_event.fd = -1;
	s->sink_event.fd = -1;
	stream_fd_open(&s->source, params->source_fd, false, params->reopen);
	stream_fd_open(&s->sink, params->sink_fd, true, params->reopen);
	*ret_stream = s;
	return 0;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	close_source(s);
	close_sink(s);
	free(s->ring);
	if (s->conn)
		vsock_conn_close(s->conn);
	free(s);
}

/* begin_source() - have its bytes pulled, from now on. */
static void begin_source(struct stream *s)
{
	if (s->params.one_way || (s->source.mode != STREAM_FD_NONE && watch_source(s)))
		return;
	s->source_ready = true; /* a file, or none: the end can be read at once */
	vsock_conn_want_send(s->conn);
}

void stream_attach(struct stream *s, struct vsock_conn *conn)
{
	s->conn = conn;
	s->attached = true;
	vsock_conn_own(conn, &stream_ops, s);
	/* A sink whose reader has gone already is told at the next turn of the loop. */
	if (watch_sink(s, false) < 0)
		s->sink.pollable = false; /* EPERM: a file, /dev/null */
	begin_source(s);
}

int stream_save(const struct stream *s, struct buf *out)
{
	struct iovec iov[2];
	unsigned int n;

	if (s->sink.held)
		return -EAGAIN;
	if (!s->ring_len)
		return 0;
	n = ring_iov(s, iov);
	for (unsigned int i = 0; i < n; i++)
		(void)buf_append(out, iov[i].iov_base, iov[i].iov_len);
	return buf_ok(out);
}

const struct vsock_conn *stream_conn(const struct stream *s)
{
	return s->conn;
}

/* resume_halves() - what either side has said on the connection. */
static void resume_halves(struct stream *s, unsigned int shut, unsigned int peer)
{
	if (shut & VSOCK_SHUT_SEND)
		close_source(s);
	if (shut & VSOCK_SHUT_RCV)
		(void)break_sink(s, EPIPE);
	if (peer & VSOCK_SHUT_RCV) {
		s->guest_deaf = true;
		close_source(s);
	}
	if (peer & VSOCK_SHUT_SEND) {
		s->shut_sink = s->params.half_close && !s->guest_deaf;
		s->guest_eof = true;
	}
}

int stream_resume(struct stream *s, struct vsock_conn *conn, const void *waiting,
		  size_t len)
{
	struct iovec iov = { .iov_len = len };

	if (len > RING_SIZE || (conn && vsock_conn_unconsumed(conn) != len))
		return -EPROTO;
	memcpy(&iov.iov_base, &waiting, sizeof(waiting)); /* it is only read */
	if (len && ring_put(s, &iov, 1, 0, len) < 0)
		return -ENOMEM;
	s->attached = true;
	s->conn = conn;
	if (conn) {
		vsock_conn_own(conn, &stream_ops, s);
		resume_halves(s, vsock_conn_shut(conn), vsock_conn_peer_shut(conn));
	} else {
		close_source(s);
		s->guest_eof = true;
	}
	/* Level triggered: what waits goes out at the next turn of the loop. */
	if (watch_sink(s, len > 0) < 0)
		s->sink.pollable = false; /* EPERM: a file, /dev/null */
	return 0;
}

void stream_hold(struct stream *s)
{
	s->held = true;
}

void stream_let_go(struct stream *s)
{
	s->held = false;
	sink_go_on(s); /* watches it again */
}

void stream_go_on(struct stream *s)
{
	if (!stream_idle(s) || s->guest_eof)
		sink_go_on(s);
	if (s->conn && !s->guest_deaf && !(vsock_conn_shut(s->conn) & VSOCK_SHUT_SEND))
		begin_source(s);
}

bool stream_attached(const struct stream *s)
{
	return s->attached;
}

bool stream_gone(const struct stream *s)
{
	return s->attached && !s->conn && stream_ended(s);
}

bool stream_idle(const struct stream *s)
{
	return !s->ring_len && !s->sink.held;
}

bool stream_ended(const struct stream *s)
{
	return s->sink_broken || (s->guest_eof && stream_idle(s));
}

size_t stream_pending(const struct stream *s)
{
	return s->ring_len + s->sink.held;
}

uint64_t stream_progress(const struct stream *s)
{
	return s->progress;
}

int stream_sink(const struct stream *s)
{
	return s->sink.fd;
}

void stream_hurry(struct stream *s)
{
	s->hurry = true;
	if (!stream_idle(s))
		sink_go_on(s);
}

bool stream_stuck(const struct stream *s)
{
	return s->sink.is_pipe && s->sink.grown && !stream_idle(s);
}

const struct stream_stats *stream_stats(void)
{
	return &stats;
}

void stream_log_stats(void)
{
	log_debug(
		"streams: to the guest %llu bytes in %llu reads; from the guest %llu bytes in "
		"%llu writes, %llu bytes copied, %llu stalls",
		(unsigned long long)stats.to_guest, (unsigned long long)stats.reads,
		(unsigned long long)stats.from_guest, (unsigned long long)stats.writes,
		(unsigned long long)stats.copied, (unsigned long long)stats.stalls);
}
