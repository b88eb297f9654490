/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net (virtio 1.2 §5.1): a network card whose other side comes and goes.
 *
 * The card may be on the bus, and set up by its driver, long before there is a tap
 * behind it: without one its link is down and what the guest sends is dropped.
 * net_attach() puts a tap behind it and net_detach() takes it away again, both while
 * the guest runs.  Packets are moved by
 *	vhost	the host's kernel (vmm/net/vhost.h): no system call of ours for a packet
 *	tap	a thread of this process (vmm/net/tap.h), where there is no vhost
 * with the same features, so a driver cannot tell which and one may follow the other.
 */
#ifndef HULL_VMM_VIRTIO_NET_H
#define HULL_VMM_VIRTIO_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/memory.h"
#include "vmm/net/proto.h"

struct err;
struct loop;
struct virtio_device;

struct net_params {
	const struct guest_memory *mem; /* outlives the device */
	struct loop *loop;
	unsigned int nic; /* number: gives name and MAC (AGENT_NIC_MAC) */
	unsigned int n_pairs; /* 1..NET_MAX_PAIRS */
};

/* What is put behind a card; owned by it from net_attach() on, also when that fails. */
struct net_backend {
	unsigned int n_pairs; /* as the card has */
	bool vhost; /* vhost_fd is there */
	int tap_fd[NET_MAX_PAIRS]; /* IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, non-blocking */
	int vhost_fd[NET_MAX_PAIRS]; /* /dev/vhost-net, nothing done to them yet */
};

struct net_stats {
	uint64_t rx_packets; /* to the guest; only what this process moves (tap) */
	uint64_t tx_packets;
	uint64_t rx_dropped; /* no buffers of the guest's */
	uint64_t tx_dropped; /* malformed, or refused by the tap */
};

/* net_new() - Thread: main, also while the guest runs. */
int net_new(const struct net_params *params, struct virtio_device **ret_dev,
	    struct err *err);

/*
 * net_attach() - put @backend behind the card, in place of what is there, and raise
 * its link.  When vhost refuses, the tap thread takes over and the log says why.
 * Thread: the loop's
 */
int net_attach(struct virtio_device *dev, const struct net_backend *backend,
	       struct err *err);

/* net_detach() - take it away and close it; the link goes down.  Thread: the loop's */
void net_detach(struct virtio_device *dev);

/*
 * net_hold() / net_let_go() - no packet is moved in between, and the rings are the card's
 * own: for whoever saves the machine.  Thread: the loop's
 */
void net_hold(struct virtio_device *dev);
void net_let_go(struct virtio_device *dev);

/* net_set_carrier() - of an attached card: VIRTIO_NET_S_LINK_UP.  Thread: the loop's */
void net_set_carrier(struct virtio_device *dev, bool up);

/* net_stats() - add the card's counters to @stats.  Any thread. */
void net_stats(struct virtio_device *dev, struct net_stats *stats);

#endif
