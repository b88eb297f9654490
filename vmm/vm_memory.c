/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/snapshot/image.h"
#include "vmm/vm_internal.h"

/* Host and guest addresses agree modulo 2 MiB, so KVM may map huge pages where
 * the host has some. */
#define RAM_ALIGN (2ull << 20)

/* advise() - what @size bytes of guest memory are. */
static void advise(void *at, size_t size)
{
	/* Advice: a kernel without huge pages or dumps refuses, and needs none. */
	(void)madvise(at, size, MADV_HUGEPAGE);
	(void)madvise(at, size, MADV_DONTDUMP);
}

/*
 * reserve() - address space for @size bytes: pages come when the guest touches them.
 *
 * Huge pages: each page that the guest touches first is an exit and a fault on the
 * host, 7000 of them in a boot with small pages, a tenth of that with huge ones;
 * at run time every TLB miss walks shorter tables.  It costs what lies unused
 * between used pages (a fifth more after a boot), and a guest gives free memory back
 * in pieces of 2 MiB anyway.  No core dump of what is the guest's.
 */
static int reserve(size_t size, void **ret, struct err *err)
{
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
	*ret = map + skip;
	advise(*ret, size);
	return 0;
}

/* set_slot() - slots are numbered as the memory's regions are, then come ROMs. */
static int set_slot(struct vm *vm, unsigned int i, const struct guest_region *r,
		    bool readonly, struct err *err)
{
	struct kvm_userspace_memory_region slot = {
		.slot = i,
		.flags = readonly ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = r->gpa,
		.memory_size = r->size,
		.userspace_addr = (uintptr_t)r->host,
	};

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return err_set(err, errno, "KVM_SET_USER_MEMORY_REGION %#llx+%#llx",
			       (unsigned long long)r->gpa, (unsigned long long)r->size);
	return 0;
}

int vm_set_rom(struct vm *vm, unsigned int i, gpa_t gpa, void *host, uint64_t size,
	       struct err *err)
{
	const struct guest_region r = { .gpa = gpa, .size = size, .host = host };

	assert(i < VM_MAX_ROMS);
	return set_slot(vm, GUEST_MEMORY_MAX_REGIONS + i, &r, true, err);
}

struct guest_region vm_hotplug(const struct vm *vm, uint64_t *ret_room)
{
	const struct guest_region *last = &vm->memory.regions[vm->n_ram - 1];
	gpa_t gpa = last->gpa + last->size;

	gpa = (gpa + LAYOUT_HOTPLUG_ALIGN - 1) & ~(LAYOUT_HOTPLUG_ALIGN - 1);
	if (gpa < LAYOUT_RAM_ABOVE)
		gpa = LAYOUT_RAM_ABOVE;
	*ret_room = gpa < LAYOUT_RAM_END ? LAYOUT_RAM_END - gpa : 0;
	return (struct guest_region){
		.gpa = gpa,
		.size = vm->params.more,
		.host = vm->more,
		.ram = true,
	};
}

static int add_hotplug(struct vm *vm, struct err *err)
{
	struct guest_memory *mem = &vm->memory;
	uint64_t size = vm->params.more;
	uint64_t room;
	int ret;

	(void)vm_hotplug(vm, &room);
	if (size > room)
		return err_msg(
			err, EINVAL,
			"%llu MiB of guest memory, %llu MiB of them while it runs: "
			"more than there is room for",
			(unsigned long long)((vm->params.memory + size) >> 20),
			(unsigned long long)(size >> 20));
	ret = reserve(size, &vm->more, err);
	if (ret == 0)
		mem->regions[mem->n_regions++] = vm_hotplug(vm, &room);
	return ret;
}

int vm_memory_new(struct vm *vm, struct err *err)
{
	struct guest_memory *mem = &vm->memory;
	uint64_t size = vm->params.memory;
	uint64_t low = size < LAYOUT_RAM_HOLE ? size : LAYOUT_RAM_HOLE;
	int ret = reserve(size, &vm->ram, err);

	if (ret < 0)
		return ret;
	vm->from_file = calloc(vm_ram_total(vm) / IMAGE_PIECE, sizeof(*vm->from_file));
	if (!vm->from_file)
		return err_set(err, ENOMEM, "guest memory");
	/* While there is a /proc.  Without it no machine is saved. */
	vm->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	vm_track_open(vm);
	mem->regions[0] =
		(struct guest_region){ .size = low, .host = vm->ram, .ram = true };
	mem->regions[1] = (struct guest_region){
		.gpa = LAYOUT_RAM_ABOVE,
		.size = size - low,
		.host = (char *)vm->ram + low,
		.ram = true,
	};
	vm->n_ram = size > low ? 2 : 1;
	mem->n_regions = vm->n_ram;
	return vm->params.more ? add_hotplug(vm, err) : 0;
}

int vm_memory_attach(struct vm *vm, struct err *err)
{
	int ret = 0;

	for (unsigned int i = 0; ret == 0 && i < vm->memory.n_regions; i++)
		ret = set_slot(vm, i, &vm->memory.regions[i], false, err);
	return ret;
}

int vm_memory_clear(struct vm *vm, struct err *err)
{
	if (mmap(vm->ram, vm->params.memory, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		return err_set(err, errno, "map guest memory anew");
	advise(vm->ram, vm->params.memory);
	return 0;
}

void vm_memory_free(struct vm *vm)
{
	if (vm->ram)
		(void)munmap(vm->ram, vm->params.memory); /* cannot fail: it is ours */
	if (vm->more)
		(void)munmap(vm->more, vm->params.more); /* likewise */
	vm->ram = vm->more = NULL;
	close_fd(vm->pagemap);
	vm_track_free(vm);
	free(vm->from_file);
}

int vm_add_memory(struct vm *vm, gpa_t gpa, void *host, uint64_t size, bool readonly,
		  struct err *err)
{
	struct guest_memory *mem = &vm->memory;
	unsigned int i = mem->n_regions;
	int ret;

	if (i == GUEST_MEMORY_MAX_REGIONS)
		return err_msg(err, ENOSPC, "more than %u memory regions",
			       GUEST_MEMORY_MAX_REGIONS);
	mem->regions[i] = (struct guest_region){ .gpa = gpa, .size = size, .host = host };
	ret = set_slot(vm, i, &mem->regions[i], readonly, err);
	if (ret == 0)
		mem->n_regions++;
	return ret;
}

const struct guest_memory *vm_memory(const struct vm *vm)
{
	return &vm->memory;
}

uint64_t vm_ram_size(const struct vm *vm)
{
	return vm->params.memory;
}
