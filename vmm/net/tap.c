/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/tap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/bus_guard.h"
#include "vmm/net/tap_internal.h"
#include "vmm/thread.h"

/* What an event means: one of these, shifted, and the pair's number. */
enum {
	EVENT_RX_KICK,
	EVENT_TX_KICK,
	EVENT_TAP,
	EVENT_WAKE,
	EVENTS,
};
#define EVENT_SHIFT 8u

struct tap_pair {
	enum tap_wait rx_wait; /* the thread's */
	enum tap_wait tx_wait;
	struct tap_rx rx;
	struct tap_tx tx;
};

struct net_tap {
	struct vq *queues; /* borrowed */
	unsigned int n_pairs;
	int tap_fd[NET_MAX_PAIRS]; /* borrowed */
	int epoll_fd;
	int wake_fd; /* eventfd, edge triggered: started, or to end */
	pthread_t thread;
	bool has_thread;
	atomic_bool active; /* the thread may serve queues; cleared without `lock` */
	atomic_bool end;

	pthread_mutex_t lock; /* guards what follows, and the use of the queues */
	unsigned int n_active; /* pairs */
	bool fresh; /* started since the last round */
	struct tap_pair pairs[];
};

/* ---- the thread ------------------------------------------------------------------- */

static bool serve(struct net_tap *tap, unsigned int i)
{
	struct tap_pair *p = &tap->pairs[i];

	if (p->tx_wait == TAP_READY) {
		struct epoll_event ev = {
			.events = EPOLLIN | EPOLLOUT | EPOLLET,
			.data.u32 = EVENT_TAP << EVENT_SHIFT | i,
		};

		p->tx_wait = tap_tx_serve(&p->tx);
		/* A tap tells of room only whom it has told that there is none, in a
		 * poll of its own: this one.  It cannot fail, the tap is watched. */
		if (p->tx_wait == TAP_FD)
			(void)epoll_ctl(tap->epoll_fd, EPOLL_CTL_MOD, p->tx.fd, &ev);
	}
	if (p->rx_wait == TAP_READY)
		p->rx_wait = tap_rx_serve(&p->rx);
	return p->tx_wait == TAP_READY || p->rx_wait == TAP_READY;
}

/* serve_all() - a round.  Return: whether something is left to do */
static bool serve_all(struct net_tap *tap)
{
	bool more = false;

	(void)pthread_mutex_lock(&tap->lock);
	for (unsigned int i = 0; i < tap->n_active && atomic_load(&tap->active); i++) {
		if (tap->fresh)
			tap->pairs[i].rx_wait = tap->pairs[i].tx_wait = TAP_READY;
		more |= serve(tap, i);
	}
	tap->fresh = false;
	(void)pthread_mutex_unlock(&tap->lock);
	return more;
}

static void wake_if(enum tap_wait *wait, enum tap_wait what)
{
	if (*wait == what)
		*wait = TAP_READY;
}

static void note(struct net_tap *tap, const struct epoll_event *ev)
{
	struct tap_pair *p = &tap->pairs[ev->data.u32 & ((1u << EVENT_SHIFT) - 1)];

	switch (ev->data.u32 >> EVENT_SHIFT) {
	case EVENT_RX_KICK:
		wake_if(&p->rx_wait, TAP_KICK);
		break;
	case EVENT_TX_KICK:
		wake_if(&p->tx_wait, TAP_KICK);
		break;
	case EVENT_TAP:
		if (ev->events & ~(uint32_t)EPOLLOUT)
			wake_if(&p->rx_wait, TAP_FD);
		if (ev->events & ~(uint32_t)EPOLLIN)
			wake_if(&p->tx_wait, TAP_FD);
		break;
	default: /* woken, that is all */
		break;
	}
}

static void *thread_main(void *arg)
{
	struct net_tap *tap = arg;
	bool more = false;
	sigset_t all;

	bus_guard_mask(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, NULL); /* signals are main's */
	(void)prctl(PR_SET_NAME, "net"); /* only a name */
	while (!atomic_load(&tap->end)) {
		struct epoll_event ev[EVENTS * NET_MAX_PAIRS];
		int n = epoll_wait(tap->epoll_fd, ev, ARRAY_SIZE(ev), more ? 0 : -1);

		for (int i = 0; i < n; i++)
			note(tap, &ev[i]);
		more = serve_all(tap);
	}
	return NULL;
}

/* ---- the owner -------------------------------------------------------------------- */

static void wake(const struct net_tap *tap)
{
	static const uint64_t one = 1;

	/* A full counter is an event as well: nothing is lost. */
	if (write(tap->wake_fd, &one, sizeof(one)) < 0)
		return;
}

static int watch(const struct net_tap *tap, int fd, uint32_t what, unsigned int pair,
		 struct err *err)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLET,
		.data.u32 = what << EVENT_SHIFT | pair,
	};

	if (epoll_ctl(tap->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return err_set(err, errno, "epoll of a tap");
	return 0;
}

static int watch_pair(const struct net_tap *tap, unsigned int i, struct err *err)
{
	int ret = watch(tap, tap->tap_fd[i], EVENT_TAP, i, err);

	if (ret == 0)
		ret = watch(tap, tap->queues[2 * i].kick_fd, EVENT_RX_KICK, i, err);
	if (ret == 0)
		ret = watch(tap, tap->queues[2 * i + 1].kick_fd, EVENT_TX_KICK, i, err);
	return ret;
}

static int start_thread(struct net_tap *tap, struct err *err)
{
	int ret = thread_start(&tap->thread, thread_main, tap);

	if (ret < 0)
		return err_set(err, -ret, "start a thread");
	tap->has_thread = true;
	return 0;
}

void net_tap_free(struct net_tap *tap)
{
	if (!tap)
		return;
	net_tap_stop(tap);
	atomic_store(&tap->end, true);
	if (tap->has_thread) {
		wake(tap);
		(void)pthread_join(tap->thread, NULL); /* ours, joined once */
	}
	close_fd(tap->epoll_fd);
	close_fd(tap->wake_fd);
	(void)pthread_mutex_destroy(&tap->lock);
	free(tap);
}
DEFINE_CLEANUP(net_tap, struct net_tap, net_tap_free)

static void init_pair(struct net_tap *tap, unsigned int i, struct net_counters *counters)
{
	struct tap_pair *p = &tap->pairs[i];

	p->rx.vq = &tap->queues[2 * i];
	p->tx.vq = &tap->queues[2 * i + 1];
	p->rx.fd = p->tx.fd = tap->tap_fd[i];
	p->rx.counters = p->tx.counters = counters;
}

int net_tap_new(const struct net_tap_params *params, struct net_tap **ret_tap,
		struct err *err)
{
	struct net_tap *tap auto_call(cleanup_net_tap_) =
		calloc(1, sizeof(*tap) + params->n_pairs * sizeof(tap->pairs[0]));
	int ret = 0;

	if (!tap)
		return err_set(err, ENOMEM, "net thread");
	(void)pthread_mutex_init(&tap->lock, NULL); /* cannot fail on Linux */
	tap->queues = params->queues;
	tap->n_pairs = params->n_pairs;
	tap->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	tap->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (tap->epoll_fd < 0 || tap->wake_fd < 0)
		return err_set(err, errno, "descriptors of a net thread");
	for (unsigned int i = 0; ret == 0 && i < tap->n_pairs; i++) {
		tap->tap_fd[i] = params->tap_fd[i];
		init_pair(tap, i, params->counters);
		ret = watch_pair(tap, i, err);
	}
	if (ret == 0)
		ret = watch(tap, tap->wake_fd, EVENT_WAKE, 0, err);
	if (ret == 0)
		ret = start_thread(tap, err);
	if (ret < 0)
		return ret;
	*ret_tap = take_ptr(&tap);
	return 0;
}

void net_tap_start(struct net_tap *tap, unsigned int n_pairs, bool mergeable)
{
	(void)pthread_mutex_lock(&tap->lock);
	for (unsigned int i = 0; i < n_pairs; i++)
		tap->pairs[i].rx.mergeable = mergeable;
	tap->n_active = n_pairs;
	tap->fresh = true;
	atomic_store(&tap->active, true);
	(void)pthread_mutex_unlock(&tap->lock);
	wake(tap);
}

void net_tap_stop(struct net_tap *tap)
{
	/* First, or a thread that has always something to do could keep the lock. */
	atomic_store(&tap->active, false);
	(void)pthread_mutex_lock(&tap->lock);
	for (unsigned int i = 0; i < tap->n_active; i++) {
		tap_rx_stop(&tap->pairs[i].rx);
		tap_tx_stop(&tap->pairs[i].tx);
	}
	tap->n_active = 0;
	(void)pthread_mutex_unlock(&tap->lock);
}
