/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PID 1 before there is a container: a root that can be pivoted away from, proc,
 * cgroup2, the virtio-fs devices; and the end of the guest.
 */
#ifndef HULL_AGENT_BOOT_H
#define HULL_AGENT_BOOT_H

struct agent_notice;
struct agent_wake;
struct err;
struct oci_spec;

/* Where the agent has cgroup2: it needs no sysfs of its own. */
#define BOOT_CGROUP_DIR "/cgroup"
/* One cgroup for all containers: what is held back for the kernel and the agent is so
 * from all of them together. */
#define BOOT_CONTAINERS_DIR BOOT_CGROUP_DIR "/containers"

/*
 * boot_modules() - load what the file /modules lists: paths, one a line, in the
 * order to load them (runtime/guest_modules.h).  No such file: nothing to load.
 */
int boot_modules(struct err *err);

/* boot_mounts() - all that is needed before the first request. */
int boot_mounts(struct err *err);

/* boot_prepare() - agent_params.prepare: mount what @spec's paths lie on. */
int boot_prepare(void *opaque, const struct oci_spec *spec, struct err *err);

/* boot_wake() - agent_params.wake: the clock, and new random numbers. */
int boot_wake(void *opaque, const struct agent_wake *wake, struct err *err);

/* boot_socket_dir() - agent_params.socket_dir. */
int boot_socket_dir(void *opaque, unsigned int root);

/* boot_raise_event() - agent_params.raise_event. */
int boot_raise_event(void *opaque, const struct agent_notice *notice, const char *name);

/* boot_warn() - agent_params.warn. */
void boot_warn(void *opaque, const char *text);

/* boot_finish() - agent_params.finish: write all back, unmount. */
void boot_finish(void *opaque);

/* boot_die() - the reason into the kernel's log, then reset the machine. */
void boot_die(const struct err *err) __attribute__((noreturn));

#endif
