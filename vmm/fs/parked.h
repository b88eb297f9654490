/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct fs_parked - a request that waits for the gate: its chain, with a copy of the
 * list of buffers.  At most as many as a queue has chains.
 *
 * A list in the order of coming; the pool's lock guards it, but for `n`.
 */
#ifndef HULL_VMM_FS_PARKED_H
#define HULL_VMM_FS_PARKED_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

struct vq_chain;

struct fs_parked {
	STAILQ_ENTRY(fs_parked) link;
	unsigned int queue; /* enum fs_queue */
	uint16_t head; /* names the chain to vq_push() */
	unsigned int n_out;
	unsigned int n_in;
	struct iovec iov[]; /* n_out, then n_in */
};

struct fs_parked_list {
	STAILQ_HEAD(fs_parked_head, fs_parked) list;
	atomic_uint n;
};

void fs_parked_init(struct fs_parked_list *l);

/* fs_parked_new() - in no list yet; NULL: no memory. */
struct fs_parked *fs_parked_new(unsigned int queue, const struct vq_chain *chain);

/* fs_parked_add() / fs_parked_put_back() - as the last, as the first; the list owns it. */
void fs_parked_add(struct fs_parked_list *l, struct fs_parked *e);
void fs_parked_put_back(struct fs_parked_list *l, struct fs_parked *e);

/* fs_parked_take() - the first, the caller's from now on; NULL: there is none. */
struct fs_parked *fs_parked_take(struct fs_parked_list *l);

/* fs_parked_drop() - forget all: the queue is reset. */
void fs_parked_drop(struct fs_parked_list *l);

#endif
