/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vmm/vm*.c asks of the processor architecture: which KVM it needs, how a
 * VM and a vCPU of it are set up, how a kernel is loaded.
 *
 * Calling sequence: x86_check(), (KVM_CREATE_VM), x86_vm_init(), (KVM_CREATE_VCPU)
 * x86_vcpu_init() for each, x86_load_entry(), x86_boot_vcpu() for the first;
 * x86_load_image() at any time before x86_load_entry().  Main thread only.
 */
#ifndef HULL_VMM_ARCH_X86_X86_H
#define HULL_VMM_ARCH_X86_X86_H

#include <stdint.h>

#include "vmm/memory.h"

struct buf;
struct err;
struct kvm_cpuid2;
struct kvm_msr_list;
struct sections;
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

/* What x86_load_image() has put into guest memory. */
struct x86_image {
	gpa_t entry; /* where the first vCPU begins */
	gpa_t end; /* of what the kernel occupies, from 1 MiB on */
	gpa_t initrd;
	uint64_t initrd_size; /* (bytes) 0: none */
};

/*
 * x86_load_image() - kernel, initramfs, modules.  Needs no VM yet.
 * @mem: the first region begins at 0
 */
int x86_load_image(const struct guest_memory *mem, const struct vm_boot *boot,
		   struct x86_image *ret_image, struct err *err);

/*
 * x86_load_entry() - command line, ACPI tables and entry state.
 * @n_ram: the first of @mem's regions are RAM, in ascending order
 */
int x86_load_entry(const struct guest_memory *mem, unsigned int n_ram, unsigned int vcpus,
		   const struct x86_image *image, const char *cmdline, struct err *err);

/* x86_boot_vcpu() - registers of the first vCPU for the 64-bit boot protocol. */
int x86_boot_vcpu(int vcpu_fd, gpa_t entry, struct err *err);

/* x86_msr_list() - the MSRs that there are to be saved; the caller frees. */
int x86_msr_list(int kvm_fd, struct kvm_msr_list **ret_list, struct err *err);

/*
 * x86_vcpu_save() / x86_vcpu_restore() - all that KVM knows of a vCPU that does not run;
 * restored into one that x86_vcpu_init() has seen.
 */
int x86_vcpu_save(int vm_fd, int vcpu_fd, const struct kvm_msr_list *list,
		  struct buf *out, struct err *err);
int x86_vcpu_restore(int vcpu_fd, struct sections *in, struct err *err);

/*
 * x86_cpuid_save() / x86_cpuid_check() - -EPROTO: the vCPU has another CPUID than the
 * one that was saved.  Neither has run: KVM changes some bits with control registers.
 */
int x86_cpuid_save(int vcpu_fd, struct buf *out, struct err *err);
int x86_cpuid_check(int vcpu_fd, struct sections *in, struct err *err);

#endif
