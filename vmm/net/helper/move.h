/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.netDevices: interfaces of the runtime's network namespace that go into the
 * container's (runtime-spec config-linux.md, "Network Devices").
 */
#ifndef HULL_VMM_NET_HELPER_MOVE_H
#define HULL_VMM_NET_HELPER_MOVE_H

struct err;

/*
 * move_device() - take @name from the current namespace into @ns, call it @new_name, give it
 * its permanent addresses of global scope again, which the kernel takes from it on the
 * way, and set it up.  MAC and MTU stay.
 */
int move_device(int ns, const char *name, const char *new_name, struct err *err);

#endif
