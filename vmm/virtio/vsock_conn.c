/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock connections: the table, credit, half-close and reset.
 */
#include <errno.h>
#include <stdlib.h>

#include "lib/err.h"
#include "vmm/virtio/vsock_internal.h"

static struct vsock_bucket *bucket_of(struct vsock *v, uint32_t guest_port)
{
	/* Linux counts its ports upwards: the low bits spread well.  A guest that
	 * makes them collide has a list of VSOCK_MAX_CONNS, no worse. */
	return &v->hash[guest_port % VSOCK_HASH];
}

struct vsock_conn *vsock_conn_find(struct vsock *v, uint32_t guest_port,
				   uint32_t host_port)
{
	struct vsock_conn *conn;

	for (conn = LIST_FIRST(bucket_of(v, guest_port)); conn;
	     conn = LIST_NEXT(conn, hashed))
		if (conn->guest_port == guest_port && conn->host_port == host_port)
			return conn;
	return NULL;
}

static struct vsock_listener *find_listener(struct vsock *v, uint32_t port)
{
	for (unsigned int i = 0; i < v->n_listeners; i++)
		if (v->listeners[i].port == port)
			return &v->listeners[i];
	return NULL;
}

struct vsock_conn *vsock_conn_open(struct vsock *v, const struct virtio_vsock_hdr *hdr)
{
	struct vsock_listener *l = find_listener(v, hdr->dst_port);
	struct vsock_conn *conn;

	if (!l || l->conns >= l->max_conns || v->stats.conns >= VSOCK_MAX_CONNS)
		return NULL;
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return NULL;
	conn->vsock = v;
	conn->listener = l;
	conn->guest_port = hdr->src_port;
	conn->host_port = hdr->dst_port;
	conn->peer_buf_alloc = hdr->buf_alloc;
	conn->peer_fwd_cnt = hdr->fwd_cnt;
	conn->pending = VSOCK_TELL_RESPONSE;
	l->conns++;
	v->stats.conns++;
	LIST_INSERT_HEAD(bucket_of(v, conn->guest_port), conn, hashed);
	if (l->accept(l->opaque, conn) < 0 || !conn->ops) {
		conn->ops = NULL;
		vsock_conn_bury(conn);
		return NULL;
	}
	vsock_conn_ready(conn);
	return conn;
}

void vsock_conn_ready(struct vsock_conn *conn)
{
	if (conn->is_ready || conn->is_dead)
		return;
	conn->is_ready = true;
	TAILQ_INSERT_TAIL(&conn->vsock->ready, conn, ready);
}

void vsock_conn_bury(struct vsock_conn *conn)
{
	struct vsock *v = conn->vsock;

	if (conn->is_dead)
		return;
	if (conn->is_ready)
		TAILQ_REMOVE(&v->ready, conn, ready);
	LIST_REMOVE(conn, hashed);
	LIST_INSERT_HEAD(&v->dead, conn, dead);
	conn->is_ready = false;
	conn->is_dead = true;
	conn->pending = 0;
	conn->want_send = false;
	conn->listener->conns--;
	v->stats.conns--;
}

/* disown() - tell the owner that it is over. */
static void disown(struct vsock_conn *conn)
{
	const struct vsock_conn_ops *ops = conn->ops;

	conn->ops = NULL;
	if (ops)
		ops->closed(conn);
}

void vsock_conn_lost(struct vsock_conn *conn)
{
	vsock_conn_bury(conn);
	disown(conn);
}

/* reset_soon() - all that is left to do is to send RST. */
static void reset_soon(struct vsock_conn *conn)
{
	conn->pending = VSOCK_TELL_RST;
	conn->want_send = false;
	vsock_conn_ready(conn);
}

void vsock_conn_violated(struct vsock_conn *conn)
{
	reset_soon(conn);
	disown(conn);
}

void vsock_conns_free_dead(struct vsock *v)
{
	struct vsock_conn *conn;

	while ((conn = LIST_FIRST(&v->dead))) {
		LIST_REMOVE(conn, dead);
		free(conn);
	}
}

void vsock_conns_lose_all(struct vsock *v)
{
	struct vsock_conn *conn;

	for (unsigned int i = 0; i < VSOCK_HASH; i++)
		while ((conn = LIST_FIRST(&v->hash[i])))
			vsock_conn_lost(conn);
	v->n_rsts = 0;
}

int vsock_listen(struct vsock *v, uint32_t port, unsigned int max_conns,
		 vsock_accept_fn accept, void *opaque, struct err *err)
{
	if (find_listener(v, port))
		return err_set(err, EEXIST, "vsock: listen on port %u", port);
	if (v->n_listeners == VSOCK_MAX_LISTENERS)
		return err_set(err, ENOSPC, "vsock: listen on port %u", port);
	v->listeners[v->n_listeners++] = (struct vsock_listener){
		.port = port,
		.max_conns = max_conns,
		.accept = accept,
		.opaque = opaque,
	};
	return 0;
}

void vsock_keep(struct vsock *v, uint32_t port)
{
	struct vsock_listener *l = find_listener(v, port);

	if (l)
		l->kept = true;
}

void vsock_conn_own(struct vsock_conn *conn, const struct vsock_conn_ops *ops,
		    void *opaque)
{
	conn->ops = ops;
	conn->opaque = opaque;
}

void *vsock_conn_opaque(const struct vsock_conn *conn)
{
	return conn->opaque;
}

uint32_t vsock_conn_guest_port(const struct vsock_conn *conn)
{
	return conn->guest_port;
}

unsigned int vsock_conn_shut(const struct vsock_conn *conn)
{
	return conn->shut;
}

unsigned int vsock_conn_peer_shut(const struct vsock_conn *conn)
{
	return conn->peer_shut;
}

uint32_t vsock_conn_unconsumed(const struct vsock_conn *conn)
{
	return conn->rx_cnt - conn->fwd_cnt;
}

struct vsock_conn *vsock_find(struct vsock *v, uint32_t guest_port, uint32_t host_port)
{
	struct vsock_conn *conn = vsock_conn_find(v, guest_port, host_port);

	return conn && conn->ops ? conn : NULL;
}

uint32_t vsock_conn_sendable(const struct vsock_conn *conn)
{
	uint32_t in_flight = conn->tx_cnt - conn->peer_fwd_cnt;

	if (!conn->ops || conn->shut & VSOCK_SHUT_SEND ||
	    conn->peer_shut & VSOCK_SHUT_RCV || in_flight >= conn->peer_buf_alloc)
		return 0;
	return conn->peer_buf_alloc - in_flight;
}

void vsock_conn_want_send(struct vsock_conn *conn)
{
	conn->want_send = true;
	if (vsock_conn_sendable(conn)) {
		vsock_conn_ready(conn);
		vsock_pump(conn->vsock);
	}
}

void vsock_conn_consumed(struct vsock_conn *conn, size_t len)
{
	conn->fwd_cnt += (uint32_t)len;
	/* Every packet tells it; one of its own only when half is used up. */
	if (conn->fwd_cnt - conn->fwd_told < VSOCK_BUF_ALLOC / 2 || !conn->ops ||
	    conn->peer_shut & VSOCK_SHUT_SEND)
		return;
	conn->pending |= VSOCK_TELL_CREDIT;
	vsock_conn_ready(conn);
	vsock_pump(conn->vsock);
}

void vsock_conn_shutdown(struct vsock_conn *conn, unsigned int flags)
{
	if (!conn->ops || (conn->shut | flags) == conn->shut)
		return;
	conn->shut |= flags;
	conn->pending |= VSOCK_TELL_SHUTDOWN;
	vsock_conn_ready(conn);
	vsock_pump(conn->vsock);
}

void vsock_conn_close(struct vsock_conn *conn)
{
	conn->ops = NULL;
	if (conn->is_dead)
		return;
	reset_soon(conn);
	vsock_pump(conn->vsock);
}
