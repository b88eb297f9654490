/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/tun.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <sys/ioctl.h>

#include "lib/cleanup.h"
#include "lib/err.h"

int tun_setup(int tap_fd, struct err *err)
{
	int size = sizeof(struct virtio_net_hdr_v1), one = 1;

	if (ioctl(tap_fd, TUNSETVNETHDRSZ, &size) < 0)
		return err_set(err, errno, "TUNSETVNETHDRSZ");
	if (ioctl(tap_fd, TUNSETVNETLE, &one) < 0)
		return err_set(err, errno, "TUNSETVNETLE");
	return 0;
}

int tun_offload(int tap_fd, uint64_t features, struct err *err)
{
	static const struct {
		unsigned int feature;
		unsigned int flag;
	} flags[] = {
		{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
		{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
		{ VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN },
	};
	unsigned int offload = 0;

	/* Segments have no checksum of their own: nothing without this one. */
	if (features & 1ull << VIRTIO_NET_F_GUEST_CSUM) {
		offload = TUN_F_CSUM;
		for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++)
			if (features & 1ull << flags[i].feature)
				offload |= flags[i].flag;
	}
	if (ioctl(tap_fd, TUNSETOFFLOAD, offload) < 0)
		return err_set(err, errno, "TUNSETOFFLOAD 0x%x", offload);
	return 0;
}

int tun_use_queue(int tap_fd, bool use, struct err *err)
{
	struct ifreq ifr = { .ifr_flags = use ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	if (ioctl(tap_fd, TUNSETQUEUE, &ifr) < 0)
		return err_set(err, errno, "TUNSETQUEUE");
	return 0;
}
