/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/carry.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "vmm/net/helper/join.h"
#include "vmm/net/helper/links.h"
#include "vmm/net/helper/nl.h"
#include "vmm/net/helper/out.h"
#include "vmm/net/helper/tap.h"
#include "vmm/net/proto.h"

/* still_there() - is @i's interface there, and one that can be carried? */
static bool still_there(const struct links *links, const struct iface *i)
{
	const struct link *l = links_find(links, i->index);
	enum link_way way = l ? link_way(links, l) : LINK_LEFT;

	if (i->failed)
		return way == LINK_CARD || way == LINK_REFUSED;
	return way == (i->nic == AGENT_NIC_NONE ? LINK_LOOPBACK : LINK_CARD);
}

bool carry_mark_gone(struct carry *c, const struct links *links)
{
	bool some = false;

	for (struct iface *i = ifaces_begin(&c->ifaces); i < ifaces_end(&c->ifaces);
	     i++) {
		i->gone = !still_there(links, i);
		some |= i->gone;
	}
	return some;
}

int carry_sweep(struct carry *c, const struct links *links)
{
	struct iface *i = ifaces_begin(&c->ifaces);
	int ret = 0;

	while (ret == 0 && i < ifaces_end(&c->ifaces)) {
		struct iface was = *i;

		if (!was.gone) {
			i++;
			continue;
		}
		ifaces_remove(&c->ifaces, i);
		if (was.tap && links_find(links, was.index)) /* now a bridge's, say */
			(void)unjoin(was.index, c->nl, NULL); /* nobody to tell */
		if (was.tap)
			ret = out_plain(c->sock, NET_NIC_REMOVE, was.nic, 0);
	}
	return ret;
}

/* open_vhost() - one for each pair of @tap's queues, behind those in @fds. */
static unsigned int open_vhost(const struct carry *c, struct net_nic *nic, int *fds)
{
	struct err why = c->devices.no_zero_copy;
	size_t len;

	nic->vhost = 1;
	nic->zero_copy = !why.code;
	for (unsigned int i = 0; i < c->pairs; i++) {
		fds[i] = devices_open_vhost(&c->devices, &why);
		if (fds[i] < 0) {
			while (i)
				close_fd(fds[--i]);
			nic->vhost = 0;
			nic->zero_copy = 0;
			break;
		}
	}
	len = strlen(why.msg);
	memcpy(nic->why, why.msg, len < sizeof(nic->why) ? len : sizeof(nic->why) - 1);
	return nic->vhost ? c->pairs : 0;
}

/* tell_nic() - hull-vmm: the card @i->nic, behind which @tap is. */
static int tell_nic(const struct carry *c, const struct link *l, const struct iface *i,
		    const struct tap *tap)
{
	struct net_nic nic = { .n_pairs = (uint8_t)c->pairs };
	int fds[2 * NET_MAX_PAIRS];
	unsigned int n_vhost;
	int ret;

	memcpy(nic.name, l->name, sizeof(nic.name));
	memcpy(fds, tap->fds, sizeof(tap->fds[0]) * c->pairs);
	n_vhost = open_vhost(c, &nic, fds + c->pairs);
	ret = out_nic(c->sock, i->nic, &nic, fds, c->pairs + n_vhost);
	for (unsigned int n = 0; n < n_vhost; n++)
		close_fd(fds[c->pairs + n]);
	return ret < 0 ? ret : out_plain(c->sock, NET_CARRIER, i->nic, l->carrier);
}

/* join_both() - the tap last: nothing of the guest's goes out before it is limited. */
static int join_both(struct carry *c, const struct link *l, struct iface *i,
		     struct err *err)
{
	int ret = join(l->index, i->tap, c->nl, err);

	if (ret < 0)
		return ret;
	ret = join(i->tap, l->index, c->nl, err);
	if (ret == 0)
		ret = carry_limit_new(c, l, i, err);
	if (ret == 0)
		ret = tap_up(i->tap, c->nl, err);
	if (ret < 0)
		(void)unjoin(l->index, c->nl,
			     NULL); /* the first error is the one to tell */
	return ret;
}

/* failed() - tell why @l is not the guest's, once. */
static int failed(struct carry *c, const struct link *l, struct err *why)
{
	struct iface i = { .index = l->index,
			   .nic = AGENT_NIC_NONE,
			   .failed = true,
			   .no_room = why->code == ENOSPC };
	int ret = ifaces_add(&c->ifaces, &i);

	(void)err_wrap(why, 0, "network interface '%s'", l->name);
	return ret < 0 ? ret : out_failed(c->sock, why);
}

static int add_card(struct carry *c, const struct link *l)
{
	struct iface i = { .index = l->index,
			   .nic = ifaces_free_nic(&c->ifaces),
			   .mtu = l->mtu,
			   .carrier = l->carrier };
	auto_tap struct tap tap = TAP_INIT;
	struct err why = ERR_INIT;
	int ret;

	if (i.nic == NET_MAX_NICS) {
		(void)err_msg(&why, ENOSPC, "a machine has no more than %u network cards",
			      NET_MAX_NICS);
		return failed(c, l, &why);
	}
	ret = tap_open(&tap, &c->devices, c->pairs, l->mtu, c->nl, &why);
	i.tap = tap.index;
	if (ret == 0)
		ret = join_both(c, l, &i, &why);
	if (ret < 0)
		return failed(c, l, &why);
	ret = ifaces_add(&c->ifaces, &i);
	return ret < 0 ? ret : tell_nic(c, l, &i, &tap);
}

static int add(struct carry *c, const struct links *links, const struct link *l)
{
	struct iface lo = { .index = l->index, .nic = AGENT_NIC_NONE };
	struct err why = ERR_INIT;

	switch (link_way(links, l)) {
	case LINK_LOOPBACK:
		return ifaces_add(&c->ifaces, &lo);
	case LINK_CARD:
		return add_card(c, l);
	case LINK_REFUSED:
		if (l->lower)
			(void)err_msg(&why, ENOTSUP,
				      "it lies on another one, which is the guest's");
		else
			(void)err_msg(&why, ENOTSUP, "it has no Ethernet header");
		return failed(c, l, &why);
	case LINK_LEFT:
	default:
		return 0;
	}
}

/* change() - @l is carried, and may be other than it was. */
static int change(struct carry *c, const struct link *l, struct iface *i)
{
	struct err why = ERR_INIT;
	int ret = 0;

	if (i->nic == AGENT_NIC_NONE)
		return 0;
	if (i->mtu != l->mtu) {
		i->mtu = l->mtu;
		if (tap_set_mtu(i->tap, l->mtu, c->nl, &why) < 0)
			ret = out_failed(c->sock, &why);
	}
	if (ret == 0 && i->carrier != l->carrier) {
		i->carrier = l->carrier;
		ret = out_plain(c->sock, NET_CARRIER, i->nic, l->carrier);
	}
	return ret;
}

int carry_update(struct carry *c, const struct links *links)
{
	int ret = 0;

	for (const struct link *l = links_begin(links); ret == 0 && l < links_end(links);
	     l++) {
		struct iface *i = ifaces_find(&c->ifaces, l->index);

		if (i && i->no_room && ifaces_free_nic(&c->ifaces) < NET_MAX_NICS) {
			ifaces_remove(&c->ifaces, i);
			i = NULL;
		}
		ret = i ? change(c, l, i) : add(c, links, l);
	}
	return ret;
}

int carry_end(struct carry *c)
{
	int ret = 0;

	for (const struct iface *i = ifaces_begin(&c->ifaces); i < ifaces_end(&c->ifaces);
	     i++) {
		int one = i->tap ? unjoin(i->index, c->nl, NULL) : 0;

		if (one < 0)
			ret = one;
	}
	return ret;
}
