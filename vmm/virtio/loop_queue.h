/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices whose queues are served on the event loop (vmm/loop.h).
 *
 * The driver starts and resets a device from a vCPU thread, while the loop runs
 * elsewhere.  So the queues' kick_fds are watched from the device's birth to its
 * end, by the loop's own thread, and the vCPU thread only switches `active` under
 * the device's lock: handlers run with that lock held and only while `active`.
 * loop_device_reset() returns when no handler runs; it waits for at most one
 * handler, never for the loop to come round, so it works also while the loop's
 * thread stops the vCPUs.
 *
 * Rules that keep this free of deadlock:
 *   - order of locks: the transport's, then loop_device.lock, then vq.lock;
 *   - a handler may call vq_*(), the transport's ops and loop_*(), but must not
 *     wait for a vCPU thread (no vm_stop(): call loop_quit(), stop afterwards);
 *   - a callback of another source of the same device (a socket whose bytes go
 *     into a queue) brackets its use of queues and guest memory with
 *     loop_device_enter() and loop_device_leave().
 *
 * kick_fd is watched edge triggered and never read: a kick costs no more than the
 * wake-up.
 *
 * Calling sequence (in brackets: on the vCPU thread, from the device's ops):
 *	loop_device_init, loop_queue_add ...
 *	[loop_device_activate, loop_device_reset] ...
 *	loop_queue_remove ..., loop_device_release, vq_release
 */
#ifndef HULL_VMM_VIRTIO_LOOP_QUEUE_H
#define HULL_VMM_VIRTIO_LOOP_QUEUE_H

#include <pthread.h>
#include <stdbool.h>

#include "vmm/loop.h"
#include "vmm/virtio/virtio.h"

struct err;

struct loop_device {
	struct loop *loop;
	struct virtio_device *dev;
	pthread_mutex_t lock; /* guards `active` and all that handlers use */
	bool active; /* between DRIVER_OK and reset */
};

struct loop_queue {
	struct loop_source source;
	struct loop_device *ld;
	struct vq *vq;
	bool (*handle)(struct loop_queue *lq);
};

/* loop_device_init() / loop_device_release() - @loop and @dev are borrowed. */
void loop_device_init(struct loop_device *ld, struct loop *loop,
		      struct virtio_device *dev);
void loop_device_release(struct loop_device *ld);

/*
 * loop_queue_add() - call @handle whenever @vq has been kicked.
 *
 * @handle: serves a bounded number of chains; returns true when it left some:
 *	then it is called again after the loop's other sources had their turn.
 *	Before it returns false, vq_enable_kicks() must have returned false (or
 *	the queue is broken, or nothing can be done until something else happens).
 */
int loop_queue_add(struct loop_device *ld, struct loop_queue *lq, struct vq *vq,
		   bool (*handle)(struct loop_queue *lq), struct err *err);
void loop_queue_remove(struct loop_queue *lq);

/* loop_queue_wake() - as if the driver had kicked.  Any thread. */
void loop_queue_wake(struct loop_queue *lq);

/* For ops->activate and ops->reset; every enabled queue is looked at once. */
void loop_device_activate(struct loop_device *ld);
void loop_device_reset(struct loop_device *ld);

/* loop_device_wake() - look at every enabled queue once, as if all had been kicked:
 * whoever watches them now may be another than before.  Between activate and reset. */
void loop_device_wake(struct loop_device *ld);

/*
 * loop_device_enter() - take the lock.
 * Return: true: the device is active; either way loop_device_leave() must follow
 */
bool loop_device_enter(struct loop_device *ld);
void loop_device_leave(struct loop_device *ld);

#endif
