/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/balloon.h"

#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>

#include "lib/container_of.h"
#include "lib/err.h"
#include "vmm/virtio/loop_queue.h"
#include "vmm/virtio/virtio.h"

#define BALLOON_QUEUE_SIZE BALLOON_MAX_RANGES
#define BALLOON_PCI_CLASS 0x00ff00u /* unclassified, as virtio 1.2 leaves it open */

struct balloon {
	struct virtio_device dev;
	struct loop_device ld;
	struct loop_queue queues[BALLOON_QUEUES];
	const struct guest_memory *mem;
};

/* take_back() - the ranges of a report: device-writable buffers, never written. */
static void take_back(const struct balloon *b, const struct vq_chain *chain)
{
	size_t left = BALLOON_MAX_ROUND;

	for (unsigned int i = 0; i < chain->n_in && left; i++) {
		size_t len = chain->in[i].iov_len;

		len = len < left ? len : left;
		(void)guest_memory_discard(b->mem, chain->in[i].iov_base, len);
		left -= len;
	}
}

/* serve() - one chain a turn: a report may take some milliseconds. */
static bool serve(struct loop_queue *lq)
{
	const struct balloon *b = container_of(lq->ld, struct balloon, ld);
	struct vq_chain chain;
	struct iovec iov[BALLOON_MAX_RANGES];
	int ret;

	do {
		ret = vq_pop(lq->vq, &chain, iov, BALLOON_MAX_RANGES);
	} while (ret == 0 && vq_enable_kicks(lq->vq));
	if (ret <= 0)
		return false;
	/* Pages that go into the balloon, unasked, or come out are the guest's affair. */
	if (lq == &b->queues[BALLOON_REPORTING] ||
	    lq == &b->queues[BALLOON_REPORTING_COUNTED])
		take_back(b, &chain);
	vq_push(lq->vq, chain.head, 0);
	vq_notify(lq->vq);
	return true;
}

static int balloon_activate(struct virtio_device *dev, struct err *err)
{
	struct balloon *b = container_of(dev, struct balloon, dev);

	(void)err;
	loop_device_activate(&b->ld);
	return 0;
}

static void balloon_reset(struct virtio_device *dev)
{
	struct balloon *b = container_of(dev, struct balloon, dev);

	loop_device_reset(&b->ld);
}

static void balloon_free(struct virtio_device *dev)
{
	struct balloon *b = container_of(dev, struct balloon, dev);

	if (!dev)
		return;
	for (unsigned int i = 0; i < BALLOON_QUEUES; i++)
		loop_queue_remove(&b->queues[i]);
	loop_device_release(&b->ld);
	for (unsigned int i = 0; i < b->dev.n_queues; i++)
		vq_release(&b->dev.queues[i]);
	free(b);
}

int balloon_new(const struct guest_memory *mem, struct loop *loop,
		struct virtio_device **ret_dev, struct err *err)
{
	static const struct virtio_dev_ops ops = {
		.activate = balloon_activate,
		.reset = balloon_reset,
		.free = balloon_free,
	};
	static const struct balloon_config empty = { 0 };
	struct balloon *b = calloc(1, sizeof(*b));
	int ret = 0;

	if (!b)
		return err_set(err, ENOMEM, "virtio-balloon");
	b->mem = mem;
	b->dev.ops = &ops;
	b->dev.name = "balloon";
	b->dev.id = VIRTIO_ID_BALLOON;
	b->dev.pci_class = BALLOON_PCI_CLASS;
	b->dev.features = UINT64_C(1) << VIRTIO_BALLOON_F_REPORTING;
	b->dev.config = &empty;
	b->dev.config_size = sizeof(empty);
	loop_device_init(&b->ld, loop, &b->dev);
	for (unsigned int i = 0; ret == 0 && i < BALLOON_QUEUES; i++) {
		struct vq *vq = &b->dev.queues[i];

		ret = vq_init(vq, mem, BALLOON_QUEUE_SIZE, err);
		if (ret < 0)
			break;
		b->dev.n_queues = i + 1;
		ret = loop_queue_add(&b->ld, &b->queues[i], vq, serve, err);
	}
	if (ret < 0) {
		balloon_free(&b->dev);
		return ret;
	}
	*ret_dev = &b->dev;
	return 0;
}
