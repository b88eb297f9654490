/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/move.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/net/helper/links.h"
#include "vmm/net/helper/nl.h"

/* An address as it is given again; a label has the old name in it. */
struct address {
	struct ifaddrmsg head;
	uint8_t len[3];
	uint8_t value[3][16]; /* of kept[] */
};

static const uint16_t kept[] = { IFA_LOCAL, IFA_ADDRESS, IFA_BROADCAST };

struct addresses {
	uint32_t index;
	struct buf list; /* of struct address */
};

static int on_address(const struct nlmsghdr *nlh, void *data)
{
	struct addresses *a = data;
	const struct ifaddrmsg *head = nl_family(nlh, sizeof(*head));
	const struct nlattr *tb[IFA_MAX + 1];
	struct address one;

	if (!head || nlh->nlmsg_type != RTM_NEWADDR || head->ifa_index != a->index)
		return 0;
	nl_parse(nlh, sizeof(*head), tb, IFA_MAX);
	if (!(nl_u32(tb[IFA_FLAGS], head->ifa_flags) & IFA_F_PERMANENT) ||
	    head->ifa_scope != RT_SCOPE_UNIVERSE)
		return 0;
	one = (struct address){ .head = *head };
	one.head.ifa_flags = IFA_F_PERMANENT;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		const struct nlattr *attr = tb[kept[i]];
		uint16_t len = attr ? mnl_attr_get_payload_len(attr) : 0;

		if (len && len <= sizeof(one.value[i])) {
			one.len[i] = (uint8_t)len;
			memcpy(one.value[i], mnl_attr_get_payload(attr), len);
		}
	}
	return buf_append(&a->list, &one, sizeof(one));
}

/* find() - @name here. */
static int find(struct nl *nl, const char *name, struct link *ret)
{
	struct links links = { 0 };
	int r = links_dump(&links, nl);
	const struct link *l = links_begin(&links);

	while (r == 0 && l < links_end(&links) && strcmp(l->name, name) != 0)
		l++;
	if (r == 0 && l < links_end(&links))
		*ret = *l;
	else if (r == 0)
		r = -ENODEV;
	links_release(&links);
	return r;
}

static int set_up(struct nl *nl, uint32_t index, bool up)
{
	const struct ifinfomsg head = {
		.ifi_index = (int)index,
		.ifi_change = IFF_UP,
		.ifi_flags = up ? IFF_UP : 0,
	};
	struct nl_request r;

	return nl_ask(nl, nl_begin(&r, RTM_NEWLINK, NLM_F_ACK, &head, sizeof(head)), NULL,
		      NULL);
}

/* leave() - name and namespace at once: neither may be taken between. */
static int leave(struct nl *nl, uint32_t index, int ns, const char *new_name)
{
	const struct ifinfomsg head = { .ifi_index = (int)index };
	struct nl_request r;
	struct nlmsghdr *nlh = nl_begin(&r, RTM_NEWLINK, NLM_F_ACK, &head, sizeof(head));

	mnl_attr_put_strz(nlh, IFLA_IFNAME, new_name);
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)ns);
	return nl_ask(nl, nlh, NULL, NULL);
}

static int add(struct nl *nl, uint32_t index, const struct address *one)
{
	struct ifaddrmsg head = one->head;
	struct nl_request r;
	struct nlmsghdr *nlh;

	head.ifa_index = index;
	nlh = nl_begin(&r, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &head,
		       sizeof(head));
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (one->len[i])
			mnl_attr_put(nlh, kept[i], one->len[i], one->value[i]);
	return nl_ask(nl, nlh, NULL, NULL);
}

/* arrive() - in the container's namespace. */
static int arrive(int ns, const char *new_name, const struct buf *addresses,
		  struct err *err)
{
	const struct address *all = (const void *)addresses->data;
	auto_fd int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	auto_free struct nl *nl = calloc(1, sizeof(*nl));
	struct link link;
	int ret;

	if (!nl || home < 0)
		return err_set(err, nl ? errno : ENOMEM, "open '/proc/self/ns/net'");
	if (setns(ns, CLONE_NEWNET) < 0)
		return err_set(err, errno, "join the container's network namespace");
	ret = nl_open(nl, err);
	if (setns(home, CLONE_NEWNET) < 0 && ret == 0)
		ret = err_set(err, errno, "leave the container's network namespace");
	if (ret < 0)
		return ret;
	ret = find(nl, new_name, &link);
	if (ret < 0)
		(void)err_set(err, -ret, "link not found for interface %s on the "
					 "container's namespace", new_name);
	for (size_t i = 0; ret == 0 && i < addresses->len / sizeof(*all); i++) {
		ret = add(nl, link.index, &all[i]);
		if (ret < 0)
			(void)err_set(err, -ret, "address of interface %s", new_name);
	}
	if (ret == 0) {
		ret = set_up(nl, link.index, true);
		if (ret < 0)
			(void)err_set(err, -ret, "set up interface %s", new_name);
	}
	nl_close(nl);
	return ret;
}

/* depart() - from the current one. */
static int depart(struct nl *nl, int ns, const char *name, const char *new_name,
		  struct addresses *addresses, struct err *err)
{
	const struct ifaddrmsg all = { .ifa_family = AF_UNSPEC };
	struct link link;
	int ret = find(nl, name, &link);

	if (ret < 0)
		return err_set(err, -ret,
			       "link not found for interface %s on runtime namespace", name);
	addresses->index = link.index;
	ret = set_up(nl, link.index, false);
	if (ret < 0)
		return err_set(err, -ret, "set down interface %s", name);
	ret = nl_dump(nl, RTM_GETADDR, &all, sizeof(all), on_address, addresses);
	if (ret < 0)
		return err_set(err, -ret, "addresses of interface %s", name);
	ret = leave(nl, link.index, ns, new_name);
	return ret < 0 ? err_set(err, -ret,
				 "move network device %s to the container's namespace as %s",
				 name, new_name)
		       : 0;
}

int move_device(int ns, const char *name, const char *new_name, struct err *err)
{
	auto_free struct nl *nl = calloc(1, sizeof(*nl));
	struct addresses addresses = { .list = BUF_INIT };
	int ret = nl ? nl_open(nl, err) : err_set(err, ENOMEM, "netlink");

	if (ret < 0)
		return ret;
	ret = depart(nl, ns, name, new_name, &addresses, err);
	nl_close(nl);
	if (ret == 0)
		ret = arrive(ns, new_name, &addresses.list, err);
	buf_release(&addresses.list);
	return ret;
}
