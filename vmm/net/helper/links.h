/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interfaces of the network namespace as they are now, and which of them the
 * guest gets.
 */
#ifndef HULL_VMM_NET_HELPER_LINKS_H
#define HULL_VMM_NET_HELPER_LINKS_H

#include <linux/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"

struct nl;
struct nlmsghdr;

#define LINK_MAX_ADDR 32 /* (bytes) MAX_ADDR_LEN */

struct link {
	uint32_t index;
	uint16_t type; /* ARPHRD_* */
	uint32_t flags; /* IFF_* */
	uint32_t mtu;
	uint32_t txqlen;
	uint32_t group;
	uint32_t lower; /* index of the one it lies on, in this namespace; or 0 */
	bool is_port; /* of a bridge, a bond, a VRF, ... */
	bool is_tap; /* one that a hull-net has made */
	bool no_ipv6;
	bool carrier;
	char name[IFNAMSIZ];
	uint8_t addr_len;
	uint8_t addr[LINK_MAX_ADDR];
};

struct links {
	struct buf list; /* of struct link */
};

enum link_way {
	LINK_LEFT, /* not the guest's, and nobody expects it there */
	LINK_REFUSED, /* it cannot be the guest's, though it is in use */
	LINK_LOOPBACK,
	LINK_CARD,
};

/* links_dump() - list them anew. Return: 0; -errno (EINTR: they changed meanwhile) */
int links_dump(struct links *links, struct nl *nl);
void links_release(struct links *links);

/* links_begin(), links_end() - for (l = links_begin(); l < links_end(); l++) */
const struct link *links_begin(const struct links *links);
const struct link *links_end(const struct links *links);

const struct link *links_find(const struct links *links, uint32_t index);

/* link_way() - what becomes of @l. */
enum link_way link_way(const struct links *links, const struct link *l);

#endif
