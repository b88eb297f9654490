/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tap: the interface of the host whose other side is a network card of the guest.
 * It is there as long as one of its descriptors is open.
 */
#ifndef HULL_VMM_NET_HELPER_TAP_H
#define HULL_VMM_NET_HELPER_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/net/proto.h"

struct devices;
struct err;
struct nl;

struct tap {
	uint32_t index;
	unsigned int n; /* pairs of queues */
	int fds[NET_MAX_PAIRS]; /* owned; -1: none */
};

#define TAP_INIT ((struct tap){ .fds = { -1, -1, -1, -1 } })

/* tap_is_ours() - is that how a hull-net calls its taps? */
bool tap_is_ours(const char *name);

/* tap_open() - a new one with @pairs queue pairs, down, of @mtu. */
int tap_open(struct tap *tap, const struct devices *devices, unsigned int pairs,
	     uint32_t mtu, struct nl *nl, struct err *err);

/* tap_up(), tap_set_mtu() - of the tap whose index is @index. */
int tap_up(uint32_t index, struct nl *nl, struct err *err);
int tap_set_mtu(uint32_t index, uint32_t mtu, struct nl *nl, struct err *err);

/* tap_close() - our descriptors of it. */
void tap_close(struct tap *tap);

#define auto_tap __attribute__((__cleanup__(tap_close)))

#endif
