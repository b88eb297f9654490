/* SPDX-License-Identifier: Apache-2.0 */
/* The routes that the agent is told. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "lib/cleanup.h"
#include "vmm/net/helper/canon.h"
#include "vmm/net/helper/ifaces.h"
#include "vmm/net/helper/nl.h"

#define HOP_FLAGS RTNH_F_ONLINK /* the others are the kernel's: dead, linkdown, ... */

/* hop_ok() - the one at @hop, if @left bytes hold it whole, or NULL. */
static const struct rtnexthop *hop_ok(const void *hop, size_t left)
{
	const struct rtnexthop *h = hop;

	return left < sizeof(*h) || h->rtnh_len < sizeof(*h) || h->rtnh_len > left ? NULL
										   : h;
}

/* hops_ok() - do all next hops of RTA_MULTIPATH lie on interfaces that are carried? */
static bool hops_ok(const struct canon *c, const struct nlattr *multipath)
{
	const char *at = mnl_attr_get_payload(multipath);
	size_t left = mnl_attr_get_payload_len(multipath);
	const struct rtnexthop *h;

	while ((h = hop_ok(at, left))) {
		size_t len = NLMSG_ALIGN(h->rtnh_len);

		if (!ifaces_carry(c->ifaces, (uint32_t)h->rtnh_ifindex))
			return false;
		at += len < left ? len : left;
		left -= len < left ? len : left;
	}
	return left == 0;
}

static void copy_hop(struct draft *d, struct nlmsghdr *nlh, const struct rtnexthop *h)
{
	static const uint16_t types[] = { RTA_GATEWAY, RTA_VIA, RTA_FLOW, RTA_ENCAP_TYPE,
					  RTA_ENCAP };
	struct rtnexthop *out = mnl_nlmsg_get_payload_tail(nlh);
	const struct nlattr *tb[RTA_MAX + 1] = { NULL };
	const char *end = (const char *)h + h->rtnh_len;

	if (nlh->nlmsg_len + sizeof(*out) > sizeof(d->data)) {
		d->cut = true;
		return;
	}
	for (const struct nlattr *a = nl_attr(h + 1, end); a;
	     a = nl_attr(mnl_attr_next(a), end))
		if (mnl_attr_get_type(a) <= RTA_MAX)
			tb[mnl_attr_get_type(a)] = a;
	*out = (struct rtnexthop){ .rtnh_flags = h->rtnh_flags & HOP_FLAGS,
				   .rtnh_hops = h->rtnh_hops,
				   .rtnh_ifindex = h->rtnh_ifindex };
	nlh->nlmsg_len += (uint32_t)sizeof(*out);
	draft_copy(d, tb, types, ARRAY_SIZE(types));
	out->rtnh_len = (uint16_t)((char *)mnl_nlmsg_get_payload_tail(nlh) - (char *)out);
}

static void copy_hops(struct draft *d, struct nlmsghdr *nlh,
		      const struct nlattr *multipath)
{
	const char *at = mnl_attr_get_payload(multipath);
	size_t left = mnl_attr_get_payload_len(multipath);
	struct nlattr *nest =
		mnl_attr_nest_start_check(nlh, sizeof(d->data), RTA_MULTIPATH);
	const struct rtnexthop *h;

	if (!nest) {
		d->cut = true;
		return;
	}
	/* As the kernel spells it, without NLA_F_NESTED. */
	nest->nla_type = RTA_MULTIPATH;
	while (!d->cut && (h = hop_ok(at, left))) {
		size_t len = NLMSG_ALIGN(h->rtnh_len);

		copy_hop(d, nlh, h);
		at += len < left ? len : left;
		left -= len < left ? len : left;
	}
	mnl_attr_nest_end(nlh, nest);
}

/* is_configured() - by somebody, and not by the kernel for an address or by a router. */
static bool is_configured(const struct rtmsg *rtm, const struct nlattr *const *tb)
{
	return !(rtm->rtm_flags & RTM_F_CLONED) &&
	       nl_u32(tb[RTA_TABLE], rtm->rtm_table) != RT_TABLE_LOCAL &&
	       rtm->rtm_protocol != RTPROT_KERNEL && rtm->rtm_protocol != RTPROT_RA &&
	       rtm->rtm_protocol != RTPROT_REDIRECT;
}

/* is_carried() - has the guest all the interfaces that the route names? */
static bool is_carried(const struct canon *c, const struct nlattr *const *tb)
{
	uint32_t oif = nl_u32(tb[RTA_OIF], 0);
	uint32_t iif = nl_u32(tb[RTA_IIF], 0);

	return (!oif || ifaces_carry(c->ifaces, oif)) &&
	       (!iif || ifaces_carry(c->ifaces, iif)) &&
	       (!tb[RTA_MULTIPATH] || hops_ok(c, tb[RTA_MULTIPATH]));
}

/* goes_nowhere() - a type that needs no interface. */
static bool goes_nowhere(const struct rtmsg *rtm)
{
	return rtm->rtm_type == RTN_BLACKHOLE || rtm->rtm_type == RTN_UNREACHABLE ||
	       rtm->rtm_type == RTN_PROHIBIT || rtm->rtm_type == RTN_THROW;
}

int canon_route(const struct nlmsghdr *nlh, void *data)
{
	/* A next hop object (RTA_NH_ID) is listed with what it stands for. */
	static const uint16_t types[] = {
		RTA_DST,   RTA_SRC,      RTA_IIF,     RTA_OIF,        RTA_GATEWAY,
		RTA_VIA,   RTA_PRIORITY, RTA_PREFSRC, RTA_METRICS,    RTA_FLOW,
		RTA_TABLE, RTA_MARK,     RTA_PREF,    RTA_ENCAP_TYPE, RTA_ENCAP,
	};
	const struct rtmsg *in = nl_family(nlh, sizeof(*in));
	const struct nlattr *tb[RTA_MAX + 1];
	struct canon *c = data;
	struct nlmsghdr *out;
	struct rtmsg rtm;
	struct draft d;

	if (nlh->nlmsg_type != RTM_NEWROUTE || !in || in->rtm_family != c->family)
		return 0;
	nl_parse(nlh, sizeof(*in), tb, RTA_MAX);
	if (!is_configured(in, tb) || !is_carried(c, tb))
		return 0;
	if (!tb[RTA_OIF] && !tb[RTA_MULTIPATH] && !goes_nowhere(in)) {
		if (!c->refused.code)
			(void)err_msg(&c->refused, ENOTSUP,
				      "a route by a nexthop object (%u) needs the host's "
				      "net.ipv4.nexthop_compat_mode",
				      nl_u32(tb[RTA_NH_ID], 0));
		return 0;
	}
	rtm = *in;
	rtm.rtm_flags &= HOP_FLAGS;
	out = draft_begin(&d, RTM_NEWROUTE, &rtm, sizeof(rtm));
	draft_copy(&d, tb, types, ARRAY_SIZE(types));
	if (tb[RTA_MULTIPATH])
		copy_hops(&d, out, tb[RTA_MULTIPATH]);
	return draft_end(c, &d, "a route");
}
