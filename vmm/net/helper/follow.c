/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/follow.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "vmm/net/helper/canon.h"
#include "vmm/net/helper/carry.h"
#include "vmm/net/helper/join.h"
#include "vmm/net/helper/links.h"
#include "vmm/net/helper/nl.h"
#include "vmm/net/helper/out.h"
#include "vmm/net/helper/told.h"
#include "vmm/net/proto.h"

#define SETTLE_MS 10 /* events come in bursts: one look for all of them */

struct follow {
	int sock; /* borrowed */
	int left; /* borrowed; as in struct follow_params */
	int events; /* owned */
	bool dirty; /* something has changed since the last look */
	bool asked; /* NET_SETTLE is to be answered */
	struct carry carry;
	struct links links;
	struct told told;
	struct err refused; /* as it was told last */
	struct nl nl;
};

/* tell() - the agent, what is other than it knows. */
static int tell(struct follow *f)
{
	auto_buf struct buf now = BUF_INIT;
	struct canon c = { .ifaces = &f->carry.ifaces, .list = &now };
	int ret = canon_dump(&c, &f->links, &f->nl);

	if (ret < 0)
		return ret;
	if (c.refused.code && strcmp(c.refused.msg, f->refused.msg) != 0)
		ret = out_failed(f->sock, &c.refused);
	f->refused = c.refused;
	if (ret == 0)
		ret = carry_guard(&f->carry, &f->links, &now);
	return ret < 0 ? ret : told_update(&f->told, &now, f->sock);
}

/* look() - at all there is, and bring everything in line with it. */
static int look(struct follow *f)
{
	int ret = links_dump(&f->links, &f->nl);

	/* The agent leaves a card before it goes, and its number is another's after. */
	if (ret == 0 && carry_mark_gone(&f->carry, &f->links)) {
		ret = tell(f);
		if (ret == 0)
			ret = carry_sweep(&f->carry, &f->links);
	}
	if (ret == 0)
		ret = carry_update(&f->carry, &f->links);
	if (ret == 0)
		ret = tell(f);
	return ret;
}

static int settle(struct follow *f)
{
	int ret;

	nl_drain(f->events);
	f->dirty = false;
	ret = look(f);
	/* It changed under our eyes, or the kernel is short of memory: again, soon. */
	if (ret == -EINTR || ret == -ENOBUFS || ret == -EAGAIN) {
		f->dirty = true;
		return 0;
	}
	if (ret == 0 && f->asked) {
		f->asked = false;
		ret = out_plain(f->sock, NET_SETTLED, 0, 0);
	}
	return ret;
}

/* limit() - other limits, and the answer to that. */
static int limit(struct follow *f, const struct net_limits *to)
{
	struct err err = ERR_INIT;
	int ret = 0;

	if (!net_limits_valid(to))
		return -EPROTO;
	if (f->dirty) /* what there is must be known */
		ret = settle(f);
	if (ret < 0)
		return ret;
	if (f->dirty)
		(void)err_msg(&err, EAGAIN, "the interfaces are changing");
	else
		(void)carry_limit(&f->carry, &f->links, to, &err);
	return out_text(f->sock, NET_LIMITED, (uint32_t)err.code, err.msg);
}

/* hear() - one message of hull-vmm's. */
static int hear(struct follow *f)
{
	char packet[sizeof(struct net_msg) + sizeof(struct net_limits) + 1];
	ssize_t n = sock_recv(f->sock, packet, sizeof(packet) - 1, NULL, NULL);
	struct net_limits limits;
	struct net_msg msg;

	if (n <= 0)
		return n == 0 ? -EPIPE : (int)n;
	if (n < (ssize_t)sizeof(msg))
		return -EPROTO;
	memcpy(&msg, packet, sizeof(msg));
	n -= (ssize_t)sizeof(msg);
	if (msg.type == NET_SETTLE && n == 0) {
		f->asked = true;
		return 0;
	}
	if (msg.type != NET_LIMIT || n != sizeof(limits))
		return -EPROTO;
	memcpy(&limits, packet + sizeof(msg), sizeof(limits));
	return limit(f, &limits);
}

/* turn() - sleep until there is something to do, and do it. */
static int turn(struct follow *f)
{
	struct pollfd fds[] = {
		{ .fd = f->sock, .events = POLLIN },
		{ .fd = f->dirty ? -1 : f->events, .events = POLLIN },
	};
	int n = poll(fds, ARRAY_SIZE(fds), f->dirty ? SETTLE_MS : -1);
	int ret = 0;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[0].revents)
		ret = hear(f);
	if (ret < 0)
		return ret;
	if ((n == 0 && f->dirty) || f->asked)
		return settle(f);
	f->dirty |= fds[1].revents != 0;
	return 0;
}

int follow_run(struct follow *f, struct err *err)
{
	int ret = settle(f);

	while (ret == 0)
		ret = turn(f);
	if (carry_end(&f->carry) == 0 && f->left)
		(void)!ftruncate(f->left, 0); /* then it is looked for */
	/* hull-vmm's end is ours. */
	if (ret == -EPIPE || ret == -ECONNRESET)
		return 0;
	return err_set(err, -ret, "follow the network namespace");
}

int follow_new(const struct follow_params *params, struct follow **ret_f, struct err *err)
{
	struct follow *f = calloc(1, sizeof(*f));
	int ret;

	if (!f)
		return err_set(err, ENOMEM, "hull-net");
	f->sock = params->sock;
	f->left = params->left;
	f->events = -1;
	f->carry = (struct carry){
		.sock = params->sock,
		.nl = &f->nl,
		.pairs = params->pairs,
		.devices = DEVICES_INIT,
		.limits = params->limits,
	};
	ret = nl_open(&f->nl, err);
	if (ret == 0)
		ret = f->events = nl_events(err);
	if (ret < 0) {
		follow_free(f);
		return ret;
	}
	devices_make(&f->carry.devices, params->uid, params->vhost);
	*ret_f = f;
	return 0;
}

void follow_free(struct follow *f)
{
	if (!f)
		return;
	devices_release(&f->carry.devices);
	buf_release(&f->carry.ifaces.list);
	buf_release(&f->carry.ips);
	links_release(&f->links);
	told_release(&f->told);
	close_fd(f->events);
	nl_close(&f->nl);
	free(f);
}

int follow_clean(struct err *err)
{
	struct links links = { 0 };
	struct nl nl = { 0 };
	uint32_t to; /* another's, who is alive */
	int ret = nl_open(&nl, err);

	if (ret == 0) {
		do
			ret = links_dump(&links, &nl);
		while (ret == -EINTR);
		if (ret < 0)
			(void)err_set(err, -ret, "list the network interfaces");
	}
	for (const struct link *l = links_begin(&links);
	     ret == 0 && l < links_end(&links); l++)
		ret = join_clean(l->index, &to, &nl, err);
	links_release(&links);
	nl_close(&nl);
	return ret;
}
