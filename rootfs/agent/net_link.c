/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/io.h"
#include "rootfs/agent/net.h"
#include "vmm/agent_proto.h"
#include "vmm/net/proto.h"

/* What of ifi_flags the host tells. */
#define FLAGS_TOLD (IFF_UP | IFF_NOARP | IFF_MULTICAST | IFF_ALLMULTI | IFF_PROMISC)

struct net_link *net_link_of(struct net *n, uint32_t host)
{
	for (unsigned int i = 0; host && i < NET_LINKS; i++)
		if (n->links[i].host == host)
			return &n->links[i];
	return NULL;
}

/* ---- one thing of an interface ----------------------------------------------------- */

static int set_flags(int fd, struct net_info *now, uint32_t mask, uint32_t flags,
		     struct err *err)
{
	const struct ifinfomsg ifi = {
		.ifi_index = (int)now->index,
		.ifi_flags = flags & mask,
		.ifi_change = mask,
	};
	struct netlink_msg m;
	int ret;

	if (!((now->flags ^ flags) & mask))
		return 0;
	netlink_begin(&m, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	ret = netlink_talk(fd, &m, NULL, NULL, err);
	if (ret == 0)
		now->flags = (now->flags & ~mask) | (flags & mask);
	return ret;
}

/*
 * set_attr() - one attribute.  Some the kernel changes only while the interface is
 * down (the name before Linux 6.2, the address of some drivers): that takes its routes
 * away, and its IPv6 addresses, so it is the second try.
 */
static int set_attr(int fd, struct net_info *now, uint16_t type, const void *data,
		    size_t len, struct err *err)
{
	const struct ifinfomsg ifi = { .ifi_index = (int)now->index };
	struct netlink_msg m;
	int ret;

	netlink_begin(&m, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	netlink_put(&m, type, data, len);
	ret = netlink_talk(fd, &m, NULL, NULL, err);
	if (ret != -EBUSY || !(now->flags & IFF_UP))
		return ret;
	ret = set_flags(fd, now, IFF_UP, 0, err);
	return ret < 0 ? ret : netlink_talk(fd, &m, NULL, NULL, err);
}

/* set_number() - MTU and the like; one that was not told is left alone */
static int set_number(int fd, struct net_info *now, uint16_t type, uint32_t is,
		      uint32_t value, const char *what, struct err *err)
{
	int ret = is == value ? 0 : set_attr(fd, now, type, &value, sizeof(value), err);

	return ret < 0 ? err_wrap(err, ret, "%s %u", what, value) : 0;
}

/*
 * make_room() - another card is called @name: one that is fresh, or that is told its
 * new name only after this one (they swap).
 */
static int make_room(const struct net *n, const char *name, struct err *err)
{
	struct net_info other;
	int ret = net_query_name(n->fd, name, &other, NULL);
	bool up;

	if (ret < 0 || !net_is_card(n, &other))
		return 0; /* free; or the kernel tells whose it is */
	up = other.flags & IFF_UP;
	ret = set_attr(n->fd, &other, IFLA_IFNAME, NET_SPARE_NAME, sizeof(NET_SPARE_NAME),
		       err);
	return ret == 0 && up ? set_flags(n->fd, &other, IFF_UP, IFF_UP, err) : ret;
}

static int set_name(const struct net *n, struct net_info *now, const char *name,
		    struct err *err)
{
	int ret;

	if (!strcmp(now->name, name))
		return 0;
	ret = make_room(n, name, err);
	if (ret == 0)
		ret = set_attr(n->fd, now, IFLA_IFNAME, name, strlen(name) + 1, err);
	if (ret < 0)
		return err_wrap(err, ret, "name");
	(void)!snprintf(now->name, sizeof(now->name), "%s", name);
	return 0;
}

static int set_address(int fd, struct net_info *now, const unsigned char *address,
		       size_t len, struct err *err)
{
	int ret = 0;

	if (len && (len != now->address_len || memcmp(address, now->address, len) != 0))
		ret = set_attr(fd, now, IFLA_ADDRESS, address, len, err);
	return ret < 0 ? err_wrap(err, ret, "address") : 0;
}

/*
 * no_link_local() - the host tells every address; the kernel is to make none of its
 * own.  Before the interface is up, which is when it would.
 */
static int no_link_local(int fd, const struct net_info *now, struct err *err)
{
	const struct ifinfomsg ifi = { .ifi_index = (int)now->index };
	const uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
	struct netlink_msg m;
	size_t spec;
	size_t inet6;
	int ret;

	netlink_begin(&m, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	spec = netlink_nest(&m, IFLA_AF_SPEC);
	inet6 = netlink_nest(&m, AF_INET6);
	netlink_put(&m, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	netlink_nest_end(&m, inet6);
	netlink_nest_end(&m, spec);
	ret = netlink_talk(fd, &m, NULL, NULL, err);
	/* An interface without IPv6: its MTU is too small, or the kernel has none. */
	if (ret == -EAFNOSUPPORT)
		return 0;
	return ret < 0 ? err_wrap(err, ret, "IPv6 addr_gen_mode") : 0;
}

/*
 * set_ipv6() - on a change only: what else is there is the container's linux.sysctl's.
 */
static int set_ipv6(const struct net *n, struct net_link *l, const struct net_info *now,
		    bool no, struct err *err)
{
	char path[64 + IFNAMSIZ];
	int ret;

	if (l->no_ipv6 == no)
		return 0;
	ret = net_enter(n, err);
	if (ret < 0)
		return ret;
	(void)!snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6",
			now->name);
	ret = io_write_file(AT_FDCWD, path, no ? "1" : "0", err);
	net_leave(n);
	if (ret == -ENOENT)
		ret = 0; /* it has none */
	if (ret == 0)
		l->no_ipv6 = no;
	return ret;
}

/* ---- RTM_NEWLINK ------------------------------------------------------------------- */

/* configure() - make the interface @now what was told; @told of value 0: not told */
static int configure(const struct net *n, struct net_link *l, struct net_info *now,
		     const struct net_info *told, uint32_t link_flags, struct err *err)
{
	int ret = set_name(n, now, l->name, err);

	if (ret == 0)
		ret = set_address(n->fd, now, told->address, told->address_len, err);
	if (ret == 0 && told->mtu)
		ret = set_number(n->fd, now, IFLA_MTU, now->mtu, told->mtu, "MTU", err);
	if (ret == 0 && told->txqlen)
		ret = set_number(n->fd, now, IFLA_TXQLEN, now->txqlen, told->txqlen,
				 "txqlen", err);
	if (ret == 0)
		ret = set_number(n->fd, now, IFLA_GROUP, now->group, told->group, "group",
				 err);
	if (ret == 0)
		ret = no_link_local(n->fd, now, err);
	if (ret == 0)
		ret = set_ipv6(n, l, now, link_flags & AGENT_LINK_NO_IPV6, err);
	if (ret < 0)
		return ret;
	ret = set_flags(n->fd, now, FLAGS_TOLD, told->flags, err);
	return ret < 0 ? err_wrap(err, ret, "flags") : 0;
}

/* configure_loopback() - it is there, has its name and its address. */
static int configure_loopback(const struct net *n, const struct net_info *told,
			      struct err *err)
{
	struct net_info now;
	int ret = net_query(n->fd, NET_LOOPBACK, &now, err);

	if (ret == 0 && told->mtu)
		ret = set_number(n->fd, &now, IFLA_MTU, now.mtu, told->mtu, "MTU", err);
	if (ret == 0)
		ret = set_flags(n->fd, &now, FLAGS_TOLD, told->flags, err);
	return ret;
}

/* forget_card() - @card stands for another interface now. */
static void forget_card(struct net *n, uint32_t card)
{
	for (unsigned int i = 0; i < NET_LINKS; i++)
		if (n->links[i].host && n->links[i].card == card)
			n->links[i] = (struct net_link){ 0 };
}

/* slot() - the place of the interface that the host calls @host and is @card */
static struct net_link *slot(struct net *n, uint32_t host, uint32_t card)
{
	struct net_link *l = net_link_of(n, host);

	if (l && l->card == card)
		return l;
	if (l)
		*l = (struct net_link){ 0 };
	forget_card(n, card);
	for (unsigned int i = 0; i < NET_LINKS; i++) {
		l = &n->links[i];
		if (l->host)
			continue;
		*l = (struct net_link){ .host = host, .card = card };
		return l;
	}
	return NULL;
}

/* find() - the interface of @l, by its index or anew */
static int find(const struct net *n, struct net_link *l, struct net_info *ret_info,
		struct err *err)
{
	int ret = l->guest ? net_query(n->fd, l->guest, ret_info, err) : -ENODEV;

	if (ret == -ENODEV) {
		ret = net_card_find(n, l->card, ret_info, err);
		l->no_ipv6 = false;
	}
	l->guest = ret == 0 ? ret_info->index : 0;
	return ret;
}

int net_link_set(struct net *n, const struct netlink_in *in, struct err *err)
{
	uint32_t card = in->head.nlmsg_seq;
	struct net_info told;
	struct net_info now;
	struct net_link *l;
	int ret;

	if (net_info_parse(in, &told) < 0)
		return err_msg(err, EPROTO, "malformed message of a link");
	if (card == AGENT_NIC_NONE) {
		ret = configure_loopback(n, &told, err);
		return ret < 0 ? err_wrap(err, ret, "lo") : 0;
	}
	if (card >= NET_MAX_NICS || told.index == NET_LOOPBACK || !told.name[0])
		return err_msg(err, EPROTO, "malformed message of a link");
	l = slot(n, told.index, card);
	if (!l)
		return err_msg(err, ENOSPC, "more than %u links", NET_LINKS);
	memcpy(l->name, told.name, sizeof(l->name));
	ret = find(n, l, &now, err);
	if (ret < 0)
		return err_wrap(err, ret, "card %u", card);
	ret = configure(n, l, &now, &told, in->head.nlmsg_pid, err);
	return ret < 0 ? err_wrap(err, ret, "%s", told.name) : 0;
}

/* ---- RTM_DELLINK ------------------------------------------------------------------- */

struct addresses {
	uint32_t index; /* whose */
	struct buf messages;
};

/* on_address() - RTM_NEWADDR, kept as the RTM_DELADDR that undoes it */
static int on_address(const struct netlink_in *in, void *opaque)
{
	struct addresses *a = opaque;
	struct nlmsghdr head = in->head;
	struct ifaddrmsg ifa;

	if (netlink_body(in, &ifa, sizeof(ifa)) < 0)
		return -EPROTO;
	if (head.nlmsg_type != RTM_NEWADDR || ifa.ifa_index != a->index)
		return 0;
	head.nlmsg_type = RTM_DELADDR;
	buf_append(&a->messages, &head, sizeof(head));
	buf_append(&a->messages, in->body, in->len);
	buf_append(&a->messages, (const char[NLMSG_ALIGNTO]){ 0 },
		   NLMSG_ALIGN(in->len) - in->len);
	return buf_ok(&a->messages);
}

/* drop_addresses() - down alone leaves those of IPv4 */
static int drop_addresses(int fd, uint32_t index, struct err *err)
{
	const struct ifaddrmsg all = { .ifa_family = AF_UNSPEC };
	struct addresses found = { .index = index, .messages = BUF_INIT };
	struct netlink_msg m;
	struct netlink_walk w;
	struct netlink_in in;
	int ret;

	netlink_begin(&m, RTM_GETADDR, NLM_F_DUMP, &all, sizeof(all));
	ret = netlink_talk(fd, &m, on_address, &found, err);
	w = (struct netlink_walk){ found.messages.data, found.messages.len };
	while (ret == 0 && netlink_next(&w, &in) > 0) {
		netlink_begin(&m, RTM_DELADDR, 0, in.body, in.len);
		ret = netlink_talk(fd, &m, NULL, NULL, err);
		if (ret == -EADDRNOTAVAIL)
			ret = 0; /* a secondary, gone with its primary */
	}
	buf_release(&found.messages);
	return ret;
}

/* unuse() - as the card was when it was found */
static int unuse(const struct net *n, struct net_link *l, struct net_info *now,
		 struct err *err)
{
	unsigned char address[NET_CARD_ADDRESS_LEN];
	int ret = drop_addresses(n->fd, now->index, err);

	if (ret == 0)
		ret = set_flags(n->fd, now, FLAGS_TOLD, IFF_MULTICAST, err);
	if (ret == 0)
		ret = set_ipv6(n, l, now, false, err);
	if (ret == 0)
		ret = set_attr(n->fd, now, IFLA_IFNAME, NET_SPARE_NAME,
			       sizeof(NET_SPARE_NAME), err);
	net_card_address(l->card, address);
	if (ret == 0)
		ret = set_address(n->fd, now, address, sizeof(address), err);
	return ret < 0 ? ret : net_card_away(n, now->index, err);
}

int net_link_drop(struct net *n, const struct netlink_in *in, struct err *err)
{
	struct net_info told;
	struct net_info now;
	struct net_link *l;
	int ret;

	if (net_info_parse(in, &told) < 0)
		return err_msg(err, EPROTO, "malformed message of a link");
	l = net_link_of(n, told.index);
	if (!l)
		return 0;
	ret = l->guest ? net_query(n->fd, l->guest, &now, err) : -ENODEV;
	if (ret == 0)
		ret = unuse(n, l, &now, err);
	if (ret < 0 && ret != -ENODEV)
		(void)err_wrap(err, ret, "remove %s", l->name);
	*l = (struct net_link){ 0 };
	return ret == -ENODEV ? 0 : ret;
}

int net_unset(struct net *n, struct err *err)
{
	int ret = 0;

	for (unsigned int i = 0; ret == 0 && i < NET_LINKS; i++) {
		struct net_link *l = &n->links[i];
		struct net_info now;

		if (!l->host || !l->guest)
			continue;
		ret = net_query(n->fd, l->guest, &now, err);
		if (ret == 0)
			ret = drop_addresses(n->fd, now.index, err);
		if (ret == 0)
			ret = set_flags(n->fd, &now, IFF_UP, 0, err);
		if (ret < 0 && ret != -ENODEV)
			return err_wrap(err, ret, "%s", l->name);
		ret = 0;
	}
	return ret;
}
