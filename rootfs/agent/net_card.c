/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "rootfs/agent/mounts.h"
#include "rootfs/agent/net.h"
#include "vmm/agent_proto.h"

static const unsigned char prefix[] = { AGENT_NIC_MAC };

static_assert(sizeof(prefix) == NET_CARD_ADDRESS_LEN - 1, "the number is the last byte");

void net_card_address(uint32_t number, unsigned char ret[NET_CARD_ADDRESS_LEN])
{
	memcpy(ret, prefix, sizeof(prefix));
	ret[sizeof(prefix)] = (unsigned char)number;
}

bool net_is_card(const struct net *n, const struct net_info *info)
{
	for (unsigned int i = 0; i < NET_LINKS; i++)
		if (n->links[i].host && n->links[i].guest == info->index)
			return info->index != NET_LOOPBACK;
	return !memcmp(info->permanent_len ? info->permanent : info->address, prefix,
		       sizeof(prefix));
}

/*
 * rescan() - let the kernel look for new devices on the PCI bus; their drivers are
 * done with them when it comes back.  Nobody else sees this sysfs.
 */
static int rescan(struct err *err)
{
	auto_fd int sysfs = mounts_new("sysfs", NULL, NULL, 0, 0, err);
	int ret = sysfs < 0 ? sysfs : io_write_file(sysfs, "bus/pci/rescan", "1", err);

	return ret == -ENOENT ? 0 : ret; /* there is no such bus: nothing on it */
}

/* move() - from the namespace of the socket @fd to @ns */
static int move(int fd, uint32_t index, int ns, struct err *err)
{
	const struct ifinfomsg ifi = { .ifi_index = (int)index };
	struct netlink_msg m;

	netlink_begin(&m, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	netlink_put_u32(&m, IFLA_NET_NS_FD, (uint32_t)ns);
	/* Its present one may be taken there. */
	netlink_put_text(&m, IFLA_IFNAME, NET_SPARE_NAME);
	return netlink_talk(fd, &m, NULL, NULL, err);
}

/* look() - in both namespaces; it is in the container's afterwards */
static int look(const struct net *n, uint32_t number, struct net_info *ret_info,
		struct err *err)
{
	struct net_info info;
	int ret = net_query_card(n->fd, number, ret_info, err);

	if (ret != -ENODEV || n->own_fd < 0)
		return ret;
	ret = net_query_card(n->own_fd, number, &info, err);
	if (ret == 0)
		ret = move(n->own_fd, info.index, n->ns, err);
	/* Its index may be another now. */
	return ret < 0 ? ret : net_query_card(n->fd, number, ret_info, err);
}

int net_card_find(const struct net *n, uint32_t number, struct net_info *ret_info,
		  struct err *err)
{
	int ret = look(n, number, ret_info, err);

	if (ret != -ENODEV)
		return ret;
	ret = rescan(err);
	if (ret == 0)
		ret = look(n, number, ret_info, err);
	return ret == -ENODEV ? err_msg(err, ENODEV, "it is not there") : ret;
}

int net_card_away(const struct net *n, uint32_t index, struct err *err)
{
	return n->own_ns < 0 ? 0 : move(n->fd, index, n->own_ns, err);
}
