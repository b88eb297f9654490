/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/links.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "lib/cleanup.h"
#include "vmm/net/helper/nl.h"
#include "vmm/net/helper/tap.h"
#include "vmm/net/host.h"

/* has_ipv6() - is there an IPv6 of the interface that is not disabled? */
static bool has_ipv6(const struct nlattr *af_spec)
{
	const struct nlattr *families[AF_INET6 + 1];
	const struct nlattr *inet6[IFLA_INET6_MAX + 1];
	int32_t conf[DEVCONF_DISABLE_IPV6 + 1];

	nl_parse_nested(af_spec, families, AF_INET6);
	nl_parse_nested(families[AF_INET6], inet6, IFLA_INET6_MAX);
	if (!inet6[IFLA_INET6_CONF] ||
	    mnl_attr_get_payload_len(inet6[IFLA_INET6_CONF]) < sizeof(conf))
		return false;
	memcpy(conf, mnl_attr_get_payload(inet6[IFLA_INET6_CONF]), sizeof(conf));
	return conf[DEVCONF_DISABLE_IPV6] == 0;
}

/* read_kind() - of what the kernel's name for the kind of device says. */
static void read_kind(struct link *l, const struct nlattr *const *tb)
{
	const struct nlattr *info[IFLA_INFO_MAX + 1];
	const char *kind;

	nl_parse_nested(tb[IFLA_LINKINFO], info, IFLA_INFO_MAX);
	kind = nl_str(info[IFLA_INFO_KIND]);
	l->is_tap = strcmp(kind, "tun") == 0 && tap_is_ours(l->name);
	/* A veth's other end is not below it. */
	if (!tb[IFLA_LINK_NETNSID] && strcmp(kind, "veth") != 0)
		l->lower = nl_u32(tb[IFLA_LINK], 0);
	if (l->lower == l->index)
		l->lower = 0;
}

static int add_link(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *ifi = nl_family(nlh, sizeof(*ifi));
	const struct nlattr *tb[IFLA_MAX + 1];
	struct links *links = data;
	struct link l = { 0 };
	const char *name;

	if (nlh->nlmsg_type != RTM_NEWLINK || !ifi || ifi->ifi_index <= 0)
		return 0;
	nl_parse(nlh, sizeof(*ifi), tb, IFLA_MAX);
	name = nl_str(tb[IFLA_IFNAME]);
	if (!*name || strlen(name) >= sizeof(l.name))
		return -EPROTO;
	memcpy(l.name, name, strlen(name));
	l.index = (uint32_t)ifi->ifi_index;
	l.type = ifi->ifi_type;
	l.flags = ifi->ifi_flags;
	l.mtu = nl_u32(tb[IFLA_MTU], 0);
	l.txqlen = nl_u32(tb[IFLA_TXQLEN], 0);
	l.group = nl_u32(tb[IFLA_GROUP], 0);
	l.is_port = nl_u32(tb[IFLA_MASTER], 0) != 0;
	l.no_ipv6 = !has_ipv6(tb[IFLA_AF_SPEC]);
	l.carrier = tb[IFLA_CARRIER] &&
		    mnl_attr_validate(tb[IFLA_CARRIER], MNL_TYPE_U8) == 0 &&
		    mnl_attr_get_u8(tb[IFLA_CARRIER]);
	if (tb[IFLA_ADDRESS] &&
	    mnl_attr_get_payload_len(tb[IFLA_ADDRESS]) <= LINK_MAX_ADDR) {
		l.addr_len = (uint8_t)mnl_attr_get_payload_len(tb[IFLA_ADDRESS]);
		memcpy(l.addr, mnl_attr_get_payload(tb[IFLA_ADDRESS]), l.addr_len);
	}
	read_kind(&l, tb);
	return buf_append(&links->list, &l, sizeof(l));
}

int links_dump(struct links *links, struct nl *nl)
{
	struct ifinfomsg all = { .ifi_family = AF_UNSPEC };

	links->list.len = 0;
	return nl_dump(nl, RTM_GETLINK, &all, sizeof(all), add_link, links);
}

void links_release(struct links *links)
{
	buf_release(&links->list);
}

const struct link *links_begin(const struct links *links)
{
	return (const struct link *)(const void *)links->list.data;
}

const struct link *links_end(const struct links *links)
{
	return links_begin(links) + links->list.len / sizeof(struct link);
}

const struct link *links_find(const struct links *links, uint32_t index)
{
	for (const struct link *l = links_begin(links); l < links_end(links); l++)
		if (l->index == index)
			return l;
	return NULL;
}

enum link_way link_way(const struct links *links, const struct link *l)
{
	const struct link *lower = l->lower ? links_find(links, l->lower) : NULL;

	if (l->type == ARPHRD_LOOPBACK)
		return LINK_LOOPBACK;
	if (l->is_tap || l->is_port)
		return LINK_LEFT;
	if (!(l->flags & IFF_UP) && (l->type != ARPHRD_ETHER || net_is_fallback(l->name)))
		return LINK_LEFT;
	/* What comes in for it is redirected off the one it lies on. */
	if (l->type != ARPHRD_ETHER || (lower && link_way(links, lower) == LINK_CARD))
		return LINK_REFUSED;
	return LINK_CARD;
}
