/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the tap to the driver.
 *
 * Nobody says how long the next packet is, so buffers for the longest are popped
 * ahead, and stay when a packet needs fewer.  readv() has one more buffer behind the
 * driver's: what lies in there (spill) is what they had no room for.  With mergeable
 * buffers such a packet is held until the driver has added some, or dropped when it
 * has none to add; without, one chain is one packet and a longer one is dropped.
 */
#include <assert.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <stddef.h>
#include <string.h>

#include "vmm/net/tap_internal.h"

static_assert(sizeof(struct virtio_net_hdr_v1) == NET_HDR_SIZE, "virtio 1.2 §5.1.6");

/* The driver's buffers that one readv() takes, beside ours. */
#define RX_READ_IOV (IOV_MAX - 1u)

/* wants_room() - more buffers would be of use, and there is a place for them. */
static bool wants_room(const struct tap_rx *rx)
{
	uint32_t want = rx->mergeable ? NET_MAX_PACKET : 1;

	return rx->room < want && rx->n_iov < IOV_MAX;
}

/* fill() - Return: false: the ring is broken */
static bool fill(struct tap_rx *rx)
{
	/* Bounded: the driver may go on to offer chains that hold nothing. */
	for (unsigned int i = 0; i < rx->vq->max_size && wants_room(rx); i++) {
		struct vq_chain chain;
		int ret = vq_pop(rx->vq, &chain, &rx->iov[rx->n_iov], VQ_MAX_INDIRECT);

		if (ret <= 0)
			return ret == 0;
		if (chain.n_out) /* readable buffers, first in the array: not for us */
			memmove(&rx->iov[rx->n_iov], chain.in,
				chain.n_in * sizeof(*chain.in));
		rx->chains[rx->n_chains++] = (struct tap_chain){
			.head = chain.head,
			.n_iov = (uint16_t)chain.n_in,
			.len = chain.in_len,
		};
		rx->n_iov += chain.n_in;
		rx->room += chain.in_len;
	}
	return true;
}

/* put() - @len bytes into the chains, @at bytes behind their beginning. */
static void put(const struct tap_rx *rx, uint32_t at, const void *data, uint32_t len)
{
	const char *from = data;

	for (unsigned int i = 0; i < rx->n_iov && len; i++) {
		size_t room = rx->iov[i].iov_len;
		size_t n;

		if (at >= room) {
			at -= (uint32_t)room;
			continue;
		}
		n = room - at < len ? room - at : len;
		memcpy((char *)rx->iov[i].iov_base + at, from, n);
		from += n;
		len -= (uint32_t)n;
		at = 0;
	}
}

/* drop_chains() - forget the first @n chains, which have been pushed. */
static void drop_chains(struct tap_rx *rx, unsigned int n)
{
	unsigned int n_iov = 0;

	for (unsigned int i = 0; i < n; i++) {
		n_iov += rx->chains[i].n_iov;
		rx->room -= rx->chains[i].len;
	}
	rx->n_chains -= n;
	rx->n_iov -= n_iov;
	memmove(rx->chains, rx->chains + n, rx->n_chains * sizeof(rx->chains[0]));
	memmove(rx->iov, rx->iov + n_iov, rx->n_iov * sizeof(rx->iov[0]));
}

/* deliver() - the packet of rx->held bytes, for which there is room. */
static void deliver(struct tap_rx *rx)
{
	struct vq_used used[VQ_MAX_SIZE];
	uint32_t left = rx->held;
	uint16_t n = 0, n_buffers;

	if (rx->held > rx->direct)
		put(rx, (uint32_t)rx->direct, rx->spill, rx->held - (uint32_t)rx->direct);
	while (left) {
		const struct tap_chain *c = &rx->chains[n];
		uint32_t len = left < c->len ? left : c->len;

		used[n++] = (struct vq_used){ .head = c->head, .written = len };
		left -= len;
	}
	n_buffers = rx->mergeable ? n : 1; /* empty chains before it do not count */
	put(rx, offsetof(struct virtio_net_hdr_v1, num_buffers), &n_buffers,
	    sizeof(n_buffers));
	vq_push_many(rx->vq, used, n);
	drop_chains(rx, n);
	rx->held = 0;
	tap_count(&rx->counters->rx_packets);
}

/* hopeless() - the packet that is held will never fit. */
static bool hopeless(const struct tap_rx *rx)
{
	return !rx->mergeable || rx->n_iov >= rx->vq->size ||
	       rx->n_chains >= rx->vq->size || rx->n_iov >= IOV_MAX;
}

static void drop_held(struct tap_rx *rx)
{
	if (rx->held)
		tap_count(&rx->counters->rx_dropped);
	rx->held = 0;
}

/* read_packet() - Return: TAP_READY: rx->held says how long it is, 0: it is lost */
static enum tap_wait read_packet(struct tap_rx *rx)
{
	unsigned int n = rx->n_iov < RX_READ_IOV ? rx->n_iov : RX_READ_IOV;
	struct iovec saved = rx->iov[n];
	ssize_t len;

	rx->direct = 0;
	for (unsigned int i = 0; i < n; i++)
		rx->direct += rx->iov[i].iov_len;
	rx->iov[n] = (struct iovec){ rx->spill, sizeof(rx->spill) };
	len = readv(rx->fd, rx->iov, (int)n + 1);
	rx->iov[n] = saved;
	if (len > 0) {
		rx->held = (uint32_t)len;
		return TAP_READY;
	}
	if (len == 0 || errno != EFAULT)
		return TAP_FD; /* none there, or the tap is detached or gone */
	tap_count(&rx->counters->rx_dropped); /* into what is no memory any more */
	return TAP_READY;
}

/* one() - read a packet and hand it on, as far as possible. */
static enum tap_wait one(struct tap_rx *rx)
{
	enum tap_wait wait = TAP_READY;

	if (!fill(rx))
		return TAP_BROKEN;
	if (!rx->held && rx->room)
		wait = read_packet(rx);
	if (wait != TAP_READY)
		return wait;
	if (rx->held && rx->held <= rx->room)
		deliver(rx);
	else if (rx->held && hopeless(rx))
		drop_held(rx);
	else if ((rx->held || !rx->room) && !vq_enable_kicks(rx->vq))
		return TAP_KICK;
	return TAP_READY;
}

enum tap_wait tap_rx_serve(struct tap_rx *rx)
{
	enum tap_wait wait = TAP_READY;

	vq_disable_kicks(rx->vq);
	for (unsigned int n = 0; n < NET_ROUND && wait == TAP_READY; n++)
		wait = one(rx);
	vq_notify(rx->vq);
	return wait;
}

void tap_rx_stop(struct tap_rx *rx)
{
	drop_held(rx);
	vq_unpop(rx->vq, rx->n_chains);
	rx->n_chains = rx->n_iov = 0;
	rx->room = 0;
}
