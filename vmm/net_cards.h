/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network cards of a machine, and hull-vmm's end of the connection with hull-net
 * (vmm/net/proto.h), which puts taps behind them.
 *
 * Cards that are expected are on the bus from the start, their links down; more are
 * put there when hull-net finds more interfaces, and the agent looks for them.  A
 * card stays: its tap is taken away when the interface goes, and it is used again.
 *
 * What hull-net sends is checked here; the first violation ends the connection.  The
 * loop's thread only.
 */
#ifndef HULL_VMM_NET_CARDS_H
#define HULL_VMM_NET_CARDS_H

#include <stddef.h>

#include "vmm/virtio/net.h"

struct err;
struct loop;
struct net_cards;
struct net_limits;

struct net_cards_params {
	const struct guest_memory *mem; /* outlives the cards */
	struct loop *loop;
	unsigned int n_pairs; /* net_pairs() */
	/* plug() - put a card on the bus, which owns it on success. */
	int (*plug)(void *opaque, struct virtio_device *dev, struct err *err);
	void *opaque;
};

/* What hull-net tells; the owner may not free the cards in any of these. */
struct net_cards_ops {
	/* config() - @len bytes of rtnetlink messages for the agent, unread */
	void (*config)(void *opaque, const void *messages, size_t len);
	/* failed() - an interface cannot be carried. @why: printable */
	void (*failed)(void *opaque, const char *why);
	void (*settled)(void *opaque); /* the answer to net_cards_settle() */
	/* limited() - the answer to net_cards_limit(). @code: 0, or an errno value and
	 * @why, printable */
	void (*limited)(void *opaque, int code, const char *why);
	/* gone() - the connection is over; once. The cards stay as they are. */
	void (*gone)(void *opaque, const struct err *why);
};

int net_cards_new(const struct net_cards_params *params, struct net_cards **ret,
		  struct err *err);

/* net_cards_free() - the connection; the cards belong to the bus. */
void net_cards_free(struct net_cards *cards);

/* net_cards_expect() - put the first @n cards on the bus.  Before the guest runs. */
int net_cards_expect(struct net_cards *cards, unsigned int n, struct err *err);

/*
 * net_cards_follow() - listen to the hull-net at the other end of @sock.
 * @sock: O_NONBLOCK; owned from now on, also when it fails
 * @ops, @opaque: outlive the cards
 * Return: 0; -EEXIST: there is one already
 */
int net_cards_follow(struct net_cards *cards, int sock, const struct net_cards_ops *ops,
		     void *opaque, struct err *err);

/* net_cards_leave() - no hull-net is listened to any more, so that it puts the namespace in
 * order and ends; idempotent. */
void net_cards_leave(struct net_cards *cards);

/*
 * net_cards_defer() - a hull-net that comes is not listened to, so that no card gets a tap:
 * no packet of the container's reaches a machine that becomes a template.
 * net_cards_go_on() - it is from now on.
 */
void net_cards_defer(struct net_cards *cards);
void net_cards_go_on(struct net_cards *cards);

/* net_cards_settle() - ask to be told all that is there now; then settled() or gone().
 * Return: 0; -ENOTCONN: no hull-net is there */
int net_cards_settle(struct net_cards *cards, struct err *err);

/*
 * net_cards_limit() - have other limits set; then limited() or gone().  One at a time.
 * Return: 0; -ENOTCONN: no hull-net is there
 */
int net_cards_limit(struct net_cards *cards, const struct net_limits *limits,
		    struct err *err);

/* net_cards_hold() / net_cards_let_go() - net_hold() and net_let_go() of all. */
void net_cards_hold(struct net_cards *cards);
void net_cards_let_go(struct net_cards *cards);

/* net_cards_count() - those on the bus. */
unsigned int net_cards_count(const struct net_cards *cards);

/* net_cards_stats() - of all cards.  Any thread that adds no cards meanwhile. */
void net_cards_stats(struct net_cards *cards, struct net_stats *stats);

#endif
