/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which interfaces are the guest's: a tap for each, joined to it, told to hull-vmm.
 */
#ifndef HULL_VMM_NET_HELPER_CARRY_H
#define HULL_VMM_NET_HELPER_CARRY_H

#include <stdbool.h>

#include "vmm/net/helper/devices.h"
#include "vmm/net/helper/ifaces.h"
#include "vmm/net/proto.h"

struct buf;
struct err;
struct link;
struct links;
struct nl;

struct carry {
	int sock; /* borrowed; to hull-vmm */
	struct nl *nl; /* borrowed */
	unsigned int pairs;
	struct devices devices;
	struct ifaces ifaces;
	struct net_limits limits; /* of each card's tap */
	struct buf ips; /* of struct guard_ip: the namespace's, as told last */
};

/* carry_mark_gone() - are there some that cannot be the guest's any more? */
bool carry_mark_gone(struct carry *c, const struct links *links);

/*
 * carry_sweep() - take the cards of those away.
 * Return: 0; -errno: hull-vmm has gone
 */
int carry_sweep(struct carry *c, const struct links *links);

/*
 * carry_update() - the new ones, and the changes of the others.  What fails of one
 * interface is told, and the others go on.
 * Return: 0; -errno: hull-vmm has gone, or no memory
 */
int carry_update(struct carry *c, const struct links *links);

/* ---- what may pass: carry_limit.c ---- */

/* carry_limit_new() - the limits of a tap that is not up yet. @i: of @l */
int carry_limit_new(struct carry *c, const struct link *l, struct iface *i,
		    struct err *err);

/*
 * carry_limit() - other limits, for all.
 * Return: 0; -errno, and the old ones hold
 */
int carry_limit(struct carry *c, const struct links *links, const struct net_limits *to,
		struct err *err);

/*
 * carry_guard() - bring the anti-spoof filters in line with the addresses there are.
 * @told: the messages of vmm/net/helper/canon.h
 * Return: 0; -errno: hull-vmm has gone, or no memory
 */
int carry_guard(struct carry *c, const struct links *links, const struct buf *told);

/* carry_end() - leave all of them as they were.  Return: 0; -errno: of one that is not */
int carry_end(struct carry *c);

#endif
