/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of a guest that is at rest: the guest keeps its ends, so ours are made
 * again as they were, and nothing is told to it.
 */
#include <errno.h>

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
};

/* is_quiet() - both ends are open, all that was sent has been taken, nothing is owed. */
static bool is_quiet(const struct vsock_conn *conn)
{
	return conn->ops && !conn->pending && !conn->shut && !conn->peer_shut &&
	       !conn->want_send && conn->rx_cnt == conn->fwd_cnt;
}

static int save_conns(const struct vsock *v, struct buf *out, struct err *err)
{
	auto_buf struct buf all = BUF_INIT;

	for (unsigned int i = 0; i < VSOCK_HASH; i++) {
		const struct vsock_conn *conn;

		for (conn = LIST_FIRST(&v->hash[i]); conn;
		     conn = LIST_NEXT(conn, hashed)) {
			const struct saved s = {
				.guest_port = conn->guest_port,
				.host_port = conn->host_port,
				.rx_cnt = conn->rx_cnt,
				.fwd_cnt = conn->fwd_cnt,
				.fwd_told = conn->fwd_told,
				.tx_cnt = conn->tx_cnt,
				.peer_buf_alloc = conn->peer_buf_alloc,
				.peer_fwd_cnt = conn->peer_fwd_cnt,
			};

			if (!is_quiet(conn))
				return err_msg(err, EAGAIN, "a connection is busy");
			(void)buf_append(&all, &s, sizeof(s));
		}
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
	if (v->broken || v->was_reset || v->tx_waiting || v->rx_waiting || v->n_rsts) {
		ret = err_msg(err, EAGAIN, "packets are under way");
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

static int load_conn(struct vsock *v, const struct saved *s, struct err *err)
{
	const struct virtio_vsock_hdr hdr = {
		.src_port = s->guest_port,
		.dst_port = s->host_port,
		.buf_alloc = s->peer_buf_alloc,
		.fwd_cnt = s->peer_fwd_cnt,
	};
	struct vsock_conn *conn;

	if (s->rx_cnt != s->fwd_cnt) /* what the guest may send is counted from these */
		return err_msg(err, EPROTO, "a connection that was busy");
	if (vsock_conn_find(v, s->guest_port, s->host_port))
		return err_msg(err, EPROTO, "a connection that is there twice");
	conn = vsock_conn_open(v, &hdr);
	if (!conn)
		return err_msg(err, EPROTO, "nobody listens on port %u", s->host_port);
	conn->pending = 0; /* the guest knows that it stands */
	conn->rx_cnt = s->rx_cnt;
	conn->fwd_cnt = s->fwd_cnt;
	conn->fwd_told = s->fwd_told;
	conn->tx_cnt = s->tx_cnt;
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
