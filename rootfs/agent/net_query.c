/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "lib/err.h"
#include "rootfs/agent/net.h"
#include "vmm/agent_proto.h"

/* take_bytes() - an address of any link type */
static int take_bytes(const struct netlink_attr *a, unsigned char *ret, size_t size,
		      size_t *ret_len)
{
	if (a->len > size)
		return -EPROTO;
	memcpy(ret, a->data, a->len);
	*ret_len = a->len;
	return 0;
}

static int take_name(const struct netlink_attr *a, char ret[IFNAMSIZ])
{
	size_t len = strnlen(a->data, a->len);

	if (len == 0 || len >= IFNAMSIZ)
		return -EPROTO;
	memcpy(ret, a->data, len);
	ret[len] = 0;
	return 0;
}

static int take(const struct netlink_attr *a, struct net_info *info)
{
	switch (a->type) {
	case IFLA_IFNAME:
		return take_name(a, info->name);
	case IFLA_ADDRESS:
		return take_bytes(a, info->address, sizeof(info->address),
				  &info->address_len);
	case IFLA_PERM_ADDRESS:
		return take_bytes(a, info->permanent, sizeof(info->permanent),
				  &info->permanent_len);
	case IFLA_MTU:
		return netlink_u32(a, &info->mtu);
	case IFLA_TXQLEN:
		return netlink_u32(a, &info->txqlen);
	case IFLA_GROUP:
		return netlink_u32(a, &info->group);
	default:
		return 0;
	}
}

int net_info_parse(const struct netlink_in *in, struct net_info *ret)
{
	struct net_info info = { 0 };
	struct netlink_walk w = netlink_attrs(in, sizeof(struct ifinfomsg));
	struct netlink_attr a;
	struct ifinfomsg ifi;
	int n;

	if (netlink_body(in, &ifi, sizeof(ifi)) < 0 || ifi.ifi_index <= 0)
		return -EPROTO;
	info.index = (uint32_t)ifi.ifi_index;
	info.flags = ifi.ifi_flags;
	while ((n = netlink_next_attr(&w, &a)) > 0)
		if (take(&a, &info) < 0)
			return -EPROTO;
	if (n == 0)
		*ret = info;
	return n;
}

struct search {
	struct net_info found; /* index 0: not yet */
	uint32_t card; /* or AGENT_NIC_NONE: any */
};

/* is_number() - @info's permanent address, or else its address, is that of card @n */
static bool is_number(const struct net_info *info, uint32_t n)
{
	unsigned char want[NET_CARD_ADDRESS_LEN];
	bool own = info->permanent_len;

	net_card_address(n, want);
	return (own ? info->permanent_len : info->address_len) == sizeof(want) &&
	       !memcmp(own ? info->permanent : info->address, want, sizeof(want));
}

static int on_link(const struct netlink_in *in, void *opaque)
{
	struct search *s = opaque;
	struct net_info info;

	if (in->head.nlmsg_type != RTM_NEWLINK)
		return 0;
	if (net_info_parse(in, &info) < 0)
		return -EPROTO;
	if (!s->found.index && (s->card == AGENT_NIC_NONE || is_number(&info, s->card)))
		s->found = info;
	return 0;
}

/* ask() - @index or @name, or all */
static int ask(int fd, uint32_t index, const char *name, struct search *s,
	       struct net_info *ret_info, struct err *err)
{
	const struct ifinfomsg ifi = { .ifi_index = (int)index };
	struct netlink_msg m;
	int ret;

	netlink_begin(&m, RTM_GETLINK, index || name ? 0 : NLM_F_DUMP, &ifi, sizeof(ifi));
	if (name)
		netlink_put_text(&m, IFLA_IFNAME, name);
	netlink_put_u32(&m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	ret = netlink_talk(fd, &m, on_link, s, err);
	if (ret == 0 && !s->found.index)
		ret = err_msg(err, ENODEV, "%s", strerror(ENODEV));
	if (ret == 0)
		*ret_info = s->found;
	return ret;
}

int net_query(int fd, uint32_t index, struct net_info *ret, struct err *err)
{
	struct search s = { .card = AGENT_NIC_NONE };

	return ask(fd, index, NULL, &s, ret, err);
}

int net_query_name(int fd, const char *name, struct net_info *ret, struct err *err)
{
	struct search s = { .card = AGENT_NIC_NONE };

	return ask(fd, 0, name, &s, ret, err);
}

int net_query_card(int fd, uint32_t number, struct net_info *ret, struct err *err)
{
	struct search s = { .card = number };

	return ask(fd, 0, NULL, &s, ret, err);
}
