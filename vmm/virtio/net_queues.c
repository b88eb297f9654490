/* SPDX-License-Identifier: Apache-2.0 */
/* What the loop serves of a card: its control queue (virtio 1.2 §5.1.6.5), and, while
 * there is nothing behind it, its transmit queues. */
#include <assert.h>
#include <string.h>

#include "lib/container_of.h"
#include "vmm/net/tap_internal.h"
#include "vmm/virtio/net_internal.h"

#define MAX_IOV VQ_MAX_INDIRECT
#define MAX_COMMAND 32u /* (bytes) longer than any that is understood */
#define CTRL_ROUND 4u /* commands a turn; one may wait for the host (rtnl, RCU) */

static_assert(sizeof(struct virtio_net_ctrl_hdr) == 2, "virtio 1.2 §5.1.6.5");
static_assert(sizeof(struct virtio_net_ctrl_mq) == 2, "virtio 1.2 §5.1.6.5.5");

/* The loop's thread has one turn at a time: no need for each card to have this. */
static struct iovec chain_iov[MAX_IOV];

struct command {
	struct virtio_net_ctrl_hdr hdr;
	char data[MAX_COMMAND - sizeof(struct virtio_net_ctrl_hdr)];
};

/* gather() - a private copy.  Return: (bytes) > MAX_COMMAND: longer, and cut */
static uint32_t gather(const struct vq_chain *chain, void *data)
{
	uint32_t done = 0;

	for (unsigned int i = 0; i < chain->n_out && done < MAX_COMMAND; i++) {
		size_t n = chain->out[i].iov_len;

		if (n > MAX_COMMAND - done)
			n = MAX_COMMAND - done;
		memcpy((char *)data + done, chain->out[i].iov_base, n);
		done += (uint32_t)n;
	}
	return chain->out_len;
}

static bool accepted(const struct net *net, unsigned int feature)
{
	return net->features & 1ull << feature;
}

static bool set_mac(struct net *net, const struct command *c, uint32_t len)
{
	if (len != sizeof(net->config.mac) || !accepted(net, VIRTIO_NET_F_CTRL_MAC_ADDR))
		return false;
	memcpy(net->config.mac, c->data, sizeof(net->config.mac));
	return true;
}

static bool set_pairs(struct net *net, const struct command *c, uint32_t len)
{
	struct virtio_net_ctrl_mq mq;

	if (len != sizeof(mq) || !accepted(net, VIRTIO_NET_F_MQ))
		return false;
	memcpy(&mq, c->data, sizeof(mq));
	if (!mq.virtqueue_pairs || mq.virtqueue_pairs > net->n_pairs)
		return false;
	net->pairs = mq.virtqueue_pairs;
	net_use_pairs_locked(net);
	return true;
}

/* run() - @len: (bytes) of the whole command. */
static bool run(struct net *net, const struct command *c, uint32_t len)
{
	if (len < sizeof(c->hdr) || len > sizeof(*c))
		return false;
	len -= (uint32_t)sizeof(c->hdr);
	if (c->hdr.class == VIRTIO_NET_CTRL_MAC &&
	    c->hdr.cmd == VIRTIO_NET_CTRL_MAC_ADDR_SET)
		return set_mac(net, c, len);
	if (c->hdr.class == VIRTIO_NET_CTRL_MQ &&
	    c->hdr.cmd == VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET)
		return set_pairs(net, c, len);
	return false;
}

/* command() - Return: (bytes) of the answer */
static uint32_t command(struct net *net, const struct vq_chain *chain)
{
	virtio_net_ctrl_ack ack;
	struct command c;
	uint32_t len;

	if (!chain->n_in)
		return 0; /* nowhere to say what became of it: nothing does */
	len = gather(chain, &c);
	ack = run(net, &c, len) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
	memcpy(chain->in[0].iov_base, &ack, sizeof(ack));
	return sizeof(ack);
}

static uint32_t drop(struct net *net, const struct vq_chain *chain)
{
	(void)chain;
	tap_count(&net->counters.tx_dropped);
	return 0;
}

static bool serve(struct net *net, struct vq *vq, unsigned int max,
		  uint32_t (*handle)(struct net *net, const struct vq_chain *chain))
{
	struct vq_chain chain;
	unsigned int n = 0;
	bool more = true;
	int ret = 1;

	while (more && n < max) {
		ret = vq_pop(vq, &chain, chain_iov, MAX_IOV);
		if (ret < 0)
			break;
		if (ret == 0) {
			more = vq_enable_kicks(vq);
			continue;
		}
		vq_push(vq, chain.head, handle(net, &chain));
		n++;
	}
	vq_notify(vq);
	return more && ret >= 0;
}

bool net_loop_serves_locked(const struct net *net, unsigned int i)
{
	unsigned int control = 2 * net_usable_pairs(net);

	return i == control || (i < control && i % 2 && !net->attached);
}

bool net_serve(struct loop_queue *lq)
{
	struct net *net = container_of(lq->ld, struct net, ld);
	unsigned int i = (unsigned int)(lq->vq - net->dev.queues);

	/* Watched for an earlier state of the card. */
	if (!net_loop_serves_locked(net, i))
		return false;
	if (i == 2 * net_usable_pairs(net))
		return serve(net, lq->vq, CTRL_ROUND, command);
	return serve(net, lq->vq, NET_ROUND, drop);
}
