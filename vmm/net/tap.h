/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets between rings and a tap by a thread of ours, for a host without vhost.
 *
 * One thread per card, in an epoll of its own: the taps, the kicks, a wake-up.  A
 * packet is one system call straight into or out of guest memory.  In a round each
 * queue that has something moves at most NET_ROUND packets and interrupts once, so no
 * queue keeps the thread from the others, and a stop waits for one round at most.
 *
 * Locks: net_tap.lock is held by the thread for a round and is taken after the card's
 * lock, before vq.lock.  The thread takes no other, so whoever holds the card's may
 * wait for it.
 *
 * Calling sequence (in brackets: any thread, one at a time):
 *	net_tap_new, [net_tap_start, net_tap_stop] ..., net_tap_free
 */
#ifndef HULL_VMM_NET_TAP_H
#define HULL_VMM_NET_TAP_H

#include <stdatomic.h>
#include <stdint.h>

#include "vmm/net/proto.h"
#include "vmm/virtio/vq.h"

struct err;
struct net_tap;

#define NET_HDR_SIZE 12u /* (bytes) struct virtio_net_hdr_v1, before each packet */
#define NET_MAX_PACKET (65550u + NET_HDR_SIZE) /* (bytes) virtio 1.2 §5.1.6.3.1 */
#define NET_ROUND 64u /* (packets) */

/* struct net_stats (vmm/virtio/net.h) while it is counted. */
struct net_counters {
	atomic_ullong rx_packets;
	atomic_ullong tx_packets;
	atomic_ullong rx_dropped;
	atomic_ullong tx_dropped;
};

struct net_tap_params {
	struct vq *queues; /* receive and transmit queue of each pair; outlive it */
	unsigned int n_pairs;
	const int *tap_fd; /* one a pair, non-blocking; borrowed until net_tap_free() */
	struct net_counters *counters; /* outlive it */
};

/* net_tap_new() - with a thread that does nothing yet; it has the seccomp filter of
 * the calling one: the loop's. */
int net_tap_new(const struct net_tap_params *params, struct net_tap **ret_tap,
		struct err *err);

/* net_tap_free() - also while it is started; waits for the thread's end. */
void net_tap_free(struct net_tap *tap);

/*
 * net_tap_start() - serve the enabled queues of the first @n_pairs pairs.
 * @mergeable: a packet may take several receive buffers (VIRTIO_NET_F_MRG_RXBUF)
 */
void net_tap_start(struct net_tap *tap, unsigned int n_pairs, bool mergeable);

/* net_tap_stop() - when it returns the thread touches no queue and no guest memory;
 * all that was popped and not used is available again. */
void net_tap_stop(struct net_tap *tap);

#endif
