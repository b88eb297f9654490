/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's account of a container that its guest ended for lack of memory.
 *
 * Who watches a container (containerd's shim, conmon) learns of that from oom_kill in
 * memory.events of hull-vmm's cgroup, which the host's kernel counts when it kills a
 * process there, and nobody else can.  So a machine whose container ended that way
 * ends that way too: as its last deed it asks for memory until it meets its limit.
 * Nothing is lost by it, and a SIGKILL is the container's exit status as well.
 */
#ifndef HULL_VMM_HOST_OOM_H
#define HULL_VMM_HOST_OOM_H

#include <stdint.h>

/*
 * host_oom_prepare() - to be called while /proc is there.
 * Return: a descriptor that is the caller's; -errno
 */
int host_oom_prepare(void);

/*
 * host_oom_die() - be killed.  Returns when that does not happen within half a minute:
 * where memory can be swapped out, it may not.
 * @fd: of host_oom_prepare()
 * @limit: (bytes) memory.max
 */
void host_oom_die(int fd, uint64_t limit);

#endif
