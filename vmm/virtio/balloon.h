/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-balloon (virtio 1.2 §5.5) for one thing: free page reporting (§5.5.6.7).  The
 * guest tells which of its pages are free, and they go back to the host; it may use
 * them again at any time, without a word.  The balloon itself stays empty.
 */
#ifndef HULL_VMM_VIRTIO_BALLOON_H
#define HULL_VMM_VIRTIO_BALLOON_H

#include <assert.h>
#include <stdint.h>

struct err;
struct guest_memory;
struct loop;
struct virtio_device;

/*
 * Queues.  The specification numbers the reporting queue 4 whatever is offered; Linux
 * before 6.11 counts only the queues that are there, which makes it 2.  Both work.
 */
enum balloon_queue {
	BALLOON_INFLATE,
	BALLOON_DEFLATE,
	BALLOON_REPORTING_COUNTED,
	BALLOON_UNUSED,
	BALLOON_REPORTING,
	BALLOON_QUEUES,
};

/* Ranges of one report: Linux wants room for so many (PAGE_REPORTING_CAPACITY). */
#define BALLOON_MAX_RANGES 32u
/* (bytes) taken back in one turn of the loop, and of one report: Linux has no ranges
 * beyond 4 MiB.  It is advice, so what is more than that stays where it is. */
#define BALLOON_MAX_ROUND (BALLOON_MAX_RANGES * (4u << 20))

/* struct balloon_config - §5.5.4, without the fields of features that are not offered */
struct balloon_config {
	uint32_t num_pages; /* the host wants in the balloon: none */
	uint32_t actual;
};

static_assert(sizeof(struct balloon_config) == 8, "virtio 1.2 §5.5.4");

/* balloon_new() - @mem and @loop are borrowed; ops->free() frees the device. */
int balloon_new(const struct guest_memory *mem, struct loop *loop,
		struct virtio_device **ret_dev, struct err *err);

#endif
