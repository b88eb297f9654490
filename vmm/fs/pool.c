/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/fs/pool.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/bus_guard.h"
#include "vmm/thread.h"

/* What an event of the shared epoll means; queues come first, by number. */
enum {
	EVENT_WAKE = FS_QUEUES,
	EVENT_STOP,
	EVENT_WATCH,
	EVENTS,
};

#define HOLD_MS 100 /* for requests that are being served when the pool is held */

struct worker {
	struct fs_worker fs;
	struct fs_pool *pool;
	struct iovec iov[VQ_MAX_INDIRECT]; /* touched as far as chains are long */
};

static void *worker_main(void *arg);

static int watch(struct fs_pool *p, int fd, uint32_t what, uint32_t mode, struct err *err)
{
	struct epoll_event ev = { .events = EPOLLIN | mode, .data.u32 = what };

	if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return err_set(err, errno, "epoll of %s", p->dev->name);
	return 0;
}

/* raise_fd() - cannot fail: an eventfd is full after 2^64 - 2 of these. */
static void raise_fd(int fd)
{
	static const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		abort();
}

/* wake() - a worker is to look at the queues, the gate and what is parked. */
static void wake(void *arg)
{
	raise_fd(((struct fs_pool *)arg)->wake_fd);
}

/* event() - something has come that requests may wait for. */
static void event(void *arg)
{
	atomic_fetch_add(&((struct fs_pool *)arg)->events, 1);
	wake(arg);
}

/* listen_to() - the host's queue of what is watched; it goes with its descriptor. */
static int listen_to(void *arg, int fd)
{
	struct err err = ERR_INIT;

	return watch(arg, fd, EVENT_WATCH, EPOLLET, &err);
}

static void drop_parked(struct fs_pool *p)
{
	for (unsigned int i = 0; i < FS_WAITS_FOR; i++)
		fs_parked_drop(&p->parked[i]);
}

int fs_pool_init(struct fs_pool *p, struct virtio_device *dev, struct fs_server *server,
		 const struct fs_params *params, struct err *err)
{
	int ret = 0;

	*p = (struct fs_pool){
		.dev = dev,
		.server = server,
		.max = params->max_workers ? params->max_workers : FS_DEFAULT_WORKERS,
		.on_thread = params->on_thread,
		.on_thread_arg = params->on_thread_arg,
		.epoll_fd = epoll_create1(EPOLL_CLOEXEC),
		.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	(void)pthread_mutex_init(&p->lock, NULL); /* cannot fail on Linux */
	(void)pthread_cond_init(&p->cond, NULL); /* the same */
	for (unsigned int i = 0; i < FS_WAITS_FOR; i++)
		fs_parked_init(&p->parked[i]);
	server->gate.wake_arg = server->offers.wake_arg = p;
	server->gate.wake = wake;
	server->offers.wake = event;
	server->watches.wake_arg = p;
	server->watches.wake = wake;
	server->watches.listen = listen_to;
	if (p->max > FS_MAX_WORKERS)
		p->max = FS_MAX_WORKERS;
	if (p->epoll_fd < 0 || p->wake_fd < 0 || p->stop_fd < 0)
		return err_set(err, errno, "descriptors of %s", dev->name);
	for (uint32_t q = 0; ret == 0 && q < FS_QUEUES; q++)
		ret = watch(p, dev->queues[q].kick_fd, q, EPOLLET, err);
	if (ret == 0)
		ret = watch(p, p->wake_fd, EVENT_WAKE, EPOLLET, err);
	if (ret == 0)
		ret = watch(p, p->stop_fd, EVENT_STOP, 0, err);
	return ret;
}

void fs_pool_release(struct fs_pool *p)
{
	if (!p->dev)
		return; /* never initialised */
	(void)pthread_mutex_lock(&p->lock);
	p->stop = true;
	(void)pthread_mutex_unlock(&p->lock);
	if (p->n_threads)
		raise_fd(p->stop_fd);
	for (unsigned int i = 0; i < p->n_threads; i++)
		(void)pthread_join(p->threads[i], NULL); /* ours, joined once */
	drop_parked(p);
	close_fd(p->epoll_fd);
	close_fd(p->wake_fd);
	close_fd(p->stop_fd);
	(void)pthread_cond_destroy(&p->cond);
	(void)pthread_mutex_destroy(&p->lock);
}

static int spawn_locked(struct fs_pool *p)
{
	struct worker *w = malloc(sizeof(*w));
	int ret;

	if (!w)
		return -ENOMEM;
	w->pool = p;
	ret = thread_start(&p->threads[p->n_threads], worker_main, w);
	if (ret < 0) {
		free(w);
		return ret;
	}
	p->n_threads++;
	return 0;
}

int fs_pool_start(struct fs_pool *p, struct err *err)
{
	int ret;

	(void)pthread_mutex_lock(&p->lock);
	p->start_err = err;
	ret = spawn_locked(p);
	if (ret < 0) {
		(void)err_set(err, -ret, "start a thread of %s", p->dev->name);
	} else {
		while (!p->started)
			(void)pthread_cond_wait(&p->cond, &p->lock);
		ret = p->start_ret;
	}
	p->start_err = NULL;
	(void)pthread_mutex_unlock(&p->lock);
	return ret;
}

void fs_pool_activate(struct fs_pool *p)
{
	atomic_store(&p->active, true);
	raise_fd(p->wake_fd); /* the queues may hold something already */
}

void fs_pool_reset(struct fs_pool *p)
{
	(void)pthread_mutex_lock(&p->lock);
	atomic_store(&p->active, false);
	while (p->busy)
		(void)pthread_cond_wait(&p->cond, &p->lock);
	drop_parked(p);
	(void)pthread_mutex_unlock(&p->lock);
}

int fs_pool_hold(struct fs_pool *p)
{
	struct timespec until;
	int ret = 0;

	(void)clock_gettime(CLOCK_REALTIME, &until); /* cannot fail */
	until.tv_nsec += HOLD_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	(void)pthread_mutex_lock(&p->lock);
	p->was_active = atomic_exchange(&p->active, false);
	while (p->busy && ret == 0)
		ret = pthread_cond_timedwait(&p->cond, &p->lock, &until);
	ret = p->busy ? -EBUSY : 0;
	for (unsigned int i = 0; i < FS_WAITS_FOR; i++)
		if (atomic_load(&p->parked[i].n))
			ret = -EBUSY;
	(void)pthread_mutex_unlock(&p->lock);
	return ret;
}

void fs_pool_let_go(struct fs_pool *p)
{
	if (p->was_active)
		fs_pool_activate(p);
}

/*
 * keep_listening() - the last free worker is about to be busy: somebody else must
 * hear the next kick.  Failure to start one is no error, the others come back in time.
 */
static void keep_listening(struct fs_pool *p)
{
	(void)pthread_mutex_lock(&p->lock);
	if (p->n_threads < p->max && !p->stop) {
		/*
		 * Counted before it runs, or a burst would start one for each
		 * request until the first of them is asleep.
		 */
		atomic_fetch_add(&p->free, 1);
		if (spawn_locked(p) < 0)
			atomic_fetch_sub(&p->free, 1);
	}
	(void)pthread_mutex_unlock(&p->lock);
}

static bool gate_is_open(const struct fs_pool *p)
{
	return fs_gate_state(&p->server->gate) == FS_GATE_OPEN;
}

/* give_back() - the chain with its answer, and the driver told. */
static void give_back(struct fs_pool *p, enum fs_queue q, uint16_t head, uint32_t written)
{
	struct vq *vq = &p->dev->queues[q];

	vq_push(vq, head, written);
	vq_notify(vq);
}

/*
 * park() - keep @e until what it waits for has come, which it may have by now.
 * @events: before it was served
 */
static void park(struct fs_pool *p, enum fs_wait what, struct fs_parked *e,
		 unsigned int events)
{
	bool missed;

	(void)pthread_mutex_lock(&p->lock);
	fs_parked_add(&p->parked[what], e);
	missed = what == FS_WAIT_EVENT && atomic_load(&p->events) != events;
	p->event_missed |= missed;
	(void)pthread_mutex_unlock(&p->lock);
	if (missed || (what == FS_WAIT_GATE && gate_is_open(p)))
		wake(p);
}

/* serve_one() - @e, which waited for @what; freed, or parked again. */
static void serve_one(struct worker *w, enum fs_wait what, struct fs_parked *e)
{
	struct fs_pool *p = w->pool;
	unsigned int events = atomic_load(&p->events);
	uint32_t written;

	memcpy(w->iov, e->iov, (e->n_out + e->n_in) * sizeof(*w->iov));
	written = fs_serve(&w->fs, w->iov, e->n_out, w->iov + e->n_out, e->n_in);
	if (written == FS_PARKED && what == FS_WAIT_GATE) {
		(void)pthread_mutex_lock(&p->lock);
		fs_parked_put_back(&p->parked[what], e);
		(void)pthread_mutex_unlock(&p->lock);
	} else if (written == FS_PARKED || written == FS_WAITS) {
		park(p, written == FS_PARKED ? FS_WAIT_GATE : FS_WAIT_EVENT, e, events);
	} else {
		give_back(p, (enum fs_queue)e->queue, e->head, written);
		free(e);
	}
}

/* may_serve() - is it worth trying those that wait for @what? */
static bool may_serve(const struct fs_pool *p, enum fs_wait what)
{
	return (what == FS_WAIT_EVENT || gate_is_open(p)) && atomic_load(&p->active);
}

/* event_due_locked() - has anything happened since they were served? */
static bool event_due_locked(struct fs_pool *p)
{
	unsigned int events = atomic_load(&p->events);
	bool due = p->event_missed || events != p->events_seen;

	p->event_missed = false;
	p->events_seen = events;
	return due;
}

/* serve_parked() - all that wait for @what now; one worker at a time. */
static void serve_parked(struct worker *w, enum fs_wait what)
{
	struct fs_pool *p = w->pool;
	struct fs_parked *e;
	unsigned int n;
	bool due;

	(void)pthread_mutex_lock(&p->lock);
	if (p->serving_parked[what] || (what == FS_WAIT_EVENT && !event_due_locked(p))) {
		(void)pthread_mutex_unlock(&p->lock);
		return;
	}
	p->serving_parked[what] = true;
	/* Those that wait for an event again go to the end: no longer round. */
	n = what == FS_WAIT_EVENT ? atomic_load(&p->parked[what].n) : UINT_MAX;
	while (n-- && may_serve(p, what) && (e = fs_parked_take(&p->parked[what]))) {
		(void)pthread_mutex_unlock(&p->lock);
		if (atomic_fetch_sub(&p->free, 1) == 1)
			keep_listening(p);
		serve_one(w, what, e);
		atomic_fetch_add(&p->free, 1);
		(void)pthread_mutex_lock(&p->lock);
	}
	p->serving_parked[what] = false;
	due = what == FS_WAIT_EVENT &&
	      (p->event_missed || atomic_load(&p->events) != p->events_seen);
	(void)pthread_mutex_unlock(&p->lock);
	if (due)
		wake(p); /* whoever was woken meanwhile has left it to us */
}

/* connect_all() - to sockets of the host's; another worker sees to the next one. */
static void connect_all(struct worker *w)
{
	struct fs_pool *p = w->pool;

	while (fs_offer_has_work(p->server)) {
		if (atomic_fetch_sub(&p->free, 1) == 1)
			keep_listening(p);
		wake(p);
		(void)fs_offer_work(p->server);
		atomic_fetch_add(&p->free, 1);
	}
}

/* drain() - serve @q until it is empty (or broken, or the device is reset). */
static void drain(struct worker *w, enum fs_queue q)
{
	struct fs_pool *p = w->pool;
	struct vq *vq = &p->dev->queues[q];
	struct vq_chain chain;

	while (atomic_load(&p->active)) {
		int ret = vq_pop(vq, &chain, w->iov, VQ_MAX_INDIRECT);
		unsigned int events = atomic_load(&p->events);
		uint32_t written;

		if (ret < 0)
			return; /* the transport has been told */
		if (ret == 0) {
			if (!vq_enable_kicks(vq))
				return;
			continue;
		}
		if (q == FS_QUEUE_REQUEST) {
			/* With kicks on, or the next request would wait for this one. */
			bool more = vq_enable_kicks(vq);

			if (atomic_fetch_sub(&p->free, 1) == 1)
				keep_listening(p);
			if (more)
				raise_fd(p->wake_fd);
		}
		written = fs_serve(&w->fs, chain.out, chain.n_out, chain.in, chain.n_in);
		/*
		 * Free before the guest can know it: its next request must not find
		 * everybody busy because this thread is still on its way to sleep.
		 */
		if (q == FS_QUEUE_REQUEST)
			atomic_fetch_add(&p->free, 1);
		if (written == FS_PARKED || written == FS_WAITS) {
			struct fs_parked *e = fs_parked_new(q, &chain);

			if (e) {
				park(p,
				     written == FS_PARKED ? FS_WAIT_GATE : FS_WAIT_EVENT,
				     e, events);
				continue;
			}
			written = fs_refuse(chain.out, chain.n_out, chain.in, chain.n_in,
					    -ENOMEM);
		}
		give_back(p, q, chain.head, written);
	}
}

/* work() - queues are served while `busy` counts us, so that reset can wait. */
static void work(struct worker *w, const bool seen[EVENTS])
{
	bool woken = seen[EVENT_WAKE];
	struct fs_pool *p = w->pool;
	bool active;

	(void)pthread_mutex_lock(&p->lock);
	active = atomic_load(&p->active);
	if (active)
		p->busy++;
	(void)pthread_mutex_unlock(&p->lock);
	if (!active)
		return; /* fs_pool_activate() wakes somebody once more */
	if (woken) {
		serve_parked(w, FS_WAIT_GATE);
		serve_parked(w, FS_WAIT_EVENT);
		connect_all(w);
	}
	if (woken || seen[EVENT_WATCH])
		fs_watch_work(p->server);
	if (woken || seen[FS_QUEUE_HIPRIO])
		drain(w, FS_QUEUE_HIPRIO);
	if (woken || seen[FS_QUEUE_REQUEST])
		drain(w, FS_QUEUE_REQUEST);
	(void)pthread_mutex_lock(&p->lock);
	if (--p->busy == 0)
		(void)pthread_cond_broadcast(&p->cond);
	(void)pthread_mutex_unlock(&p->lock);
}

/* begin() - Return: whether this thread may work */
static bool begin(struct worker *w)
{
	struct fs_pool *p = w->pool;
	struct err err = ERR_INIT;
	sigset_t all;
	int ret;

	bus_guard_mask(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, NULL); /* signals are main's */
	(void)prctl(PR_SET_NAME, "fs-worker"); /* only a name */
	ret = fs_worker_init(&w->fs, p->server, &err);

	(void)pthread_mutex_lock(&p->lock);
	if (!p->started) {
		if (ret == 0 && p->on_thread)
			ret = p->on_thread(p->on_thread_arg, &err);
		p->started = true;
		p->start_ret = ret;
		if (ret == 0)
			atomic_fetch_add(&p->free, 1);
		else if (p->start_err)
			*p->start_err = err;
		(void)pthread_cond_broadcast(&p->cond);
	} else if (ret < 0) {
		atomic_fetch_sub(&p->free, 1); /* counted by who started it */
	}
	(void)pthread_mutex_unlock(&p->lock);
	return ret == 0;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct fs_pool *p = w->pool;
	bool go = begin(w);

	while (go) {
		struct epoll_event ev[EVENTS];
		bool seen[EVENTS] = { false };
		int n = epoll_wait(p->epoll_fd, ev, EVENTS, -1);

		for (int i = 0; i < n; i++)
			seen[ev[i].data.u32] = true;
		if (seen[EVENT_STOP])
			break;
		if (seen[EVENT_WAKE])
			fs_gate_work(p->server);
		work(w, seen);
	}
	fs_worker_release(&w->fs);
	free(w);
	return NULL;
}
