/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A card without what is behind it: taps are new in each machine.  The driver hears of that
 * as of a link that goes down: the interrupt of the configuration is raised after the load.
 */
#include <errno.h>
#include <string.h>

#include "lib/container_of.h"
#include "lib/err.h"
#include "vmm/snapshot/sections.h"
#include "vmm/virtio/net_internal.h"

#define TAG_NET SECTION_TAG('n', 'e', 't', ' ')

struct saved {
	uint32_t pairs;
	uint8_t mac[6];
	uint8_t reserved[2];
};

int net_save(struct virtio_device *dev, struct buf *out, struct err *err)
{
	struct net *net = container_of(dev, struct net, dev);
	struct saved s = { 0 };
	bool moving;

	(void)loop_device_enter(&net->ld);
	moving = net->attached && net->driver_ok && !net->held;
	s.pairs = net->pairs;
	memcpy(s.mac, net->config.mac, sizeof(s.mac));
	loop_device_leave(&net->ld);
	if (moving)
		return err_msg(err, EAGAIN, "packets are moved");
	section_put(out, TAG_NET, &s, sizeof(s));
	return 0;
}

int net_load(struct virtio_device *dev, struct sections *in, struct err *err)
{
	struct net *net = container_of(dev, struct net, dev);
	struct saved s;
	int ret = section_get(in, TAG_NET, &s, sizeof(s), err);

	if (ret < 0)
		return ret;
	if (s.pairs > net->n_pairs)
		return err_msg(err, EPROTO, "%u queue pairs were used", s.pairs);
	(void)loop_device_enter(&net->ld);
	net->pairs = s.pairs;
	memcpy(net->config.mac, s.mac, sizeof(s.mac));
	loop_device_leave(&net->ld);
	return 0;
}
