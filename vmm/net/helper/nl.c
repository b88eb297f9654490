/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/nl.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"

int nl_open(struct nl *nl, struct err *err)
{
	nl->seq = 0;
	nl->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl->sock)
		return err_set(err, errno, "open an rtnetlink socket");
	if (mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0)
		return err_set(err, errno, "bind an rtnetlink socket");
	return 0;
}

void nl_close(struct nl *nl)
{
	if (nl->sock)
		(void)mnl_socket_close(nl->sock); /* nothing is lost */
	nl->sock = NULL;
}

struct nlmsghdr *nl_begin(struct nl_request *r, uint16_t type, uint16_t flags,
			  const void *family, size_t len)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(r->data);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	memcpy(mnl_nlmsg_put_extra_header(nlh, len), family, len);
	return nlh;
}

/* answered() - the errno of the message that ends an answer. */
static int answered(const struct nlmsghdr *nlh)
{
	const int *code = nl_family(nlh, sizeof(*code));

	if (!code)
		return nlh->nlmsg_type == NLMSG_DONE ? 0 : -EPROTO;
	return *code < 0 ? *code : 0;
}

int nl_ask(struct nl *nl, struct nlmsghdr *nlh, nl_cb cb, void *data)
{
	int ret = 0;

	nlh->nlmsg_flags |= NLM_F_ACK; /* a dump ends by itself all the same */
	nlh->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->sock, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(nl->sock, nl->rx, sizeof(nl->rx));
		const struct nlmsghdr *in = (const struct nlmsghdr *)(void *)nl->rx;
		int left = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		for (; mnl_nlmsg_ok(in, left); in = mnl_nlmsg_next(in, &left)) {
			if (in->nlmsg_seq != nl->seq)
				continue; /* of a request that failed half-way */
			if (in->nlmsg_flags & NLM_F_DUMP_INTR && ret == 0)
				ret = -EINTR;
			if (in->nlmsg_type == NLMSG_ERROR || in->nlmsg_type == NLMSG_DONE)
				return ret ? ret : answered(in);
			if (ret == 0 && cb && in->nlmsg_type >= NLMSG_MIN_TYPE)
				ret = cb(in, data);
		}
	}
}

int nl_dump(struct nl *nl, uint16_t type, const void *family, size_t len, nl_cb cb,
	    void *data)
{
	struct nl_request r;

	return nl_ask(nl, nl_begin(&r, type, NLM_F_DUMP, family, len), cb, data);
}

static void parse(const void *at, const void *end, const struct nlattr **tb, uint16_t max)
{
	memset(tb, 0, sizeof(struct nlattr *) * (max + 1u));
	for (const struct nlattr *a = nl_attr(at, end); a;
	     a = nl_attr(mnl_attr_next(a), end))
		if (mnl_attr_get_type(a) <= max)
			tb[mnl_attr_get_type(a)] = a;
}

void nl_parse(const struct nlmsghdr *nlh, size_t len, const struct nlattr **tb,
	      uint16_t max)
{
	parse(mnl_nlmsg_get_payload_offset(nlh, len), mnl_nlmsg_get_payload_tail(nlh), tb,
	      max);
}

void nl_parse_nested(const struct nlattr *nest, const struct nlattr **tb, uint16_t max)
{
	const char *at = nest ? mnl_attr_get_payload(nest) : NULL;

	parse(at, nest ? at + mnl_attr_get_payload_len(nest) : NULL, tb, max);
}

const void *nl_family(const struct nlmsghdr *nlh, size_t len)
{
	return mnl_nlmsg_get_payload_len(nlh) < len ? NULL : mnl_nlmsg_get_payload(nlh);
}

uint32_t nl_u32(const struct nlattr *attr, uint32_t absent)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_U32) == 0 ? mnl_attr_get_u32(attr)
								  : absent;
}

const char *nl_str(const struct nlattr *attr)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0
		       ? mnl_attr_get_str(attr)
		       : "";
}

int nl_events(struct err *err)
{
	static const int groups[] = {
		RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,  RTNLGRP_NEIGH,
		RTNLGRP_IPV4_RULE,  RTNLGRP_IPV6_RULE,   RTNLGRP_IPV6_IFINFO,
	};
	auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
				NETLINK_ROUTE);
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };

	if (fd < 0)
		return err_set(err, errno, "open an rtnetlink socket for events");
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		return err_set(err, errno, "bind an rtnetlink socket for events");
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) < 0)
			return err_set(err, errno, "listen to rtnetlink group %d",
				       groups[i]);
	return take_fd(&fd);
}

void nl_drain(int events)
{
	char byte;

	/* What it says does not matter, nor that some was lost (ENOBUFS): all is
	 * listed again after. */
	while (recv(events, &byte, sizeof(byte), MSG_TRUNC) >= 0 || errno == ENOBUFS ||
	       errno == EINTR)
		;
}
