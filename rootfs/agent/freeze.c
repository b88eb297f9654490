/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/agent/freeze.h"

#include <errno.h>

#include "lib/err.h"
#include "lib/io.h"
#include "rootfs/agent/agent.h"
#include "rootfs/agent/cgroup.h"
#include "rootfs/agent/cgroup_watch.h"
#include "rootfs/agent/container.h"

/* take_seq() - the request that waits, which waits no longer. */
static uint32_t take_seq(struct agent *a, struct container *c)
{
	uint32_t seq = c->freeze_seq;

	c->freeze_seq = 0;
	cgroup_unwatch(a, &c->events_watch);
	return seq;
}

void container_freeze_cancel(struct agent *a, struct container *c)
{
	struct err err = ERR_INIT;

	if (!c->freeze_seq)
		return;
	(void)err_msg(&err, ECANCELED, "the container did not freeze");
	agent_result_err(a, take_seq(a, c), &err);
}

void container_check_frozen(struct agent *a, struct container *c)
{
	if (c->freeze_seq && cgroup_frozen(c->cgroup_fd))
		agent_result(a, take_seq(a, c), 0);
}

void container_freeze(struct agent *a, struct container *c, uint32_t seq, bool frozen)
{
	struct err err = ERR_INIT;
	int ret = 0;

	container_freeze_cancel(a, c);
	/* First the watch: nothing that happens after the write is missed. */
	if (frozen) {
		ret = c->events_watch = cgroup_watch_file(a, c, "cgroup.events");
		if (ret < 0)
			(void)err_set(&err, -ret, "watch cgroup.events");
	}
	if (ret >= 0)
		ret = io_write_file(c->cgroup_fd, "cgroup.freeze", frozen ? "1" : "0",
				    &err);
	if (ret < 0) {
		cgroup_unwatch(a, &c->events_watch);
		agent_result_err(a, seq, &err);
	} else if (frozen) {
		c->freeze_seq = seq;
		container_check_frozen(a, c);
	} else {
		agent_result(a, seq, 0); /* at once: nobody waits to be let go */
	}
}
