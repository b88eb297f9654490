/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joining two interfaces: all that comes in on one goes out on the other, before
 * the host's own stack has seen it.
 *
 * It is a filter on the interface's ingress qdisc.  Its priority tells what it is,
 * and whether the qdisc is there for it only: so another process can take away what
 * one left that was killed.
 */
#ifndef HULL_VMM_NET_HELPER_JOIN_H
#define HULL_VMM_NET_HELPER_JOIN_H

#include <stdint.h>

struct err;
struct nl;

#define JOIN_PRIO 0x6875u /* and the ingress qdisc was made for it */
#define JOIN_PRIO_GUEST 0x6876u /* the qdisc was there before */

/*
 * join() - from @from's ingress to @to's egress (indexes).
 * Return: 0; -errno (EBUSY: it is joined to another interface already)
 */
int join(uint32_t from, uint32_t to, struct nl *nl, struct err *err);

/* unjoin() - take away what join() made on @index; nothing there: 0. */
int unjoin(uint32_t index, struct nl *nl, struct err *err);

/*
 * join_clean() - the same, if what it is joined to has gone.
 * @ret_to: the interface that it is joined to, or 0
 */
int join_clean(uint32_t index, uint32_t *ret_to, struct nl *nl, struct err *err);

#endif
