/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "rootfs/agent/net.h"

DEFINE_CLEANUP(net, struct net, net_free)

int net_enter(const struct net *n, struct err *err)
{
	if (n->ns >= 0 && setns(n->ns, CLONE_NEWNET) < 0)
		return err_set(err, errno, "join the container's network namespace");
	return 0;
}

void net_leave(const struct net *n)
{
	/* Back to one's own is always allowed. */
	if (n->own_ns >= 0)
		(void)setns(n->own_ns, CLONE_NEWNET);
}

/* open_other() - the container has another namespace than the agent. */
static int open_other(struct net *n, struct err *err)
{
	int ret;

	n->own_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (n->own_ns < 0)
		return err_set(err, errno, "open '/proc/self/ns/net'");
	n->own_fd = netlink_open(err);
	if (n->own_fd < 0)
		return n->own_fd;
	ret = net_enter(n, err);
	if (ret < 0)
		return ret;
	n->fd = netlink_open(err);
	net_leave(n);
	return n->fd < 0 ? n->fd : 0;
}

int net_new(int ns, struct net **ret_net, struct err *err)
{
	auto_call(cleanup_net_) struct net *n = calloc(1, sizeof(*n));
	int ret;

	if (!n)
		return err_set(err, ENOMEM, "network");
	n->ns = ns;
	n->own_ns = n->fd = n->own_fd = -1;
	if (ns >= 0) {
		ret = open_other(n, err);
	} else {
		n->fd = netlink_open(err);
		ret = n->fd < 0 ? n->fd : 0;
	}
	if (ret == 0)
		*ret_net = take_ptr(&n);
	return ret;
}

void net_free(struct net *n)
{
	if (!n)
		return;
	close_fd(n->fd);
	close_fd(n->own_fd);
	close_fd(n->own_ns);
	free(n);
}
