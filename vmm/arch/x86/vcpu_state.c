/* SPDX-License-Identifier: Apache-2.0 */
/* What KVM must have and what a VM and its vCPUs begin with. */
#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <sys/ioctl.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/arch/x86/cpuid.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/arch/x86/x86.h"

/* Control registers and EFER of 64-bit mode; Intel SDM volume 3A, chapter 2.5. */
#define CR0_PE (1u << 0)
#define CR0_MP (1u << 1)
#define CR0_ET (1u << 4)
#define CR0_NE (1u << 5)
#define CR0_WP (1u << 16)
#define CR0_PG (1u << 31)
#define CR4_PAE (1u << 5)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)
#define RFLAGS_FIXED (1u << 1)

#define MSR_MISC_ENABLE 0x1a0
#define MISC_ENABLE_FAST_STRING (1u << 0)
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_ENABLE (1u << 11)
#define MTRR_WRITE_BACK 6u
#define MSR_K7_EVNTSEL0 0xc0010000
#define MSR_K7_COUNTERS 8 /* four to select events, four that count */

/* Selectors that the 64-bit boot protocol names (Documentation/arch/x86/boot.rst). */
#define BOOT_CS 0x10
#define BOOT_DS 0x18

int x86_check(int kvm_fd, uint64_t memory, struct err *err)
{
	static const struct {
		int cap;
		const char *name;
	} needed[] = {
		{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
		{ KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP" },
		{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
		{ KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR" },
		{ KVM_CAP_GET_TSC_KHZ, "KVM_CAP_GET_TSC_KHZ" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
			return err_msg(err, ENOTSUP, "this host's KVM lacks %s",
				       needed[i].name);
	}
	if (memory > LAYOUT_RAM_END - LAYOUT_RAM_ABOVE + LAYOUT_RAM_HOLE)
		return err_msg(err, EINVAL,
			       "%llu MiB of guest memory: more than there is room for",
			       (unsigned long long)(memory >> 20));
	return 0;
}

/*
 * no_counters() - performance counters see the host's caches and branches: not for
 * guests.  CPUID leaves them out, yet kernels try those that AMD processors always
 * have; with the filter KVM refuses that without a line in the host's log.
 * Hosts that know neither (before 5.18, 5.10) are left as they are.
 */
static void no_counters(int vm_fd)
{
	uint8_t none[sizeof(long)] = { 0 }; /* KVM reads whole words */
	struct kvm_enable_cap no_pmu = {
		.cap = KVM_CAP_PMU_CAPABILITY,
		.args = { KVM_PMU_CAP_DISABLE },
	};
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges[0] = {
			.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			.base = MSR_K7_EVNTSEL0,
			.nmsrs = MSR_K7_COUNTERS,
			.bitmap = none,
		},
	};

	(void)ioctl(vm_fd, KVM_ENABLE_CAP, &no_pmu);
	(void)ioctl(vm_fd, KVM_X86_SET_MSR_FILTER, &filter);
}

/*
 * "Split": local APICs in KVM, nothing else.  The guest is hardware-reduced and
 * has MSIs only, so there is no PIC, IOAPIC or PIT to emulate, neither in the
 * host kernel (less of it that a guest can talk to) nor here.
 */
int x86_vm_init(int vm_fd, struct err *err)
{
	uint64_t identity_map = LAYOUT_KVM_IDENTITY_MAP;
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 0 } };

	if (ioctl(vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0)
		return err_set(err, errno, "KVM_SET_IDENTITY_MAP_ADDR");
	if (ioctl(vm_fd, KVM_SET_TSS_ADDR, (unsigned long)LAYOUT_KVM_TSS) < 0)
		return err_set(err, errno, "KVM_SET_TSS_ADDR");
	if (ioctl(vm_fd, KVM_ENABLE_CAP, &split) < 0)
		return err_set(err, errno, "KVM_CAP_SPLIT_IRQCHIP");
	no_counters(vm_fd);
	return 0;
}

int x86_cpuid_get(int kvm_fd, struct kvm_cpuid2 **ret_cpuid, struct err *err)
{
	auto_free struct kvm_cpuid2 *cpuid = NULL;

	cpuid = calloc(1, sizeof(*cpuid) + CPUID_MAX_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return err_set(err, ENOMEM, "CPUID");
	cpuid->nent = CPUID_MAX_ENTRIES;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
		return err_set(err, errno, "KVM_GET_SUPPORTED_CPUID");
	if (cpuid_phys_bits(cpuid) < LAYOUT_PHYS_BITS)
		return err_msg(
			err, ENOTSUP,
			"this processor's physical addresses have %u bits, %d are needed",
			cpuid_phys_bits(cpuid), LAYOUT_PHYS_BITS);
	*ret_cpuid = take_ptr(&cpuid);
	return 0;
}

static int set_cpuid(int vcpu_fd, const struct kvm_cpuid2 *supported, unsigned int index,
		     unsigned int count, struct err *err)
{
	size_t size =
		sizeof(*supported) + CPUID_MAX_ENTRIES * sizeof(supported->entries[0]);
	auto_free struct kvm_cpuid2 *cpuid = malloc(size);
	int tsc_khz = ioctl(vcpu_fd, KVM_GET_TSC_KHZ, 0);
	int ret;

	if (!cpuid)
		return err_set(err, ENOMEM, "CPUID");
	memcpy(cpuid, supported, size);
	ret = cpuid_prepare(cpuid, index, count, tsc_khz > 0 ? (uint32_t)tsc_khz : 0,
			    err);
	if (ret < 0)
		return ret;
	if (ioctl(vcpu_fd, KVM_SET_CPUID2, cpuid) < 0)
		return err_set(err, errno, "KVM_SET_CPUID2");
	return 0;
}

/*
 * set_msrs() - what firmware would leave behind: memory is write-back (kernels
 * switch PAT off where MTRRs are disabled), fast string operations are on (Intel
 * kernels drop `rep movs` otherwise).  All else is fine as after a reset.
 */
static int set_msrs(int vcpu_fd, struct err *err)
{
	static const struct {
		uint32_t msr;
		uint64_t value;
		const char *name;
	} wanted[] = {
		{ MSR_MTRR_DEF_TYPE, MTRR_ENABLE | MTRR_WRITE_BACK, "MTRRdefType" },
		{ MSR_MISC_ENABLE, MISC_ENABLE_FAST_STRING, "IA32_MISC_ENABLE" },
	};
	union {
		struct kvm_msrs head;
		char room[sizeof(struct kvm_msrs) + sizeof(wanted)];
	} msrs = { .head.nmsrs = ARRAY_SIZE(wanted) };
	int n;

	static_assert(sizeof(wanted[0]) >= sizeof(struct kvm_msr_entry), "room");
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		msrs.head.entries[i] = (struct kvm_msr_entry){
			.index = wanted[i].msr,
			.data = wanted[i].value,
		};
	n = ioctl(vcpu_fd, KVM_SET_MSRS, &msrs);
	if (n < 0)
		return err_set(err, errno, "KVM_SET_MSRS");
	if (n < (int)ARRAY_SIZE(wanted))
		return err_msg(err, ENOTSUP, "KVM refuses to set %s", wanted[n].name);
	return 0;
}

int x86_vcpu_init(int vcpu_fd, const struct kvm_cpuid2 *supported, unsigned int index,
		  unsigned int count, struct err *err)
{
	int ret = set_cpuid(vcpu_fd, supported, index, count, err);

	return ret < 0 ? ret : set_msrs(vcpu_fd, err);
}

static struct kvm_segment flat_segment(uint16_t selector, bool code)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = code ? 0xb : 0x3, /* execute/read or read/write, accessed */
		.present = 1,
		.db = !code,
		.s = 1,
		.l = code,
		.g = 1,
	};
}

/* The descriptors and page tables themselves were written by x86_load_entry(). */
int x86_boot_vcpu(int vcpu_fd, gpa_t entry, struct err *err)
{
	struct kvm_regs regs = {
		.rip = entry,
		.rsi = LAYOUT_BOOT_PARAMS,
		.rflags = RFLAGS_FIXED,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) < 0)
		return err_set(err, errno, "KVM_GET_SREGS");
	sregs.cs = flat_segment(BOOT_CS, true);
	sregs.ds = flat_segment(BOOT_DS, false);
	sregs.es = sregs.ds;
	sregs.ss = sregs.ds;
	sregs.fs = sregs.ds;
	sregs.gs = sregs.ds;
	sregs.gdt.base = LAYOUT_GDT;
	sregs.gdt.limit = LAYOUT_GDT_SIZE - 1;
	sregs.idt.base = 0;
	sregs.idt.limit = 0; /* no fault can be handled before the kernel's own */
	sregs.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	sregs.cr3 = LAYOUT_PML4;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LME | EFER_LMA;
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs) < 0)
		return err_set(err, errno, "KVM_SET_SREGS");
	if (ioctl(vcpu_fd, KVM_SET_REGS, &regs) < 0)
		return err_set(err, errno, "KVM_SET_REGS");
	return 0;
}
