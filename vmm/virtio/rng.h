/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-rng (virtio 1.2 §5.4): random bytes from the host's getrandom(), made on
 * the event loop, a bounded amount at a time.
 */
#ifndef HULL_VMM_VIRTIO_RNG_H
#define HULL_VMM_VIRTIO_RNG_H

struct err;
struct guest_memory;
struct loop;
struct virtio_device;

/* Work for one turn of the loop: a guest that asks for more waits its turn. */
#define RNG_MAX_CHAIN 4096u /* (bytes) a longer buffer is filled partly */
#define RNG_MAX_ROUND 16384u /* (bytes) */

/* rng_new() - @mem and @loop are borrowed; ops->free() frees the device. */
int rng_new(const struct guest_memory *mem, struct loop *loop,
	    struct virtio_device **ret_dev, struct err *err);

#endif
