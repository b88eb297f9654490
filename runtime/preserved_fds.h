/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller's descriptors that a container's process gets besides stdio, as under
 * runc: those of LISTEN_FDS (sd_listen_fds(3)), then the N behind them of
 * --preserve-fds N.  They are the caller's 3, 4, ... and become the process' 3, 4, ...
 *
 * A descriptor cannot cross into a guest: hull-vmm moves the bytes, as it does for
 * stdio.  So all must be such that bytes can be moved: pipes, stream sockets, terminals
 * and files.
 *
 * Calling sequence: preserved_fds_take(), pass them on, preserved_fds_release(): as long
 * as we hold them, too, nobody sees the end of a pipe.
 */
#ifndef HULL_RUNTIME_PRESERVED_FDS_H
#define HULL_RUNTIME_PRESERVED_FDS_H

#include <stdbool.h>

struct err;
struct oci_spec;
struct vm_config;

struct preserved_fds {
	unsigned int n; /* from 3 on; at most VM_MAX_PRESERVED */
	unsigned int n_listen; /* of these, the first */
};

/*
 * preserved_fds_take() - check the caller's descriptors; they are ours from now on, and
 *	closed by an execve.
 * @preserve: the option's value
 * @listen: also those of the environment's LISTEN_FDS, when LISTEN_PID is our pid
 * Errors: -ENOENT: one is not open, in runc's words; -ENOTSUP: one cannot be passed on;
 *	-E2BIG: too many
 */
int preserved_fds_take(long preserve, bool listen, struct preserved_fds *ret,
		       struct err *err);

/*
 * preserved_fds_plan() - for a new container: its process is told of LISTEN_FDS.
 * @config: owns the descriptors when this succeeds
 */
int preserved_fds_plan(const struct preserved_fds *p, struct oci_spec *spec,
		       struct vm_config *config, struct err *err);

/* preserved_fds_release() - close them; idempotent. */
void preserved_fds_release(struct preserved_fds *p);

#endif
