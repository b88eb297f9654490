/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trees of the host that a container sees, each as a detached clone of its
 * mount, and the configuration rewritten so that it names them as the guest does.
 */
#ifndef HULL_RUNTIME_ROOTS_H
#define HULL_RUNTIME_ROOTS_H

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

void roots_release(struct vm_config *config);

#endif
