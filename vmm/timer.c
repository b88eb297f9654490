/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/timer.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/err.h"

static void on_expired(struct loop_source *src, uint32_t events)
{
	struct timer *timer = container_of(src, struct timer, source);

	(void)events;
	timer_stop(timer);
	timer->expired(timer);
}

int timer_start(struct timer *timer, struct loop *loop, uint32_t ms,
		void (*expired)(struct timer *timer), struct err *err)
{
	struct itimerspec when = {
		.it_value = { .tv_sec = ms / 1000,
			      .tv_nsec = (long)(ms % 1000) * 1000000 },
	};
	auto_fd int fd = -1;
	int ret;

	if (timer_running(timer)) {
		if (timerfd_settime(timer->source.fd, 0, &when, NULL) < 0)
			return err_set(err, errno, "timerfd_settime");
		return 0;
	}
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0)
		return err_set(err, errno, "timerfd_create");
	if (timerfd_settime(fd, 0, &when, NULL) < 0)
		return err_set(err, errno, "timerfd_settime");
	ret = loop_add(loop, &timer->source, fd, EPOLLIN, on_expired, err);
	if (ret < 0)
		return ret;
	(void)take_fd(&fd); /* belongs to the source now */
	timer->loop = loop;
	timer->expired = expired;
	return 0;
}

void timer_stop(struct timer *timer)
{
	int fd = timer->source.fd;

	if (!timer_running(timer))
		return;
	loop_remove(timer->loop, &timer->source);
	close_fd(fd);
	timer->loop = NULL;
}
