/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's side of virtio, for unit tests: guest memory that is plain heap, and a
 * driver of split virtqueues in it.  No KVM, no transport.
 *
 *	struct fake_memory fm;
 *	struct fake_queue fq;
 *
 *	fake_memory_init(&fm, 1 << 20);
 *	rng_new(&fm.mem, loop, &dev, &err);
 *	fake_device_init(&fd, dev);			(a transport that counts)
 *	fake_queue_init(&fq, &fm, &dev->queues[0], 8, FAKE_EVENT_IDX);
 *	fake_device_activate(&fd, &err);		(DRIVER_OK)
 *	gpa = fake_alloc(&fm, 64, 1);
 *	head = fake_add(&fq, NULL, 0, &(struct fake_buf){ gpa, 64 }, 1);
 *	fake_kick(&fq);
 *	... let the device work ...
 *	fake_used(&fq, &head, &written);		(true: a chain came back)
 *	fake_interrupts(&fq);				(how many since the last look)
 *	fake_device_reset(&fd);
 *	fake_queue_release(&fq);
 *	fake_memory_release(&fm);
 *
 * fake_add() makes well-formed chains; a test that wants others writes into
 * fq->desc[], fq->avail and so on, and calls fake_offer().  Everything abort()s when
 * the test itself is wrong (no descriptors left ...).
 */
#ifndef HULL_TESTS_UNIT_FAKE_DRIVER_H
#define HULL_TESTS_UNIT_FAKE_DRIVER_H

#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/err.h"
#include "vmm/memory.h"
#include "vmm/virtio/virtio.h"
#include "vmm/virtio/vq.h"

/* Not 0 and not page 1: an address used without gpa_to_host() shows. */
#define FAKE_MEMORY_GPA 0x40000000ull

static inline void fake_check(bool cond)
{
	if (!cond)
		abort();
}

/* ---- memory ---------------------------------------------------------------- */

struct fake_memory {
	struct guest_memory mem;
	char *host; /* heap, so that ASan sees an overrun */
	uint64_t size; /* (bytes) */
	uint64_t used; /* (bytes) given out by fake_alloc() */
};

static inline void fake_memory_init(struct fake_memory *fm, uint64_t size)
{
	*fm = (struct fake_memory){ .size = size };
	fm->host = aligned_alloc(4096, size);
	fake_check(fm->host);
	memset(fm->host, 0, size);
	fm->mem.n_regions = 1;
	fm->mem.regions[0] = (struct guest_region){
		.gpa = FAKE_MEMORY_GPA,
		.size = size,
		.host = fm->host,
	};
}

static inline void fake_memory_release(struct fake_memory *fm)
{
	free(fm->host);
	fm->host = NULL;
}

/* fake_alloc() - @len zeroed bytes, never given back. */
static inline gpa_t fake_alloc(struct fake_memory *fm, uint64_t len, uint64_t align)
{
	uint64_t at = (fm->used + align - 1) & ~(align - 1);

	fake_check(at <= fm->size && len <= fm->size - at);
	fm->used = at + len;
	return FAKE_MEMORY_GPA + at;
}

/* fake_host() - where the test sees guest address @gpa. */
static inline void *fake_host(struct fake_memory *fm, gpa_t gpa, size_t len)
{
	void *p = gpa_to_host(&fm->mem, gpa, len);

	fake_check(p);
	return p;
}

/* fake_data() - a copy of @data in guest memory. */
static inline gpa_t fake_data(struct fake_memory *fm, const void *data, size_t len)
{
	gpa_t gpa = fake_alloc(fm, len, 8);

	if (len)
		memcpy(fake_host(fm, gpa, len), data, len);
	return gpa;
}

/* ---- queue ----------------------------------------------------------------- */

enum fake_queue_flags {
	FAKE_EVENT_IDX = 1 << 0,
	FAKE_INDIRECT = 1 << 1, /* fake_add() uses indirect tables */
};

struct fake_buf {
	gpa_t gpa;
	uint32_t len;
};

struct fake_queue {
	struct fake_memory *fm;
	struct vq *vq;
	unsigned int flags; /* enum fake_queue_flags */
	uint16_t size;
	struct vring_desc *desc;
	uint16_t *avail; /* flags, idx, ring[size], used_event */
	uint16_t *used; /* flags, idx, then struct vring_used_elem [size] */
	gpa_t tables[VQ_MAX_SIZE]; /* indirect table of each descriptor, or 0 */
	uint16_t chain_len[VQ_MAX_SIZE]; /* by head */
	uint16_t free_head;
	uint16_t n_free;
	uint16_t used_seen;
	int call_fd;
};

#define FAKE_TABLE_LEN 64u /* (descriptors) of an indirect table */

static inline uint16_t *fake_avail_idx(struct fake_queue *fq)
{
	return &fq->avail[1];
}

static inline uint16_t *fake_avail_ring(struct fake_queue *fq)
{
	return &fq->avail[2];
}

static inline uint16_t *fake_used_event(struct fake_queue *fq)
{
	return &fq->avail[2 + fq->size];
}

static inline uint16_t *fake_avail_event(struct fake_queue *fq)
{
	return &fq->used[2 + 4 * fq->size];
}

/* fake_queue_setup() - allocate rings and give their addresses to @vq. */
static inline void fake_queue_setup(struct fake_queue *fq, struct fake_memory *fm,
				    struct vq *vq, uint16_t size, unsigned int flags)
{
	gpa_t desc = fake_alloc(fm, 16ull * size, 16);
	gpa_t avail = fake_alloc(fm, 6 + 2ull * size, 2);
	gpa_t used = fake_alloc(fm, 6 + 8ull * size, 4);

	*fq = (struct fake_queue){
		.fm = fm,
		.vq = vq,
		.flags = flags,
		.size = size,
		.desc = fake_host(fm, desc, 16ull * size),
		.avail = fake_host(fm, avail, 6 + 2ull * size),
		.used = fake_host(fm, used, 6 + 8ull * size),
		.n_free = size,
		.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	fake_check(fq->call_fd >= 0);
	for (uint16_t i = 0; i < size; i++)
		fq->desc[i].next = (uint16_t)(i + 1);
	vq->size = size;
	vq->desc_gpa = desc;
	vq->avail_gpa = avail;
	vq->used_gpa = used;
	vq->event_idx = flags & FAKE_EVENT_IDX;
	vq->indirect = flags & FAKE_INDIRECT;
}

/* fake_queue_init() - the same, and enable the queue. */
static inline void fake_queue_init(struct fake_queue *fq, struct fake_memory *fm,
				   struct vq *vq, uint16_t size, unsigned int flags)
{
	fake_queue_setup(fq, fm, vq, size, flags);
	fake_check(vq_enable(vq, NULL) == 0);
	vq_set_call_fd(vq, fq->call_fd);
}

static inline void fake_queue_release(struct fake_queue *fq)
{
	if (fq->vq->call_fd == fq->call_fd)
		vq_set_call_fd(fq->vq, -1);
	(void)close(fq->call_fd);
	fq->call_fd = -1;
}

/* fake_offer() - put @head into the available ring. */
static inline void fake_offer(struct fake_queue *fq, uint16_t head)
{
	uint16_t idx = *fake_avail_idx(fq);

	fake_avail_ring(fq)[idx & (fq->size - 1)] = head;
	__atomic_store_n(fake_avail_idx(fq), (uint16_t)(idx + 1), __ATOMIC_RELEASE);
}

static inline void fake_fill(struct vring_desc *d, const struct fake_buf *b, bool in,
			     bool more, uint16_t next)
{
	*d = (struct vring_desc){
		.addr = b->gpa,
		.len = b->len,
		.flags = (uint16_t)((in ? VRING_DESC_F_WRITE : 0) |
				    (more ? VRING_DESC_F_NEXT : 0)),
		.next = next,
	};
}

/* fake_add() - offer a chain; returns its head. */
static inline uint16_t fake_add(struct fake_queue *fq, const struct fake_buf *out,
				unsigned int n_out, const struct fake_buf *in,
				unsigned int n_in)
{
	bool indirect = fq->flags & FAKE_INDIRECT;
	unsigned int n = n_out + n_in;
	uint16_t head = fq->free_head, at = head;
	struct vring_desc *table = NULL;

	fake_check(n && fq->n_free >= (indirect ? 1 : n) && n <= fq->size);
	if (indirect) {
		uint16_t next = fq->desc[head].next;

		fake_check(n <= FAKE_TABLE_LEN);
		if (!fq->tables[head])
			fq->tables[head] = fake_alloc(fq->fm, 16 * FAKE_TABLE_LEN, 16);
		table = fake_host(fq->fm, fq->tables[head], 16 * FAKE_TABLE_LEN);
		fq->desc[head] = (struct vring_desc){
			.addr = fq->tables[head],
			.len = 16 * n,
			.flags = VRING_DESC_F_INDIRECT,
			.next = next, /* ours: ignored by the device */
		};
		fq->free_head = next;
	}
	for (unsigned int i = 0; i < n; i++) {
		const struct fake_buf *b = i < n_out ? &out[i] : &in[i - n_out];
		struct vring_desc *d = indirect ? &table[i] : &fq->desc[at];
		uint16_t next = indirect ? (uint16_t)(i + 1) : d->next;

		fake_fill(d, b, i >= n_out, i + 1 < n, next);
		at = next;
	}
	if (!indirect)
		fq->free_head = at;
	fq->chain_len[head] = (uint16_t)(indirect ? 1 : n);
	fq->n_free = (uint16_t)(fq->n_free - fq->chain_len[head]);
	fake_offer(fq, head);
	return head;
}

/* fake_kick() - as the guest's write to the notify register does. */
static inline void fake_kick(struct fake_queue *fq)
{
	static const uint64_t one = 1;

	fake_check(write(fq->vq->kick_fd, &one, sizeof(one)) == sizeof(one));
}

/* fake_used() - take a chain back; false when the device has pushed none. */
static inline bool fake_used(struct fake_queue *fq, uint16_t *ret_head,
			     uint32_t *ret_written)
{
	uint16_t idx = __atomic_load_n(&fq->used[1], __ATOMIC_ACQUIRE);
	struct vring_used_elem e;
	uint16_t last;

	if (idx == fq->used_seen)
		return false;
	memcpy(&e, &fq->used[2 + 4 * (fq->used_seen & (fq->size - 1))], sizeof(e));
	fq->used_seen++;
	fake_check(e.id < fq->size && fq->chain_len[e.id]);
	last = (uint16_t)e.id;
	for (unsigned int i = 1; i < fq->chain_len[e.id]; i++)
		last = fq->desc[last].next;
	fq->desc[last].next = fq->free_head;
	fq->free_head = (uint16_t)e.id;
	fq->n_free = (uint16_t)(fq->n_free + fq->chain_len[e.id]);
	fq->chain_len[e.id] = 0;
	/* A full barrier: pairs with C in vq.c.  The next look at idx comes after it, or
	 * an interrupt is lost (seen once in some twenty runs). */
	if (fq->flags & FAKE_EVENT_IDX)
		__atomic_store_n(fake_used_event(fq), fq->used_seen, __ATOMIC_SEQ_CST);
	if (ret_head)
		*ret_head = (uint16_t)e.id;
	if (ret_written)
		*ret_written = e.len;
	return true;
}

/* fake_interrupts() - how often the device signalled since the last call. */
static inline uint64_t fake_interrupts(struct fake_queue *fq)
{
	uint64_t n = 0;

	if (read(fq->call_fd, &n, sizeof(n)) < 0)
		fake_check(errno == EAGAIN);
	return n;
}

/* ---- device: a transport that only counts -------------------------------------- */

struct fake_device {
	struct virtio_device *dev;
	unsigned int config_changes;
	unsigned int needs_reset;
};

static inline void fake_config_changed_(struct virtio_device *dev)
{
	struct fake_device *fd = dev->transport_data;

	__atomic_add_fetch(&fd->config_changes, 1, __ATOMIC_SEQ_CST);
}

static inline void fake_needs_reset_(struct virtio_device *dev)
{
	struct fake_device *fd = dev->transport_data;

	__atomic_add_fetch(&fd->needs_reset, 1, __ATOMIC_SEQ_CST);
}

/* As a transport does: a broken queue makes the device NEEDS_RESET. */
static inline void fake_broken_(struct vq *vq, void *opaque)
{
	(void)vq;
	fake_needs_reset_(opaque);
}

static inline void fake_device_init(struct fake_device *fd, struct virtio_device *dev)
{
	static const struct virtio_transport_ops ops = {
		.config_changed = fake_config_changed_,
		.needs_reset = fake_needs_reset_,
	};

	*fd = (struct fake_device){ .dev = dev };
	dev->transport = &ops;
	dev->transport_data = fd;
	for (unsigned int i = 0; i < dev->n_queues; i++) {
		dev->queues[i].on_broken = fake_broken_;
		dev->queues[i].opaque = dev;
	}
}

/* fake_device_activate() - DRIVER_OK with every feature that is offered; the
 * queues that the test wants are enabled before. */
static inline int fake_device_activate(struct fake_device *fd, struct err *err)
{
	fd->dev->acked_features = fd->dev->features;
	return fd->dev->ops->activate(fd->dev, err);
}

/* fake_device_reset() - as the transport does when the driver writes status 0. */
static inline void fake_device_reset(struct fake_device *fd)
{
	fd->dev->ops->reset(fd->dev);
	for (unsigned int i = 0; i < fd->dev->n_queues; i++)
		vq_reset(&fd->dev->queues[i]);
}

#endif
