/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "rootfs/agent/agent.h"
#include "rootfs/agent/container.h"
#include "rootfs/agent/oom.h"

/* read_kills() - oom_kill of memory.events, or 0. */
static uint64_t read_kills(int fd)
{
	static const char key[] = "\noom_kill ";
	char text[512];
	const char *p;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = 0;
	p = strstr(text, key);
	return p ? strtoull(p + sizeof(key) - 1, NULL, 10) : 0;
}

void container_check_oom(struct agent *a, struct container *c)
{
	uint64_t kills;

	if (c->memory_events_fd < 0)
		return;
	kills = read_kills(c->memory_events_fd);
	if (kills > c->oom_kills) {
		c->oom_kills = kills;
		agent_event(a, AGENT_OOM, c->number, 0, 0);
	}
}

static void inotify_ready(struct watch *w, uint32_t events)
{
	struct agent *a = container_of(w, struct agent, inotify);
	char discard[sizeof(struct inotify_event) * 64];

	(void)events;
	while (read(w->fd, discard, sizeof(discard)) > 0)
		; /* which of the files it was is found out by looking */
	for (unsigned int i = 0; i < AGENT_MAX_CONTAINERS; i++)
		if (a->containers[i])
			container_check_oom(a, a->containers[i]);
}

/* open_inotify() - the one that serves all containers. */
static int open_inotify(struct agent *a)
{
	int fd;
	int ret;

	if (a->inotify.added)
		return 0;
	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0)
		return -errno;
	ret = watch_add(&a->loop, &a->inotify, fd, EPOLLIN, inotify_ready);
	if (ret < 0)
		close_fd(fd);
	return ret;
}

void oom_watch(struct agent *a, struct container *c)
{
	char path[PATH_MAX];

	c->memory_events_fd = openat(c->cgroup_fd, "memory.events", O_RDONLY | O_CLOEXEC);
	if (c->memory_events_fd < 0 || open_inotify(a) < 0)
		return;
	(void)!snprintf(path, sizeof(path), "%s/%u/memory.events", a->params->cgroup_dir,
			c->number);
	c->memory_watch = inotify_add_watch(a->inotify.fd, path, IN_MODIFY);
}

void oom_unwatch(struct agent *a, struct container *c)
{
	if (c->memory_watch >= 0)
		(void)inotify_rm_watch(a->inotify.fd, c->memory_watch);
	c->memory_watch = -1;
}
