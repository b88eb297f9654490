/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AGENT_NET's messages as the agent takes them apart: without a socket, so that every
 * one fails at the latest when it would be sent.
 */
#include <string.h>

#include <linux/rtnetlink.h>

#include "lib/err.h"
#include "rootfs/agent/net.h"
#include "tests/fuzz/input.h"
#include "vmm/agent_proto.h"

/* use() - what the kernel's answers go through. */
static void use(const char *data, size_t len)
{
	struct netlink_walk w = { .at = data, .left = len };
	struct netlink_walk attrs;
	struct netlink_attr a;
	struct netlink_in in;
	struct net_info info;
	unsigned int sum = 0;

	while (netlink_next(&w, &in) > 0) {
		must(in.body >= data && in.len <= (size_t)(data + len - in.body));
		if (net_info_parse(&in, &info) == 0)
			must(info.index && memchr(info.name, 0, sizeof(info.name)));
		attrs = netlink_attrs(&in, sizeof(struct rtmsg));
		while (netlink_next_attr(&attrs, &a) > 0)
			for (size_t i = 0; i < a.len; i++)
				sum += (unsigned char)a.data[i];
	}
	(void)sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net n = {
		.ns = -1,
		.own_ns = -1,
		.fd = -1,
		.own_fd = -1,
		.links = { { .host = 7, .guest = 3, .card = 0, .name = "eth0" },
			   { .host = 9, .guest = 4, .card = 1, .name = "eth1" } },
	};
	struct err err = ERR_INIT;
	char *copy = malloc(size + 1); /* of its own size: a read behind it is seen */
	int ret;

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	use(copy, size);
	ret = net_apply(&n, copy, size, &err);
	must(ret == 0 || (ret < 0 && !strncmp(err.msg, "network: ", 9)));
	for (unsigned int i = 0; i < NET_LINKS; i++)
		must(memchr(n.links[i].name, 0, sizeof(n.links[i].name)) != NULL);
	free(copy);
	return 0;
}
