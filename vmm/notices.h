/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes on the host of what the guest watches: between the virtio-fs server, which
 * hears of them (vmm/fs/watch.h), and the agent, which tells the guest's kernel
 * (AGENT_NOTICES).
 *
 * One request is under way at a time: what comes meanwhile is merged and bounded where
 * it is collected.  Notices that cannot be sent are dropped: there is no agent then.
 *
 * The loop's thread, but for notices_told().
 */
#ifndef HULL_VMM_NOTICES_H
#define HULL_VMM_NOTICES_H

#include <stddef.h>

#include "vmm/agent_link.h"

struct buf;
struct err;
struct loop;
struct notices;

struct notices_params {
	struct loop *loop; /* borrowed */
	/* As container_notices(), fs_take_notices() and fs_unwatched(). */
	int (*ask_agent)(void *opaque, const void *payload, size_t len,
			 agent_done_fn done, void *done_opaque);
	int (*take)(void *opaque, struct buf *out);
	void (*unwatched)(void *opaque, const struct agent_unwatched *u, size_t n);
	void *opaque;
};

int notices_new(const struct notices_params *params, struct notices **ret,
		struct err *err);
/* notices_free() - NULL will do.  No other thread calls any more. */
void notices_free(struct notices *n);

/* notices_told() - fs_params.on_notices, on any thread. */
void notices_told(struct notices *n);

#endif
