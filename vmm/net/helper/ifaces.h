/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interfaces that the guest has, or should have had.
 */
#ifndef HULL_VMM_NET_HELPER_IFACES_H
#define HULL_VMM_NET_HELPER_IFACES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "vmm/agent_proto.h"

struct iface {
	uint32_t index; /* the host's */
	uint32_t nic; /* the card's number; AGENT_NIC_NONE: no card */
	uint32_t tap; /* index of its tap; 0: none */
	uint32_t mtu; /* the tap's */
	bool carrier; /* as hull-vmm knows it */
	uint64_t rx; /* (bits/s) limit of its tap's queue; 0: none */
	uint32_t tx_prio; /* of its tap's policer; 0: none */
	bool guarded; /* there is an anti-spoof filter */
	uint8_t mac[6]; /* which that one lets pass */
	bool failed; /* told so; not the guest's */
	bool no_room; /* for want of a free card */
	bool gone; /* the guest loses it */
};

struct ifaces {
	struct buf list; /* of struct iface, as they came */
};

struct iface *ifaces_begin(const struct ifaces *all);
struct iface *ifaces_end(const struct ifaces *all);
struct iface *ifaces_find(const struct ifaces *all, uint32_t index);

/* ifaces_carry() - is the interface @index in the guest? */
bool ifaces_carry(const struct ifaces *all, uint32_t index);

/* ifaces_free_nic() - the lowest number of no card; NET_MAX_NICS: there is none. */
uint32_t ifaces_free_nic(const struct ifaces *all);

/* ifaces_add() - Return: 0 or -ENOMEM */
int ifaces_add(struct ifaces *all, const struct iface *iface);

/* ifaces_remove() - after it @iface points to the next, or is ifaces_end(). */
void ifaces_remove(struct ifaces *all, struct iface *iface);

#endif
