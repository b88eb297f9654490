/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/out.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#include "lib/err.h"
#include "lib/io.h"
#include "vmm/net/proto.h"

int out_plain(int sock, uint32_t type, uint32_t nic, uint32_t arg)
{
	struct net_msg msg = { .type = type, .nic = nic, .arg = arg };

	return sock_send(sock, &msg, sizeof(msg), NULL, 0);
}

int out_text(int sock, uint32_t type, uint32_t arg, const char *text)
{
	struct net_msg msg = { .type = type, .arg = arg };
	char packet[sizeof(msg) + ERR_MSG_SIZE];
	size_t len = strnlen(text, ERR_MSG_SIZE);

	memcpy(packet, &msg, sizeof(msg));
	memcpy(packet + sizeof(msg), text, len);
	return sock_send(sock, packet, sizeof(msg) + len, NULL, 0);
}

int out_failed(int sock, const struct err *why)
{
	return out_text(sock, NET_FAILED, 0, why->msg);
}

int out_nic(int sock, uint32_t nic, const struct net_nic *n, const int *fds,
	    unsigned int n_fds)
{
	struct net_msg msg = { .type = NET_NIC_ADD, .nic = nic };
	char packet[sizeof(msg) + sizeof(*n)];

	memcpy(packet, &msg, sizeof(msg));
	memcpy(packet + sizeof(msg), n, sizeof(*n));
	return sock_send(sock, packet, sizeof(packet), fds, n_fds);
}

int out_config_add(struct out_config *c, const struct nlmsghdr *nlh)
{
	struct net_msg msg = { .type = NET_CONFIG };
	size_t len = NLMSG_ALIGN(nlh->nlmsg_len);
	int ret = 0;

	if (c->packet.len && c->packet.len - sizeof(msg) + len > NET_MAX_CONFIG)
		ret = out_config_flush(c);
	if (ret == 0 && !c->packet.len)
		ret = buf_append(&c->packet, &msg, sizeof(msg));
	return ret < 0 ? ret : buf_append(&c->packet, nlh, len);
}

int out_config_flush(struct out_config *c)
{
	int ret = 0;

	if (c->packet.len)
		ret = sock_send(c->sock, c->packet.data, c->packet.len, NULL, 0);
	c->packet.len = 0;
	return ret;
}

void out_config_release(struct out_config *c)
{
	buf_release(&c->packet);
}
