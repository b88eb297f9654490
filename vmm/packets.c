/* SPDX-License-Identifier: Apache-2.0 */
/* As in stream.c a call into the vsock device is the last thing that a function does. */
#include "vmm/packets.h"

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
#include "vmm/agent_proto.h"
#include "vmm/loop.h"
#include "vmm/virtio/vsock.h"

#define HEAD sizeof(struct agent_packet)

static_assert(HEAD + AGENT_MAX_PACKET <= VSOCK_BUF_ALLOC, "the credit holds a message");

struct packets {
	struct loop *loop;
	const char *name;
	struct vsock_conn *conn; /* NULL: gone */
	int fd; /* owned; -1: closed */
	struct loop_source event;
	bool source_ended; /* nothing more to the guest */
	bool sink_broken; /* it takes no more from the guest */
	bool guest_eof;
	struct buf in; /* from the guest: messages, the last one perhaps not whole */
	size_t out_len; /* (bytes) of the message to the guest, with its head; 0: none */
	size_t out_sent;
	char out[HEAD + AGENT_MAX_PACKET];
};

static void close_socket(struct packets *p)
{
	loop_remove(p->loop, &p->event);
	close_fd(p->fd);
	p->fd = -1;
	p->source_ended = true;
	buf_release(&p->in);
	p->in = (struct buf)BUF_INIT;
}

/* give_up() - the socket's end; the guest is told. */
static void give_up(struct packets *p)
{
	struct vsock_conn *conn = p->conn;

	p->conn = NULL;
	close_socket(p);
	if (conn)
		vsock_conn_close(conn);
}

/* ---- from the guest ------------------------------------------------------------------ */

static int watch(struct packets *p, uint32_t on, uint32_t off)
{
	if (!p->event.ready)
		return -EPIPE; /* hung up: everything is answered at once */
	return loop_modify(p->loop, &p->event, (p->event.events | on) & ~off);
}

/*
 * hand_on() - as many messages as the socket takes.
 * Return: (bytes) that left the buffer; -EPROTO: the guest broke the rules
 */
static ssize_t hand_on(struct packets *p)
{
	size_t at = 0;
	bool full = false;

	while (p->in.len - at >= HEAD) {
		struct agent_packet head;

		memcpy(&head, p->in.data + at, HEAD);
		if (head.len > AGENT_MAX_PACKET)
			return -EPROTO;
		if (p->in.len - at - HEAD < head.len)
			break;
		if (send(p->fd, p->in.data + at + HEAD, head.len,
			 MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			full = errno == EAGAIN && watch(p, EPOLLOUT, 0) == 0;
			p->sink_broken = !full;
			break;
		}
		at += HEAD + head.len;
	}
	if (p->sink_broken)
		at = p->in.len;
	buf_consume(&p->in, at);
	if (!full)
		(void)watch(p, 0, EPOLLOUT); /* hung up: not watched */
	if (p->guest_eof && !full)
		(void)shutdown(p->fd, SHUT_WR); /* a peer that has gone knows it */
	return (ssize_t)at;
}

/* consumed() - tell the guest what hand_on() did.  Nothing here closes a connection. */
static void consumed(const struct packets *p, size_t len)
{
	if (p->sink_broken)
		vsock_conn_shutdown(p->conn, VSOCK_SHUT_RCV);
	if (p->conn && len)
		vsock_conn_consumed(p->conn, len);
}

static int packets_recv(struct vsock_conn *conn, const struct iovec *iov, unsigned int n,
			size_t len)
{
	struct packets *p = vsock_conn_opaque(conn);
	ssize_t done;

	if (p->sink_broken) {
		vsock_conn_consumed(conn, len);
		return 0;
	}
	/* The credit that the guest was given bounds the buffer. */
	for (unsigned int i = 0; i < n; i++)
		(void)buf_append(&p->in, iov[i].iov_base, iov[i].iov_len);
	done = buf_ok(&p->in) < 0 ? -ENOMEM : hand_on(p);
	if (done < 0) {
		if (done == -EPROTO)
			log_warn("%s: a message from the guest longer than %u bytes",
				 p->name, AGENT_MAX_PACKET);
		close_socket(p);
		return -1;
	}
	consumed(p, (size_t)done);
	return 0;
}

static void packets_peer_shutdown(struct vsock_conn *conn, unsigned int flags)
{
	struct packets *p = vsock_conn_opaque(conn);

	if (p->fd < 0)
		return;
	if (flags & VSOCK_SHUT_RCV)
		(void)shutdown(p->fd, SHUT_RD); /* a peer that has gone knows it */
	if (flags & VSOCK_SHUT_SEND) {
		p->guest_eof = true;
		if (!(p->event.events & EPOLLOUT))
			(void)shutdown(p->fd, SHUT_WR); /* the same */
	}
}

static void packets_closed(struct vsock_conn *conn)
{
	struct packets *p = vsock_conn_opaque(conn);

	p->conn = NULL;
	close_socket(p);
}

/* ---- to the guest ---------------------------------------------------------------------- */

/* take_message() - Return: (bytes) with its head; 0: the end; -EAGAIN; -errno */
static ssize_t take_message(struct packets *p)
{
	struct iovec iov = { p->out + HEAD, AGENT_MAX_PACKET };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = recvmsg(p->fd, &msg, MSG_DONTWAIT | MSG_TRUNC);
	struct agent_packet head = { .len = (uint32_t)n };

	if (n < 0)
		return -errno;
	if (msg.msg_flags & MSG_CTRUNC) {
		log_warn("%s: passing descriptors (SCM_RIGHTS) is not supported",
			 p->name);
		return -EOPNOTSUPP;
	}
	if (n > (ssize_t)AGENT_MAX_PACKET) {
		log_warn("%s: a message of %zd bytes, %u can be carried", p->name, n,
			 AGENT_MAX_PACKET);
		return -EMSGSIZE;
	}
	memcpy(p->out, &head, HEAD);
	return n ? n + (ssize_t)HEAD : 0;
}

static ssize_t packets_pull(struct vsock_conn *conn, const struct iovec *iov,
			    unsigned int n, size_t room)
{
	struct packets *p = vsock_conn_opaque(conn);
	size_t done = 0;

	if (p->source_ended)
		return VSOCK_PULL_EOF;
	if (!p->out_len) {
		ssize_t len = take_message(p);

		if (len == -EAGAIN)
			return watch(p, EPOLLIN, 0) < 0 ? VSOCK_PULL_EOF : 0;
		if (len <= 0) {
			p->source_ended = true;
			return VSOCK_PULL_EOF;
		}
		p->out_len = (size_t)len;
		p->out_sent = 0;
	}
	for (unsigned int i = 0; i < n && done < room && p->out_sent < p->out_len; i++) {
		size_t len = p->out_len - p->out_sent;

		if (len > iov[i].iov_len)
			len = iov[i].iov_len;
		if (len > room - done)
			len = room - done;
		memcpy(iov[i].iov_base, p->out + p->out_sent, len);
		p->out_sent += len;
		done += len;
	}
	if (p->out_sent == p->out_len)
		p->out_len = 0;
	return (ssize_t)done;
}

/* ---- the socket ---------------------------------------------------------------------------- */

static void ready(struct loop_source *src, uint32_t events)
{
	struct packets *p = container_of(src, struct packets, event);
	struct vsock_conn *conn = p->conn;
	ssize_t done = 0;

	if (!conn || watch(p, 0, EPOLLIN) < 0) {
		give_up(p);
		return;
	}
	if (p->event.events & EPOLLOUT)
		done = hand_on(p);
	if (done < 0) {
		give_up(p);
		return;
	}
	/* What it has sent before is read to its end, which is there now. */
	if (events & (EPOLLERR | EPOLLHUP))
		loop_remove(p->loop, &p->event);
	consumed(p, (size_t)done);
	if (p->conn)
		vsock_conn_want_send(p->conn);
}

static const struct vsock_conn_ops ops = {
	.recv = packets_recv,
	.pull = packets_pull,
	.peer_shutdown = packets_peer_shutdown,
	.closed = packets_closed,
};

int packets_new(struct loop *loop, int fd, const char *name, struct vsock_conn *conn,
		struct packets **ret, struct err *err)
{
	struct packets *p = calloc(1, sizeof(*p));
	int code;

	if (!p) {
		close_fd(fd);
		return err_set(err, ENOMEM, "%s", name);
	}
	p->loop = loop;
	p->name = name;
	p->fd = fd;
	p->in = (struct buf)BUF_INIT;
	code = loop_add(loop, &p->event, fd, EPOLLIN, ready, err);
	if (code < 0) {
		close_fd(fd);
		free(p);
		return code;
	}
	p->conn = conn;
	vsock_conn_own(conn, &ops, p);
	*ret = p;
	return 0;
}

bool packets_ended(const struct packets *p)
{
	return !p->conn;
}

void packets_free(struct packets *p)
{
	if (!p)
		return;
	give_up(p);
	free(p);
}
