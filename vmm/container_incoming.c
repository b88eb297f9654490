/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stream connections of the guest: the agent connects, and says in the first bytes which
 * stream of which process it is (struct agent_stream).  Until then the connection is nobody's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/log.h"
#include "vmm/container_internal.h"
#include "vmm/virtio/vsock.h"

static_assert(CONTAINER_MAX_STREAMS <= VSOCK_MAX_CONNS, "the device has that many");

void incoming_free(struct incoming *in)
{
	LIST_REMOVE(in, link);
	in->container->n_incoming--;
	free(in);
}

/* name_stream() - the head of the connection is there: whose is it? */
static int name_stream(struct incoming *in)
{
	struct container *c = in->container;
	const struct agent_stream *head = &in->head;
	unsigned int which = head->kind - AGENT_STREAM_IO; /* kind 0: out of range */
	struct proc *p = procs_find(c, head->proc);

	if (head->container != CONTAINER_NUMBER || head->proc >= AGENT_MAX_PROCS ||
	    which >= AGENT_STREAM_KINDS - AGENT_STREAM_IO) {
		agent_violated(c->link, "stream of container %u, process %u, kind %u",
			       head->container, head->proc, head->kind);
		return -EPROTO;
	}
	if (!p || p->state == PROC_ENDED || which >= p->n_streams || !p->streams[which] ||
	    stream_attached(p->streams[which])) {
		log_debug(
			"stream for process %u, kind %u: there is none that waits for it",
			head->proc, head->kind);
		return -ENOENT;
	}
	stream_attach(p->streams[which], in->conn);
	return 0;
}

static int incoming_recv(struct vsock_conn *conn, const struct iovec *iov, unsigned int n,
			 size_t len)
{
	struct incoming *in = vsock_conn_opaque(conn);
	struct iovec rest[VSOCK_MAX_IOV];
	size_t want = sizeof(in->head) - in->len;
	size_t took = want < len ? want : len;
	unsigned int n_rest;
	int ret;

	n_rest = vsock_iov_skip(rest, iov, n, 0, took);
	for (unsigned int i = 0; i < n_rest; i++) {
		memcpy((char *)&in->head + in->len, rest[i].iov_base, rest[i].iov_len);
		in->len += rest[i].iov_len;
	}
	vsock_conn_consumed(conn, took);
	if (in->len < sizeof(in->head))
		return 0;
	ret = name_stream(in);
	if (ret < 0)
		return ret; /* the connection is reset, closed() frees us */
	incoming_free(in);
	if (took == len)
		return 0;
	n_rest = vsock_iov_skip(rest, iov, n, took, len - took);
	return stream_input(vsock_conn_opaque(conn), rest, n_rest, len - took);
}

static ssize_t incoming_pull(struct vsock_conn *conn, const struct iovec *iov,
			     unsigned int n, size_t room)
{
	(void)conn;
	(void)iov;
	(void)n;
	(void)room;
	return 0; /* nothing to say before it is known whose it is */
}

static void incoming_peer_shutdown(struct vsock_conn *conn, unsigned int flags)
{
	struct incoming *in = vsock_conn_opaque(conn);

	(void)flags;
	incoming_free(in);
	vsock_conn_close(conn);
}

static void incoming_closed(struct vsock_conn *conn)
{
	incoming_free(vsock_conn_opaque(conn));
}

static const struct vsock_conn_ops incoming_ops = {
	.recv = incoming_recv,
	.pull = incoming_pull,
	.peer_shutdown = incoming_peer_shutdown,
	.closed = incoming_closed,
};

static int accept_stream(void *opaque, struct vsock_conn *conn)
{
	struct container *c = opaque;
	struct incoming *in;

	/* Before the guest runs all that were saved come at once: procs_restore(). */
	if (c->n_incoming >= CONTAINER_MAX_INCOMING && c->life != LIFE_BOOTING)
		return -EBUSY;
	in = calloc(1, sizeof(*in));
	if (!in)
		return -ENOMEM;
	in->container = c;
	in->conn = conn;
	LIST_INSERT_HEAD(&c->incoming, in, link);
	c->n_incoming++;
	vsock_conn_own(conn, &incoming_ops, in);
	return 0;
}

int incoming_listen(struct container *c, struct err *err)
{
	int ret = vsock_listen(c->params.vsock, AGENT_PORT_STREAM, CONTAINER_MAX_STREAMS,
			       accept_stream, c, err);

	vsock_keep(c->params.vsock, AGENT_PORT_STREAM);
	return ret;
}
