/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trees of the host that a container sees, each as a detached clone of its
 * mount, and the configuration rewritten so that it names them as the guest does.
 */
#ifndef HULL_RUNTIME_ROOTS_H
#define HULL_RUNTIME_ROOTS_H

#include <stdint.h>

struct err;
struct oci_spec;
struct vm_config;

/*
 * roots_plan() - clone root.path and the source of every bind mount of @spec into
 * @config->roots, and put the guest's paths in their place.
 * @bundle: (absolute path) relative sources begin there
 *
 * The descriptors belong to @config: roots_release().
 */
int roots_plan(struct oci_spec *spec, const char *bundle, struct vm_config *config,
	       struct err *err);

/*
 * roots_clone() - a clone of the root file system at @path below @dir, or with "" of
 * @dir itself, as hull-vmm gets it: detached, with all that is mounted in it.
 */
int roots_clone(int dir, const char *path, int *ret_fd, struct err *err);

/* roots_place() - vm_root.place of what is mounted at @destination; "/": the root */
uint32_t roots_place(const char *destination);

void roots_release(struct vm_config *config);

#endif
