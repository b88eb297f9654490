/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections: the guest keeps its ends, so ours are made again as they were and
 * nothing is told to it.  Whoever owns one on the host saves what is his own (the agent's
 * link, streams); a connection that nobody can go on with is reset after the load.
 */
#include <errno.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "vmm/snapshot/sections.h"
#include "vmm/virtio/vsock_internal.h"

#define TAG_CONNS SECTION_TAG('v', 's', 'c', 'k')

struct saved {
	uint32_t guest_port;
	uint32_t host_port;
	uint32_t rx_cnt;
	uint32_t fwd_cnt;
	uint32_t fwd_told;
	uint32_t tx_cnt;
	uint32_t peer_buf_alloc;
	uint32_t peer_fwd_cnt;
	uint8_t pending; /* enum vsock_pending */
	uint8_t shut;
	uint8_t peer_shut;
	uint8_t lost; /* nobody goes on with it */
};

static void save_conn(const struct vsock_conn *conn, struct buf *all)
{
	const struct saved s = {
		.guest_port = conn->guest_port,
		.host_port = conn->host_port,
		.rx_cnt = conn->rx_cnt,
		.fwd_cnt = conn->fwd_cnt,
		.fwd_told = conn->fwd_told,
		.tx_cnt = conn->tx_cnt,
		.peer_buf_alloc = conn->peer_buf_alloc,
		.peer_fwd_cnt = conn->peer_fwd_cnt,
		.pending = (uint8_t)conn->pending,
		.shut = (uint8_t)conn->shut,
		.peer_shut = (uint8_t)conn->peer_shut,
		.lost = !conn->ops || !conn->listener->kept,
	};

	(void)buf_append(all, &s, sizeof(s));
}

static int save_conns(const struct vsock *v, struct buf *out, struct err *err)
{
	auto_buf struct buf all = BUF_INIT;

	for (unsigned int i = 0; i < VSOCK_HASH; i++) {
		const struct vsock_conn *conn;

		for (conn = LIST_FIRST(&v->hash[i]); conn; conn = LIST_NEXT(conn, hashed))
			save_conn(conn, &all);
	}
	for (unsigned int i = 0; i < v->n_rsts; i++) {
		const struct saved s = {
			.guest_port = v->rsts[i].guest_port,
			.host_port = v->rsts[i].host_port,
			.lost = 1,
		};

		(void)buf_append(&all, &s, sizeof(s));
	}
	if (buf_ok(&all) < 0)
		return err_set(err, ENOMEM, "connections");
	section_put(out, TAG_CONNS, all.data, all.len);
	return 0;
}

int vsock_save(struct virtio_device *dev, struct buf *out, struct err *err)
{
	struct vsock *v = container_of(dev, struct vsock, dev);
	int ret;

	(void)pthread_mutex_lock(&v->lock);
	if (v->broken || v->was_reset) {
		ret = err_msg(err, EAGAIN, "its driver does what cannot be saved");
	} else {
		ret = save_conns(v, out, err);
		/* What was popped ahead is popped again. */
		if (v->n_stash)
			vq_unpop(&v->dev.queues[VSOCK_VQ_RX], v->n_stash);
		v->n_stash = 0;
	}
	(void)pthread_mutex_unlock(&v->lock);
	return ret;
}

/* reset() - a connection that nobody goes on with, or -ENOSPC. */
static int reset(struct vsock *v, const struct virtio_vsock_hdr *hdr, struct err *err)
{
	struct vsock_conn *conn = vsock_conn_find(v, hdr->src_port, hdr->dst_port);

	if (conn)
		vsock_conn_close(conn);
	else if (!vsock_owe_rst(v, hdr))
		return err_msg(err, EPROTO, "too many connections of nobody");
	return 0;
}

static int load_conn(struct vsock *v, const struct saved *s, struct err *err)
{
	const struct virtio_vsock_hdr hdr = {
		.src_port = s->guest_port,
		.dst_port = s->host_port,
		.buf_alloc = s->peer_buf_alloc,
		.fwd_cnt = s->peer_fwd_cnt,
	};
	struct vsock_conn *conn;

	/* What the guest may send is counted from these. */
	if (s->rx_cnt - s->fwd_cnt > VSOCK_BUF_ALLOC || s->shut & ~VSOCK_SHUT_BOTH ||
	    s->peer_shut & ~VSOCK_SHUT_BOTH || s->pending & ~VSOCK_TELL_ALL)
		return err_msg(err, EPROTO, "a connection that cannot be");
	if (vsock_conn_find(v, s->guest_port, s->host_port))
		return err_msg(err, EPROTO, "a connection that is there twice");
	conn = s->lost ? NULL : vsock_conn_open(v, &hdr);
	if (!conn)
		return reset(v, &hdr, err);
	conn->pending = s->pending;
	conn->rx_cnt = s->rx_cnt;
	conn->fwd_cnt = s->fwd_cnt;
	conn->fwd_told = s->fwd_told;
	conn->tx_cnt = s->tx_cnt;
	conn->shut = s->shut;
	conn->peer_shut = s->peer_shut;
	return 0;
}

int vsock_load(struct virtio_device *dev, struct sections *in, struct err *err)
{
	struct vsock *v = container_of(dev, struct vsock, dev);
	const void *data;
	size_t len;
	int ret = section_look(in, TAG_CONNS, &data, &len, err);

	if (ret == 0 && len % sizeof(struct saved))
		ret = err_msg(err, EPROTO, "section 'vsck' has %zu bytes", len);
	for (size_t at = 0; ret == 0 && at < len; at += sizeof(struct saved)) {
		struct saved s;

		memcpy(&s, (const char *)data + at, sizeof(s));
		ret = load_conn(v, &s, err);
	}
	return ret;
}
