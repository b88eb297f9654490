/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting hull-vmm: a child in the container's namespaces that execs it.
 */
#ifndef HULL_RUNTIME_LAUNCH_H
#define HULL_RUNTIME_LAUNCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/cpuset.h"
#include "runtime/host_cgroup.h"

struct err;
struct intel_rdt;
struct vm_config;

/* Namespaces given by path that the child joins before it execs. */
#define LAUNCH_MAX_JOIN 8u

struct launch_params {
	int vmm_fd; /* the program; borrowed */
	const struct vm_config *config; /* its descriptors are inherited */
	const char *spec; /* the payload, config->spec_size bytes */
	struct host_cgroup cgroup; /* to be in */
	int join_fd[LAUNCH_MAX_JOIN]; /* namespaces; borrowed */
	unsigned int n_join;
	uint64_t new_namespaces; /* CLONE_NEW* */
	struct cpuset cpuset; /* of hull-vmm */
	const struct intel_rdt *rdt; /* of hull-vmm, or NULL */
	const char *selinux_label; /* of hull-vmm, or NULL */
};

/*
 * launch_vmm() - clone, join, exec.  The child leads a session of its own; with
 * config->console its stdin becomes the controlling terminal.
 * @ret_pid, @ret_pidfd: the child; the caller owns the pidfd
 *
 * What goes wrong in the child comes over config->sync_fd as VM_SYNC_ERROR.
 */
int launch_vmm(const struct launch_params *params, pid_t *ret_pid, int *ret_pidfd,
	       struct err *err);

/* launch_map_users() - map all ids of the caller to themselves for @pid. */
int launch_map_users(pid_t pid, struct err *err);

#endif
