/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/arch/x86/cpuid.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdlib.h>

#include "lib/err.h"
#include "tests/unit/tap.h"

static struct kvm_cpuid2 *table;

static void add(uint32_t leaf, uint32_t index, bool indexed, uint32_t eax, uint32_t ebx,
		uint32_t ecx, uint32_t edx)
{
	table->entries[table->nent++] = (struct kvm_cpuid_entry2){
		.function = leaf,
		.index = index,
		.flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
		.eax = eax,
		.ebx = ebx,
		.ecx = ecx,
		.edx = edx,
	};
}

/* A processor with everything: each feature bit that could be set is. */
static void new_table(void)
{
	free(table);
	table = calloc(1, sizeof(*table) + CPUID_MAX_ENTRIES * sizeof(table->entries[0]));
	if (!table)
		abort();
	add(0x0, 0, false, 0x1f, 0, 0, 0);
	add(0x1, 0, false, 0x800f12, 0xffffffff, 0xffffffff, 0xffffffff);
	add(0x4, 0, true, 0xfc004121, 0x1c0003f, 0x3f, 0);
	add(0x4, 3, true, 0xfc1fc163, 0x3c0003f, 0xfff, 0);
	add(0x6, 0, false, 0x4, 0, 0, 0);
	add(0x7, 0, true, 1, 0xffffffff, 0xffffffff, 0xffffffff);
	add(0x7, 1, true, 0xffffffff, 0, 0, 0xffffffff);
	add(0xa, 0, false, 0x7300404, 0, 0, 0x603);
	add(0xb, 0, true, 1, 2, 0x100, 9);
	add(0xd, 0, true, 0x207, 0, 0, 0);
	add(0x12, 0, true, 1, 0, 0, 0);
	add(0x14, 0, true, 1, 0, 0, 0);
	add(0x1f, 0, true, 1, 2, 0x100, 9);
	add(0x40000000, 0, false, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d);
	add(0x40000001, 0, false, 0xffffffff, 0, 0, 0xffffffff);
	add(0x80000000, 0, false, 0x8000001f, 0, 0, 0);
	add(0x80000001, 0, false, 0, 0, 0xffffffff, 0xffffffff);
	add(0x80000008, 0, false, 0x3030, 0, 0x707f, 0);
	add(0x8000000a, 0, false, 1, 0, 0, 0);
	add(0x8000001d, 3, true, 0x1c163, 0, 0, 0);
	add(0x8000001e, 0, false, 5, 0x105, 3, 0);
}

static const struct kvm_cpuid_entry2 *leaf(uint32_t function, uint32_t index)
{
	static const struct kvm_cpuid_entry2 none;
	const struct kvm_cpuid_entry2 *e = cpuid_find(table, function, index);

	return e ? e : &none;
}

static void test_features(void)
{
	new_table();
	is_int(cpuid_phys_bits(table), 48, "physical address bits");
	is_int(cpuid_prepare(table, 0, 1, 2500000, NULL), 0, "one vCPU");
	is_int(leaf(1, 0)->ecx & 1u << 24, 0, "no TSC deadline timer");
	is_int(leaf(1, 0)->ecx & 1u << 5, 0, "no VMX");
	is_int(leaf(0x80000001, 0)->ecx & 1u << 2, 0, "no SVM");
	ok(leaf(1, 0)->ecx & 1u << 31, "the hypervisor bit");
	ok(leaf(1, 0)->ecx & 1u << 21, "x2APIC stays");
	ok(leaf(7, 0)->ebx & 1u << 5, "AVX2 stays");
	is_int(leaf(7, 0)->ebx & 1u << 2, 0, "no SGX");
	is_int(leaf(7, 0)->edx & (1u << 22 | 1u << 24 | 1u << 25), 0,
	       "no AMX where its state is not in XCR0");
	ok(!cpuid_find(table, 0xa, 0) && !cpuid_find(table, 0x12, 0) &&
		   !cpuid_find(table, 0x14, 0) && !cpuid_find(table, 0x8000000a, 0),
	   "no leaf of PMU, SGX, PT, SVM");
	ok(leaf(6, 0)->eax == 4, "ARAT stays");
	is_int(leaf(0x40000001, 0)->eax & 1u << KVM_FEATURE_ASYNC_PF, 0,
	       "no async page faults");
	ok(leaf(0x40000001, 0)->eax & 1u << KVM_FEATURE_CLOCKSOURCE2 &&
		   leaf(0x40000001, 0)->eax & 1u << KVM_FEATURE_PV_EOI &&
		   leaf(0x40000001, 0)->eax & 1u << KVM_FEATURE_STEAL_TIME &&
		   leaf(0x40000001, 0)->eax & 1u << KVM_FEATURE_PV_TLB_FLUSH,
	   "kvmclock, PV EOI, steal time, PV TLB flush");
	is_int(leaf(0x40000001, 0)->edx, 0, "no hints");
	ok(leaf(0x40000000, 0)->eax == 0x40000010 &&
		   leaf(0x40000010, 0)->eax == 2500000 &&
		   leaf(0x40000010, 0)->ebx == 1000000,
	   "TSC and APIC frequencies");
	new_table();
	is_int(cpuid_prepare(table, 0, 1, 0, NULL), 0, "an unknown TSC frequency");
	ok(leaf(0x40000000, 0)->eax == 0x40000001 && !cpuid_find(table, 0x40000010, 0),
	   "is not told");
}

static void test_amx(void)
{
	new_table();
	cpuid_find(table, 0xd, 0)->eax |= 3u << 17;
	(void)cpuid_prepare(table, 0, 1, 0, NULL);
	ok(leaf(7, 0)->edx & 1u << 24, "AMX stays where its state is in XCR0");
}

static void test_topology(void)
{
	new_table();
	is_int(cpuid_prepare(table, 4, 6, 0, NULL), 0, "the fifth of six vCPUs");
	is_int(leaf(1, 0)->ebx >> 24, 4, "APIC id");
	is_int(leaf(1, 0)->ebx >> 16 & 0xff, 6, "logical processors");
	ok(leaf(1, 0)->edx & 1u << 28, "more than one");
	ok(leaf(0xb, 0)->eax == 0 && leaf(0xb, 0)->ebx == 1 &&
		   leaf(0xb, 0)->ecx == 0x100 && leaf(0xb, 0)->edx == 4,
	   "one thread a core");
	ok(leaf(0xb, 1)->eax == 3 && leaf(0xb, 1)->ebx == 6 &&
		   leaf(0xb, 1)->ecx == 0x201 && leaf(0xb, 1)->edx == 4,
	   "six cores in three bits");
	ok(leaf(0xb, 2)->ebx == 0 && leaf(0xb, 2)->ecx == 2, "no further level");
	is_int(leaf(0x1f, 1)->ebx, 6, "the same in leaf 0x1f");
	is_int(leaf(4, 0)->eax >> 14 & 0xfff, 0, "L1 is a core's own");
	is_int(leaf(4, 3)->eax >> 14 & 0xfff, 7, "L3 is everybody's");
	is_int(leaf(4, 3)->eax >> 26, 7, "cores in the package");
	is_int(leaf(0x8000001d, 3)->eax >> 14 & 0xfff, 7, "L3, as AMD says it");
	is_int(leaf(0x80000008, 0)->ecx, 3 << 12 | 5, "cores, as AMD says it");
	ok(leaf(0x8000001e, 0)->eax == 4 && leaf(0x8000001e, 0)->ebx == 4 &&
		   leaf(0x8000001e, 0)->ecx == 0,
	   "core id, one thread, one node");
	new_table();
	(void)cpuid_prepare(table, 0, 1, 0, NULL);
	is_int(leaf(1, 0)->edx & 1u << 28, 0, "one vCPU: not more than one");
	is_int(leaf(0xb, 1)->eax, 0, "no bits for cores");
	new_table();
	table->entries[0].eax = 0xa;
	table->entries[8].function = 0x8; /* no leaf 0xb */
	(void)cpuid_prepare(table, 0, 2, 0, NULL);
	ok(!cpuid_find(table, 0xb, 0), "no leaf beyond the highest");
}

static void test_full(void)
{
	struct err err = ERR_INIT;

	new_table();
	while (table->nent < CPUID_MAX_ENTRIES)
		add(0x90000000 + table->nent, 0, false, 0, 0, 0, 0);
	is_int(cpuid_prepare(table, 0, 2, 1, &err), -ENOSPC, "a full table");
	is_str(err.msg, "CPUID: more than 256 leaves: No space left on device",
	       "is said");
}

int main(void)
{
	test_features();
	test_amx();
	test_topology();
	test_full();
	free(table);
	return tap_done();
}
