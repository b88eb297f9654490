/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/tap.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/net/helper/devices.h"
#include "vmm/net/helper/nl.h"

#define TAP_PREFIX "hull"
#define TAP_TXQLEN 1000u /* (packets) that wait for the guest, as other cards have */
#define TAP_SNDBUF (1 << 20) /* (bytes) of the guest's that may wait in the host */
#define TAP_MAX_MTU (65535u - 14u) /* the driver's: with its header in 64 KiB */

static_assert(NET_MAX_PAIRS == 4, "TAP_INIT");

bool tap_is_ours(const char *name)
{
	size_t n = sizeof(TAP_PREFIX) - 1;

	return strncmp(name, TAP_PREFIX, n) == 0 && name[n] &&
	       name[n + strspn(name + n, "0123456789")] == 0;
}

static int open_queues(struct tap *tap, const struct devices *devices, unsigned int pairs,
		       struct ifreq *req, struct err *err)
{
	int sndbuf = TAP_SNDBUF;

	for (unsigned int i = 0; i < pairs; i++) {
		int fd = devices_open_tun(devices, err);

		if (fd < 0)
			return fd;
		tap->fds[tap->n++] = fd;
		/* The kernel puts the name that it chose into req: the next
		 * queues are that one's. */
		if (ioctl(fd, TUNSETIFF, req) < 0)
			return err_set(err, errno, "make a tap (TUNSETIFF)");
	}
	if (ioctl(tap->fds[0], TUNSETSNDBUF, &sndbuf) < 0)
		return err_set(err, errno, "limit the tap '%s' (TUNSETSNDBUF)",
			       req->ifr_name);
	return 0;
}

static int take_index(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *ifi = nl_family(nlh, sizeof(*ifi));
	struct tap *tap = data;

	if (nlh->nlmsg_type == RTM_NEWLINK && ifi && ifi->ifi_index > 0)
		tap->index = (uint32_t)ifi->ifi_index;
	return 0;
}

static struct nlmsghdr *begin_set(struct nl_request *r, uint32_t index, uint32_t flags)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC,
				 .ifi_index = (int)index,
				 .ifi_flags = flags,
				 .ifi_change = flags };

	return nl_begin(r, RTM_SETLINK, 0, &ifi, sizeof(ifi));
}

/* silence() - no address of its own, so that it neither solicits nor answers. */
static int silence(const struct tap *tap, struct nl *nl)
{
	struct nl_request r;
	struct nlmsghdr *nlh = begin_set(&r, tap->index, 0);
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);
	int ret;

	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
	ret = nl_ask(nl, nlh, NULL, NULL);
	return ret == -EAFNOSUPPORT ? 0 : ret; /* a host without IPv6 is silent */
}

static int set_up_link(struct tap *tap, const char *name, struct nl *nl, struct err *err)
{
	struct ifinfomsg any = { .ifi_family = AF_UNSPEC };
	struct nl_request r;
	struct nlmsghdr *nlh = nl_begin(&r, RTM_GETLINK, 0, &any, sizeof(any));
	int ret;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	ret = nl_ask(nl, nlh, take_index, tap);
	if (ret < 0 || !tap->index)
		return err_set(err, ret < 0 ? -ret : ENODEV, "look at the tap '%s'",
			       name);
	ret = silence(tap, nl);
	if (ret < 0)
		return err_set(err, -ret, "silence the tap '%s'", name);
	nlh = begin_set(&r, tap->index, 0);
	mnl_attr_put_u32(nlh, IFLA_TXQLEN, TAP_TXQLEN);
	ret = nl_ask(nl, nlh, NULL, NULL);
	return ret < 0 ? err_set(err, -ret, "set the tap '%s' up", name) : 0;
}

int tap_open(struct tap *tap, const struct devices *devices, unsigned int pairs,
	     uint32_t mtu, struct nl *nl, struct err *err)
{
	struct ifreq req = { .ifr_name = TAP_PREFIX "%d" };
	int ret;

	req.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (pairs > 1)
		req.ifr_flags |= IFF_MULTI_QUEUE;
	ret = open_queues(tap, devices, pairs, &req, err);
	if (ret == 0)
		ret = set_up_link(tap, req.ifr_name, nl, err);
	if (ret == 0)
		ret = tap_set_mtu(tap->index, mtu, nl, err);
	return ret;
}

int tap_up(uint32_t index, struct nl *nl, struct err *err)
{
	struct nl_request r;
	int ret = nl_ask(nl, begin_set(&r, index, IFF_UP), NULL, NULL);

	return ret < 0 ? err_set(err, -ret, "set a tap up") : 0;
}

int tap_set_mtu(uint32_t index, uint32_t mtu, struct nl *nl, struct err *err)
{
	struct nl_request r;
	struct nlmsghdr *nlh = begin_set(&r, index, 0);
	int ret;

	mnl_attr_put_u32(nlh, IFLA_MTU, mtu < TAP_MAX_MTU ? mtu : TAP_MAX_MTU);
	ret = nl_ask(nl, nlh, NULL, NULL);
	return ret < 0 ? err_set(err, -ret, "set the MTU of a tap to %u", mtu) : 0;
}

void tap_close(struct tap *tap)
{
	for (unsigned int i = 0; i < NET_MAX_PAIRS; i++)
		close_fd(take_fd(&tap->fds[i]));
}
