/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/told.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "vmm/net/helper/nl.h"
#include "vmm/net/helper/out.h"

/* What stands on what: each only on those before it. */
enum rank {
	RANK_LINK,
	RANK_ADDR,
	RANK_NEIGH,
	RANK_ROUTE, /* to what is on the link */
	RANK_ROUTE_WIDE, /* of any scope, without a gateway */
	RANK_ROUTE_GATEWAY,
	RANK_ROUTE_HOPS, /* by more than one */
	RANK_RULE,
	RANKS,
	RANK_NONE, /* told already */
};

static enum rank rank_of_route(const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[RTA_MAX + 1];

	nl_parse(nlh, sizeof(*rtm), tb, RTA_MAX);
	if (tb[RTA_MULTIPATH])
		return RANK_ROUTE_HOPS;
	if (tb[RTA_GATEWAY] || tb[RTA_VIA])
		return RANK_ROUTE_GATEWAY;
	return rtm->rtm_scope >= RT_SCOPE_LINK ? RANK_ROUTE : RANK_ROUTE_WIDE;
}

static enum rank rank_of(const struct nlmsghdr *nlh)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
		return RANK_LINK;
	case RTM_NEWADDR:
		return RANK_ADDR;
	case RTM_NEWNEIGH:
		return RANK_NEIGH;
	case RTM_NEWROUTE:
		return rank_of_route(nlh);
	case RTM_NEWRULE:
		return RANK_RULE;
	default:
		return RANK_NONE;
	}
}

/* key_len() - (bytes) behind @nlh's header that say which thing it is about. */
static size_t key_len(const struct nlmsghdr *nlh)
{
	const char *begin = mnl_nlmsg_get_payload(nlh);
	size_t family = sizeof(struct ifaddrmsg);
	uint16_t last = IFA_LOCAL;
	const void *tail = mnl_nlmsg_get_payload_tail(nlh);
	const char *end;

	if (nlh->nlmsg_type == RTM_NEWROUTE || nlh->nlmsg_type == RTM_NEWRULE)
		return mnl_nlmsg_get_payload_len(nlh);
	if (nlh->nlmsg_type == RTM_NEWNEIGH) {
		family = sizeof(struct ndmsg);
		last = NDA_DST;
	}
	end = begin + NLMSG_ALIGN(family);
	for (const struct nlattr *a = nl_attr(end, tail);
	     a && mnl_attr_get_type(a) <= last; a = nl_attr(end, tail))
		end = (const char *)mnl_attr_next(a);
	return (size_t)(end - begin);
}

/* is_about_same() - do @a and @b tell of the same link, address, ...? */
static bool is_about_same(const struct nlmsghdr *a, const struct nlmsghdr *b)
{
	const struct ifinfomsg *link_a = mnl_nlmsg_get_payload(a);
	const struct ifinfomsg *link_b = mnl_nlmsg_get_payload(b);
	size_t len;

	if (a->nlmsg_type != b->nlmsg_type)
		return false;
	if (a->nlmsg_type == RTM_NEWLINK)
		return link_a->ifi_index == link_b->ifi_index;
	len = key_len(a);
	return len == key_len(b) &&
	       memcmp(mnl_nlmsg_get_payload(a), mnl_nlmsg_get_payload(b), len) == 0;
}

static struct nlmsghdr *msg_at(const struct buf *list, size_t at)
{
	return (struct nlmsghdr *)(void *)(list->data + at);
}

static size_t msg_next(const struct buf *list, size_t at)
{
	return at + NLMSG_ALIGN(msg_at(list, at)->nlmsg_len);
}

/*
 * find() - the message of @list about the same as @nlh, or NULL.
 * @hint: where to begin; moved behind what was found, as lists seldom change order
 */
static struct nlmsghdr *find(const struct buf *list, const struct nlmsghdr *nlh,
			     size_t *hint)
{
	size_t at = *hint < list->len ? *hint : 0;
	size_t seen = 0;

	while (seen < list->len) {
		struct nlmsghdr *other = msg_at(list, at);
		size_t next = msg_next(list, at);

		seen += next - at;
		at = next < list->len ? next : 0;
		if (is_about_same(nlh, other)) {
			*hint = at;
			return other;
		}
	}
	return NULL;
}

/* tell_gone() - RTM_DEL* for what has no counterpart in @now. */
static int tell_gone(const struct buf *old, const struct buf *now, enum rank rank,
		     struct out_config *c)
{
	size_t hint = 0;
	int ret = 0;

	for (size_t at = 0; ret == 0 && at < old->len; at = msg_next(old, at)) {
		struct nlmsghdr *nlh = msg_at(old, at);

		if (rank_of(nlh) != rank || find(now, nlh, &hint))
			continue;
		nlh->nlmsg_type++; /* RTM_NEW* to RTM_DEL* */
		ret = out_config_add(c, nlh);
	}
	return ret;
}

/* name_of() - the interface's that the RTM_NEWLINK @nlh tells of. */
static const char *name_of(const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[IFLA_IFNAME + 1];

	nl_parse(nlh, sizeof(struct ifinfomsg), tb, IFLA_IFNAME);
	return nl_str(tb[IFLA_IFNAME]);
}

/*
 * some_renamed() - has an interface another name than it was told?  The guest's goes down
 * for that, and its kernel forgets what stands on it.
 */
static bool some_renamed(const struct buf *old, const struct buf *now)
{
	size_t hint = 0;

	for (size_t at = 0; at < now->len; at = msg_next(now, at)) {
		const struct nlmsghdr *nlh = msg_at(now, at);
		const struct nlmsghdr *before;

		if (rank_of(nlh) != RANK_LINK)
			continue;
		before = find(old, nlh, &hint);
		if (before && strcmp(name_of(before), name_of(nlh)) != 0)
			return true;
	}
	return false;
}

/* tell_new() - @again: also what has been told */
static int tell_new(const struct buf *old, const struct buf *now, enum rank rank,
		    bool again, struct out_config *c)
{
	size_t hint = 0;
	int ret = 0;

	for (size_t at = 0; ret == 0 && at < now->len; at = msg_next(now, at)) {
		const struct nlmsghdr *nlh = msg_at(now, at);
		const struct nlmsghdr *before;

		if (rank_of(nlh) != rank)
			continue;
		before = find(old, nlh, &hint);
		if (again || !before || before->nlmsg_len != nlh->nlmsg_len ||
		    memcmp(before, nlh, nlh->nlmsg_len) != 0)
			ret = out_config_add(c, nlh);
	}
	return ret;
}

int told_update(struct told *told, struct buf *now, int sock)
{
	auto_out_config struct out_config c = OUT_CONFIG(sock);
	struct buf old = told->list;
	bool renamed = some_renamed(&old, now);
	int ret = 0;

	for (int rank = RANKS - 1; ret == 0 && rank >= 0; rank--)
		ret = tell_gone(&old, now, (enum rank)rank, &c);
	for (int rank = 0; ret == 0 && rank < RANKS; rank++)
		ret = tell_new(&old, now, (enum rank)rank,
			       renamed && rank > RANK_LINK && rank < RANK_RULE, &c);
	if (ret == 0)
		ret = out_config_flush(&c);
	told->list = *now;
	*now = BUF_INIT;
	buf_release(&old);
	return ret;
}

void told_release(struct told *told)
{
	buf_release(&told->list);
}
