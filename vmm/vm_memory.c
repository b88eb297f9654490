/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/err.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/vm_internal.h"

/* Host and guest addresses agree modulo 2 MiB, so KVM may map huge pages where
 * the host has some. */
#define RAM_ALIGN (2ull << 20)

/*
 * reserve_ram() - address space only: pages come when the guest touches them.
 *
 * No huge pages: a guest that touches a page here and there would pay 2 MiB for
 * each of them, and free page reporting would have less to give back. No core
 * dump of what is the guest's.
 */
static int reserve_ram(struct vm *vm, struct err *err)
{
	size_t size = vm->params.memory;
	uintptr_t start, skip;
	char *map;

	map = mmap(NULL, size + RAM_ALIGN, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return err_set(err, errno, "map %llu MiB of guest memory",
			       (unsigned long long)(size >> 20));
	start = (uintptr_t)map;
	skip = -start & (RAM_ALIGN - 1);
	if (skip)
		(void)munmap(map, skip); /* trims what is ours; cannot fail */
	(void)munmap(map + skip + size, RAM_ALIGN - skip); /* likewise */
	vm->ram = map + skip;
	vm->ram_size = size;
	/* Advice: a kernel without huge pages or dumps refuses, and needs none. */
	(void)madvise(vm->ram, size, MADV_NOHUGEPAGE);
	(void)madvise(vm->ram, size, MADV_DONTDUMP);
	return 0;
}

static int add_slot(struct vm *vm, gpa_t gpa, void *host, uint64_t size, bool readonly,
		    struct err *err)
{
	struct guest_memory *mem = &vm->memory;
	struct kvm_userspace_memory_region slot = {
		.slot = mem->n_regions,
		.flags = readonly ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	if (mem->n_regions == GUEST_MEMORY_MAX_REGIONS)
		return err_msg(err, ENOSPC, "more than %u memory regions",
			       GUEST_MEMORY_MAX_REGIONS);
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return err_set(err, errno, "KVM_SET_USER_MEMORY_REGION %#llx+%#llx",
			       (unsigned long long)gpa, (unsigned long long)size);
	mem->regions[mem->n_regions++] = (struct guest_region){
		.gpa = gpa,
		.size = size,
		.host = host,
	};
	return 0;
}

int vm_memory_new(struct vm *vm, struct err *err)
{
	uint64_t size = vm->params.memory;
	uint64_t low = size < LAYOUT_RAM_HOLE ? size : LAYOUT_RAM_HOLE;
	int ret;

	ret = reserve_ram(vm, err);
	if (ret < 0)
		return ret;
	ret = add_slot(vm, 0, vm->ram, low, false, err);
	if (ret == 0 && size > low)
		ret = add_slot(vm, LAYOUT_RAM_ABOVE, (char *)vm->ram + low, size - low, false,
			       err);
	vm->n_ram = vm->memory.n_regions;
	return ret;
}

void vm_memory_free(struct vm *vm)
{
	if (vm->ram)
		(void)munmap(vm->ram, vm->ram_size); /* cannot fail: it is ours */
	vm->ram = NULL;
}

int vm_add_memory(struct vm *vm, gpa_t gpa, void *host, uint64_t size, bool readonly,
		  struct err *err)
{
	return add_slot(vm, gpa, host, size, readonly, err);
}

const struct guest_memory *vm_memory(const struct vm *vm)
{
	return &vm->memory;
}
