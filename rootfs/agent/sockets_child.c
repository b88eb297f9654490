/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child that offers sockets of the host's and carries their connections.
 *
 *	client ---- recvmsg() ----> to_host ----> vsock		as bytes, or for
 *	client <--- send() -------- to_client <-- vsock		SOCK_SEQPACKET as
 *								messages with lengths
 *
 * Each buffer is filled only while it is nearly empty, so a client that does not read
 * stalls its own connection.  An empty message is an end of file.  Descriptors that a client
 * passes (SCM_RIGHTS) mean nothing on the host: its connection ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "lib/io.h"
#include "rootfs/agent/agent.h"
#include "rootfs/agent/spawn.h"
#include "rootfs/agent/sockets.h"

#define BACKLOG 128
#define CHUNK (64u << 10) /* (bytes) that are carried at once */
#define ROUNDS 16 /* chunks until it is another's turn */
#define HEAD sizeof(struct agent_packet)

struct offer {
	LIST_ENTRY(offer) link;
	struct child *child;
	uint64_t node;
	int type;
	struct watch listener;
};

/* One direction of a connection. */
struct way {
	struct buf b;
	bool eof; /* nothing will be added to b */
	bool shut; /* the other end has been told */
	bool full; /* the other end takes nothing now */
};

struct carried {
	LIST_ENTRY(carried) link;
	struct child *child;
	int type;
	bool accepted; /* by the host */
	struct watch client;
	struct watch host;
	struct way to_host;
	struct way to_client;
};

struct child {
	const struct agent_params *params;
	struct watch_loop loop;
	struct watch agent;
	LIST_HEAD(offers, offer) offers;
	LIST_HEAD(carrieds, carried) connections;
	unsigned int n_connections;
	char message[AGENT_MAX_PACKET];
};

static void carried_free(struct carried *c)
{
	struct child *ch = c->child;

	LIST_REMOVE(c, link);
	ch->n_connections--;
	watch_remove(&ch->loop, &c->client);
	watch_remove(&ch->loop, &c->host);
	close_fd(c->client.fd);
	close_fd(c->host.fd);
	buf_release(&c->to_host.b);
	buf_release(&c->to_client.b);
	free(c);
}

/* ---- bytes and messages ------------------------------------------------------------------- */

/* flush() - as much as the host takes. */
static int flush(int fd, struct way *w)
{
	w->full = false;
	while (w->b.len && !w->full) {
		ssize_t n = send(fd, w->b.data, w->b.len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != ENOTCONN)
			return -errno;
		w->full = n < 0;
		if (n > 0)
			buf_consume(&w->b, (size_t)n);
	}
	return 0;
}

/* deliver() - whole messages, as many as the client takes. */
static int deliver(int fd, struct way *w)
{
	size_t at = 0;

	w->full = false;
	while (w->b.len - at >= HEAD) {
		struct agent_packet head;

		memcpy(&head, w->b.data + at, HEAD);
		if (head.len > AGENT_MAX_PACKET)
			return -EPROTO;
		if (w->b.len - at - HEAD < head.len)
			break;
		if (send(fd, w->b.data + at + HEAD, head.len,
			 MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			if (errno != EAGAIN)
				return -errno;
			w->full = true;
			break;
		}
		at += HEAD + head.len;
	}
	buf_consume(&w->b, at);
	return 0;
}

static int put(struct way *w, const void *data, size_t len)
{
	return buf_append(&w->b, data, len) < 0 ? -ENOMEM : 0;
}

/* take() - a chunk, or a message with its length.  0; -EAGAIN; -errno */
static int take(struct carried *c, int fd, struct way *w, bool message)
{
	struct child *ch = c->child;
	struct iovec iov = { ch->message, message ? sizeof(ch->message) : CHUNK };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_TRUNC);
	struct agent_packet head = { .len = (uint32_t)n };

	if (n < 0)
		return errno == ENOTCONN ? -EAGAIN : -errno;
	if (msg.msg_flags & MSG_CTRUNC) {
		if (ch->params->warn)
			ch->params->warn(ch->params->opaque,
					 "a socket of the host: passing descriptors "
					 "(SCM_RIGHTS) is not supported");
		return -EOPNOTSUPP;
	}
	if (n > (ssize_t)iov.iov_len)
		return -EMSGSIZE;
	if (n == 0) {
		w->eof = true;
		return 0;
	}
	if (message && put(w, &head, HEAD) < 0)
		return -ENOMEM;
	return put(w, ch->message, (size_t)n);
}

/* way_end() - tell the end of what came, when all of it has been told. */
static void way_end(struct way *w, int fd)
{
	if (!w->eof || w->shut || w->full)
		return;
	(void)shutdown(fd, SHUT_WR); /* whoever has gone knows it */
	w->shut = true;
}

/*
 * broken() - @fd takes no more, but what it sent before is carried on.
 * @from: is told, if that is possible
 */
static void broken(struct way *w, int from)
{
	(void)shutdown(from, SHUT_RD);
	buf_consume(&w->b, w->b.len);
	w->eof = w->shut = true;
	w->full = false;
}

/*
 * carry_way() - one direction, as far as it goes.
 * Return: 1: there may be more; 0; -errno: the connection is over
 */
static int carry_way(struct carried *c, struct way *w, int from, int to, bool to_client)
{
	bool messages = c->type == SOCK_SEQPACKET;

	for (int i = 0; i < ROUNDS; i++) {
		int ret = messages && to_client ? deliver(to, w) : flush(to, w);

		if (ret == -EPIPE || ret == -ECONNRESET)
			broken(w, from);
		else if (ret < 0)
			return ret;
		way_end(w, to);
		if (w->full || w->eof)
			return 0;
		ret = take(c, from, w, messages && !to_client);
		if (ret < 0)
			return ret == -EAGAIN ? 0 : ret;
	}
	return 1;
}

static void carry(struct carried *c)
{
	int out = carry_way(c, &c->to_host, c->client.fd, c->host.fd, false);
	int in =
		out < 0 ? 0 : carry_way(c, &c->to_client, c->host.fd, c->client.fd, true);

	if (out < 0 || in < 0 || (c->to_host.shut && c->to_client.shut))
		carried_free(c);
	else if (out > 0 || in > 0)
		watch_again(&c->child->loop, &c->client);
}

/* ---- connections ------------------------------------------------------------------------- */

/* await_host() - until it has connected to its socket; 0: not yet; -errno */
static int await_host(struct carried *c)
{
	char byte;
	ssize_t n;
	int ret = flush(c->host.fd, &c->to_host);

	if (ret < 0)
		return ret;
	n = recv(c->host.fd, &byte, 1, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == ENOTCONN ? 0 : -errno;
	if (n == 0 || byte != 0)
		return -ECONNREFUSED;
	c->accepted = true;
	return 0;
}

static void ready(struct carried *c)
{
	if (!c->accepted && await_host(c) < 0)
		carried_free(c);
	else if (c->accepted)
		carry(c);
}

static void client_ready(struct watch *w, uint32_t events)
{
	struct carried *c = container_of(w, struct carried, client);

	/* It has gone before the host was there: nobody needs to be connected to. */
	if (!c->accepted && events & EPOLLHUP)
		carried_free(c);
	else
		ready(c);
}

static void host_ready(struct watch *w, uint32_t events)
{
	(void)events;
	ready(container_of(w, struct carried, host));
}

static int begin(struct carried *c, const struct offer *o)
{
	const struct agent_socket head = { .node = o->node, .type = (uint32_t)o->type };
	const uint32_t events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
	struct child *ch = c->child;
	int ret = put(&c->to_host, &head, sizeof(head));
	int fd = ret < 0 ? ret : ch->params->socket_connect(ch->params->opaque);

	if (fd < 0)
		return fd;
	c->host.fd = fd;
	ret = watch_add(&ch->loop, &c->host, fd, events, host_ready);
	return ret < 0 ? ret
		       : watch_add(&ch->loop, &c->client, c->client.fd, events,
				   client_ready);
}

static void listener_ready(struct watch *w, uint32_t events)
{
	struct offer *o = container_of(w, struct offer, listener);
	struct child *ch = o->child;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct carried *c;

	(void)events;
	if (fd < 0)
		return;
	c = ch->n_connections < AGENT_MAX_CONNECTIONS ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		close_fd(fd);
		return;
	}
	c->child = ch;
	c->type = o->type;
	c->client.fd = fd;
	c->host.fd = -1;
	LIST_INSERT_HEAD(&ch->connections, c, link);
	ch->n_connections++;
	if (begin(c, o) < 0)
		carried_free(c);
}

/* ---- offers -------------------------------------------------------------------------------- */

static struct offer *offer_of(const struct child *ch, uint64_t node)
{
	struct offer *o;

	LIST_FOREACH(o, &ch->offers, link)
	if (o->node == node)
		return o;
	return NULL;
}

static void withdraw(struct child *ch, uint64_t node)
{
	struct offer *o = offer_of(ch, node);

	if (!o)
		return;
	LIST_REMOVE(o, link);
	watch_remove(&ch->loop, &o->listener);
	close_fd(o->listener.fd);
	free(o);
}

/* bind_to() - a socket that listens at the inode of @node; -errno */
static int bind_to(int dir, uint64_t node, int type)
{
	auto_fd int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	(void)!snprintf(addr.sun_path, sizeof(addr.sun_path), "%016" PRIx64, node);
	if (fd < 0 || fchdir(dir) < 0 ||
	    bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return -errno;
	return take_fd(&fd);
}

static int offer(struct child *ch, int dir, uint64_t node, int type)
{
	struct offer *o = calloc(1, sizeof(*o));
	int fd = o ? bind_to(dir, node, type) : -ENOMEM;
	int ret =
		fd < 0 ? fd
		       : watch_add(&ch->loop, &o->listener, fd, EPOLLIN, listener_ready);

	/* It would keep the file system busy. */
	if (chdir("/") < 0 && ret == 0)
		ret = -errno;
	if (ret < 0) {
		close_fd(fd);
		free(o);
		return ret;
	}
	o->child = ch;
	o->node = node;
	o->type = type;
	LIST_INSERT_HEAD(&ch->offers, o, link);
	return 0;
}

static void agent_ready(struct watch *w, uint32_t events)
{
	struct child *ch = container_of(w, struct child, agent);
	int fds[SOCK_MAX_FDS];
	unsigned int n_fds = 0;
	struct sockets_msg msg;
	int ret = 0;

	(void)events;
	if (sock_recv(w->fd, &msg, sizeof(msg), fds, &n_fds) != sizeof(msg))
		_exit(0); /* so the agent has gone */
	withdraw(ch, msg.node);
	if (msg.type)
		ret = n_fds == 1 ? offer(ch, fds[0], msg.node, (int)msg.type) : -EPROTO;
	for (unsigned int i = 0; i < n_fds; i++)
		close_fd(fds[i]);
	msg.code = (uint32_t)-ret;
	if (sock_send(w->fd, &msg, sizeof(msg), NULL, 0) < 0)
		_exit(0);
}

void sockets_child(struct agent *a, int sock)
{
	static struct child child; /* large, and alone in this process */
	struct err err = ERR_INIT;

	child.params = a->params;
	/* What the agent has open would stay open with us. */
	if (dup3(sock, LAUNCH_SYNC_FD, O_CLOEXEC) < 0 ||
	    close_range(LAUNCH_SYNC_FD + 1, ~0u, 0) < 0 ||
	    watch_loop_init(&child.loop, &err) < 0 ||
	    watch_add(&child.loop, &child.agent, LAUNCH_SYNC_FD, EPOLLIN, agent_ready) <
		    0)
		_exit(1);
	_exit(watch_loop_run(&child.loop, &err) < 0);
}
