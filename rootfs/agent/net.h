/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct net - the network of one container as the host has told it (AGENT_NET,
 * vmm/agent_proto.h): which of the guest's interfaces stands for which of the host's.
 *
 *	net_apply.c	the messages in their order; addresses, routes, neighbours, rules
 *	net_link.c	RTM_NEWLINK and RTM_DELLINK: an interface as it is told
 *	net_card.c	which of the interfaces is card N; into the container's namespace
 *	net_query.c	interfaces as the kernel lists them
 *	net_ns.c	struct net's life, the two namespaces
 *	net.c		the loopback interface of a new namespace
 *
 * A card appears in the agent's network namespace, which may be the container's too.
 */
#ifndef HULL_AGENT_NET_H
#define HULL_AGENT_NET_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rootfs/agent/netlink.h"

struct err;

#define NET_LINKS 64 /* that one container has */
#define NET_LOOPBACK 1u /* its index in every namespace */

/* An interface that was told. */
struct net_link {
	uint32_t host; /* its index there; 0: the place is free */
	uint32_t guest; /* its index here; 0: it has gone without being told */
	uint32_t card; /* or AGENT_NIC_NONE */
	bool no_ipv6; /* AGENT_LINK_NO_IPV6 was told */
	char name[IFNAMSIZ]; /* as it was told */
};

struct net {
	int ns; /* the container's network namespace; -1: it is the agent's */
	int own_ns; /* the agent's; -1 likewise */
	int fd; /* netlink socket in the container's */
	int own_fd; /* one in the agent's, or -1 */
	struct net_link links[NET_LINKS];
};

/* net_new() - @ns: borrowed, or -1: the agent's own */
int net_new(int ns, struct net **ret, struct err *err);
void net_free(struct net *n);

/*
 * net_apply() - all of the messages, also behind one that fails.
 * Return: 0, or the first error
 */
int net_apply(struct net *n, const void *messages, size_t len, struct err *err);

/*
 * net_unset() - all interfaces lose their addresses and routes and are down, and keep their
 * names: until they are told again.  Connections outlive it.
 */
int net_unset(struct net *n, struct err *err);

/* ---- its parts ------------------------------------------------------------------- */

/* net_enter() - into the container's namespace, until net_leave(). */
int net_enter(const struct net *n, struct err *err);
void net_leave(const struct net *n);

/* net_link_of() - the one that the host calls @host, or NULL. */
struct net_link *net_link_of(struct net *n, uint32_t host);

/* net_link_set() - RTM_NEWLINK; net_link_drop() - RTM_DELLINK */
int net_link_set(struct net *n, const struct netlink_in *in, struct err *err);
int net_link_drop(struct net *n, const struct netlink_in *in, struct err *err);

/* An interface as the kernel lists it. */
struct net_info {
	uint32_t index;
	uint32_t flags; /* IFF_* */
	uint32_t mtu;
	uint32_t txqlen;
	uint32_t group;
	char name[IFNAMSIZ];
	unsigned char address[32]; /* MAX_ADDR_LEN */
	size_t address_len;
	unsigned char permanent[32];
	size_t permanent_len; /* 0: it has none */
};

/* net_info_parse() - of RTM_NEWLINK; what it does not say is 0.  0 or -EPROTO */
int net_info_parse(const struct netlink_in *in, struct net_info *ret);

/* net_query() - by index; -ENODEV: there is none */
int net_query(int fd, uint32_t index, struct net_info *ret, struct err *err);
/* net_query_name() - likewise by name. */
int net_query_name(int fd, const char *name, struct net_info *ret, struct err *err);
/* net_query_card() - that of card @number; -ENODEV: there is none */
int net_query_card(int fd, uint32_t number, struct net_info *ret, struct err *err);

/* net_is_card() - one that the host has made, whichever it stands for now. */
bool net_is_card(const struct net *n, const struct net_info *info);

/* net_card_address() - the permanent one of card @number. */
#define NET_CARD_ADDRESS_LEN 6
void net_card_address(uint32_t number, unsigned char ret[NET_CARD_ADDRESS_LEN]);

/*
 * net_card_find() - card @number in the container's namespace; brought there, and
 * looked for on the bus when it is nowhere.
 */
int net_card_find(const struct net *n, uint32_t number, struct net_info *ret,
		  struct err *err);
/* net_card_away() - the unused interface @index goes to the agent's namespace. */
int net_card_away(const struct net *n, uint32_t index, struct err *err);

/* The kernel puts a free number into it: a name that nobody asks for. */
#define NET_SPARE_NAME "card%d"

#endif
