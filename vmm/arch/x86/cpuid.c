/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/arch/x86/cpuid.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/cleanup.h"
#include "lib/err.h"

#define BIT(n) (1u << (n))

/* Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E. */
enum cpuid_leaf {
	LEAF_MAX = 0x0,
	LEAF_FEATURES = 0x1,
	LEAF_INTEL_CACHE = 0x4,
	LEAF_EXT_FEATURES = 0x7,
	LEAF_PERFMON = 0xa,
	LEAF_TOPOLOGY = 0xb,
	LEAF_XSTATE = 0xd,
	LEAF_SGX = 0x12,
	LEAF_PT = 0x14,
	LEAF_TOPOLOGY_V2 = 0x1f,
	LEAF_KVM_TIMING = 0x40000010,
	LEAF_AMD_FEATURES = 0x80000001,
	LEAF_AMD_SIZES = 0x80000008,
	LEAF_AMD_SVM = 0x8000000a,
	LEAF_AMD_CACHE = 0x8000001d,
	LEAF_AMD_TOPOLOGY = 0x8000001e,
};

enum cpuid_reg {
	EAX,
	EBX,
	ECX,
	EDX
};

/*
 * Features that KVM can give and hull does not, each with its reason.  All else
 * that KVM_GET_SUPPORTED_CPUID names is passed on: a container finds the
 * instructions that it would find on the host.
 */
static const struct {
	uint32_t leaf;
	uint32_t index;
	enum cpuid_reg reg;
	uint32_t clear;
} masked[] = {
	/* VMX, SVM: the host's nested virtualization is no part of a container. */
	{ LEAF_FEATURES, 0, ECX, BIT(5) },
	{ LEAF_AMD_FEATURES, 0, ECX, BIT(2) },
	/* TSC deadline timer: its MSR holds an absolute TSC value, which a
	 * restored guest would find in the past. */
	{ LEAF_FEATURES, 0, ECX, BIT(24) },
	/* PDCM, DS, DTES64, DS-CPL: tracing into guest memory, needs the vPMU. */
	{ LEAF_FEATURES, 0, ECX, BIT(15) | BIT(2) | BIT(4) },
	{ LEAF_FEATURES, 0, EDX, BIT(21) },
	/* SGX, SGX_LC: needs memory of a kind that we do not map. */
	{ LEAF_EXT_FEATURES, 0, EBX, BIT(2) },
	{ LEAF_EXT_FEATURES, 0, ECX, BIT(30) },
	/* Processor trace. */
	{ LEAF_EXT_FEATURES, 0, EBX, BIT(25) },
	/* Lightweight profiling, performance counter extensions (no vPMU). */
	{ LEAF_AMD_FEATURES, 0, ECX, BIT(15) | BIT(23) | BIT(24) | BIT(28) },
};

/* Of KVM's paravirtual features these and no others. */
#define KVM_FEATURES_WANTED                                                              \
	(BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) |                  \
	 BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_STEAL_TIME) |                   \
	 BIT(KVM_FEATURE_PV_EOI) | BIT(KVM_FEATURE_PV_UNHALT) |                          \
	 BIT(KVM_FEATURE_PV_TLB_FLUSH) | BIT(KVM_FEATURE_PV_SEND_IPI) |                  \
	 BIT(KVM_FEATURE_POLL_CONTROL) | BIT(KVM_FEATURE_PV_SCHED_YIELD) |               \
	 BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT))

struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid2 *cpuid, uint32_t leaf,
				    uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		if (e->function == leaf &&
		    (e->index == index || !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return e;
	}
	return NULL;
}

unsigned int cpuid_phys_bits(struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *e = cpuid_find(cpuid, LEAF_AMD_SIZES, 0);

	return e ? e->eax & 0xff : 36;
}

static uint32_t *reg_of(struct kvm_cpuid_entry2 *e, enum cpuid_reg reg)
{
	switch (reg) {
	case EAX:
		return &e->eax;
	case EBX:
		return &e->ebx;
	case ECX:
		return &e->ecx;
	case EDX:
	default:
		return &e->edx;
	}
}

/* find_or_add() - the entry of a leaf that has to exist; NULL: the table is full. */
static struct kvm_cpuid_entry2 *find_or_add(struct kvm_cpuid2 *cpuid, uint32_t leaf,
					    uint32_t index, bool indexed)
{
	struct kvm_cpuid_entry2 *e = cpuid_find(cpuid, leaf, index);

	if (e)
		return e;
	if (cpuid->nent >= CPUID_MAX_ENTRIES)
		return NULL;
	e = &cpuid->entries[cpuid->nent++];
	*e = (struct kvm_cpuid_entry2){
		.function = leaf,
		.index = index,
		.flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
	};
	return e;
}

/* remove_leaf() - all of its entries. */
static void remove_leaf(struct kvm_cpuid2 *cpuid, uint32_t leaf)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function != leaf)
			cpuid->entries[kept++] = cpuid->entries[i];
	}
	cpuid->nent = kept;
}

/*
 * AMX needs a permission that the VMM would have to ask for; without it KVM leaves
 * its state out of leaf 0xd, and then the features must go as well.
 */
static void mask_amx(struct kvm_cpuid2 *cpuid)
{
	const uint32_t tile_state = BIT(17) | BIT(18);
	const struct kvm_cpuid_entry2 *xstate = cpuid_find(cpuid, LEAF_XSTATE, 0);
	struct kvm_cpuid_entry2 *features = cpuid_find(cpuid, LEAF_EXT_FEATURES, 0);

	if (xstate && (xstate->eax & tile_state) == tile_state)
		return;
	if (features)
		features->edx &= ~(BIT(22) | BIT(24) | BIT(25));
	features = cpuid_find(cpuid, LEAF_EXT_FEATURES, 1);
	if (features) {
		features->eax &= ~BIT(21); /* AMX_FP16 */
		features->edx &= ~BIT(8); /* AMX_COMPLEX */
	}
}

static void mask_features(struct kvm_cpuid2 *cpuid)
{
	struct kvm_cpuid_entry2 *e;

	for (size_t i = 0; i < ARRAY_SIZE(masked); i++) {
		e = cpuid_find(cpuid, masked[i].leaf, masked[i].index);
		if (e)
			*reg_of(e, masked[i].reg) &= ~masked[i].clear;
	}
	mask_amx(cpuid);
	remove_leaf(cpuid, LEAF_PERFMON);
	remove_leaf(cpuid, LEAF_SGX);
	remove_leaf(cpuid, LEAF_PT);
	remove_leaf(cpuid, LEAF_AMD_SVM);
	e = cpuid_find(cpuid, KVM_CPUID_FEATURES, 0);
	if (e) {
		e->eax &= KVM_FEATURES_WANTED;
		e->edx = 0; /* no hint that vCPUs are never preempted */
	}
}

/* bits_for() - how many bits of an APIC id number @count processors. */
static uint32_t bits_for(unsigned int count)
{
	uint32_t bits = 0;

	while (count > 1u << bits)
		bits++;
	return bits;
}

/* One package, @count cores of one thread each; the APIC id is the vCPU's index. */
static int set_topology_leaf(struct kvm_cpuid2 *cpuid, uint32_t leaf, unsigned int index,
			     unsigned int count)
{
	struct kvm_cpuid_entry2 level[3] = {
		{ .index = 0, .eax = 0, .ebx = 1, .ecx = 1 << 8 | 0 }, /* threads */
		{ .index = 1,
		  .eax = bits_for(count),
		  .ebx = count,
		  .ecx = 2 << 8 | 1 }, /* cores */
		{ .index = 2, .ecx = 2 }, /* the end */
	};

	remove_leaf(cpuid, leaf);
	for (size_t i = 0; i < ARRAY_SIZE(level); i++) {
		struct kvm_cpuid_entry2 *e =
			find_or_add(cpuid, leaf, level[i].index, true);

		if (!e)
			return -ENOSPC;
		level[i].function = leaf;
		level[i].flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		level[i].edx = index;
		*e = level[i];
	}
	return 0;
}

/* The caches of one core are its own, the last level belongs to all. */
static void set_cache_sharing(struct kvm_cpuid2 *cpuid, unsigned int count)
{
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];
		bool intel = e->function == LEAF_INTEL_CACHE;
		uint32_t sharing;

		if ((!intel && e->function != LEAF_AMD_CACHE) || (e->eax & 0x1f) == 0)
			continue;
		sharing = (e->eax >> 5 & 7) >= 3 ? (1u << bits_for(count)) - 1 : 0;
		e->eax = (e->eax & 0x3fff) | sharing << 14;
		if (intel)
			e->eax |= ((1u << bits_for(count)) - 1) << 26;
	}
}

static int set_topology(struct kvm_cpuid2 *cpuid, unsigned int index, unsigned int count)
{
	const struct kvm_cpuid_entry2 *max = cpuid_find(cpuid, LEAF_MAX, 0);
	struct kvm_cpuid_entry2 *e = cpuid_find(cpuid, LEAF_FEATURES, 0);
	int ret = 0;

	if (e) {
		e->ebx = (e->ebx & 0xffff) | index << 24 | count << 16;
		e->ecx |= BIT(31); /* in a hypervisor */
		e->edx = count > 1 ? e->edx | BIT(28) : e->edx & ~BIT(28);
	}
	set_cache_sharing(cpuid, count);
	if (max && max->eax >= LEAF_TOPOLOGY)
		ret = set_topology_leaf(cpuid, LEAF_TOPOLOGY, index, count);
	if (ret == 0 && max && max->eax >= LEAF_TOPOLOGY_V2)
		ret = set_topology_leaf(cpuid, LEAF_TOPOLOGY_V2, index, count);
	/* AMD's own leaves; Intel leaves the same fields 0. */
	if (!cpuid_find(cpuid, LEAF_AMD_TOPOLOGY, 0))
		return ret;
	e = cpuid_find(cpuid, LEAF_AMD_SIZES, 0);
	if (e)
		e->ecx = (count - 1) | bits_for(count) << 12;
	e = cpuid_find(cpuid, LEAF_AMD_FEATURES, 0);
	if (e)
		e->ecx = count > 1 ? e->ecx | BIT(1) : e->ecx & ~BIT(1);
	e = cpuid_find(cpuid, LEAF_AMD_TOPOLOGY, 0);
	if (e) {
		e->eax = index;
		e->ebx = index; /* core id, one thread a core */
		e->ecx = 0; /* one node */
	}
	return ret;
}

/*
 * The leaf in which hypervisors tell the frequencies of TSC and APIC timer (it is
 * VMware's; KVM leaves it to the VMM).  A kernel that reads it saves the 100 ms
 * in which others count APIC ticks.
 */
static int set_timing(struct kvm_cpuid2 *cpuid, uint32_t tsc_khz)
{
	struct kvm_cpuid_entry2 *base = cpuid_find(cpuid, KVM_CPUID_SIGNATURE, 0);
	struct kvm_cpuid_entry2 *e;

	if (!base || !tsc_khz)
		return 0;
	e = find_or_add(cpuid, LEAF_KVM_TIMING, 0, false);
	if (!e)
		return -ENOSPC;
	if (base->eax < LEAF_KVM_TIMING)
		base->eax = LEAF_KVM_TIMING;
	e->eax = tsc_khz;
	e->ebx = CPUID_APIC_KHZ;
	return 0;
}

int cpuid_prepare(struct kvm_cpuid2 *cpuid, unsigned int index, unsigned int count,
		  uint32_t tsc_khz, struct err *err)
{
	int ret;

	mask_features(cpuid);
	ret = set_topology(cpuid, index, count);
	if (ret == 0)
		ret = set_timing(cpuid, tsc_khz);
	if (ret < 0)
		return err_set(err, -ret, "CPUID: more than %u leaves",
			       CPUID_MAX_ENTRIES);
	return 0;
}
