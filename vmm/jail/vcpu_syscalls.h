/* SPDX-License-Identifier: Apache-2.0 */
/* A vCPU thread: the guest's exits, PCI and MSI-X bookkeeping. */
HULL_SYSCALL(epoll_ctl, "a queue's kick joins or leaves the event loop")
HULL_SYSCALL(pread64, "KVM's counters")
HULL_IOCTL(KVM_RUN, "the guest")
HULL_IOCTL(KVM_SET_GSI_ROUTING, "the guest wrote an MSI-X table entry")
HULL_IOCTL(KVM_SIGNAL_MSI, "a pending vector was unmasked")
HULL_IOCTL(KVM_IRQFD, "vectors")
HULL_IOCTL(KVM_IOEVENTFD, "the guest moved a notify BAR")
HULL_IOCTL(KVM_SET_USER_MEMORY_REGION, "the guest moved a DAX window")
HULL_IOCTL(KVM_GET_REGS, "state for an error message")
HULL_IOCTL(KVM_GET_SREGS, "state for an error message")
