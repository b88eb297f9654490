/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct net - shared by net.c (the virtio device), net_queues.c (what the loop
 * serves: the control queue, and sends to nowhere), net_backend.c (what is behind
 * the card) and net_save.c.
 *
 * ld.lock guards all but what net_new() has fixed.  The driver comes on vCPU threads
 * (activate, reset, config_read, a queue's vector), taps come and go on the loop's.
 * What only the loop's thread may do (watch a descriptor, make a thread) and a vCPU
 * thread finds necessary is done by net_tidy_locked(), to which `work` leads.
 */
#ifndef HULL_VMM_VIRTIO_NET_INTERNAL_H
#define HULL_VMM_VIRTIO_NET_INTERNAL_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/loop.h"
#include "vmm/net/tap.h"
#include "vmm/net/vhost.h"
#include "vmm/virtio/loop_queue.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/virtio.h"

#define NET_QUEUES (2 * NET_MAX_PAIRS + 1)

struct net {
	struct virtio_device dev;
	struct loop_device ld;
	const struct guest_memory *mem;
	unsigned int nic;
	unsigned int n_pairs;
	char name[16];
	struct loop_queue watched[NET_QUEUES]; /* the loop's thread only; ld NULL: not */
	struct loop_source work; /* eventfd: net_tidy_locked() */
	struct loop_source vhost_err; /* eventfd: vhost found a ring malformed */

	/* The driver's. */
	bool driver_ok; /* between activate and reset */
	uint64_t features; /* accepted; 0 without driver_ok */
	bool failed; /* since then: NEEDS_RESET, nothing is moved any more */
	bool held; /* net_hold(): nothing is moved meanwhile */
	unsigned int pairs; /* that the driver uses; 0: it has not said */
	struct virtio_net_config config;

	/* What is behind the card. */
	bool attached;
	bool carrier;
	struct net_backend backend; /* while attached; its descriptors are ours */
	unsigned int taps_used; /* queues of the tap that get packets */
	uint64_t offload; /* features that the tap was told */
	bool use_vhost;
	bool need_tap; /* vhost has refused: make a thread */
	struct net_vhost vhost; /* with use_vhost */
	struct net_tap *tap; /* otherwise; NULL: need_tap */
	bool warned; /* a hostile guest gets one line of log */

	struct net_counters counters;
};

/* net_usable_pairs() - those whose queues are what they seem: without
 * VIRTIO_NET_F_MQ the third queue is the control queue (virtio 1.2 §5.1.2). */
static inline unsigned int net_usable_pairs(const struct net *net)
{
	bool mq = net->features & 1ull << VIRTIO_NET_F_MQ;

	return !net->driver_ok || mq ? net->n_pairs : 1;
}

/* net_serve() - a queue that the loop watches.  (net_queues.c) */
bool net_serve(struct loop_queue *lq);

/* net_loop_serves_locked() - whether the loop is to watch queue @i now. */
bool net_loop_serves_locked(const struct net *net, unsigned int i);

/* net_wake() - have net_tidy_locked() called. */
void net_wake(struct net *net);

/* net_warn() - log @why, unless the card has had its line. */
void net_warn(struct net *net, const char *why);

/* net_save.c: the device's ops. */
int net_save(struct virtio_device *dev, struct buf *out, struct err *err);
int net_load(struct virtio_device *dev, struct sections *in, struct err *err);

/* ---- net_backend.c ---------------------------------------------------------------- */

/* net_open_locked() - make net->backend ready; the loop's thread.  On failure its
 * descriptors are closed. */
int net_open_locked(struct net *net, struct err *err);
/* net_close_locked() - stop, and close all. */
void net_close_locked(struct net *net);

/* net_start_locked() - move packets, if there is a driver and a tap. */
void net_start_locked(struct net *net);
/* net_stop_locked() - when it returns nobody touches the queues. */
void net_stop_locked(struct net *net);

/* net_mend_locked() - a thread for a card that vhost has refused; the loop's thread. */
void net_mend_locked(struct net *net);

/* net_use_pairs_locked() - let packets come only by the queues that the driver uses. */
void net_use_pairs_locked(struct net *net);

#endif
