/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rootfs/agent/agent.h"
#include "rootfs/agent/cgroup_watch.h"
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

void oom_watch(struct agent *a, struct container *c)
{
	c->memory_events_fd = openat(c->cgroup_fd, "memory.events", O_RDONLY | O_CLOEXEC);
	if (c->memory_events_fd >= 0)
		c->memory_watch = cgroup_watch_file(a, c, "memory.events");
}

void oom_unwatch(struct agent *a, struct container *c)
{
	cgroup_unwatch(a, &c->memory_watch);
}
