/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scopes of systemd, over D-Bus (org.freedesktop.systemd1(5), systemd's
 * docs/CONTROL_GROUP_INTERFACE.md).
 *
 * @bus is a connection to the system bus, or to systemd itself; it is used by the
 * calling thread alone.  Each call returns when systemd has done it, or after a deadline:
 * 0, or -errno with the reason that systemd gives.
 */
#ifndef HULL_RUNTIME_SYSTEMD_UNIT_H
#define HULL_RUNTIME_SYSTEMD_UNIT_H

#include <stddef.h>
#include <sys/types.h>

#include "runtime/systemd/bus.h"

struct err;
struct property;

/*
 * unit_start() - a scope that holds the process @pid, with its cgroup made over to us
 * (Delegate=).  What is left of a failed one of the same name is cleared away.
 */
int unit_start(sd_bus *bus, const char *unit, const struct property *props, size_t n,
	       pid_t pid, struct err *err);

/* unit_set() - change properties, until the next boot. */
int unit_set(sd_bus *bus, const char *unit, const struct property *props, size_t n,
	     struct err *err);

/*
 * unit_save() - a message that puts back what @props are now.
 * @ret: the caller's; for unit_put_back()
 */
int unit_save(sd_bus *bus, const char *unit, const struct property *props, size_t n,
	      sd_bus_message **ret, struct err *err);
int unit_put_back(sd_bus *bus, sd_bus_message *saved, struct err *err);

/* unit_stop() - end it, and forget that it failed; one that is not there is no error. */
int unit_stop(sd_bus *bus, const char *unit, struct err *err);

#endif
