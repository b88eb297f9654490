/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks that run on the host (runtime-spec config.md#posix-platform-hooks).
 */
#ifndef HULL_RUNTIME_HOOKS_H
#define HULL_RUNTIME_HOOKS_H

struct err;
struct oci_hook_list;

/*
 * hooks_run() - run the hooks of one kind one after the other, each with the
 * container's state on stdin; stop at the first that fails.
 * @kind: for messages: "prestart"
 * @state: JSON
 */
int hooks_run(const struct oci_hook_list *hooks, const char *kind, const char *state,
	      struct err *err);

#endif
