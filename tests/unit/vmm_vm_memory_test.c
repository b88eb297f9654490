/* SPDX-License-Identifier: Apache-2.0 */
/* Where a machine's RAM lies: what the guest begins with, and what it plugs later. */
#include <errno.h>

#include "lib/err.h"
#include "tests/unit/tap.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/vm_internal.h"

#define MIB (1ull << 20)

static void lies(uint64_t memory, uint64_t more, gpa_t gpa, unsigned int n)
{
	struct vm vm = { .params = { .memory = memory, .more = more } };
	const struct guest_memory *mem = &vm.memory;
	struct guest_region region;
	uint64_t room;

	is_int(vm_memory_new(&vm, NULL), 0, "%llu MiB, and %llu MiB more",
	       (unsigned long long)(memory / MIB), (unsigned long long)(more / MIB));
	region = vm_hotplug(&vm, &room);
	is_int((long long)region.gpa, (long long)gpa, "where the more lies");
	is_int((long long)(region.gpa + room), (long long)LAYOUT_RAM_END,
	       "up to the end");
	is_int(mem->n_regions, n, "%u regions", n);
	ok(mem->regions[0].ram && mem->regions[n - 1].ram, "all of them RAM");
	ok(!more || (mem->regions[n - 1].gpa == gpa && mem->regions[n - 1].size == more &&
		     gpa_to_host(mem, gpa + more - 1, 1) &&
		     !gpa_to_host(mem, gpa + more, 1)),
	   "it is there, and nothing behind it");
	vm_memory_free(&vm);
}

int main(void)
{
	struct vm vm = { .params = { .memory = 128 * MIB, .more = LAYOUT_RAM_END } };
	struct err err = ERR_INIT;

	lies(128 * MIB, 0, LAYOUT_RAM_ABOVE, 1);
	lies(128 * MIB, 458 * MIB, LAYOUT_RAM_ABOVE, 2);
	lies(4096 * MIB, 64 * MIB, LAYOUT_RAM_ABOVE + 1024 * MIB, 3);
	lies(3074 * MIB, 64 * MIB, LAYOUT_RAM_ABOVE + 128 * MIB, 3);
	is_int(vm_memory_new(&vm, &err), -EINVAL, "more than there is room for");
	is_str(err.msg,
	       "262272 MiB of guest memory, 262144 MiB of them while it runs: more than "
	       "there is room for",
	       "says so");
	vm_memory_free(&vm);
	return tap_done();
}
