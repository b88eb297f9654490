/* SPDX-License-Identifier: Apache-2.0 */
/* The main thread until the machine is saved as a template: besides what the loop needs
 * (loop_syscalls.h), whose filter comes on top afterwards. */
HULL_IOCTL(KVM_GET_MP_STATE, "a vCPU's state")
HULL_IOCTL(KVM_GET_REGS, "a vCPU's state")
HULL_IOCTL(KVM_GET_SREGS, "a vCPU's state")
HULL_IOCTL(KVM_GET_DEBUGREGS, "a vCPU's state")
HULL_IOCTL(KVM_GET_XCRS, "a vCPU's state")
HULL_IOCTL(KVM_GET_VCPU_EVENTS, "a vCPU's state")
HULL_IOCTL(KVM_GET_LAPIC, "a vCPU's state")
HULL_IOCTL(KVM_GET_XSAVE, "a vCPU's state")
HULL_IOCTL(KVM_GET_XSAVE2, "a vCPU's state")
HULL_IOCTL(KVM_GET_MSRS, "a vCPU's state")
HULL_IOCTL(KVM_CHECK_EXTENSION, "the size of a vCPU's state")
HULL_IOCTL(KVM_GET_CLOCK, "the machine's clock")
HULL_SYSCALL_ARG(seccomp, 0, 0xffffffffu, SECCOMP_SET_MODE_FILTER, "the loop's own filter")
