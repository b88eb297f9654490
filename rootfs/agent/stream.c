/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: how bytes move
 *
 * Everything is edge-triggered: a direction is pumped until its source is empty
 * or its sink is full, and the event that ends that state comes by itself.  One
 * buffer serves all streams; only what a sink did not take is kept per stream,
 * so an idle stream holds no memory.  After PUMP_ROUNDS buffers a stream lets
 * others go first.
 *
 * A peer that will not read any more (VIRTIO_VSOCK_SHUTDOWN_RCV) makes send()
 * fail with EPIPE, and wakes pollers without an event of its own: an EPOLLOUT
 * edge while nothing is to be sent is answered with a send of no bytes.
 *
 * A process that shuts its socket for writing, and one that closes it, are both seen
 * as the end of file.  Only the first is told to the host as the end of this
 * direction: see half_close in vmm/stream.h.  Once the other direction has ended the
 * two look the same, and both are told as the first.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "rootfs/agent/agent.h"
#include "rootfs/agent/container.h"
#include "rootfs/agent/stream.h"

#define PUMP_SIZE (64u << 10) /* what virtio-vsock puts into one packet */
#define PUMP_ROUNDS 8
#define DRAIN_ROUNDS 32 /* more than a pipe holds: whoever still writes waits */

static char pump_buffer[PUMP_SIZE];

enum pump {
	PUMP_IDLE, /* the source is empty */
	PUMP_FULL, /* the sink is full */
	PUMP_DONE, /* this direction has ended */
	PUMP_AGAIN, /* there is more */
};

/* keep() - store what the sink did not take; false: no memory. */
static bool keep(struct flow *f, const char *data, size_t len)
{
	f->pending = malloc(len);
	if (!f->pending)
		return false;
	memcpy(f->pending, data, len);
	f->off = 0;
	f->len = len;
	return true;
}

static void drop_pending(struct flow *f)
{
	free(f->pending);
	f->pending = NULL;
	f->len = f->off = 0;
}

/* end_out() - no more bytes to the host. @lost: the host does not read them */
static void end_out(struct stream *s, bool lost)
{
	drop_pending(&s->out);
	s->out.done = true;
	/* When the other direction has ended too, run() closes the socket: that says
	 * it with one packet less.  lost: seen by recv() too. */
	if (!lost && (!s->in.done || (s->socket && !s->closed)))
		(void)shutdown(s->sock, SHUT_WR);
	if (s->terminal) {
		/* No slave is left, or nobody looks at it: hang up. */
		s->in.done = true;
		return;
	}
	if (s->socket && lost)
		(void)shutdown(s->out_fd, SHUT_RD); /* the writer gets EPIPE */
	watch_remove(&s->agent->loop, &s->out_watch);
	close_fd(take_fd(&s->out_fd));
}

/* end_in() - no more bytes to the process. @lost: it does not read them */
static void end_in(struct stream *s, bool lost)
{
	drop_pending(&s->in);
	s->in.done = true;
	if (lost)
		(void)shutdown(s->sock, SHUT_RD); /* an ended one stays so */
	if (s->terminal || s->in_fd < 0)
		return;
	if (s->socket)
		(void)shutdown(s->in_fd, SHUT_WR); /* there is a copy: out_fd */
	watch_remove(&s->agent->loop, &s->in_watch);
	close_fd(take_fd(&s->in_fd));
}

/* end_closed() - the process has closed its socket; what it wrote may still be there. */
static void end_closed(struct stream *s)
{
	s->closed = true;
	end_in(s, true);
}

/* hung_up() - nobody has the other end of a socket, or wants to use it. */
static bool hung_up(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 1 && p.revents & (POLLHUP | POLLERR);
}

/*
 * send_some() - to the host.
 * Return: (bytes) taken, fewer than @len when it is full; -1: it does not read
 */
static ssize_t send_some(struct stream *s, const char *data, size_t len)
{
	ssize_t n = send(s->sock, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS))
		return 0;
	return n;
}

static enum pump pump_out_once(struct stream *s)
{
	struct flow *f = &s->out;
	ssize_t n;
	ssize_t sent;

	if (f->len) {
		sent = send_some(s, f->pending + f->off, f->len);
		if (sent < 0)
			goto lost;
		f->off += (size_t)sent;
		f->len -= (size_t)sent;
		if (f->len)
			return PUMP_FULL;
		drop_pending(f);
	}
	if (f->eof) {
		end_out(s, false);
		return PUMP_DONE;
	}
	n = read(s->out_fd, pump_buffer, sizeof(pump_buffer));
	if (n < 0 && errno == EAGAIN)
		return PUMP_IDLE;
	if (n <= 0) { /* EIO: the last slave of a terminal was closed */
		f->eof = true;
		if (s->socket && !s->in.done && hung_up(s->out_fd))
			end_closed(s);
		return PUMP_AGAIN;
	}
	sent = send_some(s, pump_buffer, (size_t)n);
	if (sent < 0)
		goto lost;
	if (sent < n && !keep(f, pump_buffer + sent, (size_t)(n - sent)))
		goto lost;
	return PUMP_AGAIN;
lost:
	end_out(s, true);
	return PUMP_DONE;
}

static enum pump pump_in_once(struct stream *s)
{
	struct flow *f = &s->in;
	ssize_t n;
	ssize_t put;

	if (f->len) {
		put = write(s->in_fd, f->pending + f->off, f->len);
		if (put < 0 && errno == EAGAIN)
			return PUMP_FULL;
		if (put < 0)
			goto lost;
		f->off += (size_t)put;
		f->len -= (size_t)put;
		if (f->len)
			return PUMP_FULL;
		drop_pending(f);
	}
	if (f->eof) {
		end_in(s, false);
		return PUMP_DONE;
	}
	n = recv(s->sock, pump_buffer, sizeof(pump_buffer), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return PUMP_IDLE;
	if (n <= 0) {
		f->eof = true;
		return PUMP_AGAIN;
	}
	put = write(s->in_fd, pump_buffer, (size_t)n);
	if (put < 0 && errno != EAGAIN)
		goto lost;
	put = put < 0 ? 0 : put;
	if (put < n && !keep(f, pump_buffer + put, (size_t)(n - put)))
		goto lost;
	return PUMP_AGAIN;
lost:
	end_in(s, true);
	return PUMP_DONE;
}

static enum pump pump(struct stream *s, struct flow *f,
		      enum pump (*once)(struct stream *s), int rounds)
{
	enum pump ret = PUMP_AGAIN;

	if (f->done)
		return PUMP_DONE;
	while (ret == PUMP_AGAIN && rounds--)
		ret = once(s);
	return ret;
}

/* run() - pump both directions; frees @s when both have ended. */
static void run(struct stream *s, uint32_t events)
{
	enum pump out;
	enum pump in;

	if (!s->opened || !s->attached)
		return;
	out = pump(s, &s->out, pump_out_once, PUMP_ROUNDS);
	in = pump(s, &s->in, pump_in_once, PUMP_ROUNDS);
	if (out == PUMP_IDLE && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) &&
	    send_some(s, "", 0) < 0)
		end_out(s, true);
	if (s->out.done && s->in.done)
		stream_free(s);
	else if (out == PUMP_AGAIN || in == PUMP_AGAIN)
		watch_again(&s->agent->loop, &s->sock_watch);
}

/* open_header() - send the first bytes of a connection once it stands. */
static void open_header(struct stream *s)
{
	socklen_t len = sizeof(int);
	int error = 0;
	ssize_t n;

	n = send(s->sock, &s->header, sizeof(s->header), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
		if (getsockopt(s->sock, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
		    !error)
			return; /* still connecting */
	}
	/* An empty socket takes 8 bytes whole, so what is left is a lost host. */
	s->opened = true;
	if (n != (ssize_t)sizeof(s->header)) {
		s->out.done = true;
		s->in.eof = true;
	}
	if (s->proc)
		proc_stream_opened(s->agent, s->proc);
}

static void sock_ready(struct watch *w, uint32_t events)
{
	struct stream *s = container_of(w, struct stream, sock_watch);

	if (!s->opened)
		open_header(s);
	run(s, events);
}

static void out_ready(struct watch *w, uint32_t events)
{
	(void)events; /* the pump finds out */
	run(container_of(w, struct stream, out_watch), 0);
}

static void in_ready(struct watch *w, uint32_t events)
{
	struct stream *s = container_of(w, struct stream, in_watch);

	/* The process has closed its end: the host is told without asking. */
	if (s->socket && (events & (EPOLLERR | EPOLLHUP)) && !s->in.done)
		end_closed(s);
	else if ((events & EPOLLERR) && !s->in.done)
		end_in(s, true);
	run(s, 0);
}

/* lives() - the host has not closed it while it was idle; ENOTCONN: not yet made. */
static bool lives(int sock)
{
	char byte;

	return recv(sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       (errno == EAGAIN || errno == ENOTCONN);
}

/* begin() - a connection that was opened ahead, or a new one. */
static int begin(struct agent *a)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(a->spare_streams); i++) {
		int sock = take_fd(&a->spare_streams[i]);

		if (sock >= 0 && lives(sock))
			return sock;
		close_fd(sock);
	}
	return a->params->stream_connect(a->params->opaque);
}

struct stream *stream_open(struct agent *a, struct proc *p, unsigned int kind)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct stream){
		.agent = a,
		.proc = p,
		.sock = begin(a),
		.in_fd = -1,
		.out_fd = -1,
		.header = { .container = p->container->number,
			    .kind = (uint16_t)kind,
			    .proc = p->number },
	};
	if (s->sock < 0 ||
	    watch_add(&a->loop, &s->sock_watch, s->sock,
		      EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, sock_ready) < 0) {
		close_fd(s->sock);
		free(s);
		return NULL;
	}
	s->next = a->streams;
	a->streams = s;
	p->streams[kind] = s;
	open_header(s);
	return s;
}

int stream_attach(struct stream *s, int in_fd, int out_fd)
{
	struct watch_loop *loop = &s->agent->loop;
	int ret = 0;

	s->terminal = in_fd >= 0 && in_fd == out_fd;
	s->in_fd = in_fd;
	s->out_fd = out_fd;
	if (out_fd >= 0)
		ret = watch_add(loop, &s->out_watch, out_fd,
				EPOLLIN | EPOLLET | (s->terminal ? EPOLLOUT : 0u),
				out_ready);
	if (ret == 0 && in_fd >= 0 && !s->terminal)
		ret = watch_add(loop, &s->in_watch, in_fd, EPOLLOUT | EPOLLET, in_ready);
	if (ret < 0) {
		stream_free(s);
		return ret;
	}
	if (in_fd < 0)
		s->in.done = true;
	if (out_fd < 0)
		s->out.done = true;
	s->attached = true;
	/* Data may be waiting already on either side; not from here, though: the
	 * caller is in the middle of something. */
	watch_again(loop, &s->sock_watch);
	return 0;
}

int stream_attach_socket(struct stream *s, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int code = errno;

	if (copy < 0) {
		close_fd(fd);
		stream_free(s);
		return -code;
	}
	s->socket = true;
	return stream_attach(s, fd, copy);
}

void stream_drain(struct stream *s)
{
	if (s->opened && s->attached)
		(void)pump(s, &s->out, pump_out_once, DRAIN_ROUNDS);
	watch_again(&s->agent->loop, &s->sock_watch);
}

int stream_winsize(const struct stream *s, uint16_t rows, uint16_t columns)
{
	struct winsize ws = { .ws_row = rows, .ws_col = columns };

	if (!s->terminal)
		return -ENOTTY;
	return ioctl(s->out_fd, TIOCSWINSZ, &ws) < 0 ? -errno : 0;
}

void stream_free(struct stream *s)
{
	struct agent *a = s->agent;
	struct stream **p = &a->streams;

	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	if (s->proc)
		s->proc->streams[s->header.kind] = NULL;
	watch_remove(&a->loop, &s->sock_watch);
	watch_remove(&a->loop, &s->in_watch);
	watch_remove(&a->loop, &s->out_watch);
	drop_pending(&s->in);
	drop_pending(&s->out);
	if (!s->terminal)
		close_fd(s->in_fd);
	close_fd(s->out_fd);
	close_fd(s->sock);
	free(s);
}

void stream_refill(struct agent *a)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(a->spare_streams); i++)
		if (a->spare_streams[i] < 0)
			a->spare_streams[i] =
				a->params->stream_connect(a->params->opaque);
}
