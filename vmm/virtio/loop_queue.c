/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/loop_queue.h"

#include <stdint.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/container_of.h"

void loop_device_init(struct loop_device *ld, struct loop *loop,
		      struct virtio_device *dev)
{
	*ld = (struct loop_device){ .loop = loop, .dev = dev };
	(void)pthread_mutex_init(&ld->lock, NULL); /* cannot fail on Linux */
}

void loop_device_release(struct loop_device *ld)
{
	if (ld->loop)
		(void)pthread_mutex_destroy(&ld->lock); /* nobody uses it any more */
	*ld = (struct loop_device){ 0 };
}

static void wake(const struct vq *vq)
{
	static const uint64_t one = 1;

	/* A full counter is an event as well: nothing is lost. */
	if (write(vq->kick_fd, &one, sizeof(one)) < 0)
		return;
}

static void ready(struct loop_source *src, uint32_t events)
{
	struct loop_queue *lq = container_of(src, struct loop_queue, source);

	(void)events; /* an eventfd has only one thing to say */
	(void)pthread_mutex_lock(&lq->ld->lock);
	if (lq->ld->active && lq->handle(lq))
		wake(lq->vq);
	(void)pthread_mutex_unlock(&lq->ld->lock);
}

int loop_queue_add(struct loop_device *ld, struct loop_queue *lq, struct vq *vq,
		   bool (*handle)(struct loop_queue *lq), struct err *err)
{
	*lq = (struct loop_queue){ .ld = ld, .vq = vq, .handle = handle };
	return loop_add(ld->loop, &lq->source, vq->kick_fd, EPOLLIN | EPOLLET, ready,
			err);
}

void loop_queue_remove(struct loop_queue *lq)
{
	if (lq->ld)
		loop_remove(lq->ld->loop, &lq->source);
	*lq = (struct loop_queue){ 0 };
}

void loop_queue_wake(struct loop_queue *lq)
{
	wake(lq->vq);
}

void loop_device_wake(struct loop_device *ld)
{
	for (unsigned int i = 0; i < ld->dev->n_queues; i++)
		if (ld->dev->queues[i].enabled)
			wake(&ld->dev->queues[i]);
}

void loop_device_activate(struct loop_device *ld)
{
	(void)pthread_mutex_lock(&ld->lock);
	ld->active = true;
	(void)pthread_mutex_unlock(&ld->lock);
	loop_device_wake(ld); /* kicks that came too early were seen and dropped */
}

void loop_device_reset(struct loop_device *ld)
{
	(void)pthread_mutex_lock(&ld->lock);
	ld->active = false;
	(void)pthread_mutex_unlock(&ld->lock);
}

bool loop_device_enter(struct loop_device *ld)
{
	(void)pthread_mutex_lock(&ld->lock);
	return ld->active;
}

void loop_device_leave(struct loop_device *ld)
{
	(void)pthread_mutex_unlock(&ld->lock);
}
