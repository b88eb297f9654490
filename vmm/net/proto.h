/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol between hull-net and hull-vmm: what the interfaces of the container's
 * network namespace are to the guest.
 *
 * A SOCK_SEQPACKET socket; hull-vmm gets its end with CONTROL_NET (vmm/control.h).
 * A message is one struct net_msg and its payload (the length is the packet's).
 * hull-net numbers the interfaces it carries (`nic`, 0..NET_MAX_NICS - 1, the lowest
 * free one first) and tells of each, in this order:
 *	NET_NIC_ADD	its tap: hull-vmm puts it behind network card `nic`
 *	NET_CONFIG	names, addresses, routes: for the agent, unread
 * and later of changes, as they come.  When it has told all that was there when it
 * was asked (NET_SETTLE), it answers NET_SETTLED.
 *
 * The end of either side is the end of the other's interest: hull-net ends with the
 * connection, hull-vmm keeps the cards as they are.  hull-vmm trusts hull-net with
 * the network only: it checks every number, length and count.
 */
#ifndef HULL_VMM_NET_PROTO_H
#define HULL_VMM_NET_PROTO_H

#include <assert.h>
#include <stdint.h>

#define NET_MAX_NICS 24u /* what bus 0 has room for */
#define NET_MAX_PAIRS 4u /* (queue pairs) of a card; each has a vhost thread */
#define NET_MAX_CONFIG (64u << 10) /* (bytes) of payload with NET_CONFIG */
#define NET_IFNAME_SIZE 16u /* IFNAMSIZ */
#define NET_REASON_SIZE 96u

/* net_pairs() - queue pairs of each card of a machine with @vcpus. */
static inline unsigned int net_pairs(uint32_t vcpus)
{
	return vcpus < NET_MAX_PAIRS ? vcpus : NET_MAX_PAIRS;
}

enum net_msg_type {
	/* hull-net -> hull-vmm */
	NET_NIC_ADD = 1, /* payload: struct net_nic; descriptors: n_pairs queues of the
			    tap, then as many /dev/vhost-net if `vhost` */
	NET_NIC_REMOVE, /* the interface has gone: card `nic` loses its tap and is free */
	NET_CARRIER, /* arg: 1: the interface has a carrier, 0: none */
	NET_CONFIG, /* payload: rtnetlink messages as AGENT_NET takes them, whole ones */
	NET_FAILED, /* payload: text; an interface cannot be carried, and why */
	NET_SETTLED, /* all that was there at the NET_SETTLE has been told */

	/* hull-vmm -> hull-net */
	NET_SETTLE = 64,
};

struct net_msg {
	uint32_t type; /* enum net_msg_type */
	uint32_t nic; /* ADD, REMOVE, CARRIER; otherwise 0 */
	uint32_t arg;
	uint32_t reserved; /* 0 */
	char payload[]; /* the rest of the packet */
};

struct net_nic {
	char name[NET_IFNAME_SIZE]; /* of the interface, terminated: for messages */
	uint8_t n_pairs; /* net_pairs() */
	uint8_t vhost; /* 1: the kernel moves the packets */
	uint8_t zero_copy; /* 1: and large ones out of guest memory as they are */
	uint8_t reserved;
	char why[NET_REASON_SIZE]; /* why not vhost, or not zero-copy; "" */
};

static_assert(sizeof(struct net_msg) == 16, "flat");
static_assert(sizeof(struct net_nic) == 116, "flat");

#endif
