/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hooks that `create` runs, in their order: prestart, createRuntime,
 * createContainer.
 */
#ifndef HULL_RUNTIME_CREATE_HOOKS_H
#define HULL_RUNTIME_CREATE_HOOKS_H

struct container;
struct err;
struct oci_hooks;

/* create_hooks_runtime() - prestart and createRuntime.  @hooks: may be NULL */
int create_hooks_runtime(const struct oci_hooks *hooks, const struct container *c,
			 struct err *err);

/*
 * create_hooks_container() - createContainer: in a mount namespace of their own, in
 * which the root file system is a mount at its path, and in the network namespace of
 * hull-vmm.
 * @vmm: pidfd of hull-vmm
 * @ret_root: the caller's: the root file system as they left it, with what they have
 *	mounted in it, as roots_plan() clones it; untouched when there are no hooks
 */
int create_hooks_container(const struct oci_hooks *hooks, const struct container *c,
			   int vmm, int *ret_root, struct err *err);

#endif
