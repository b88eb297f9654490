/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HULL_VMM_SNAPSHOT_UFFD_H
#define HULL_VMM_SNAPSHOT_UFFD_H

struct err;

/*
 * uffd_open() - a userfaultfd(2) of this process, which tells of the kernel's own faults as
 * well: those of KVM, of vhost and of system calls are such.  The host lets us if we have
 * CAP_SYS_PTRACE or may open /dev/userfaultfd (Linux 6.1), or lets everybody
 * (vm.unprivileged_userfaultfd).
 * Return: the caller's
 * Errors: EPERM, ENOSYS, ENOTSUP
 */
int uffd_open(struct err *err);

#endif
