/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Netlink messages of the rtnetlink(7) family: built in a bounded buffer, sent and
 * answered, taken apart.
 *
 * Building and asking:
 *	struct netlink_msg m;
 *	netlink_begin(&m, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
 *	netlink_put_u32(&m, IFLA_MTU, 1500);
 *	ret = netlink_talk(fd, &m, NULL, NULL, err);
 * What does not fit is remembered and is netlink_talk()'s error.
 *
 * Taking apart: nothing is read behind the end, whatever the lengths say, and no
 * alignment of the bytes is asked for.
 *	struct netlink_walk w = { data, len };
 *	while ((ret = netlink_next(&w, &in)) > 0) {
 *		attrs = netlink_attrs(&in, sizeof(struct ifinfomsg));
 *		while ((ret = netlink_next_attr(&attrs, &attr)) > 0)
 */
#ifndef HULL_AGENT_NETLINK_H
#define HULL_AGENT_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

struct err;

/* A route with some hundred next hops fits. */
#define NETLINK_MAX (16u << 10)

struct netlink_msg {
	size_t len; /* (bytes) so far, aligned */
	bool full; /* something did not fit */
	_Alignas(struct nlmsghdr) char data[NETLINK_MAX];
};

/* netlink_open() - a socket in the network namespace that the thread is in. */
int netlink_open(struct err *err);

/* netlink_begin() - a message whose fixed part is @body. */
void netlink_begin(struct netlink_msg *m, uint16_t type, uint16_t flags, const void *body,
		   size_t len);
void netlink_put(struct netlink_msg *m, uint16_t type, const void *data, size_t len);
void netlink_put_u32(struct netlink_msg *m, uint16_t type, uint32_t value);
void netlink_put_text(struct netlink_msg *m, uint16_t type, const char *text);
/* netlink_nest() - attributes up to netlink_nest_end() are in one. Return: its place */
size_t netlink_nest(struct netlink_msg *m, uint16_t type);
void netlink_nest_end(struct netlink_msg *m, size_t place);

/* A message that came, or one of many. */
struct netlink_in {
	struct nlmsghdr head;
	const char *body; /* behind the header */
	size_t len; /* (bytes) of it */
};

struct netlink_attr {
	uint16_t type; /* without NLA_F_NESTED and NLA_F_NET_BYTEORDER */
	const char *data;
	size_t len;
};

struct netlink_walk {
	const char *at;
	size_t left;
};

/*
 * netlink_talk() - send @m and wait for the end of its answer.  One that has failed
 * is told by the reason alone, the caller says what was asked for.
 * @each: called for each message of the answer; may be NULL
 * Return: 0, or the error of the kernel or of @each; -EMSGSIZE: @m is full
 */
int netlink_talk(int fd, struct netlink_msg *m,
		 int (*each)(const struct netlink_in *in, void *opaque), void *opaque,
		 struct err *err);

/* Both: 1: there is one more; 0: the end; -EPROTO: malformed */
int netlink_next(struct netlink_walk *w, struct netlink_in *ret);
int netlink_next_attr(struct netlink_walk *w, struct netlink_attr *ret);

/* netlink_body() - the fixed part of @in: 0; -EPROTO: it is shorter */
int netlink_body(const struct netlink_in *in, void *ret, size_t len);
/* netlink_attrs() - what follows a fixed part of @len bytes. */
struct netlink_walk netlink_attrs(const struct netlink_in *in, size_t len);
/* netlink_u32() - 0; -EPROTO: the attribute is shorter */
int netlink_u32(const struct netlink_attr *a, uint32_t *ret);

#endif
