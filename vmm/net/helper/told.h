/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent has been told, and telling it what is other now.
 */
#ifndef HULL_VMM_NET_HELPER_TOLD_H
#define HULL_VMM_NET_HELPER_TOLD_H

#include "lib/buf.h"

struct told {
	struct buf list; /* the messages of vmm/net/helper/canon.h */
};

#define TOLD_INIT ((struct told){ .list = { 0 } })

/*
 * told_update() - send over @sock what makes the agent's list @now, which is empty
 * after: first what is no more, what stands on something else before that, then
 * what is new or other, in the opposite order.  Where an interface has another name,
 * all that may stand on one is told again: a rename takes it away in the guest.
 */
int told_update(struct told *told, struct buf *now, int sock);

void told_release(struct told *told);

#endif
