/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct vq - one split virtqueue, seen from the device (virtio 1.2 §2.7).
 *
 * The guest owns what the rings say, and changes it while we read: every field
 * is read once into a local, every index is checked against the queue size,
 * every buffer becomes a pointer only through gpa_to_host(), and a chain is
 * bounded by the queue size (indirect tables by VQ_MAX_INDIRECT).  The first
 * violation marks the queue broken and is told to the transport, which raises
 * DEVICE_NEEDS_RESET; a broken queue gives nothing more.  No more than `size`
 * chains are ever popped and not yet pushed, so a device may size its tables by
 * that.
 *
 * Calling sequence: the transport fills in the addresses the driver wrote and
 * calls vq_enable(); the device pops chains, uses them, pushes each exactly
 * once, and calls vq_notify() (once for many pushes, if it likes).  When it has
 * popped all, it must call vq_enable_kicks() before it waits for kick_fd: without
 * that the driver need not kick again.  All calls take `lock`, so workers may
 * finish chains in any order.  On a queue that is not enabled vq_pop() finds
 * nothing, and the others do nothing.
 *
 * A queue may also be served by somebody else who knows virtqueues (vhost in the
 * host's kernel): vq_hand_out() and vq_take_back().  Meanwhile it is for us as if it
 * were not enabled.
 */
#ifndef HULL_VMM_VIRTIO_VQ_H
#define HULL_VMM_VIRTIO_VQ_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/memory.h"

struct buf;
struct err;
struct sections;

#define VQ_MAX_SIZE 1024u /* (descriptors) largest queue we offer */
#define VQ_MAX_INDIRECT 1024u /* (descriptors) longest indirect table we take */

struct vq {
	const struct guest_memory *mem;
	pthread_mutex_t lock; /* guards what is below `broken`, and the rings */

	/* Set by the transport while the queue is disabled. */
	uint16_t max_size; /* offered */
	uint16_t size; /* chosen by the driver: a power of 2, <= max_size */
	gpa_t desc_gpa;
	gpa_t avail_gpa;
	gpa_t used_gpa;
	bool event_idx; /* VIRTIO_F_EVENT_IDX was negotiated */
	bool indirect; /* VIRTIO_F_INDIRECT_DESC was negotiated */
	bool enabled;

	int kick_fd; /* eventfd: the driver has made buffers available; owned */
	int call_fd; /* eventfd: irqfd of the queue's MSI-X vector; borrowed from
		      * the transport (vq_set_call_fd()), -1: nobody listens */

	/* Told once, without `lock`, by the thread that found the violation. */
	void (*on_broken)(struct vq *vq, void *opaque);
	void *opaque;
	/* Set by the device: told, without `lock`, that call_fd is another one now;
	 * NULL: it does not ask. */
	void (*on_call_fd)(struct vq *vq, void *opaque);
	void *call_opaque;

	bool broken;
	const char *why; /* what the driver did wrong; set with `broken` */
	uint16_t avail_idx; /* the driver's index when last read */
	uint16_t last_avail; /* next entry of the available ring to pop */
	uint16_t used_idx; /* next entry of the used ring to write */
	uint16_t signalled_used; /* used_idx at the last interrupt decision */
	bool signalled_valid; /* false: interrupt at the next decision */
	bool handed_out; /* vq_hand_out(): the rings are another's */

	/* Pointers into guest memory, valid while enabled. */
	void *desc;
	void *avail;
	void *used;
};

/*
 * One chain: first what the device reads (out), then what it writes (in).
 * Buffers of length 0 are left out; the guest may change what the others hold
 * while the device looks at it.
 */
struct vq_chain {
	uint16_t head; /* names the chain to vq_push() */
	unsigned int n_out;
	unsigned int n_in;
	struct iovec *out; /* into the caller's array */
	struct iovec *in;
	uint32_t out_len; /* (bytes) sums, checked not to overflow */
	uint32_t in_len;
};

/*
 * vq_init() / vq_release() - also make and close kick_fd.
 * @max_size: (descriptors) a power of 2, <= VQ_MAX_SIZE
 */
int vq_init(struct vq *vq, const struct guest_memory *mem, uint16_t max_size,
	    struct err *err);
void vq_release(struct vq *vq);

/*
 * vq_enable() - check size and addresses, map the rings, start at index 0.
 * Return: 0; -EINVAL (out of memory ranges, misaligned, size not allowed)
 */
int vq_enable(struct vq *vq, struct err *err);

/* vq_reset() - back to the state after vq_init(); no device thread may hold one
 * of its chains now. */
void vq_reset(struct vq *vq);

/* vq_set_call_fd() - interrupt by @fd from now on (-1: not at all). */
void vq_set_call_fd(struct vq *vq, int fd);

/*
 * vq_pop() - take the next available chain.
 * @iov, @max_iov: room for the buffers; a chain with more is a violation, so
 *	offer what the device's driver may rightly use
 * Return: 1: taken; 0: nothing available; -EPROTO: the queue is broken
 */
int vq_pop(struct vq *vq, struct vq_chain *chain, struct iovec *iov,
	   unsigned int max_iov);

/* vq_push() - give a chain back, @written bytes of its `in` part filled. */
void vq_push(struct vq *vq, uint16_t head, uint32_t written);

/* A chain to be given back. */
struct vq_used {
	uint16_t head;
	uint32_t written;
};

/* vq_push_many() - the same for @n chains: the driver sees all of them or none (a
 * packet in several receive buffers, virtio 1.2 §5.1.6.4). */
void vq_push_many(struct vq *vq, const struct vq_used *used, unsigned int n);

/*
 * vq_unpop() - the last @n chains that were popped are available again, as if that
 * had not happened.  All that were popped before them have been pushed.
 */
void vq_unpop(struct vq *vq, unsigned int n);

/* vq_notify() - interrupt the driver if it wants to know (event idx or flags). */
void vq_notify(struct vq *vq);

/*
 * vq_disable_kicks() / vq_enable_kicks() - tell the driver whether to kick.
 * vq_enable_kicks() returns true when more has become available meanwhile: then
 * go on popping instead of waiting.
 */
void vq_disable_kicks(struct vq *vq);
bool vq_enable_kicks(struct vq *vq);

/* What another needs to serve a queue. */
struct vq_rings {
	uint16_t size;
	uint16_t last_avail; /* where it begins; all that came before has been used */
	void *desc; /* in our address space */
	void *avail;
	void *used;
	int kick_fd; /* borrowed */
	int call_fd; /* borrowed; -1: nobody listens */
};

/*
 * vq_hand_out() - let another serve the queue.  No popped chain may be left.
 * Return: false: not enabled or broken, there is nothing to serve
 */
bool vq_hand_out(struct vq *vq, struct vq_rings *rings);

/*
 * vq_take_back() - go on from @last_avail, where the other stopped.  The used index
 * is the ring's own: when the guest has written there, the queue is broken.
 */
void vq_take_back(struct vq *vq, uint16_t last_avail);

/*
 * vq_save() / vq_load() - what is remembered of the rings, which are guest memory.
 * vq_load() into a queue that is not enabled, whose rings are there again.
 * Errors: EAGAIN (chains are popped and not yet pushed, another serves it, broken);
 *	EPROTO, EINVAL
 */
int vq_save(struct vq *vq, struct buf *out, struct err *err);
int vq_load(struct vq *vq, struct sections *in, struct err *err);

#endif
