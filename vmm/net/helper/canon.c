/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/canon.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "vmm/net/helper/ifaces.h"
#include "vmm/net/helper/links.h"
#include "vmm/net/helper/nl.h"

#define LINK_FLAGS (IFF_UP | IFF_NOARP | IFF_MULTICAST | IFF_ALLMULTI | IFF_PROMISC)
/* Without what the kernel finds out by itself: secondary, tentative, failed. */
#define ADDR_FLAGS                                                                       \
	(IFA_F_PERMANENT | IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_NOPREFIXROUTE |       \
	 IFA_F_MANAGETEMPADDR | IFA_F_MCAUTOJOIN)
#define RULE_FLAGS (FIB_RULE_INVERT | FIB_RULE_FIND_SADDR)

struct nlmsghdr *draft_begin(struct draft *d, uint16_t type, const void *family,
			     size_t len)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(d->data);

	d->cut = false;
	nlh->nlmsg_type = type;
	memcpy(mnl_nlmsg_put_extra_header(nlh, len), family, len);
	return nlh;
}

static struct nlmsghdr *draft_msg(struct draft *d)
{
	return (struct nlmsghdr *)(void *)d->data;
}

void draft_put(struct draft *d, uint16_t type, const void *data, size_t len)
{
	static const char zeros[NLMSG_ALIGNTO];
	struct nlmsghdr *nlh = draft_msg(d);
	size_t pad = NLMSG_ALIGN(len) - len;

	if (!mnl_attr_put_check(nlh, sizeof(d->data), type, len, data))
		d->cut = true;
	else /* not what happened to be there: messages are compared */
		memcpy((char *)mnl_nlmsg_get_payload_tail(nlh) - pad, zeros, pad);
}

void draft_copy(struct draft *d, const struct nlattr *const *tb, const uint16_t *types,
		size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (tb[types[i]])
			draft_put(d, types[i], mnl_attr_get_payload(tb[types[i]]),
				  mnl_attr_get_payload_len(tb[types[i]]));
}

int draft_end(struct canon *c, struct draft *d, const char *what)
{
	const struct nlmsghdr *nlh = draft_msg(d);

	if (d->cut) {
		if (!c->refused.code)
			(void)err_msg(&c->refused, EMSGSIZE,
				      "%s is described by more than %u bytes", what,
				      CANON_MAX_MSG);
		return 0;
	}
	return buf_append(c->list, nlh, NLMSG_ALIGN(nlh->nlmsg_len));
}

static int tell_link(struct canon *c, const struct link *l, const struct iface *i)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC,
				 .ifi_type = l->type,
				 .ifi_index = (int)l->index,
				 .ifi_flags = l->flags & LINK_FLAGS };
	struct draft d;
	struct nlmsghdr *nlh = draft_begin(&d, RTM_NEWLINK, &ifi, sizeof(ifi));

	nlh->nlmsg_seq = i->nic;
	nlh->nlmsg_pid = l->no_ipv6 ? AGENT_LINK_NO_IPV6 : 0;
	draft_put(&d, IFLA_IFNAME, l->name, strlen(l->name) + 1);
	if (i->nic != AGENT_NIC_NONE)
		draft_put(&d, IFLA_ADDRESS, l->addr, l->addr_len);
	draft_put(&d, IFLA_MTU, &l->mtu, sizeof(l->mtu));
	draft_put(&d, IFLA_TXQLEN, &l->txqlen, sizeof(l->txqlen));
	draft_put(&d, IFLA_GROUP, &l->group, sizeof(l->group));
	return draft_end(c, &d, l->name);
}

static int tell_links(struct canon *c, const struct links *links)
{
	int ret = 0;

	for (const struct link *l = links_begin(links); ret == 0 && l < links_end(links);
	     l++) {
		if (ifaces_carry(c->ifaces, l->index))
			ret = tell_link(c, l, ifaces_find(c->ifaces, l->index));
	}
	return ret;
}

/* is_loopbacks_own() - 127.0.0.1/8, ::1/128: every network namespace's lo has them. */
static bool is_loopbacks_own(const struct canon *c, const struct ifaddrmsg *ifa,
			     const struct nlattr *address)
{
	static const uint8_t v4[4] = { 127, 0, 0, 1 };
	static const uint8_t v6[16] = { [15] = 1 };
	const struct iface *i = ifaces_find(c->ifaces, ifa->ifa_index);
	const void *own = ifa->ifa_family == AF_INET ? v4 : v6;
	size_t len = ifa->ifa_family == AF_INET ? sizeof(v4) : sizeof(v6);

	return i && i->nic == AGENT_NIC_NONE && address &&
	       ifa->ifa_prefixlen == (ifa->ifa_family == AF_INET ? 8 : 128) &&
	       mnl_attr_get_payload_len(address) == len &&
	       memcmp(mnl_attr_get_payload(address), own, len) == 0;
}

static int tell_addr(const struct nlmsghdr *nlh, void *data)
{
	static const uint16_t keys[] = { IFA_ADDRESS, IFA_LOCAL };
	static const uint16_t rest[] = { IFA_BROADCAST, IFA_LABEL, IFA_RT_PRIORITY,
					 IFA_PROTO };
	const struct ifaddrmsg *in = nl_family(nlh, sizeof(*in));
	const struct nlattr *tb[IFA_MAX + 1];
	struct canon *c = data;
	struct ifaddrmsg ifa;
	uint32_t flags;
	struct draft d;

	if (nlh->nlmsg_type != RTM_NEWADDR || !in || in->ifa_family != c->family ||
	    !ifaces_carry(c->ifaces, in->ifa_index))
		return 0;
	nl_parse(nlh, sizeof(*in), tb, IFA_MAX);
	flags = nl_u32(tb[IFA_FLAGS], in->ifa_flags);
	if (!(flags & IFA_F_PERMANENT) || is_loopbacks_own(c, in, tb[IFA_ADDRESS]))
		return 0;
	flags &= ADDR_FLAGS;
	if (in->ifa_family == AF_INET6)
		flags |= IFA_F_NODAD; /* it was looked for on the host */
	ifa = *in;
	ifa.ifa_flags = 0; /* they are all in IFA_FLAGS */
	(void)draft_begin(&d, RTM_NEWADDR, &ifa, sizeof(ifa));
	draft_copy(&d, tb, keys, ARRAY_SIZE(keys));
	draft_put(&d, IFA_FLAGS, &flags, sizeof(flags));
	draft_copy(&d, tb, rest, ARRAY_SIZE(rest));
	return draft_end(c, &d, "an address");
}

static int tell_neigh(const struct nlmsghdr *nlh, void *data)
{
	static const uint16_t types[] = { NDA_DST, NDA_LLADDR, NDA_PROTOCOL };
	const struct ndmsg *in = nl_family(nlh, sizeof(*in));
	const struct nlattr *tb[NDA_MAX + 1];
	struct canon *c = data;
	struct ndmsg ndm;
	struct draft d;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || !in || in->ndm_family != c->family ||
	    !ifaces_carry(c->ifaces, (uint32_t)in->ndm_ifindex) ||
	    !(in->ndm_state & NUD_PERMANENT || in->ndm_flags & NTF_PROXY))
		return 0;
	nl_parse(nlh, sizeof(*in), tb, NDA_MAX);
	ndm = (struct ndmsg){
		.ndm_family = in->ndm_family,
		.ndm_ifindex = in->ndm_ifindex,
		.ndm_state = NUD_PERMANENT,
		.ndm_flags = in->ndm_flags & (NTF_PROXY | NTF_ROUTER),
	};
	(void)draft_begin(&d, RTM_NEWNEIGH, &ndm, sizeof(ndm));
	draft_copy(&d, tb, types, ARRAY_SIZE(types));
	return draft_end(c, &d, "a neighbour");
}

static int tell_rule(const struct nlmsghdr *nlh, void *data)
{
	static const uint16_t types[] = {
		FRA_PRIORITY, FRA_DST,         FRA_SRC,
		FRA_IIFNAME,  FRA_OIFNAME,     FRA_GOTO,
		FRA_FWMARK,   FRA_FWMASK,      FRA_FLOW,
		FRA_TUN_ID,   FRA_TABLE,       FRA_SUPPRESS_IFGROUP,
		FRA_L3MDEV,   FRA_UID_RANGE,   FRA_SUPPRESS_PREFIXLEN,
		FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE,
		FRA_PROTOCOL,
	};
	const struct fib_rule_hdr *in = nl_family(nlh, sizeof(*in));
	const struct nlattr *tb[FRA_MAX + 1];
	struct canon *c = data;
	struct fib_rule_hdr frh;
	struct draft d;

	if (nlh->nlmsg_type != RTM_NEWRULE || !in || in->family != c->family)
		return 0;
	nl_parse(nlh, sizeof(*in), tb, FRA_MAX);
	/* local, main, default: the guest's kernel has made them, too. */
	if (tb[FRA_PROTOCOL] && mnl_attr_validate(tb[FRA_PROTOCOL], MNL_TYPE_U8) == 0 &&
	    mnl_attr_get_u8(tb[FRA_PROTOCOL]) == RTPROT_KERNEL)
		return 0;
	frh = *in;
	frh.res1 = 0;
	frh.res2 = 0;
	frh.flags &= RULE_FLAGS;
	(void)draft_begin(&d, RTM_NEWRULE, &frh, sizeof(frh));
	draft_copy(&d, tb, types, ARRAY_SIZE(types));
	return draft_end(c, &d, "a rule");
}

/* dump_family() - all of c->family. */
static int dump_family(struct canon *c, struct nl *nl)
{
	struct ifaddrmsg ifa = { .ifa_family = c->family };
	struct ndmsg ndm = { .ndm_family = c->family };
	struct ndmsg proxy = { .ndm_family = c->family, .ndm_flags = NTF_PROXY };
	struct rtmsg rtm = { .rtm_family = c->family };
	struct fib_rule_hdr frh = { .family = c->family };
	int ret = nl_dump(nl, RTM_GETADDR, &ifa, sizeof(ifa), tell_addr, c);

	if (ret == 0)
		ret = nl_dump(nl, RTM_GETNEIGH, &ndm, sizeof(ndm), tell_neigh, c);
	if (ret == 0)
		ret = nl_dump(nl, RTM_GETNEIGH, &proxy, sizeof(proxy), tell_neigh, c);
	if (ret == 0)
		ret = nl_dump(nl, RTM_GETROUTE, &rtm, sizeof(rtm), canon_route, c);
	if (ret == 0)
		ret = nl_dump(nl, RTM_GETRULE, &frh, sizeof(frh), tell_rule, c);
	/* A host without IPv6, or without rules, lists nothing. */
	return ret == -EAFNOSUPPORT || ret == -EOPNOTSUPP ? 0 : ret;
}

int canon_dump(struct canon *c, const struct links *links, struct nl *nl)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	int ret = tell_links(c, links);

	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(families); i++) {
		c->family = families[i];
		ret = dump_family(c, nl);
	}
	return ret;
}
