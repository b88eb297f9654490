/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/agent/cgroup_watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "rootfs/agent/agent.h"
#include "rootfs/agent/container.h"
#include "rootfs/agent/freeze.h"

static void inotify_ready(struct watch *w, uint32_t events)
{
	struct agent *a = container_of(w, struct agent, inotify);
	char discard[sizeof(struct inotify_event) * 64];

	(void)events;
	while (read(w->fd, discard, sizeof(discard)) > 0)
		; /* which of the files it was is found out by looking */
	for (unsigned int i = 0; i < AGENT_MAX_CONTAINERS; i++) {
		if (!a->containers[i])
			continue;
		container_check_oom(a, a->containers[i]);
		container_check_frozen(a, a->containers[i]);
	}
	memory_check(a);
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

static int watch_path(struct agent *a, const char *path)
{
	int ret = open_inotify(a);

	if (ret < 0)
		return ret;
	ret = inotify_add_watch(a->inotify.fd, path, IN_MODIFY);
	return ret < 0 ? -errno : ret;
}

int cgroup_watch_file(struct agent *a, const struct container *c, const char *name)
{
	char path[PATH_MAX];

	(void)!snprintf(path, sizeof(path), "%s/%u/%s", a->params->cgroup_dir, c->number,
			name);
	return watch_path(a, path);
}

int cgroup_watch_all(struct agent *a, const char *name)
{
	char path[PATH_MAX];

	(void)!snprintf(path, sizeof(path), "%s/%s", a->params->cgroup_dir, name);
	return watch_path(a, path);
}

void cgroup_unwatch(struct agent *a, int *watch)
{
	if (*watch >= 0)
		(void)inotify_rm_watch(a->inotify.fd, *watch);
	*watch = -1;
}
