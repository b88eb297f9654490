/* SPDX-License-Identifier: Apache-2.0 */
/* A vCPU thread: the guest's exits, PCI and MSI-X bookkeeping. */
HULL_SYSCALL(pread64, "KVM's counters")
HULL_SYSCALL(fstat, "a file in the DAX window may have become shorter")
HULL_SYSCALL(newfstatat, "libc's other way to say fstat")
HULL_SYSCALL(timer_create, "look for such a file while the guest is busy")
HULL_SYSCALL(timer_settime, "look for such a file while the guest is busy")
HULL_SYSCALL(timer_delete, "the end of the thread")
HULL_IOCTL(KVM_RUN, "the guest")
HULL_IOCTL(KVM_SET_GSI_ROUTING, "the guest wrote an MSI-X table entry")
HULL_IOCTL(KVM_IRQFD, "the guest masked or unmasked an MSI-X vector")
HULL_IOCTL(KVM_IOEVENTFD, "a driver enabled a queue, or moved a notify BAR")
HULL_IOCTL(KVM_SET_USER_MEMORY_REGION, "reads of configuration space must exit now")
HULL_IOCTL(KVM_GET_REGS, "state for an error message")
HULL_IOCTL(KVM_GET_SREGS, "state for an error message")
#include "vmm/jail/net_syscalls.h"
