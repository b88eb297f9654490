/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads that serve a virtio-fs device.
 *
 * Linux 6.1 uses one request queue: all workers drain it.  They sleep in one
 * shared epoll (edge triggered: a kick wakes one of them and costs no read()).  A
 * worker that takes a request leaves the driver's kicks on, and sees to it that
 * another one is listening, if need be by starting it: a request that takes long
 * holds up nobody until max_workers of them do.  So an idle device has two threads.
 *
 * A request that has to wait for the gate (vmm/fs/gate.h) is parked: its chain is kept
 * and the worker goes on.  When the gate has opened one worker serves them all, in the
 * order in which they came.  The same goes for those that wait for an event
 * (vmm/fs/offer.h): at each event all of them are served again.
 */
#ifndef HULL_VMM_FS_POOL_H
#define HULL_VMM_FS_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "vmm/fs/fs.h"
#include "vmm/fs/parked.h"
#include "vmm/fs/server.h"
#include "vmm/virtio/virtio.h"

#define FS_DEFAULT_WORKERS 8u
#define FS_MAX_WORKERS 64u

enum fs_queue {
	FS_QUEUE_HIPRIO, /* FORGET, INTERRUPT */
	FS_QUEUE_REQUEST,
	FS_QUEUES,
};

/* What a parked request waits for. */
enum fs_wait {
	FS_WAIT_GATE,
	FS_WAIT_EVENT,
	FS_WAITS_FOR,
};

struct fs_pool {
	struct virtio_device *dev; /* borrowed */
	struct fs_server *server; /* borrowed */
	unsigned int max;
	int (*on_thread)(void *arg, struct err *err);
	void *on_thread_arg;

	int epoll_fd; /* owned */
	int wake_fd; /* owned eventfd, edge triggered: one worker, look at the queues */
	int stop_fd; /* owned eventfd, level triggered: all workers, end */

	atomic_uint free; /* workers without a request: asleep, or about to look */
	atomic_bool active; /* between activate and reset, and not held */
	atomic_uint events; /* raised before those who wait for one are served again */

	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t cond; /* `busy` is 0; `started` is set */
	unsigned int busy; /* workers that may touch the queues */
	bool was_active; /* when it was held */
	struct fs_parked_list parked[FS_WAITS_FOR];
	bool serving_parked[FS_WAITS_FOR]; /* a worker is at it */
	unsigned int events_seen; /* of `events`, when those who wait were served last */
	bool event_missed; /* somebody has begun to wait who may have missed one */
	bool stop;
	bool started; /* the first worker is ready, or start_err says why not */
	int start_ret;
	struct err *start_err; /* borrowed while fs_pool_start() waits */
	unsigned int n_threads;
	pthread_t threads[FS_MAX_WORKERS];
};

int fs_pool_init(struct fs_pool *p, struct virtio_device *dev, struct fs_server *server,
		 const struct fs_params *params, struct err *err);
/* fs_pool_release() - stop the workers and wait for their end. */
void fs_pool_release(struct fs_pool *p);

/* fs_pool_start() - the first worker; see fs_start(). */
int fs_pool_start(struct fs_pool *p, struct err *err);

/* fs_pool_activate() / fs_pool_reset() - on a vCPU thread.  After the latter no
 * worker touches the queues or guest memory. */
void fs_pool_activate(struct fs_pool *p);
void fs_pool_reset(struct fs_pool *p);

/* fs_pool_hold() / fs_pool_let_go() - fs_hold() and fs_let_go(). */
int fs_pool_hold(struct fs_pool *p);
void fs_pool_let_go(struct fs_pool *p);

/* fs_device_server() - what is behind a device. */
struct fs_server *fs_device_server(struct virtio_device *dev);

/* The device's ops (save.c, load.c). */
struct buf;
struct sections;
int fs_save(struct virtio_device *dev, struct buf *out, struct err *err);
int fs_load(struct virtio_device *dev, struct sections *in, struct err *err);

#endif
