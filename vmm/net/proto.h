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
#include <stdbool.h>
#include <stdint.h>

#define NET_MAX_NICS 24u /* what bus 0 has room for */
#define NET_MAX_PAIRS 4u /* (queue pairs) of a card; each has a vhost thread */
#define NET_MAX_CONFIG (64u << 10) /* (bytes) of payload with NET_CONFIG */
#define NET_IFNAME_SIZE 16u /* IFNAMSIZ */
#define NET_REASON_SIZE 96u
#define NET_MIN_RATE 64000ull /* (bits/s) a packet of 64 KiB takes 8 s */
#define NET_MAX_RATE 1000000000000ull /* (bits/s) */

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
	NET_LIMITED, /* the answer to NET_LIMIT; arg: 0, or an errno value and payload:
			text, why nothing has changed */

	/* hull-vmm -> hull-net */
	NET_SETTLE = 64,
	NET_LIMIT, /* payload: struct net_limits; for all interfaces, or none */
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

/* What may pass each of the interfaces. */
struct net_limits {
	uint64_t rx; /* (bits/s) to the container; 0: no limit */
	uint64_t tx; /* (bits/s) from the container; 0: no limit */
	uint8_t antispoof; /* 1: from its own addresses only */
	uint8_t reserved[7]; /* 0 */
};

/* net_limits_valid() - does every number mean something? */
static inline bool net_limits_valid(const struct net_limits *l)
{
	bool valid = l->antispoof <= 1;

	for (unsigned int i = 0; i < sizeof(l->reserved); i++)
		valid &= !l->reserved[i];
	return valid && (!l->rx || (l->rx >= NET_MIN_RATE && l->rx <= NET_MAX_RATE)) &&
	       (!l->tx || (l->tx >= NET_MIN_RATE && l->tx <= NET_MAX_RATE));
}

static_assert(sizeof(struct net_msg) == 16, "flat");
static_assert(sizeof(struct net_limits) == 24, "flat");
static_assert(sizeof(struct net_nic) == 116, "flat");

#endif
