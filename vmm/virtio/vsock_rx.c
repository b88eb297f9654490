/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock packets to the guest, straight into the driver's receive buffers.
 *
 * Linux posts buffers of 4 KiB.  To read a pipe with one call for many of
 * them, up to VSOCK_STASH are popped ahead; what a turn does not use stays in the
 * stash for the next.
 */
#include <string.h>

#include "vmm/virtio/vsock_internal.h"

/* Turns of one round, so that a busy guest does not keep the loop to itself. */
#define RX_BUDGET 64u

unsigned int vsock_iov_skip(struct iovec *dst, const struct iovec *iov, unsigned int n,
			    size_t skip, size_t len)
{
	unsigned int used = 0;

	for (unsigned int i = 0; i < n && len; i++) {
		size_t take = iov[i].iov_len;

		if (skip >= take) {
			skip -= take;
			continue;
		}
		take -= skip;
		if (take > len)
			take = len;
		dst[used].iov_base = (char *)iov[i].iov_base + skip;
		dst[used++].iov_len = take;
		len -= take;
		skip = 0;
	}
	return used;
}

static struct vsock_rx_buf *stash_slot(struct vsock *v, unsigned int i)
{
	return &v->stash[(v->stash_first + i) % VSOCK_STASH];
}

/* stash_fill() - have up to @want receive buffers at hand; how many there are. */
static unsigned int stash_fill(struct vsock *v, unsigned int want)
{
	struct vq *vq = &v->dev.queues[VSOCK_VQ_RX];

	while (v->n_stash < want) {
		struct vsock_rx_buf *rb = stash_slot(v, v->n_stash);
		int ret = vq_pop(vq, &rb->chain, rb->iov, VSOCK_RX_IOV);

		if (ret == 0)
			break;
		/* A buffer without room for data would never be of use.  (Of a broken
		 * queue the transport knows already.) */
		if (ret < 0 || rb->chain.in_len <= VSOCK_HDR_SIZE) {
			v->broken = true;
			v->complain = ret > 0;
			return 0;
		}
		v->n_stash++;
	}
	return v->n_stash;
}

/* stash_any() - is there a receive buffer?  When not, the driver's kick will come. */
static bool stash_any(struct vsock *v)
{
	struct vq *vq = &v->dev.queues[VSOCK_VQ_RX];

	while (!stash_fill(v, 1)) {
		if (v->broken)
			return false;
		if (!vq_enable_kicks(vq)) {
			v->stats.rx_starved++;
			return false;
		}
	}
	return true;
}

/* put_packet() - finish the first buffer of the stash: header, and @len bytes that
 * stand behind it already. */
static void put_packet(struct vsock *v, struct virtio_vsock_hdr *hdr, uint32_t len)
{
	struct vsock_rx_buf *rb = stash_slot(v, 0);
	struct iovec iov[VSOCK_RX_IOV];
	const char *src = (const char *)hdr;
	unsigned int n;

	hdr->src_cid = VSOCK_HOST_CID;
	hdr->dst_cid = v->guest_cid;
	hdr->len = len;
	hdr->type = VIRTIO_VSOCK_TYPE_STREAM;
	hdr->buf_alloc = VSOCK_BUF_ALLOC;
	n = vsock_iov_skip(iov, rb->chain.in, rb->chain.n_in, 0, VSOCK_HDR_SIZE);
	for (unsigned int i = 0; i < n; i++) {
		memcpy(iov[i].iov_base, src, iov[i].iov_len);
		src += iov[i].iov_len;
	}
	vq_push(&v->dev.queues[VSOCK_VQ_RX], rb->chain.head, VSOCK_HDR_SIZE + len);
	v->stash_first = (v->stash_first + 1) % VSOCK_STASH;
	v->n_stash--;
	v->rx_pushed++;
	v->stats.tx_packets++;
	v->stats.tx_bytes += len;
}

static void conn_packet(struct vsock_conn *conn, uint16_t op, uint32_t flags,
			uint32_t len)
{
	struct virtio_vsock_hdr hdr = {
		.src_port = conn->host_port,
		.dst_port = conn->guest_port,
		.op = op,
		.flags = flags,
		.fwd_cnt = conn->fwd_cnt,
	};

	conn->fwd_told = conn->fwd_cnt;
	conn->pending &= ~(unsigned int)VSOCK_TELL_CREDIT;
	put_packet(conn->vsock, &hdr, len);
}

bool vsock_owe_rst(struct vsock *v, const struct virtio_vsock_hdr *hdr)
{
	if (v->n_rsts == VSOCK_MAX_RSTS)
		return false;
	v->rsts[v->n_rsts++] = (struct vsock_rst){
		.guest_port = hdr->src_port,
		.host_port = hdr->dst_port,
	};
	return true;
}

/* pay_rst() - send one of the resets that belong to no connection. */
static void pay_rst(struct vsock *v)
{
	const struct vsock_rst *rst = &v->rsts[--v->n_rsts];
	struct virtio_vsock_hdr hdr = {
		.src_port = rst->host_port,
		.dst_port = rst->guest_port,
		.op = VIRTIO_VSOCK_OP_RST,
	};

	v->stats.resets++;
	put_packet(v, &hdr, 0);
}

/* send_data() - let the owner fill buffers, as far as credit and stash reach. */
static void send_data(struct vsock_conn *conn)
{
	const struct vsock_conn_ops *ops = conn->ops;
	struct vsock *v = conn->vsock;
	struct iovec iov[VSOCK_STASH * VSOCK_RX_IOV];
	size_t credit = vsock_conn_sendable(conn);
	unsigned int n_bufs = stash_fill(v, VSOCK_STASH);
	unsigned int n = 0;
	size_t room = 0;
	ssize_t got;

	for (unsigned int i = 0; i < n_bufs && room < credit; i++) {
		struct vsock_rx_buf *rb = stash_slot(v, i);
		size_t len = rb->chain.in_len - VSOCK_HDR_SIZE;

		if (len > credit - room)
			len = credit - room;
		n += vsock_iov_skip(iov + n, rb->chain.in, rb->chain.n_in, VSOCK_HDR_SIZE,
				    len);
		room += len;
	}
	conn->want_send = false;
	if (!room) /* broken meanwhile */
		return;
	got = ops->pull(conn, iov, n, room);
	if (!conn->ops || got == 0)
		return;
	if (got < 0) {
		conn->shut |= VSOCK_SHUT_SEND;
		conn->pending |= VSOCK_TELL_SHUTDOWN;
		return;
	}
	conn->want_send = true;
	if ((size_t)got > room)
		got = (ssize_t)room;
	conn->tx_cnt += (uint32_t)got;
	while (got > 0) {
		uint32_t len = stash_slot(v, 0)->chain.in_len - VSOCK_HDR_SIZE;

		if (len > (size_t)got)
			len = (uint32_t)got;
		conn_packet(conn, VIRTIO_VSOCK_OP_RW, 0, len);
		got -= len;
	}
}

/* take_turn() - one packet about the connection, or one run of data. */
static void take_turn(struct vsock_conn *conn)
{
	struct vsock *v = conn->vsock;

	TAILQ_REMOVE(&v->ready, conn, ready);
	conn->is_ready = false;
	if (conn->pending & VSOCK_TELL_RST) {
		v->stats.resets++;
		conn_packet(conn, VIRTIO_VSOCK_OP_RST, 0, 0);
		vsock_conn_bury(conn);
		return;
	}
	if (conn->pending & VSOCK_TELL_RESPONSE) {
		conn->pending &= ~(unsigned int)VSOCK_TELL_RESPONSE;
		conn_packet(conn, VIRTIO_VSOCK_OP_RESPONSE, 0, 0);
	} else if (conn->pending & VSOCK_TELL_SHUTDOWN) {
		/* After SEND nothing is pulled, so the data is out before it. */
		conn->pending &= ~(unsigned int)VSOCK_TELL_SHUTDOWN;
		conn_packet(conn, VIRTIO_VSOCK_OP_SHUTDOWN, conn->shut, 0);
	} else if (conn->want_send && vsock_conn_sendable(conn)) {
		send_data(conn);
	} else if (conn->pending & VSOCK_TELL_CREDIT) {
		v->stats.credit_updates++;
		conn_packet(conn, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, 0);
	}
	if (conn->pending || (conn->want_send && vsock_conn_sendable(conn)))
		vsock_conn_ready(conn);
}

void vsock_rx_run(struct vsock *v)
{
	struct vq *vq = &v->dev.queues[VSOCK_VQ_RX];
	unsigned int budget = RX_BUDGET;

	v->rx_waiting = false;
	while (!v->broken && (v->n_rsts || !TAILQ_EMPTY(&v->ready)) && stash_any(v)) {
		if (!budget--) {
			v->rx_waiting = true;
			break;
		}
		if (v->n_rsts)
			pay_rst(v);
		else
			take_turn(TAILQ_FIRST(&v->ready));
	}
	if (v->rx_pushed) {
		v->rx_pushed = 0;
		v->stats.interrupts++;
		vq_notify(vq);
	}
}
