/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/rng.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <sys/random.h>

#include "lib/container_of.h"
#include "lib/err.h"
#include "vmm/virtio/loop_queue.h"
#include "vmm/virtio/virtio.h"

#define RNG_QUEUE_SIZE 64u
#define RNG_MAX_IOV 16u /* Linux sends one buffer per request */
#define RNG_PCI_CLASS 0x00ff00u /* unclassified, as virtio 1.2 leaves it open */

struct rng {
	struct virtio_device dev;
	struct loop_device ld;
	struct loop_queue queue;
};

/* fill() - Return: (bytes) written, up to RNG_MAX_CHAIN */
static uint32_t fill(const struct vq_chain *chain)
{
	uint32_t done = 0;

	for (unsigned int i = 0; i < chain->n_in && done < RNG_MAX_CHAIN; i++) {
		size_t want = chain->in[i].iov_len;
		ssize_t got;

		if (want > RNG_MAX_CHAIN - done)
			want = RNG_MAX_CHAIN - done;
		/* Never blocks: the pool was ready before hull could be started.
		 * A signal may cut what is longer than 256 bytes. */
		got = getrandom(chain->in[i].iov_base, want, 0);
		if (got < 0)
			break;
		done += (uint32_t)got;
		if ((size_t)got < want)
			break;
	}
	return done;
}

static bool serve(struct loop_queue *lq)
{
	struct vq_chain chain;
	struct iovec iov[RNG_MAX_IOV];
	uint32_t round = 0;
	bool more = true;
	int ret = 1;

	while (more && round < RNG_MAX_ROUND) {
		ret = vq_pop(lq->vq, &chain, iov, RNG_MAX_IOV);
		if (ret < 0)
			break;
		if (ret == 0) {
			more = vq_enable_kicks(lq->vq);
			continue;
		}
		/* Also an empty or unwritable buffer is some work. */
		round += RNG_MAX_CHAIN / 16;
		ret = (int)fill(&chain);
		vq_push(lq->vq, chain.head, (uint32_t)ret);
		round += (uint32_t)ret;
	}
	vq_notify(lq->vq);
	return more && ret >= 0;
}

static int rng_activate(struct virtio_device *dev, struct err *err)
{
	struct rng *rng = container_of(dev, struct rng, dev);

	(void)err;
	loop_device_activate(&rng->ld);
	return 0;
}

static void rng_reset(struct virtio_device *dev)
{
	struct rng *rng = container_of(dev, struct rng, dev);

	loop_device_reset(&rng->ld);
}

static void rng_free(struct virtio_device *dev)
{
	struct rng *rng = container_of(dev, struct rng, dev);

	if (!dev)
		return;
	loop_queue_remove(&rng->queue);
	loop_device_release(&rng->ld);
	vq_release(&rng->dev.queues[0]);
	free(rng);
}

int rng_new(const struct guest_memory *mem, struct loop *loop,
	    struct virtio_device **ret_dev, struct err *err)
{
	static const struct virtio_dev_ops ops = {
		.activate = rng_activate,
		.reset = rng_reset,
		.free = rng_free,
	};
	struct rng *rng = calloc(1, sizeof(*rng));
	int ret;

	if (!rng)
		return err_set(err, ENOMEM, "virtio-rng");
	rng->dev.ops = &ops;
	rng->dev.name = "rng";
	rng->dev.id = VIRTIO_ID_RNG;
	rng->dev.pci_class = RNG_PCI_CLASS;
	rng->dev.n_queues = 1;
	loop_device_init(&rng->ld, loop, &rng->dev);
	ret = vq_init(&rng->dev.queues[0], mem, RNG_QUEUE_SIZE, err);
	if (ret == 0)
		ret = loop_queue_add(&rng->ld, &rng->queue, &rng->dev.queues[0], serve,
				     err);
	if (ret < 0) {
		rng_free(&rng->dev);
		return ret;
	}
	*ret_dev = &rng->dev;
	return 0;
}
