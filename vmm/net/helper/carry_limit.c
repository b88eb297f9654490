/* SPDX-License-Identifier: Apache-2.0 */
/* What may pass the taps: rate limits, and the filters against foreign addresses. */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/net/helper/carry.h"
#include "vmm/net/helper/guard.h"
#include "vmm/net/helper/limit.h"
#include "vmm/net/helper/links.h"
#include "vmm/net/helper/nl.h"
#include "vmm/net/helper/out.h"

/* set_guard() - for the addresses in c->ips. */
static int set_guard(const struct carry *c, const struct link *l, struct iface *i,
		     struct err *err)
{
	const struct guard_who who = {
		.mac = l->addr,
		.ips = (const struct guard_ip *)(const void *)c->ips.data,
		.n_ips = c->ips.len / sizeof(struct guard_ip),
	};
	int ret = guard_set(i->tap, &who, c->nl, err);

	if (ret < 0)
		return ret;
	i->guarded = true;
	memcpy(i->mac, l->addr, sizeof(i->mac));
	return 0;
}

/* set() - @to, of one interface. */
static int set(const struct carry *c, const struct link *l, struct iface *i,
	       const struct net_limits *to, struct err *err)
{
	int ret = limit_rx(i->tap, i->rx, to->rx, c->nl, err);

	if (ret == 0) {
		i->rx = to->rx;
		if (to->tx || i->tx_prio)
			ret = limit_tx(i->tap, to->tx, &i->tx_prio, c->nl, err);
	}
	if (ret == 0 && to->antispoof && !i->guarded)
		ret = set_guard(c, l, i, err);
	if (ret == 0 && !to->antispoof && i->guarded) {
		ret = guard_remove(i->tap, c->nl, err);
		i->guarded = ret < 0;
	}
	return ret;
}

int carry_limit_new(struct carry *c, const struct link *l, struct iface *i,
		    struct err *err)
{
	return set(c, l, i, &c->limits, err);
}

/* set_all() - of all interfaces. @err: the first error; the others are tried all the same */
static int set_all(struct carry *c, const struct links *links,
		   const struct net_limits *to, struct err *err)
{
	int ret = 0;

	for (struct iface *i = ifaces_begin(&c->ifaces); i < ifaces_end(&c->ifaces);
	     i++) {
		const struct link *l = links_find(links, i->index);
		struct err why = ERR_INIT;
		int r = l && i->tap ? set(c, l, i, to, &why) : 0;

		if (r == 0 || ret < 0)
			continue;
		ret = r;
		*err = why;
		(void)err_wrap(err, 0, "network interface '%s'", l->name);
	}
	return ret;
}

int carry_limit(struct carry *c, const struct links *links, const struct net_limits *to,
		struct err *err)
{
	struct err again = ERR_INIT;
	int ret = set_all(c, links, to, err);

	if (ret < 0)
		(void)set_all(c, links, &c->limits, &again); /* the first error counts */
	else
		c->limits = *to;
	return ret;
}

/* ---- addresses ------------------------------------------------------------------ */

/* add_ip() - the address that the RTM_NEWADDR @nlh tells of. */
static int add_ip(struct buf *ips, const struct nlmsghdr *nlh)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct guard_ip ip = { .family = ifa->ifa_family };
	size_t len = ip.family == AF_INET ? 4 : 16;
	const struct nlattr *tb[IFA_MAX + 1];
	const struct nlattr *own;

	nl_parse(nlh, sizeof(*ifa), tb, IFA_MAX);
	/* IFA_ADDRESS is the other end's, on a point-to-point link. */
	own = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
	if (!own || mnl_attr_get_payload_len(own) < len ||
	    ifa->ifa_scope == RT_SCOPE_HOST)
		return 0;
	memcpy(ip.addr, mnl_attr_get_payload(own), len);
	return buf_append(ips, &ip, sizeof(ip));
}

static int take_ips(struct buf *ips, const struct buf *told)
{
	int ret = 0;

	for (size_t at = 0; ret == 0 && at < told->len;) {
		const struct nlmsghdr *nlh = (const void *)(told->data + at);

		if (nlh->nlmsg_type == RTM_NEWADDR)
			ret = add_ip(ips, nlh);
		at += NLMSG_ALIGN(nlh->nlmsg_len);
	}
	return ret;
}

int carry_guard(struct carry *c, const struct links *links, const struct buf *told)
{
	struct buf ips = BUF_INIT;
	bool same;
	int ret = take_ips(&ips, told);

	if (ret < 0) {
		buf_release(&ips);
		return ret;
	}
	same = ips.len == c->ips.len &&
	       (!ips.len || memcmp(ips.data, c->ips.data, ips.len) == 0);
	buf_release(&c->ips);
	c->ips = ips;
	for (struct iface *i = ifaces_begin(&c->ifaces);
	     ret == 0 && i < ifaces_end(&c->ifaces); i++) {
		const struct link *l = links_find(links, i->index);
		struct err why = ERR_INIT;

		if (!l || !i->guarded ||
		    (same && memcmp(i->mac, l->addr, sizeof(i->mac)) == 0))
			continue;
		memcpy(i->mac, l->addr, sizeof(i->mac)); /* what fails is told once */
		if (set_guard(c, l, i, &why) < 0) {
			(void)err_wrap(&why, 0, "network interface '%s'", l->name);
			ret = out_failed(c->sock, &why);
		}
	}
	return ret;
}
