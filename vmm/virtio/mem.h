/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-mem (virtio 1.2 §5.15): RAM that the guest gets while it runs.  It is there
 * from the start, as address space that costs nothing; the host says how much of it the
 * guest may use, the guest plugs blocks and unplugs them, and what it unplugs goes back
 * to the host.
 *
 * What a driver reads once (block size, address, size of the region) depends on the host
 * alone, so that a machine that was booted for one container fits any other.  What
 * this container may have at most is `usable_region_size`, which drivers read again.
 */
#ifndef HULL_VMM_VIRTIO_MEM_H
#define HULL_VMM_VIRTIO_MEM_H

#include <assert.h>
#include <linux/virtio_mem.h>
#include <stdint.h>

#include "vmm/memory.h"

struct err;
struct loop;
struct virtio_device;

/* (bytes) Linux plugs no less: the largest piece that its page allocator has. */
#define MEM_BLOCK (4ull << 20)
/*
 * (bytes) What Linux on x86 makes memory of; it uses nothing of one that is not usable as
 * a whole.  So the region begins at a multiple, and its usable part ends at one.
 */
#define MEM_SECTION (128ull << 20)

static_assert(sizeof(struct virtio_mem_req) == 24, "virtio 1.2 §5.15.6");
static_assert(sizeof(struct virtio_mem_resp) == 10, "virtio 1.2 §5.15.6");
static_assert(sizeof(struct virtio_mem_config) == 56, "virtio 1.2 §5.15.4");

struct mem_params {
	const struct guest_memory *mem; /* borrowed */
	struct loop *loop; /* borrowed */
	gpa_t gpa; /* of the region: a multiple of MEM_SECTION */
	uint64_t region_size; /* (bytes) a multiple of MEM_SECTION */
	/* (bytes) of RAM that @mem has at @gpa, <= region_size; 0: none, the guest can
	 * plug nothing.  What is no whole block is never plugged. */
	uint64_t size;
};

/* mem_new() - ops->free() frees the device. */
int mem_new(const struct mem_params *params, struct virtio_device **ret_dev,
	    struct err *err);

/*
 * mem_grow() - the guest shall have @bytes plugged: rounded up to whole blocks, at most
 * what is there.  Less than was asked for before changes nothing.  The loop's thread.
 * Return: (bytes) that the guest may have plugged from now on
 */
uint64_t mem_grow(struct virtio_device *dev, uint64_t bytes);

/* mem_plugged() - (bytes) that the guest has plugged.  Any thread. */
uint64_t mem_plugged(struct virtio_device *dev);

/* mem_extent() - (bytes) from the region's begin to the end of the last plugged block. */
uint64_t mem_extent(struct virtio_device *dev);

#endif
