/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rate limits of an interface, on its tap: what the guest sends is policed where it
 * comes in (beyond the rate it is dropped), what it receives waits in a queue (tbf) on
 * its way out.  Both take any packet: of 64 KiB as well, the driver's largest.
 */
#ifndef HULL_VMM_NET_HELPER_LIMIT_H
#define HULL_VMM_NET_HELPER_LIMIT_H

#include <stdint.h>

struct err;
struct nl;

/* The one policer is at either: a new one is there before the old one goes. */
#define LIMIT_PRIO 0x6872u
#define LIMIT_PRIO_OTHER 0x6873u

/*
 * limit_tx() - what comes in on the tap @index.
 * @rate: (bits/s) NET_MIN_RATE to NET_MAX_RATE; 0: none
 * @prio: of the policer that is there, or 0; moved to the new one's
 * Return: 0; -errno, and the old limit holds
 */
int limit_tx(uint32_t index, uint64_t rate, uint32_t *prio, struct nl *nl,
	     struct err *err);

/*
 * limit_rx() - what goes out on the tap @index.
 * @was: the rate that holds, 0: none
 * Return: as above
 */
int limit_rx(uint32_t index, uint64_t was, uint64_t rate, struct nl *nl, struct err *err);

#endif
