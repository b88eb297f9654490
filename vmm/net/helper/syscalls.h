/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of hull-net once it is in its jail, each with its reason, beyond
 * those of every thread (vmm/jail/common_syscalls.h).  The list belongs to
 * vmm/jail/gen_filters.c.
 *
 * No include guard, on purpose.
 */
#ifndef HULL_SYSCALL
#error "define HULL_SYSCALL(name, reason) before including this list"
#endif

HULL_SYSCALL(poll, "sleep until hull-vmm or the kernel has something to say")
HULL_SYSCALL(ppoll, "the same, as some libc spell it")
HULL_SYSCALL(recvmsg, "hull-vmm's messages, the kernel's answers")
HULL_SYSCALL(recvfrom, "the kernel's events")
HULL_SYSCALL(sendmsg, "messages and descriptors to hull-vmm")
HULL_SYSCALL(sendto, "requests to the kernel")
HULL_SYSCALL(openat, "a node of vmm/net/helper/devices.h; the root is empty")
HULL_SYSCALL(mremap, "heap")
HULL_SYSCALL(ftruncate, "the note that something is to be cleaned, when nothing is")
HULL_IOCTL(TUNSETIFF, "a tap, or one more queue of it")
HULL_IOCTL(TUNSETSNDBUF, "how much of the guest's may wait in the host")
