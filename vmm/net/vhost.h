/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost-net: the host's kernel serves the rings of a card and its tap (linux/vhost.h).
 * A kick goes from KVM to vhost's thread and an interrupt from there to KVM, without
 * this process.
 *
 * Calling sequence (all with the card's lock held; in brackets: on any thread):
 *	net_vhost_new, [net_vhost_start, net_vhost_set_call ..., net_vhost_stop] ...,
 *	net_vhost_free
 * Descriptors are the caller's: they stay open until net_vhost_free() has returned.
 */
#ifndef HULL_VMM_NET_VHOST_H
#define HULL_VMM_NET_VHOST_H

#include <stdint.h>

#include "vmm/memory.h"
#include "vmm/net/proto.h"
#include "vmm/virtio/vq.h"

struct err;

struct net_vhost {
	const struct guest_memory *mem; /* borrowed */
	unsigned int n_pairs;
	int fd[NET_MAX_PAIRS]; /* borrowed; receives by ring 0, sends by ring 1 */
	int tap_fd[NET_MAX_PAIRS]; /* borrowed */
	int err_fd; /* borrowed eventfd: vhost found a ring malformed */
	uint64_t features; /* of those that concern rings, what vhost knows */
	struct vq *served[2 * NET_MAX_PAIRS]; /* NULL: not handed out */
};

/*
 * net_vhost_init() - make the descriptors ours.  vhost's threads begin as children of
 * the calling one.
 * Return: 0; -errno, with the call that failed: there is no vhost then
 */
int net_vhost_init(struct net_vhost *v, struct err *err);

/*
 * net_vhost_start() - serve the enabled queues of @n_pairs pairs.
 * @queues: receive and transmit queue of each pair
 * @features: what the driver has accepted
 * Return: 0; -errno: all queues are as before
 */
int net_vhost_start(struct net_vhost *v, struct vq *queues, unsigned int n_pairs,
		    uint64_t features, struct err *err);

/* net_vhost_stop() - take the queues back; vhost touches no guest memory any more. */
void net_vhost_stop(struct net_vhost *v);

/* net_vhost_set_call() - @vq has another call_fd. */
void net_vhost_set_call(struct net_vhost *v, struct vq *vq);

#endif
