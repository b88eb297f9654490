/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's messages say what is there; the kernel here is asked to make it so.
 * Each is copied attribute by attribute: indices become the guest's, what only a
 * kernel may say is left out.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "rootfs/agent/net.h"
#include "rootfs/agent/net_text.h"

#define BIT(n) (UINT64_C(1) << (n))

/* The largest fixed part of what is handled here. */
union body {
	struct ifaddrmsg ifa;
	struct rtmsg rtm;
	struct ndmsg ndm;
	struct fib_rule_hdr rule;
};

/* What becomes of one message. */
struct request {
	struct net *net;
	bool is_new;
	bool skip; /* the kernel here does it by itself */
	bool again; /* EEXIST: it is there in part, take it away first */
	uint16_t flags; /* NLM_F_* */
	uint32_t unknown; /* host's index that nothing was told of; 0: none */
	union body body;
	struct netlink_msg msg;
};

struct kind {
	uint16_t new_type;
	uint16_t del_type;
	size_t body; /* (bytes) */
	uint64_t indices; /* attributes that are an interface's index, a bit each */
	uint64_t left_out; /* attributes that only a kernel may say */
	/* begin() - look at the body, and change what is not the guest's in it */
	int (*begin)(struct request *r, const struct netlink_in *in);
};

/* ---- indices ------------------------------------------------------------------------ */

/* to_guest() - 0; -ENXIO: it is not known */
static int to_guest(struct request *r, uint32_t host, uint32_t *ret)
{
	const struct net_link *l = net_link_of(r->net, host);

	if (host == NET_LOOPBACK) {
		*ret = host;
		return 0;
	}
	if (!l || !l->guest) {
		r->unknown = host;
		return -ENXIO;
	}
	*ret = l->guest;
	return 0;
}

static int to_guest_int(struct request *r, int *index)
{
	uint32_t guest;
	int ret = *index > 0 ? to_guest(r, (uint32_t)*index, &guest) : -EPROTO;

	if (ret == 0)
		*index = (int)guest;
	return ret;
}

/* ---- the kinds ------------------------------------------------------------------------ */

static bool is_inet(uint8_t family)
{
	return family == AF_INET || family == AF_INET6;
}

static int begin_address(struct request *r, const struct netlink_in *in)
{
	struct ifaddrmsg *ifa = &r->body.ifa;

	(void)in;
	r->flags = NLM_F_CREATE | NLM_F_REPLACE;
	/* The host's kernel has seen to it that nobody else has the address. */
	if (ifa->ifa_family == AF_INET6)
		ifa->ifa_flags |= IFA_F_NODAD;
	return to_guest(r, ifa->ifa_index, &ifa->ifa_index);
}

/* What a route's attributes say about it. */
struct route {
	uint32_t table;
	bool gateway;
};

static int look_at_route(const struct request *r, const struct netlink_in *in,
			 struct route *ret)
{
	struct netlink_walk w = netlink_attrs(in, sizeof(struct rtmsg));
	struct netlink_attr a;
	int n;

	*ret = (struct route){ .table = r->body.rtm.rtm_table };
	while ((n = netlink_next_attr(&w, &a)) > 0) {
		if (a.type == RTA_TABLE && netlink_u32(&a, &ret->table) < 0)
			return -EPROTO;
		if (a.type == RTA_GATEWAY || a.type == RTA_MULTIPATH || a.type == RTA_VIA)
			ret->gateway = true;
	}
	return n;
}

/*
 * begin_route() - NLM_F_REPLACE takes the place of the first route with the same
 * destination and metric, whatever its interface.  Of those that a kernel made
 * there may be one for each interface; so may there of IPv6's without a gateway,
 * which are no next hops of one another.
 */
static int begin_route(struct request *r, const struct netlink_in *in)
{
	struct rtmsg *rtm = &r->body.rtm;
	struct route route;
	int ret = look_at_route(r, in, &route);
	bool kernels =
		rtm->rtm_protocol == RTPROT_KERNEL || rtm->rtm_protocol == RTPROT_RA;

	if (ret < 0)
		return ret;
	r->skip = rtm->rtm_protocol == RTPROT_KERNEL && route.table == RT_TABLE_LOCAL;
	rtm->rtm_flags &= RTNH_F_ONLINK;
	if (kernels) {
		r->flags = NLM_F_CREATE | NLM_F_APPEND;
	} else if (rtm->rtm_family == AF_INET6 && !route.gateway) {
		r->flags = NLM_F_CREATE;
		r->again = true;
	} else {
		r->flags = NLM_F_CREATE | NLM_F_REPLACE;
	}
	return 0;
}

static int begin_neighbour(struct request *r, const struct netlink_in *in)
{
	(void)in;
	r->flags = NLM_F_CREATE | NLM_F_REPLACE;
	return to_guest_int(r, &r->body.ndm.ndm_ifindex);
}

static int begin_rule(struct request *r, const struct netlink_in *in)
{
	(void)in;
	r->flags = NLM_F_CREATE | NLM_F_EXCL;
	r->body.rule.flags &= FIB_RULE_INVERT | FIB_RULE_FIND_SADDR;
	return 0;
}

static const struct kind kinds[] = {
	{
		.new_type = RTM_NEWADDR,
		.del_type = RTM_DELADDR,
		.body = sizeof(struct ifaddrmsg),
		.left_out = BIT(IFA_TARGET_NETNSID),
		.begin = begin_address,
	},
	{
		.new_type = RTM_NEWROUTE,
		.del_type = RTM_DELROUTE,
		.body = sizeof(struct rtmsg),
		.indices = BIT(RTA_OIF) | BIT(RTA_IIF),
		/* A next hop object's hops are told as well. */
		.left_out = BIT(RTA_CACHEINFO) | BIT(RTA_NH_ID),
		.begin = begin_route,
	},
	{
		.new_type = RTM_NEWNEIGH,
		.del_type = RTM_DELNEIGH,
		.body = sizeof(struct ndmsg),
		.left_out = BIT(NDA_CACHEINFO) | BIT(NDA_PROBES) | BIT(NDA_MASTER) |
			    BIT(NDA_IFINDEX),
		.begin = begin_neighbour,
	},
	{
		.new_type = RTM_NEWRULE,
		.del_type = RTM_DELRULE,
		.body = sizeof(struct fib_rule_hdr),
		.begin = begin_rule,
	},
};

/* ---- attributes ------------------------------------------------------------------------ */

static int put_index(struct request *r, const struct netlink_attr *a)
{
	uint32_t index;
	int ret = netlink_u32(a, &index);

	if (ret == 0)
		ret = to_guest(r, index, &index);
	if (ret == 0)
		netlink_put_u32(&r->msg, a->type, index);
	return ret;
}

/* check_attrs() - those of one next hop, which are copied as they are */
static int check_attrs(const char *data, size_t len)
{
	struct netlink_walk w = { .at = data, .left = len };
	struct netlink_attr a;
	int n;

	do {
		n = netlink_next_attr(&w, &a);
	} while (n > 0);
	return n;
}

/* put_hops() - RTA_MULTIPATH: struct rtnexthop, each with attributes of its own */
static int put_hops(struct request *r, const struct netlink_attr *a)
{
	size_t place = r->msg.len + sizeof(struct nlattr);
	struct rtnexthop hop;

	netlink_put(&r->msg, a->type, a->data, a->len);
	for (size_t at = 0; at < a->len; at += NLMSG_ALIGN((size_t)hop.rtnh_len)) {
		int ret;

		if (a->len - at < sizeof(hop))
			return -EPROTO;
		memcpy(&hop, a->data + at, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > a->len - at)
			return -EPROTO;
		ret = check_attrs(a->data + at + sizeof(hop), hop.rtnh_len - sizeof(hop));
		if (ret == 0)
			ret = to_guest_int(r, &hop.rtnh_ifindex);
		if (ret < 0)
			return ret;
		hop.rtnh_flags &= RTNH_F_ONLINK;
		if (!r->msg.full)
			memcpy(r->msg.data + place + at, &hop, sizeof(hop));
	}
	return 0;
}

/* put_address_flags() - they count instead of ifa_flags */
static int put_address_flags(struct request *r, const struct netlink_attr *a)
{
	uint32_t flags;

	if (netlink_u32(a, &flags) < 0)
		return -EPROTO;
	if (r->body.ifa.ifa_family == AF_INET6)
		flags |= IFA_F_NODAD;
	netlink_put_u32(&r->msg, a->type, flags);
	return 0;
}

static int put_attr(struct request *r, const struct kind *k, const struct netlink_attr *a)
{
	uint64_t bit = a->type < 64 ? BIT(a->type) : 0;

	if (bit & k->left_out)
		return 0;
	if (bit & k->indices)
		return put_index(r, a);
	if (k->new_type == RTM_NEWROUTE && a->type == RTA_MULTIPATH)
		return put_hops(r, a);
	if (k->new_type == RTM_NEWADDR && a->type == IFA_FLAGS)
		return put_address_flags(r, a);
	netlink_put(&r->msg, a->type, a->data, a->len);
	return 0;
}

/* translate() - 0; -EPROTO: malformed; -ENXIO: @r->unknown; -EAFNOSUPPORT */
static int translate(struct request *r, const struct kind *k, const struct netlink_in *in)
{
	struct netlink_walk w = netlink_attrs(in, k->body);
	struct netlink_attr a;
	int ret = netlink_body(in, &r->body, k->body);
	int n;

	if (ret == 0 && !is_inet(*(const uint8_t *)&r->body)) /* each begins with it */
		ret = -EAFNOSUPPORT;
	if (ret == 0)
		ret = k->begin(r, in);
	if (ret < 0)
		return ret;
	if (!r->is_new)
		r->flags = 0;
	netlink_begin(&r->msg, in->head.nlmsg_type, r->flags, &r->body, k->body);
	while ((n = netlink_next_attr(&w, &a)) > 0) {
		ret = put_attr(r, k, &a);
		if (ret < 0)
			return ret;
	}
	return n;
}

/* ---- to the kernel ------------------------------------------------------------------------ */

/* retype() - the same message with another purpose */
static void retype(struct netlink_msg *m, uint16_t type, uint16_t flags)
{
	struct nlmsghdr head;

	memcpy(&head, m->data, sizeof(head));
	head.nlmsg_type = type;
	head.nlmsg_flags = flags;
	memcpy(m->data, &head, sizeof(head));
}

static int add(struct request *r, const struct kind *k, struct err *err)
{
	int ret = netlink_talk(r->net->fd, &r->msg, NULL, NULL, err);

	if (ret != -EEXIST)
		return ret;
	if (!r->again)
		return 0;
	retype(&r->msg, k->del_type, 0);
	(void)netlink_talk(r->net->fd, &r->msg, NULL, NULL, NULL);
	retype(&r->msg, k->new_type, r->flags);
	ret = netlink_talk(r->net->fd, &r->msg, NULL, NULL, err);
	return ret == -EEXIST ? 0 : ret;
}

/* take_away() - what has gone already, with its interface or another's address, is fine */
static int take_away(struct request *r, struct err *err)
{
	int ret = netlink_talk(r->net->fd, &r->msg, NULL, NULL, err);

	return ret == -ESRCH || ret == -EADDRNOTAVAIL || ret == -ENOENT || ret == -ENODEV
		       ? 0
		       : ret;
}

static int apply_kind(struct net *n, const struct kind *k, const struct netlink_in *in,
		      struct err *err)
{
	struct request r = { .net = n, .is_new = in->head.nlmsg_type == k->new_type };
	char text[NET_TEXT_SIZE];
	int ret = translate(&r, k, in);

	if (ret == -ENXIO && !r.is_new)
		return 0;
	if (ret == 0 && r.skip)
		return 0;
	if (ret == -ENXIO)
		(void)err_msg(err, -ret, "interface %u was not told", r.unknown);
	else if (ret == -EPROTO)
		(void)err_msg(err, -ret, "malformed message");
	else if (ret < 0)
		(void)err_msg(err, -ret, "%s", strerror(-ret));
	else
		ret = r.is_new ? add(&r, k, err) : take_away(&r, err);
	if (ret == 0)
		return 0;
	net_text(n, in, text);
	return err_wrap(err, ret, "%s%s", r.is_new ? "" : "remove ", text);
}

static int apply(struct net *n, const struct netlink_in *in, struct err *err)
{
	uint16_t type = in->head.nlmsg_type;

	if (type == RTM_NEWLINK)
		return net_link_set(n, in, err);
	if (type == RTM_DELLINK)
		return net_link_drop(n, in, err);
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++)
		if (type == kinds[i].new_type || type == kinds[i].del_type)
			return apply_kind(n, &kinds[i], in, err);
	return err_msg(err, EPROTO, "message of type %u", type);
}

int net_apply(struct net *n, const void *messages, size_t len, struct err *err)
{
	struct netlink_walk w = { .at = messages, .left = len };
	struct netlink_in in;
	struct err first = ERR_INIT;
	struct err why; /* also of errors that are tolerated */
	int ret;

	while ((ret = netlink_next(&w, &in)) > 0)
		if (apply(n, &in, &why) < 0 && !first.code)
			first = why;
	if (ret < 0 && !first.code)
		(void)err_msg(&first, EPROTO, "malformed message");
	return first.code ? err_msg(err, first.code, "network: %s", first.msg) : 0;
}
