/* SPDX-License-Identifier: Apache-2.0 */
/* A card that has nothing behind it: taps are new in each machine. */
#include <errno.h>

#include "lib/container_of.h"
#include "lib/err.h"
#include "vmm/snapshot/sections.h"
#include "vmm/virtio/net_internal.h"

#define TAG_NET SECTION_TAG('n', 'e', 't', ' ')

struct saved {
	uint32_t pairs;
	uint32_t reserved;
};

int net_save(struct virtio_device *dev, struct buf *out, struct err *err)
{
	struct net *net = container_of(dev, struct net, dev);
	struct saved s = { 0 };
	bool attached;

	(void)loop_device_enter(&net->ld);
	attached = net->attached;
	s.pairs = net->pairs;
	loop_device_leave(&net->ld);
	if (attached)
		return err_msg(err, EAGAIN, "it has a tap");
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
	loop_device_leave(&net->ld);
	return 0;
}
