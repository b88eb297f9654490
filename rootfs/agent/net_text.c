/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/agent/net_text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#define ADDRESS_SIZE INET6_ADDRSTRLEN
#define NAME_SIZE 32

/* find() - the last attribute of @type; false: there is none that can be read */
static bool find(const struct netlink_in *in, size_t body, uint16_t type,
		 struct netlink_attr *ret)
{
	struct netlink_walk w = netlink_attrs(in, body);
	struct netlink_attr a;
	bool found = false;

	while (netlink_next_attr(&w, &a) > 0) {
		if (a.type != type)
			continue;
		*ret = a;
		found = true;
	}
	return found;
}

/* address() - the attribute of @type as text, or @none */
static const char *address(const struct netlink_in *in, size_t body, uint8_t family,
			   uint16_t type, const char *none, char text[ADDRESS_SIZE])
{
	size_t len = family == AF_INET ? 4 : 16;
	struct netlink_attr a;

	if (!find(in, body, type, &a) || a.len < len ||
	    !inet_ntop(family, a.data, text, ADDRESS_SIZE))
		return none;
	return text;
}

/* name() - of the host's interface @index */
static const char *name(struct net *n, uint32_t index, char text[NAME_SIZE])
{
	const struct net_link *l = net_link_of(n, index);

	if (index == NET_LOOPBACK)
		return "lo";
	if (l)
		return l->name;
	(void)!snprintf(text, NAME_SIZE, "interface %u", index);
	return text;
}

static void address_text(struct net *n, const struct netlink_in *in,
			 char ret[NET_TEXT_SIZE])
{
	struct ifaddrmsg ifa = { 0 };
	const size_t body = sizeof(ifa);
	char text[ADDRESS_SIZE];
	char of[NAME_SIZE];
	const char *what;

	(void)netlink_body(in, &ifa, body);
	what = address(in, body, ifa.ifa_family, IFA_LOCAL, NULL, text);
	if (!what)
		what = address(in, body, ifa.ifa_family, IFA_ADDRESS, "?", text);
	(void)!snprintf(ret, NET_TEXT_SIZE, "address %s/%u of %s", what,
			ifa.ifa_prefixlen, name(n, ifa.ifa_index, of));
}

static void route_text(struct net *n, const struct netlink_in *in,
		       char ret[NET_TEXT_SIZE])
{
	struct rtmsg rtm = { 0 };
	const size_t body = sizeof(rtm);
	struct netlink_attr a;
	char to[ADDRESS_SIZE];
	char via[ADDRESS_SIZE];
	char of[NAME_SIZE];
	const char *gateway;
	uint32_t oif = 0;
	size_t len;

	(void)netlink_body(in, &rtm, body);
	if (rtm.rtm_dst_len)
		(void)!snprintf(ret, NET_TEXT_SIZE, "route %s/%u",
				address(in, body, rtm.rtm_family, RTA_DST, "?", to),
				rtm.rtm_dst_len);
	else
		(void)!snprintf(ret, NET_TEXT_SIZE, "default route");
	len = strlen(ret);
	gateway = address(in, body, rtm.rtm_family, RTA_GATEWAY, NULL, via);
	if (gateway)
		(void)!snprintf(ret + len, NET_TEXT_SIZE - len, " via %s", gateway);
	len = strlen(ret);
	if (find(in, body, RTA_OIF, &a) && netlink_u32(&a, &oif) == 0)
		(void)!snprintf(ret + len, NET_TEXT_SIZE - len, " of %s",
				name(n, oif, of));
}

static void neighbour_text(struct net *n, const struct netlink_in *in,
			   char ret[NET_TEXT_SIZE])
{
	struct ndmsg ndm = { 0 };
	char text[ADDRESS_SIZE];
	char of[NAME_SIZE];

	(void)netlink_body(in, &ndm, sizeof(ndm));
	(void)!snprintf(ret, NET_TEXT_SIZE, "neighbour %s of %s",
			address(in, sizeof(ndm), ndm.ndm_family, NDA_DST, "?", text),
			name(n, (uint32_t)ndm.ndm_ifindex, of));
}

static void rule_text(const struct netlink_in *in, char ret[NET_TEXT_SIZE])
{
	struct netlink_attr a;
	uint32_t priority = 0;

	if (find(in, sizeof(struct fib_rule_hdr), FRA_PRIORITY, &a))
		(void)netlink_u32(&a, &priority); /* 0 is said of a short one */
	(void)!snprintf(ret, NET_TEXT_SIZE, "rule %u", priority);
}

void net_text(struct net *n, const struct netlink_in *in, char ret[NET_TEXT_SIZE])
{
	switch (in->head.nlmsg_type) {
	case RTM_NEWADDR:
	case RTM_DELADDR:
		address_text(n, in, ret);
		return;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		route_text(n, in, ret);
		return;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		neighbour_text(n, in, ret);
		return;
	default:
		rule_text(in, ret);
	}
}
