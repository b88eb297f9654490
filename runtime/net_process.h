/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting hull-net, which is a program of its own: it has a dynamic linker, and
 * privileges that hull-vmm is not to have.
 */
#ifndef HULL_RUNTIME_NET_PROCESS_H
#define HULL_RUNTIME_NET_PROCESS_H

#include <stdbool.h>

struct container;
struct err;
struct host_cgroup;

/*
 * net_process_start() - one that follows the network namespace of @c's hull-vmm, and
 * hand hull-vmm the other end of its socket.  It outlives the caller and
 * ends with hull-vmm.
 * @wait: until hull-vmm has taken it
 */
int net_process_start(const struct container *c, const struct host_cgroup *cgroup,
		      bool wait, struct err *err);

/*
 * net_process_move() - run one that takes the interface @device of our namespace into
 * @ns, where it is called @new_name.
 */
int net_process_move(int ns, char *device, char *new_name, struct err *err);

/* net_process_left() - may it have left something to be cleaned in the namespace? */
bool net_process_left(const struct container *c);

/* net_process_clean() - run one that cleans up in the network namespace @ns. */
int net_process_clean(int ns, struct err *err);

#endif
