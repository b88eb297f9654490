/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vsock device and packets from the guest.
 *
 * One round (vsock_pump()) takes packets from the driver's transmit queue and
 * fills its receive buffers until there is nothing to do or the round's budget is
 * used up; then it kicks itself, so that other sources of the loop get their turn.
 *
 * Interrupts cost the guest an exit each.  A used receive buffer is told at once (one
 * interrupt per round); packets that the guest sent need no answer, their
 * buffers are given back in batches.
 */
#include "vmm/virtio/vsock.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "lib/container_of.h"
#include "lib/err.h"
#include "lib/log.h"
#include "vmm/virtio/vsock_internal.h"

/* Packets of one round, so that a busy guest does not keep the loop to itself. */
#define TX_BUDGET 256u

/* When packets are told to be used: so many, or so many bytes that they hold. */
#define TX_TELL_PACKETS 32u
#define TX_TELL_BYTES (256u << 10)

#define PCI_CLASS_COMMUNICATION_OTHER 0x078000u

/* ---- packets from the guest -------------------------------------------------- */

/* read_header() - the first bytes of @chain into @hdr, once. */
static bool read_header(const struct vq_chain *chain, struct virtio_vsock_hdr *hdr)
{
	struct iovec iov[VSOCK_MAX_IOV];
	char *dst = (char *)hdr;
	unsigned int n;

	if (chain->out_len < VSOCK_HDR_SIZE)
		return false;
	n = vsock_iov_skip(iov, chain->out, chain->n_out, 0, VSOCK_HDR_SIZE);
	for (unsigned int i = 0; i < n; i++) {
		memcpy(dst, iov[i].iov_base, iov[i].iov_len);
		dst += iov[i].iov_len;
	}
	return true;
}

/* take_data() - the payload of a VIRTIO_VSOCK_OP_RW packet. */
static void take_data(struct vsock_conn *conn, const struct vq_chain *chain, uint32_t len)
{
	const struct vsock_conn_ops *ops = conn->ops;
	struct iovec iov[VSOCK_MAX_IOV];
	unsigned int n;

	if (len > chain->out_len - VSOCK_HDR_SIZE ||
	    len > VSOCK_BUF_ALLOC - (conn->rx_cnt - conn->fwd_cnt) ||
	    conn->peer_shut & VSOCK_SHUT_SEND) {
		vsock_conn_violated(conn);
		return;
	}
	if (!len)
		return;
	conn->rx_cnt += len;
	conn->vsock->stats.rx_bytes += len;
	if (conn->shut & VSOCK_SHUT_RCV) {
		/* Was under way when we said that nobody reads. */
		vsock_conn_consumed(conn, len);
		return;
	}
	n = vsock_iov_skip(iov, chain->out, chain->n_out, VSOCK_HDR_SIZE, len);
	if (ops->recv(conn, iov, n, len) < 0 && conn->ops)
		vsock_conn_violated(conn);
}

static void take_shutdown(struct vsock_conn *conn, uint32_t flags)
{
	unsigned int all = VSOCK_SHUT_RCV | VSOCK_SHUT_SEND;
	unsigned int news = flags & all & ~conn->peer_shut;

	conn->peer_shut |= news;
	if (news)
		conn->ops->peer_shutdown(conn, news);
	/* virtio 1.2 §5.10.6.5: the closing side waits for our reset. */
	if (conn->ops && conn->peer_shut == all)
		vsock_conn_violated(conn);
}

/* on_conn() - a packet of a connection that somebody owns. */
static void on_conn(struct vsock_conn *conn, const struct virtio_vsock_hdr *hdr,
		    const struct vq_chain *chain)
{
	conn->peer_buf_alloc = hdr->buf_alloc;
	conn->peer_fwd_cnt = hdr->fwd_cnt;
	switch (hdr->op) {
	case VIRTIO_VSOCK_OP_RW:
		take_data(conn, chain, hdr->len);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		conn->pending |= VSOCK_TELL_CREDIT;
		vsock_conn_ready(conn);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		take_shutdown(conn, hdr->flags);
		break;
	case VIRTIO_VSOCK_OP_RST:
		vsock_conn_lost(conn);
		break;
	default: /* REQUEST, RESPONSE: not now; or unknown */
		vsock_conn_violated(conn);
		break;
	}
	/* The credit may have grown. */
	if (conn->want_send && vsock_conn_sendable(conn))
		vsock_conn_ready(conn);
}

static void on_packet(struct vsock *v, const struct vq_chain *chain)
{
	struct virtio_vsock_hdr hdr = { 0 };
	struct vsock_conn *conn;

	v->stats.rx_packets++;
	/* §5.10.6: a packet for nobody is dropped, one of an unknown type is reset. */
	if (!read_header(chain, &hdr) || hdr.src_cid != v->guest_cid ||
	    hdr.dst_cid != VSOCK_HOST_CID) {
		v->stats.dropped++;
		return;
	}
	conn = vsock_conn_find(v, hdr.src_port, hdr.dst_port);
	if (conn && hdr.type == VIRTIO_VSOCK_TYPE_STREAM) {
		if (conn->ops)
			on_conn(conn, &hdr, chain);
		else if (hdr.op == VIRTIO_VSOCK_OP_RST)
			vsock_conn_bury(conn); /* neither has to tell the other */
		return;
	}
	if (hdr.op == VIRTIO_VSOCK_OP_RST)
		return;
	if (hdr.type == VIRTIO_VSOCK_TYPE_STREAM && hdr.op == VIRTIO_VSOCK_OP_REQUEST &&
	    vsock_conn_open(v, &hdr))
		return;
	(void)vsock_owe_rst(v, &hdr); /* tx_run() made sure that there is room */
}

/* tell_used() - let the driver free what it sent. */
static void tell_used(struct vsock *v)
{
	struct vq *vq = &v->dev.queues[VSOCK_VQ_TX];
	unsigned int limit =
		vq->size / 2 < TX_TELL_PACKETS ? vq->size / 2 : TX_TELL_PACKETS;

	if (v->tx_pushed <= limit && v->tx_pushed_bytes < TX_TELL_BYTES)
		return;
	v->tx_pushed = 0;
	v->tx_pushed_bytes = 0;
	v->stats.interrupts++;
	vq_notify(vq);
}

static void tx_run(struct vsock *v)
{
	struct vq *vq = &v->dev.queues[VSOCK_VQ_TX];
	struct iovec iov[VSOCK_MAX_IOV];
	unsigned int budget = TX_BUDGET;
	struct vq_chain chain;
	int ret;

	vq_disable_kicks(vq);
	do {
		for (;;) {
			/* No more than we can answer: a reset for each. */
			if (!budget-- || v->n_rsts == VSOCK_MAX_RSTS)
				return;
			ret = vq_pop(vq, &chain, iov, VSOCK_MAX_IOV);
			if (ret < 0)
				v->broken = true;
			if (ret <= 0)
				break;
			on_packet(v, &chain);
			vq_push(vq, chain.head, 0);
			v->tx_pushed++;
			v->tx_pushed_bytes += chain.out_len;
			tell_used(v);
		}
	} while (!v->broken && vq_enable_kicks(vq));
	v->tx_waiting = false;
}

/* ---- the round --------------------------------------------------------------- */

static void kick_self(struct vsock *v)
{
	/* Fails only when the counter is full: then the loop wakes up as well. */
	(void)eventfd_write(v->dev.queues[VSOCK_VQ_TX].kick_fd, 1);
}

void vsock_pump(struct vsock *v)
{
	bool complain;
	bool again;

	if (v->running || v->held)
		return;
	v->running = true;
	(void)pthread_mutex_lock(&v->lock);
	if (v->was_reset) {
		v->was_reset = false;
		vsock_conns_lose_all(v);
	}
	if (v->active && !v->broken) {
		if (v->tx_waiting)
			tx_run(v);
		vsock_rx_run(v);
	}
	if (v->broken)
		vsock_conns_lose_all(v); /* nothing will ever pass again */
	complain = v->complain;
	v->complain = false;
	again = v->active && !v->broken &&
		(v->rx_waiting || (v->tx_waiting && v->n_rsts < VSOCK_MAX_RSTS));
	(void)pthread_mutex_unlock(&v->lock);
	v->running = false;
	vsock_conns_free_dead(v);
	if (again)
		kick_self(v);
	if (complain && v->dev.transport)
		v->dev.transport->needs_reset(&v->dev);
}

void vsock_hold(struct vsock *v)
{
	v->held = true;
}

void vsock_let_go(struct vsock *v)
{
	v->held = false;
	kick_self(v); /* whatever came meanwhile */
}

/* The descriptors are watched edge triggered: nobody has to read the counters. */
static void on_rx_kick(struct loop_source *src, uint32_t events)
{
	struct vsock *v = container_of(src, struct vsock, rx_kick);

	(void)events;
	v->stats.kicks++;
	vsock_pump(v);
}

static void on_tx_kick(struct loop_source *src, uint32_t events)
{
	struct vsock *v = container_of(src, struct vsock, tx_kick);

	(void)events;
	v->stats.kicks++;
	v->tx_waiting = true;
	vsock_pump(v);
}

/* ---- the device -------------------------------------------------------------- */

static int vsock_activate(struct virtio_device *dev, struct err *err)
{
	struct vsock *v = container_of(dev, struct vsock, dev);

	if (!dev->queues[VSOCK_VQ_RX].enabled || !dev->queues[VSOCK_VQ_TX].enabled)
		return err_msg(err, EINVAL, "vsock: the driver left out a queue");
	(void)pthread_mutex_lock(&v->lock);
	v->active = true;
	v->broken = false;
	(void)pthread_mutex_unlock(&v->lock);
	kick_self(v); /* what the driver made available before */
	return 0;
}

static void vsock_reset(struct virtio_device *dev)
{
	struct vsock *v = container_of(dev, struct vsock, dev);

	(void)pthread_mutex_lock(&v->lock);
	v->active = false;
	v->was_reset = true;
	v->stash_first = 0;
	v->n_stash = 0;
	v->rx_pushed = 0;
	v->tx_pushed = 0;
	v->tx_pushed_bytes = 0;
	(void)pthread_mutex_unlock(&v->lock);
	kick_self(v); /* the loop's thread tells the owners of connections */
}

static void vsock_dev_free(struct virtio_device *dev)
{
	vsock_free(container_of(dev, struct vsock, dev));
}

static const struct virtio_dev_ops vsock_ops = {
	.activate = vsock_activate,
	.reset = vsock_reset,
	.save = vsock_save,
	.load = vsock_load,
	.free = vsock_dev_free,
};

int vsock_new(const struct guest_memory *mem, struct loop *loop, uint32_t guest_cid,
	      struct vsock **ret_vsock, struct err *err)
{
	static const uint16_t sizes[VSOCK_VQS] = {
		[VSOCK_VQ_RX] = VSOCK_QUEUE_SIZE,
		[VSOCK_VQ_TX] = VSOCK_QUEUE_SIZE,
		[VSOCK_VQ_EVENT] = VSOCK_EVENT_QUEUE_SIZE,
	};
	struct vsock *v = calloc(1, sizeof(*v));
	int ret = 0;

	if (!v)
		return err_set(err, ENOMEM, "vsock");
	v->dev.ops = &vsock_ops;
	v->dev.name = "vsock";
	v->dev.id = VIRTIO_ID_VSOCK;
	v->dev.pci_class = PCI_CLASS_COMMUNICATION_OTHER;
	v->dev.n_queues = VSOCK_VQS;
	v->dev.config = &v->config;
	v->dev.config_size = sizeof(v->config);
	v->config.guest_cid = guest_cid;
	v->guest_cid = guest_cid;
	v->loop = loop;
	v->rx_kick.fd = -1;
	v->tx_kick.fd = -1;
	(void)pthread_mutex_init(&v->lock, NULL); /* cannot fail on Linux */
	TAILQ_INIT(&v->ready);
	for (unsigned int i = 0; ret == 0 && i < VSOCK_VQS; i++)
		ret = vq_init(&v->dev.queues[i], mem, sizes[i], err);
	if (ret == 0)
		ret = loop_add(loop, &v->rx_kick, v->dev.queues[VSOCK_VQ_RX].kick_fd,
			       EPOLLIN | EPOLLET, on_rx_kick, err);
	if (ret == 0)
		ret = loop_add(loop, &v->tx_kick, v->dev.queues[VSOCK_VQ_TX].kick_fd,
			       EPOLLIN | EPOLLET, on_tx_kick, err);
	if (ret < 0) {
		vsock_free(v);
		return err_wrap(err, ret, "vsock");
	}
	*ret_vsock = v;
	return 0;
}

void vsock_free(struct vsock *v)
{
	if (!v)
		return;
	loop_remove(v->loop, &v->rx_kick);
	loop_remove(v->loop, &v->tx_kick);
	v->running = true; /* owners that close others on the way start no round */
	vsock_conns_lose_all(v);
	vsock_conns_free_dead(v);
	for (unsigned int i = 0; i < VSOCK_VQS; i++)
		vq_release(&v->dev.queues[i]);
	(void)pthread_mutex_destroy(&v->lock); /* nobody uses it any more */
	free(v);
}

struct virtio_device *vsock_device(struct vsock *v)
{
	return &v->dev;
}

const struct vsock_stats *vsock_stats(const struct vsock *v)
{
	return &v->stats;
}

void vsock_log_stats(const struct vsock *v)
{
	const struct vsock_stats *s = &v->stats;

	log_debug(
		"vsock: from the guest %llu packets, %llu bytes, %llu dropped; to the guest "
		"%llu packets, %llu bytes, %llu credit updates, %llu resets; "
		"%llu kicks, %llu interrupts, out of buffers %llu times",
		(unsigned long long)s->rx_packets, (unsigned long long)s->rx_bytes,
		(unsigned long long)s->dropped, (unsigned long long)s->tx_packets,
		(unsigned long long)s->tx_bytes, (unsigned long long)s->credit_updates,
		(unsigned long long)s->resets, (unsigned long long)s->kicks,
		(unsigned long long)s->interrupts, (unsigned long long)s->rx_starved);
}
