/* SPDX-License-Identifier: Apache-2.0 */
/* sd-bus (sd-bus(3)), and what its objects need to be locals of ours. */
#ifndef HULL_RUNTIME_SYSTEMD_BUS_H
#define HULL_RUNTIME_SYSTEMD_BUS_H

#if !__has_include(<systemd/sd-bus.h>)
/* cppcheck-suppress preprocessorErrorDirective ; it looks at no system headers */
#error "hull-systemd needs libsystemd: install libsystemd-dev (tests/install-packages build)"
#endif
#include <systemd/sd-bus.h>

#include "lib/cleanup.h"

/* They accept NULL, and an error that was never set. */
#define auto_bus auto_call(sd_bus_flush_close_unrefp)
#define auto_bus_message auto_call(sd_bus_message_unrefp)
#define auto_bus_slot auto_call(sd_bus_slot_unrefp)
#define auto_bus_error auto_call(sd_bus_error_free)

#endif
