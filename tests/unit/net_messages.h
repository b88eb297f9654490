/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of AGENT_NET as a host would send them, and what came of them as ip(8)
 * prints it, for tests:
 *
 *	struct buf b = BUF_INIT;
 *	say_link(&b, RTM_NEWLINK, 7, 0, "eth0", IFF_UP);
 *	say_address(&b, RTM_NEWADDR, 7, "10.0.0.2", 24);
 */
#ifndef HULL_TESTS_UNIT_NET_MESSAGES_H
#define HULL_TESTS_UNIT_NET_MESSAGES_H

#include <arpa/inet.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "lib/buf.h"
#include "rootfs/agent/netlink.h"
#include "tests/unit/tap.h"
#include "vmm/agent_proto.h"

/* say() - one message; seq and pid as AGENT_NET gives them a meaning */
static inline void say(struct buf *b, struct netlink_msg *m, uint32_t seq, uint32_t pid)
{
	struct nlmsghdr head;

	memcpy(&head, m->data, sizeof(head));
	head.nlmsg_len = (uint32_t)m->len;
	head.nlmsg_seq = seq;
	head.nlmsg_pid = pid;
	memcpy(m->data, &head, sizeof(head));
	buf_append(b, m->data, m->len);
}

/* put_ip() - IPv4 or IPv6, from text */
static inline void put_ip(struct netlink_msg *m, uint16_t type, const char *text)
{
	char bytes[16];
	bool six = strchr(text, ':');

	if (inet_pton(six ? AF_INET6 : AF_INET, text, bytes) == 1)
		netlink_put(m, type, bytes, six ? 16 : 4);
}

static inline uint8_t ip_family(const char *text)
{
	return strchr(text, ':') ? AF_INET6 : AF_INET;
}

/* A link as the host tells it; the rest is as with every veth. */
struct told_link {
	uint16_t type;
	int index;
	uint32_t card;
	const char *name;
	uint32_t flags; /* IFF_* */
	uint32_t mtu; /* 0: not told */
	uint32_t agent_flags;
	uint8_t mac; /* the last byte; 0: not told */
};

static inline void say_told(struct buf *b, const struct told_link *t)
{
	const struct ifinfomsg ifi = { .ifi_index = t->index, .ifi_flags = t->flags };
	const unsigned char mac[] = { 0x0a, 0, 0, 0, 0, t->mac };
	struct netlink_msg m;

	netlink_begin(&m, t->type, 0, &ifi, sizeof(ifi));
	netlink_put_text(&m, IFLA_IFNAME, t->name);
	if (t->mac)
		netlink_put(&m, IFLA_ADDRESS, mac, sizeof(mac));
	if (t->mtu)
		netlink_put_u32(&m, IFLA_MTU, t->mtu);
	say(b, &m, t->card, t->agent_flags);
}

static inline void say_link(struct buf *b, uint16_t type, int index, uint32_t card,
			    const char *name, uint32_t flags)
{
	const struct told_link t = {
		.type = type, .index = index, .card = card, .name = name, .flags = flags
	};

	say_told(b, &t);
}

static inline void say_address(struct buf *b, uint16_t type, uint32_t index,
			       const char *ip, uint8_t len)
{
	const struct ifaddrmsg ifa = {
		.ifa_family = ip_family(ip),
		.ifa_prefixlen = len,
		.ifa_index = index,
	};
	struct netlink_msg m;

	netlink_begin(&m, type, 0, &ifa, sizeof(ifa));
	put_ip(&m, IFA_LOCAL, ip);
	put_ip(&m, IFA_ADDRESS, ip);
	netlink_put_u32(&m, IFA_FLAGS, IFA_F_PERMANENT);
	say(b, &m, 0, 0);
}

struct told_route {
	uint16_t type;
	const char *to; /* NULL: default */
	uint8_t len;
	const char *via; /* or NULL */
	uint32_t index; /* 0: none */
	uint32_t metric; /* 0: not told */
	uint32_t flags;
	uint8_t kind; /* RTN_*; 0: unicast */
	uint8_t protocol; /* 0: boot */
	uint8_t scope;
};

static inline void say_route(struct buf *b, const struct told_route *t)
{
	const char *ip = t->to ? t->to : t->via;
	const struct rtmsg rtm = {
		.rtm_family = ip_family(ip),
		.rtm_dst_len = t->len,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = t->protocol ? t->protocol : RTPROT_BOOT,
		.rtm_scope = t->scope,
		.rtm_type = t->kind ? t->kind : RTN_UNICAST,
		.rtm_flags = t->flags,
	};
	struct netlink_msg m;

	netlink_begin(&m, t->type, 0, &rtm, sizeof(rtm));
	if (t->to)
		put_ip(&m, RTA_DST, t->to);
	if (t->via)
		put_ip(&m, RTA_GATEWAY, t->via);
	if (t->index)
		netlink_put_u32(&m, RTA_OIF, t->index);
	if (t->metric)
		netlink_put_u32(&m, RTA_PRIORITY, t->metric);
	say(b, &m, 0, 0);
}

/* say_hops() - a default route with two next hops */
static inline void say_hops(struct buf *b, const int index[2], const char *const via[2],
			    uint8_t flags)
{
	const struct rtmsg rtm = {
		.rtm_family = ip_family(via[0]),
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_type = RTN_UNICAST,
	};
	struct netlink_msg m;
	size_t all;

	netlink_begin(&m, RTM_NEWROUTE, 0, &rtm, sizeof(rtm));
	netlink_put_u32(&m, RTA_PRIORITY, 50);
	all = netlink_nest(&m, RTA_MULTIPATH);
	for (unsigned int i = 0; i < 2; i++) {
		size_t at = m.len;
		struct rtnexthop hop = { .rtnh_flags = flags, .rtnh_ifindex = index[i] };

		m.len += sizeof(hop);
		put_ip(&m, RTA_GATEWAY, via[i]);
		hop.rtnh_len = (uint16_t)(m.len - at);
		memcpy(m.data + at, &hop, sizeof(hop));
	}
	netlink_nest_end(&m, all);
	say(b, &m, 0, 0);
}

static inline void say_neighbour(struct buf *b, uint16_t type, int index, const char *ip)
{
	const struct ndmsg ndm = {
		.ndm_family = ip_family(ip),
		.ndm_ifindex = index,
		.ndm_state = NUD_PERMANENT,
	};
	static const unsigned char mac[] = { 0x0a, 1, 2, 3, 4, 5 };
	struct netlink_msg m;

	netlink_begin(&m, type, 0, &ndm, sizeof(ndm));
	put_ip(&m, NDA_DST, ip);
	netlink_put(&m, NDA_LLADDR, mac, sizeof(mac));
	say(b, &m, 0, 0);
}

static inline void say_rule(struct buf *b, uint16_t type, uint8_t family,
			    uint32_t priority)
{
	const struct fib_rule_hdr rule = {
		.family = family,
		.table = 100,
		.action = FR_ACT_TO_TBL,
	};
	struct netlink_msg m;

	netlink_begin(&m, type, 0, &rule, sizeof(rule));
	netlink_put_u32(&m, FRA_PRIORITY, priority);
	say(b, &m, 0, 0);
}

/* ---- what is there ----------------------------------------------------------------- */

/* printed() - what @command prints, in one place that the next call uses again */
static inline const char *printed(const char *command)
{
	static char text[16384];
	FILE *f = popen(command, "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	text[n] = 0;
	if (f)
		(void)pclose(f);
	return text;
}

static inline void shows(const char *command, const char *want, const char *name)
{
	const char *text = printed(command);

	if (!ok(strstr(text, want), "%s", name))
		(void)printf("#   '%s' is not in: %s\n", want, text);
}

static inline void shows_not(const char *command, const char *unwanted, const char *name)
{
	const char *text = printed(command);

	if (!ok(!strstr(text, unwanted), "%s", name))
		(void)printf("#   '%s' is in: %s\n", unwanted, text);
}

#endif
