/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "rootfs/agent/agent.h"
#include "rootfs/agent/cgroup.h"
#include "rootfs/agent/cgroup_watch.h"
#include "rootfs/agent/container.h"
#include "rootfs/agent/oom.h"

void container_check_oom(struct agent *a, struct container *c)
{
	uint64_t kills;

	if (c->memory_events_fd < 0)
		return;
	kills = cgroup_memory_event(c->memory_events_fd, "\noom_kill ");
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
