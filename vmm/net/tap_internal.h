/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of one queue pair: tap_rx.c and tap_tx.c move packets, tap.c says
 * when.  All with net_tap.lock held.
 */
#ifndef HULL_VMM_NET_TAP_INTERNAL_H
#define HULL_VMM_NET_TAP_INTERNAL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/net/tap.h"
#include "vmm/virtio/vq.h"

/* Why a queue is left alone; otherwise it is served in the next round. */
enum tap_wait {
	TAP_READY,
	TAP_KICK, /* the driver has nothing for us */
	TAP_FD, /* the tap has no packet, or no room for one */
	TAP_BROKEN, /* the ring */
};

struct tap_chain {
	uint16_t head;
	uint16_t n_iov;
	uint32_t len; /* (bytes) */
};

struct tap_rx {
	struct vq *vq;
	int fd;
	bool mergeable;
	struct net_counters *counters;

	/* Popped ahead: the first n_chains of chains[] and n_iov of iov[]. */
	unsigned int n_chains;
	unsigned int n_iov;
	uint64_t room; /* (bytes) in them */
	/*
	 * A packet that was longer than the room: its first `direct` bytes are in the
	 * chains, what follows is in spill[].  0: there is none.
	 */
	uint32_t held; /* (bytes) its length */
	uint64_t direct;
	struct tap_chain chains[VQ_MAX_SIZE];
	struct iovec iov[IOV_MAX + VQ_MAX_INDIRECT];
	char spill[NET_MAX_PACKET];
};

struct tap_tx {
	struct vq *vq;
	int fd;
	struct net_counters *counters;
	bool held; /* `chain` waits for room in the tap */
	struct vq_chain chain;
	struct iovec iov[VQ_MAX_INDIRECT];
};

/* tap_*_serve() - a bounded number of packets, and an interrupt if it is wanted. */
enum tap_wait tap_rx_serve(struct tap_rx *rx);
enum tap_wait tap_tx_serve(struct tap_tx *tx);

/* tap_*_stop() - make what was popped ahead available again. */
void tap_rx_stop(struct tap_rx *rx);
void tap_tx_stop(struct tap_tx *tx);

static inline void tap_count(atomic_ullong *counter)
{
	(void)atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

#endif
