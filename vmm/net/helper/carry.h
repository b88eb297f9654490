/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which interfaces are the guest's: a tap for each, joined to it, told to hull-vmm.
 */
#ifndef HULL_VMM_NET_HELPER_CARRY_H
#define HULL_VMM_NET_HELPER_CARRY_H

#include <stdbool.h>

#include "vmm/net/helper/devices.h"
#include "vmm/net/helper/ifaces.h"

struct links;
struct nl;

struct carry {
	int sock; /* borrowed; to hull-vmm */
	struct nl *nl; /* borrowed */
	unsigned int pairs;
	struct devices devices;
	struct ifaces ifaces;
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

/* carry_end() - leave all of them as they were. */
void carry_end(struct carry *c);

#endif
