/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CPUID says in the guest: what KVM supports, less what hull does not want
 * there, plus what depends on the number of vCPUs.
 *
 * Pure functions on a table, so that tests need no KVM.
 */
#ifndef HULL_VMM_ARCH_X86_CPUID_H
#define HULL_VMM_ARCH_X86_CPUID_H

#include <stdint.h>

struct err;
struct kvm_cpuid2;
struct kvm_cpuid_entry2;

/* Room for KVM_GET_SUPPORTED_CPUID and the leaves that cpuid_prepare() adds. */
#define CPUID_MAX_ENTRIES 256u

/* The frequency of KVM's local APIC timer: it counts nanoseconds. */
#define CPUID_APIC_KHZ 1000000u

/* cpuid_find() - the entry of @leaf and @index; NULL when there is none. */
struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid2 *cpuid, uint32_t leaf,
				    uint32_t index);

/* cpuid_phys_bits() - how wide guest physical addresses are. */
unsigned int cpuid_phys_bits(struct kvm_cpuid2 *cpuid);

/*
 * cpuid_prepare() - turn what KVM supports into what vCPU @index of @count sees.
 * @cpuid: changed; has room for CPUID_MAX_ENTRIES
 * @tsc_khz: the guest's TSC frequency, 0: unknown
 *
 * Return: 0; -ENOSPC when the table is full
 */
int cpuid_prepare(struct kvm_cpuid2 *cpuid, unsigned int index, unsigned int count,
		  uint32_t tsc_khz, struct err *err);

#endif
