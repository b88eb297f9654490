/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink requests over one socket, one at a time: what is asked for has been
 * answered whole when the call returns.
 */
#ifndef HULL_VMM_NET_HELPER_NL_H
#define HULL_VMM_NET_HELPER_NL_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define NL_REQUEST_SIZE 2048 /* (bytes) of a request that we build: a policer has 1024 */
#define NL_ANSWER_SIZE (32 << 10) /* (bytes) the most that the kernel puts together */

struct nl {
	struct mnl_socket *sock; /* owned */
	uint32_t seq;
	/* Only the pages that an answer needs are ever touched. */
	char rx[NL_ANSWER_SIZE] __attribute__((aligned(8)));
};

struct nl_request {
	_Alignas(8) char data[NL_REQUEST_SIZE];
};

/* nl_cb() - for each message of the answer. Return: 0, or -errno: no more calls */
typedef int (*nl_cb)(const struct nlmsghdr *nlh, void *data);

int nl_open(struct nl *nl, struct err *err);
void nl_close(struct nl *nl);

/*
 * nl_begin() - a request in @r, with @family (of @len bytes) behind its header.
 * More attributes are put behind by libmnl's functions.
 */
struct nlmsghdr *nl_begin(struct nl_request *r, uint16_t type, uint16_t flags,
			  const void *family, size_t len);

/*
 * nl_ask() - send @nlh and read all of the answer.
 * @cb: may be NULL
 * Return: 0; -errno, the kernel's or @cb's; -EINTR: a dump changed meanwhile
 */
int nl_ask(struct nl *nl, struct nlmsghdr *nlh, nl_cb cb, void *data);

/* nl_dump() - the whole list of @type (RTM_GET*), selected by @family. */
int nl_dump(struct nl *nl, uint16_t type, const void *family, size_t len, nl_cb cb,
	    void *data);

/*
 * nl_attr() - the attribute at @at, or NULL when there is no whole one before @end.
 * libmnl's loops do not survive -Wconversion.
 */
static inline const struct nlattr *nl_attr(const void *at, const void *end)
{
	return mnl_attr_ok(at, (int)((const char *)end - (const char *)at)) ? at : NULL;
}

/*
 * nl_parse() - the attributes of @nlh behind @len bytes, by type.
 * @tb: @max + 1 places, NULL where there is none
 */
void nl_parse(const struct nlmsghdr *nlh, size_t len, const struct nlattr **tb,
	      uint16_t max);

/* nl_parse_nested() - the same of what @nest (NULL: nothing) holds. */
void nl_parse_nested(const struct nlattr *nest, const struct nlattr **tb, uint16_t max);

/* nl_family() - what follows @nlh's header, or NULL when it is shorter than @len. */
const void *nl_family(const struct nlmsghdr *nlh, size_t len);

/* nl_u32() - the number in @attr; @absent where there is none, or it is no u32. */
uint32_t nl_u32(const struct nlattr *attr, uint32_t absent);

/* nl_str() - the terminated text in @attr, or "". */
const char *nl_str(const struct nlattr *attr);

/*
 * nl_events() - a socket that can be read when links, addresses, routes, neighbours
 * or rules have changed.  Non-blocking.
 * Return: the descriptor (the caller's), or -errno
 */
int nl_events(struct err *err);

/* nl_drain() - read away all that @events has. */
void nl_drain(int events);

#endif
