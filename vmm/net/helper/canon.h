/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent is told (AGENT_NET in vmm/agent_proto.h): of each message of the
 * kernel's that which configures, always in the same order, so that two of them
 * say the same when their bytes are the same.
 *
 * Key attributes come first: IFA_ADDRESS and IFA_LOCAL of an address, NDA_DST of
 * a neighbour (vmm/net/helper/told.c).
 */
#ifndef HULL_VMM_NET_HELPER_CANON_H
#define HULL_VMM_NET_HELPER_CANON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct buf;
struct ifaces;
struct links;
struct nl;
struct nlattr;
struct nlmsghdr;

#define CANON_MAX_MSG 4096u /* (bytes) of one message */

struct canon {
	const struct ifaces *ifaces; /* borrowed */
	struct buf *list; /* borrowed; messages are appended */
	uint8_t family; /* of the list that the kernel is asked for */
	struct err refused; /* the first that cannot be told; code 0: none */
};

/* One message while it is made. */
struct draft {
	_Alignas(8) char data[CANON_MAX_MSG];
	bool cut; /* it did not fit */
};

/* draft_begin() - of @type, with @family behind its header. */
struct nlmsghdr *draft_begin(struct draft *d, uint16_t type, const void *family,
			     size_t len);
void draft_put(struct draft *d, uint16_t type, const void *data, size_t len);

/* draft_copy() - those of @tb whose types are in @types, in that order. */
void draft_copy(struct draft *d, const struct nlattr *const *tb, const uint16_t *types,
		size_t n);

/* draft_end() - append it to what is told. @what: for the message if it is too long */
int draft_end(struct canon *c, struct draft *d, const char *what);

/*
 * canon_dump() - all that there is to tell of @links that are carried.
 * Return: 0; -errno (EINTR: something changed meanwhile)
 */
int canon_dump(struct canon *c, const struct links *links, struct nl *nl);

/* canon_route() - an nl_cb for RTM_GETROUTE, with struct canon. */
int canon_route(const struct nlmsghdr *nlh, void *data);

#endif
