/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device and its transport: two tables of operations, so that neither
 * knows the other (virtio 1.2 §2).
 *
 * Calling sequence: a device is made (rng_new(), vsock_new(), fs_new() ...) with
 * its ops and queues; virtio_pci_new() puts it on the bus and owns it from then
 * on.  All ops are called with the transport's lock held, from a vCPU thread or
 * at teardown, and never concurrently for one device.
 */
#ifndef HULL_VMM_VIRTIO_VIRTIO_H
#define HULL_VMM_VIRTIO_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/memory.h"
#include "vmm/virtio/vq.h"

struct buf;
struct err;
struct sections;
struct virtio_device;

#define VIRTIO_MAX_QUEUES 16u

/* The device half. */
struct virtio_dev_ops {
	/*
	 * activate() - DRIVER_OK: acked_features and the queues are final; begin
	 * to watch the enabled queues' kick_fd.  Failure makes the device
	 * NEEDS_RESET.
	 */
	int (*activate)(struct virtio_device *dev, struct err *err);

	/*
	 * reset() - stop; when it returns no thread of the device touches a
	 * queue or guest memory.  Called only after activate().
	 */
	void (*reset)(struct virtio_device *dev);

	/* config_read() - copy from the device's configuration space; the range
	 * is checked to lie within config_size.  NULL: config_size bytes at config. */
	void (*config_read)(struct virtio_device *dev, uint32_t offset, void *data,
			    uint32_t len);

	/* config_write() - NULL: writes are ignored. */
	void (*config_write)(struct virtio_device *dev, uint32_t offset, const void *data,
			     uint32_t len);

	/*
	 * save() / load() - what is the device's own, besides features and queues; NULL:
	 * there is nothing.  save() on the main thread while no vCPU runs: -EAGAIN:
	 * something is under way, it may be tried later.  load() before activate(), on
	 * the main thread, before any vCPU runs.
	 */
	int (*save)(struct virtio_device *dev, struct buf *out, struct err *err);
	int (*load)(struct virtio_device *dev, struct sections *in, struct err *err);

	/* free() - after reset(); frees the device itself. */
	void (*free)(struct virtio_device *dev);
};

/*
 * The transport half: what a device may ask of what carries it.  Neither takes a
 * lock, so both may be called with any lock of the device held, by any thread,
 * from activate() until reset() returns.
 */
struct virtio_transport_ops {
	/* config_changed() - what config_read() gives is another now: raise the
	 * configuration interrupt. */
	void (*config_changed)(struct virtio_device *dev);
	/* needs_reset() - set DEVICE_NEEDS_RESET and tell the driver.  A queue that
	 * vq_pop() found broken has done so already. */
	void (*needs_reset)(struct virtio_device *dev);
};

/*
 * A shared memory region of a device (virtio 1.2 §2.10), such as a DAX window.
 * The device maps `host` before it goes on the bus and may map other things over
 * parts of it afterwards; the transport makes it a memory slot, chooses the address
 * and tells it in `gpa`.  The address is final.  The slot is guest memory like any
 * other: a chain may point into it (direct I/O from DAX pages does), so every page
 * must stay readable and writable.
 */
struct virtio_shm {
	uint8_t id;
	uint64_t size; /* (bytes) power of 2, >= 4096; 0: the device has none */
	void *host; /* owned by the device */
	gpa_t gpa;
};

struct virtio_device {
	const struct virtio_dev_ops *ops;
	const char *name; /* for messages: "rng", "fs private" */
	uint16_t id; /* virtio 1.2 §5 */
	uint32_t pci_class; /* base class << 16 | subclass << 8 | interface */
	uint64_t features; /* offered by the device, its own bits only: the
			    * transport adds VERSION_1, RING_INDIRECT_DESC and
			    * RING_EVENT_IDX */
	uint64_t acked_features; /* a subset of what was offered, the transport's
				  * bits included; final at activate() */
	unsigned int n_queues; /* <= VIRTIO_MAX_QUEUES */
	struct vq queues[VIRTIO_MAX_QUEUES]; /* vq_init()ed by the device */
	const void *config; /* for the default config_read; may be NULL */
	uint32_t config_size; /* (bytes) */
	struct virtio_shm shm;

	/* Set by the transport. */
	const struct virtio_transport_ops *transport;
	void *transport_data;
};

#endif
