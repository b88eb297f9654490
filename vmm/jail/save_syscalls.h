/* SPDX-License-Identifier: Apache-2.0 */
/* The main thread, when it saves the machine (a template, CONTROL_CHECKPOINT): calls that
 * read what the process has anyway. */
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
HULL_SYSCALL(ftruncate, "the image is as long as the memory, with holes")
