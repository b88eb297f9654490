/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running hooks (runtime-spec 1.3 config.md#posix-platform-hooks): on the host those
 * of the runtime, in the guest those of the container.
 */
#ifndef HULL_OCI_HOOKS_H
#define HULL_OCI_HOOKS_H

#include <stddef.h>

struct err;
struct oci_hook_list;

/*
 * hooks_run() - run the hooks of one kind one after the other, each with the
 * container's state on stdin; stop at the first that fails.
 * @kind: for messages: "prestart"
 * @state: JSON
 * @env: the environment of a hook that has no `env`, as runc gives its own
 *
 * A hook has the caller's namespaces, root and privileges.  SIGCHLD must not be
 * ignored.
 */
int hooks_run(const struct oci_hook_list *hooks, const char *kind, const char *state,
	      char *const *env, struct err *err);

/* hooks_run_one() - the same with only the one at @i: for a caller that goes on. */
int hooks_run_one(const struct oci_hook_list *hooks, size_t i, const char *kind,
		  const char *state, char *const *env, struct err *err);

#endif
