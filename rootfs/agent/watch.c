/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "rootfs/agent/watch.h"

int watch_loop_init(struct watch_loop *loop, struct err *err)
{
	*loop = (struct watch_loop){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	if (loop->epoll_fd < 0)
		return err_set(err, errno, "epoll_create1");
	return 0;
}

void watch_loop_release(struct watch_loop *loop)
{
	close_fd(loop->epoll_fd);
	loop->epoll_fd = -1;
}

int watch_add(struct watch_loop *loop, struct watch *w, int fd, uint32_t events,
	      void (*ready)(struct watch *w, uint32_t events))
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	*w = (struct watch){ .fd = fd, .added = true, .ready = ready };
	return 0;
}

/* forget_again() - take @w off the list of those that want another turn. */
static void forget_again(struct watch_loop *loop, struct watch *w)
{
	struct watch **p = &loop->again;

	if (!w->again)
		return;
	while (*p != w)
		p = &(*p)->again_next;
	*p = w->again_next;
	w->again = false;
}

void watch_remove(struct watch_loop *loop, struct watch *w)
{
	if (!w->added)
		return;
	/* It may be gone from epoll already, with its last descriptor. */
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	for (int i = loop->at + 1; i < loop->n; i++)
		if (loop->batch[i].data.ptr == w)
			loop->batch[i].data.ptr = NULL;
	forget_again(loop, w);
	w->added = false;
}

void watch_again(struct watch_loop *loop, struct watch *w)
{
	struct watch **p = &loop->again;

	if (w->again)
		return;
	while (*p)
		p = &(*p)->again_next;
	w->again = true;
	w->again_next = NULL;
	*p = w;
}

/* run_again() - one turn for each of those that asked before it began. */
static void run_again(struct watch_loop *loop)
{
	unsigned int n = 0;

	for (const struct watch *w = loop->again; w; w = w->again_next)
		n++;
	while (n-- && loop->again) {
		struct watch *w = loop->again;

		loop->again = w->again_next;
		w->again = false;
		w->ready(w, 0);
	}
}

int watch_loop_run(struct watch_loop *loop, struct err *err)
{
	while (!loop->stop) {
		loop->n = epoll_wait(loop->epoll_fd, loop->batch, WATCH_BATCH,
				     loop->again ? 0 : -1);
		if (loop->n < 0 && errno != EINTR)
			return err_set(err, errno, "epoll_wait");
		for (loop->at = 0; loop->at < loop->n; loop->at++) {
			struct watch *w = loop->batch[loop->at].data.ptr;

			if (w)
				w->ready(w, loop->batch[loop->at].events);
		}
		loop->n = 0;
		run_again(loop);
	}
	return 0;
}
