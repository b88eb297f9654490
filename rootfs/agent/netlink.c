/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/agent/netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"

/* What the kernel puts into one datagram at most: SKB_WITH_OVERHEAD(32768). */
#define ANSWER_MAX (32u << 10)

int netlink_open(struct err *err)
{
	auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const int on = 1;

	if (fd < 0)
		return err_set(err, errno, "netlink socket");
	/* The reason in words, and no echo of the request before it.  Both may fail. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	return take_fd(&fd);
}

/* ---- out ------------------------------------------------------------------------ */

/* append() - @len bytes and zeros up to the next multiple of NLMSG_ALIGNTO */
static void append(struct netlink_msg *m, const void *data, size_t len)
{
	size_t aligned = NLMSG_ALIGN(len);

	if (m->full || aligned < len || aligned > sizeof(m->data) - m->len) {
		m->full = true;
		return;
	}
	if (len)
		memcpy(m->data + m->len, data, len);
	memset(m->data + m->len + len, 0, aligned - len);
	m->len += aligned;
}

void netlink_begin(struct netlink_msg *m, uint16_t type, uint16_t flags, const void *body,
		   size_t len)
{
	const struct nlmsghdr head = { .nlmsg_type = type, .nlmsg_flags = flags };

	m->len = 0;
	m->full = false;
	append(m, &head, sizeof(head));
	append(m, body, len);
}

void netlink_put(struct netlink_msg *m, uint16_t type, const void *data, size_t len)
{
	const struct nlattr head = {
		.nla_len = (uint16_t)(sizeof(head) + len),
		.nla_type = type,
	};

	if (len > UINT16_MAX - sizeof(head)) {
		m->full = true;
		return;
	}
	append(m, &head, sizeof(head));
	append(m, data, len);
}

void netlink_put_u32(struct netlink_msg *m, uint16_t type, uint32_t value)
{
	netlink_put(m, type, &value, sizeof(value));
}

void netlink_put_text(struct netlink_msg *m, uint16_t type, const char *text)
{
	netlink_put(m, type, text, strlen(text) + 1);
}

size_t netlink_nest(struct netlink_msg *m, uint16_t type)
{
	size_t place = m->len;

	netlink_put(m, type | NLA_F_NESTED, NULL, 0);
	return place;
}

void netlink_nest_end(struct netlink_msg *m, size_t place)
{
	uint16_t len = (uint16_t)(m->len - place);

	/* A message that is full may have no room for the nest itself. */
	if (!m->full)
		memcpy(m->data + place + offsetof(struct nlattr, nla_len), &len,
		       sizeof(len));
}

/* ---- taken apart ------------------------------------------------------------------ */

/* step() - over @len bytes and what aligns them; the last need not be aligned */
static void step(struct netlink_walk *w, size_t len)
{
	len = NLMSG_ALIGN(len);
	len = len < w->left ? len : w->left;
	w->at += len;
	w->left -= len;
}

int netlink_next(struct netlink_walk *w, struct netlink_in *ret)
{
	struct nlmsghdr head;

	if (!w->left)
		return 0;
	if (w->left < sizeof(head))
		return -EPROTO;
	memcpy(&head, w->at, sizeof(head));
	if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > w->left)
		return -EPROTO;
	*ret = (struct netlink_in){
		.head = head,
		.body = w->at + sizeof(head),
		.len = head.nlmsg_len - sizeof(head),
	};
	step(w, head.nlmsg_len);
	return 1;
}

int netlink_next_attr(struct netlink_walk *w, struct netlink_attr *ret)
{
	struct nlattr head;

	if (!w->left)
		return 0;
	if (w->left < sizeof(head))
		return -EPROTO;
	memcpy(&head, w->at, sizeof(head));
	if (head.nla_len < sizeof(head) || head.nla_len > w->left)
		return -EPROTO;
	*ret = (struct netlink_attr){
		.type = head.nla_type & (uint16_t)NLA_TYPE_MASK,
		.data = w->at + sizeof(head),
		.len = head.nla_len - sizeof(head),
	};
	step(w, head.nla_len);
	return 1;
}

int netlink_body(const struct netlink_in *in, void *ret, size_t len)
{
	if (in->len < len)
		return -EPROTO;
	memcpy(ret, in->body, len);
	return 0;
}

struct netlink_walk netlink_attrs(const struct netlink_in *in, size_t len)
{
	struct netlink_walk w = { .at = in->body, .left = in->len };

	step(&w, len);
	return w;
}

int netlink_u32(const struct netlink_attr *a, uint32_t *ret)
{
	if (a->len < sizeof(*ret))
		return -EPROTO;
	memcpy(ret, a->data, sizeof(*ret));
	return 0;
}

/* ---- question and answer ------------------------------------------------------------ */

/* explain() - the kernel's own words behind the errno value, if there are any. */
static int explain(const struct netlink_in *in, int code, struct err *err)
{
	struct netlink_walk w = netlink_attrs(in, sizeof(struct nlmsgerr));
	struct netlink_attr a;

	if (in->head.nlmsg_flags & NLM_F_ACK_TLVS)
		while (netlink_next_attr(&w, &a) > 0)
			if (a.type == NLMSGERR_ATTR_MSG && a.len)
				return err_msg(err, code, "%s: %.*s", strerror(code),
					       (int)a.len - 1, a.data);
	return err_msg(err, code, "%s", strerror(code));
}

/* outcome() - of NLMSG_ERROR, or NLMSG_DONE: both begin with the error, 0 is none */
static int outcome(const struct netlink_in *in, struct err *err)
{
	int code = 0;

	if (netlink_body(in, &code, sizeof(code)) < 0 || code > 0)
		code = -EPROTO;
	return code < 0 ? explain(in, -code, err) : 0;
}

static int send_all(int fd, struct netlink_msg *m, uint32_t seq, struct err *err)
{
	struct nlmsghdr head;
	ssize_t n;

	if (m->full)
		return err_msg(err, EMSGSIZE, "%s", strerror(EMSGSIZE));
	memcpy(&head, m->data, sizeof(head));
	head.nlmsg_len = (uint32_t)m->len;
	head.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	head.nlmsg_seq = seq;
	memcpy(m->data, &head, sizeof(head));
	do {
		n = send(fd, m->data, m->len, 0);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? err_set(err, errno, "netlink") : 0;
}

static ssize_t receive(int fd, char *data, size_t size, struct err *err)
{
	ssize_t n;

	do {
		n = recv(fd, data, size, MSG_TRUNC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(err, errno, "netlink");
	if (n == 0 || (size_t)n > size)
		return err_msg(err, EPROTO, "netlink: malformed answer");
	return n;
}

int netlink_talk(int fd, struct netlink_msg *m,
		 int (*each)(const struct netlink_in *in, void *opaque), void *opaque,
		 struct err *err)
{
	static uint32_t seq; /* of the agent's one thread */
	char data[ANSWER_MAX];
	struct netlink_walk w = { 0 };
	struct netlink_in in;
	int result = 0;
	int ret = send_all(fd, m, ++seq, err);

	while (ret == 0) {
		ssize_t n = receive(fd, data, sizeof(data), err);

		if (n < 0)
			return (int)n;
		w = (struct netlink_walk){ .at = data, .left = (size_t)n };
		while ((ret = netlink_next(&w, &in)) > 0) {
			/* What is left of one that was given up. */
			if (in.head.nlmsg_seq != seq)
				continue;
			if (in.head.nlmsg_type == NLMSG_ERROR ||
			    in.head.nlmsg_type == NLMSG_DONE) {
				ret = outcome(&in, err);
				return ret < 0 ? ret : result;
			}
			if (each && result == 0) {
				result = each(&in, opaque);
				if (result < 0)
					(void)err_msg(err, -result, "%s",
						      strerror(-result));
			}
		}
		if (ret < 0)
			(void)err_msg(err, EPROTO, "netlink: malformed answer");
	}
	return ret;
}
