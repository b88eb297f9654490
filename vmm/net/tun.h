/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tap is told (Linux Documentation/networking/tuntap.rst), whoever moves the
 * packets.  A file descriptor is one queue of the tap; the settings are the tap's,
 * so they are made through its first queue.  Any thread.
 */
#ifndef HULL_VMM_NET_TUN_H
#define HULL_VMM_NET_TUN_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/* tun_setup() - packets begin with struct virtio_net_hdr_v1, little endian. */
int tun_setup(int tap_fd, struct err *err);

/* tun_offload() - what the guest can take, from the virtio-net features that its
 * driver has accepted: unfinished checksums, segments larger than the MTU. */
int tun_offload(int tap_fd, uint64_t features, struct err *err);

/*
 * tun_use_queue() - let packets come by this queue of the tap, or not.
 * It must be another state than now.  Not for the only queue.
 */
int tun_use_queue(int tap_fd, bool use, struct err *err);

#endif
