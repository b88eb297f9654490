/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters on an interface's ingress, as tc(8) makes them, one at each priority: the
 * lower number sees a frame first, and one that says TC_ACT_UNSPEC leaves it to the
 * next.
 */
#ifndef HULL_VMM_NET_HELPER_TC_H
#define HULL_VMM_NET_HELPER_TC_H

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdint.h>

struct nl;
struct nl_request;
struct nlmsghdr;

/* The ingress side of an ingress qdisc as well as of a clsact one. */
#define TC_INGRESS_BLOCK TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define TC_ACT_ORDER 1 /* of the one action of a filter */

/* tc_put() - an action's options, from @what. */
typedef void (*tc_put)(struct nlmsghdr *nlh, const void *what);

struct tc_action {
	const char *kind; /* "mirred", ... */
	tc_put put;
	const void *what;
};

/* tc_begin() - a request about filters or qdiscs. @kind: NULL: it has none */
struct nlmsghdr *tc_begin(struct nl_request *r, uint16_t type, uint16_t flags,
			  const struct tcmsg *tcm, const char *kind);

/* tc_filter() - that of the interface @index at @prio, of frames of all protocols. */
struct tcmsg tc_filter(uint32_t index, uint32_t prio);

/*
 * tc_add_all() - one that does @action with every frame: matchall, or u32 where the
 * host has no matchall.
 * Return: 0; -errno, the kernel's (ENOENT: it has neither, or not the action)
 */
int tc_add_all(uint32_t index, uint32_t prio, const struct tc_action *action,
	       struct nl *nl);

/* tc_remove() - Return: 0; -errno (ENOENT: there is none) */
int tc_remove(uint32_t index, uint32_t prio, struct nl *nl);

#endif
