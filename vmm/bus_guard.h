/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGBUS: hull-vmm touches a page of a DAX window whose file has become shorter.
 *
 * System calls say EFAULT then, and KVM_RUN is seen to (vmm/fs/dax.h).  But a guest may
 * give the window's addresses to a device, for a descriptor, a header or a queue, and
 * what we read there ourselves would end the process.  Here an anonymous page, which
 * reads as zeros, takes the place of the one that cannot be had.
 *
 * The handler makes one system call, mmap(), which every thread's filter allows.  A
 * SIGBUS elsewhere ends the process, one that somebody has sent is ignored.
 */
#ifndef HULL_VMM_BUS_GUARD_H
#define HULL_VMM_BUS_GUARD_H

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

struct err;

#define BUS_GUARD_PIECE_SHIFT 21u /* log2 of the bytes that share a mark: a slot's */

/*
 * bus_guard_add() - from now on this holds for [@at, @at + @len); installs the handler,
 * so it comes before the jail.
 * @marks: one for each piece: set when something in it was replaced
 * Errors: ENOSPC (more windows than a machine has)
 */
int bus_guard_add(char *at, uint64_t len, atomic_bool *marks, struct err *err);

/* bus_guard_remove() - no thread touches the window any more. */
void bus_guard_remove(const char *at);

/* bus_guard_mask() - all signals but the one that no thread may block. */
void bus_guard_mask(sigset_t *set);

#endif
