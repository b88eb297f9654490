/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `exec` is to run: the container's own process object with the command line's
 * changes, or the object from --process.
 */
#ifndef HULL_RUNTIME_EXEC_PROCESS_H
#define HULL_RUNTIME_EXEC_PROCESS_H

struct cli;
struct container;
struct err;
struct oci_spec;

/* exec_process_make() - @ret: a spec whose process is set; the caller frees it. */
int exec_process_make(const struct cli *cli, const struct container *c,
		      struct oci_spec **ret, struct err *err);

#endif
