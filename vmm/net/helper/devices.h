/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/net/tun and /dev/vhost-net without a path: a file system of its own holds a
 * node of each, which can be opened at any time through its descriptor, in an empty
 * root and by the user that hull-net becomes.
 */
#ifndef HULL_VMM_NET_HELPER_DEVICES_H
#define HULL_VMM_NET_HELPER_DEVICES_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"

struct devices {
	int dir; /* owned; -1: none could be made */
	struct err no_tun; /* code 0: there is one */
	struct err no_vhost;
	struct err no_zero_copy;
};

#define DEVICES_INIT ((struct devices){ .dir = -1 })

/*
 * devices_make() - look at the host's devices and make nodes for @uid.
 * @vhost: false: as if there were no vhost-net
 * What cannot be had is told by the functions below, when it is needed.
 */
void devices_make(struct devices *d, uid_t uid, bool vhost);
void devices_release(struct devices *d);

/* Return: a descriptor (the caller's), or -errno. The tap's is non-blocking. */
int devices_open_tun(const struct devices *d, struct err *err);
int devices_open_vhost(const struct devices *d, struct err *err);

#endif
