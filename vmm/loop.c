/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "lib/cleanup.h"
#include "lib/err.h"

#define LOOP_BATCH 32

struct loop {
	int epoll_fd;
	bool quit;
	/* What epoll reported last; [next, n) is still to be dispatched.  The
	 * pointer of a source that was removed meanwhile is NULL. */
	int next;
	int n;
	struct epoll_event batch[LOOP_BATCH];
};

int loop_new(struct loop **ret_loop, struct err *err)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return err_set(err, ENOMEM, "event loop");
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		int ret = err_set(err, errno, "epoll_create1");

		free(loop);
		return ret;
	}
	*ret_loop = loop;
	return 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	close_fd(loop->epoll_fd);
	free(loop);
}

int loop_add(struct loop *loop, struct loop_source *src, int fd, uint32_t events,
	     void (*ready)(struct loop_source *src, uint32_t events), struct err *err)
{
	struct epoll_event ev = { .events = events, .data.ptr = src };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return err_set(err, errno, "epoll_ctl add descriptor %d", fd);
	*src = (struct loop_source){ .fd = fd, .events = events, .ready = ready };
	return 0;
}

int loop_modify(struct loop *loop, struct loop_source *src, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = src };

	assert(src->ready);
	if (src->events == events)
		return 0;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, src->fd, &ev) < 0)
		return -errno;
	src->events = events;
	return 0;
}

void loop_remove(struct loop *loop, struct loop_source *src)
{
	if (!src->ready)
		return;
	/* The descriptor is open and watched: this cannot fail. */
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, src->fd, NULL);
	for (int i = loop->next; i < loop->n; i++)
		if (loop->batch[i].data.ptr == src)
			loop->batch[i].data.ptr = NULL;
	*src = (struct loop_source){ .fd = -1 };
}

int loop_run(struct loop *loop, struct err *err)
{
	loop->quit = false;
	while (!loop->quit) {
		if (loop->next == loop->n) {
			int n = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, -1);

			if (n < 0 && errno != EINTR)
				return err_set(err, errno, "epoll_wait");
			loop->next = 0;
			loop->n = n < 0 ? 0 : n;
			continue;
		}

		struct epoll_event *ev = &loop->batch[loop->next++];
		struct loop_source *src = ev->data.ptr;

		if (src)
			src->ready(src, ev->events);
	}
	return 0;
}

void loop_quit(struct loop *loop)
{
	loop->quit = true;
}
