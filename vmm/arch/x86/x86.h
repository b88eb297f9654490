/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vmm/vm*.c asks of the processor architecture: which KVM it needs, how a
 * VM and a vCPU of it are set up, how a kernel is loaded.
 *
 * Calling sequence: x86_check(), (KVM_CREATE_VM), x86_vm_init(), (KVM_CREATE_VCPU)
 * x86_vcpu_init() for each, x86_load(), x86_boot_vcpu() for the first.
 * Main thread only.
 */
#ifndef HULL_VMM_ARCH_X86_X86_H
#define HULL_VMM_ARCH_X86_X86_H

#include <stdint.h>

#include "vmm/memory.h"

struct err;
struct kvm_cpuid2;
struct vm_boot;

/* x86_check() - does this KVM have all we need? -ENOTSUP names what is missing. */
int x86_check(int kvm_fd, uint64_t memory, struct err *err);

/* x86_vm_init() - before the first vCPU: local APICs in KVM, and nothing else. */
int x86_vm_init(int vm_fd, struct err *err);

/*
 * x86_cpuid_get() - what KVM supports on this host; the caller frees.
 * Also checks that the guest's physical addresses are wide enough.
 */
int x86_cpuid_get(int kvm_fd, struct kvm_cpuid2 **ret_cpuid, struct err *err);

/* x86_vcpu_init() - CPUID and MSRs of vCPU @index of @count. */
int x86_vcpu_init(int vcpu_fd, const struct kvm_cpuid2 *supported, unsigned int index,
		  unsigned int count, struct err *err);

/*
 * x86_load() - put kernel, initrd, command line, ACPI tables and entry state into
 * guest memory.
 * @n_ram: the first of @mem's regions are RAM, in ascending order
 * @ret_entry: where the first vCPU begins
 */
int x86_load(const struct guest_memory *mem, unsigned int n_ram, unsigned int vcpus,
	     const struct vm_boot *boot, gpa_t *ret_entry, struct err *err);

/* x86_boot_vcpu() - registers of the first vCPU for the 64-bit boot protocol. */
int x86_boot_vcpu(int vcpu_fd, gpa_t entry, struct err *err);

#endif
