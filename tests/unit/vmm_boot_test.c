/* SPDX-License-Identifier: Apache-2.0 */
/* What lies in guest memory when the kernel begins. */
#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/err.h"
#include "tests/unit/tap.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/arch/x86/x86.h"
#include "vmm/vm.h"

#define MIB (1ull << 20)
#define RAM (64 * MIB)

static struct guest_memory mem = { .n_regions = 1 };

static void new_memory(void)
{
	char *p = mmap(NULL, RAM, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		abort();
	mem.regions[0] = (struct guest_region){ .size = RAM, .host = p };
}

static int file_of(const void *data, size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	return fd;
}

/* A kernel of 100 bytes at 16 MiB, with .bss up to 20 MiB. */
static int kernel_file(void)
{
	struct {
		Elf64_Ehdr eh;
		Elf64_Phdr ph;
		uint8_t text[100];
	} v = {
		.eh = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB },
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_entry = 16 * MIB,
			.e_phoff = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 1,
		},
		.ph = {
			.p_type = PT_LOAD,
			.p_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
			.p_paddr = 16 * MIB,
			.p_filesz = 100,
			.p_memsz = 4 * MIB,
		},
	};

	return file_of(&v, sizeof(v));
}

static void test_entry(void)
{
	char initrd[4097], modules[1000];
	struct vm_boot boot = { .cmdline = "quiet panic=-1" };
	struct x86_image image = { 0 };
	const struct boot_params *bp;
	const char *ram;
	const uint64_t *pml4, *pdpt, *pd;

	memset(initrd, 'i', sizeof(initrd));
	memset(modules, 'm', sizeof(modules));
	boot.kernel_fd = kernel_file();
	boot.initrd_fd = file_of(initrd, sizeof(initrd));
	boot.modules_fd = file_of(modules, sizeof(modules));
	new_memory();
	ram = mem.regions[0].host;
	is_int(x86_load_image(&mem, &boot, &image, NULL), 0,
	       "kernel, initramfs and modules");
	ok(image.entry == 16 * MIB && image.end == 20 * MIB, "the kernel's place");
	is_int(image.initrd_size, 4100 + 1000, "archives begin at multiples of 4");
	ok(image.initrd % 4096 == 0 && image.initrd + image.initrd_size <= RAM &&
		   image.initrd + image.initrd_size > RAM - 4096,
	   "at the upper end of memory");
	ok(!memcmp(ram + image.initrd, initrd, 4097) &&
		   !memcmp(ram + image.initrd + 4097, "\0\0", 3) &&
		   !memcmp(ram + image.initrd + 4100, modules, 1000),
	   "one behind the other, zeroes between");

	is_int(x86_load_entry(&mem, 1, 2, &image, boot.cmdline, NULL), 0, "entry state");
	bp = (const void *)(ram + LAYOUT_BOOT_PARAMS);
	ok(bp->hdr.boot_flag == 0xaa55 && bp->hdr.header == 0x53726448, "boot_params");
	is_str(ram + bp->hdr.cmd_line_ptr, "quiet panic=-1", "the command line");
	ok(bp->hdr.ramdisk_image == image.initrd &&
		   bp->hdr.ramdisk_size == image.initrd_size,
	   "the initramfs is named");
	ok(!memcmp(ram + bp->acpi_rsdp_addr, "RSD PTR ", 8), "so is the RSDP");
	is_int(bp->e820_entries, 3, "three areas");
	ok(bp->e820_table[0].addr == 0 && bp->e820_table[0].size == 0x9fc00 &&
		   bp->e820_table[0].type == 1,
	   "conventional memory");
	ok(bp->e820_table[1].addr == LAYOUT_ACPI && bp->e820_table[1].type == 3,
	   "ACPI tables");
	ok(bp->e820_table[2].addr == MIB && bp->e820_table[2].size == RAM - MIB &&
		   bp->e820_table[2].type == 1,
	   "all the rest");
	pml4 = (const void *)(ram + LAYOUT_PML4);
	pdpt = (const void *)(ram + LAYOUT_PDPT);
	pd = (const void *)(ram + LAYOUT_PD);
	ok(pml4[0] == (LAYOUT_PDPT | 3) && pml4[1] == 0, "one entry of the first level");
	ok(pdpt[0] == (LAYOUT_PD | 3) && pdpt[1] == 0,
	   "one GiB, as the kernel ends below");
	ok(pd[0] == 0x83 && pd[8] == (16 * MIB | 0x83) && pd[511] == (1022 * MIB | 0x83),
	   "mapped one to one");
	(void)munmap(mem.regions[0].host, RAM);
	(void)close(boot.kernel_fd);
	(void)close(boot.initrd_fd);
	(void)close(boot.modules_fd);
}

static void test_no_initrd(void)
{
	struct vm_boot boot = { .initrd_fd = -1, .modules_fd = -1 };
	struct x86_image image = { 0 };

	new_memory();
	boot.kernel_fd = kernel_file();
	ok(x86_load_image(&mem, &boot, &image, NULL) == 0 && image.initrd_size == 0,
	   "without an initramfs");
	(void)munmap(mem.regions[0].host, RAM);
	(void)close(boot.kernel_fd);
}

static void test_high_memory(void)
{
	struct x86_image image = { .end = 20 * MIB };
	const struct boot_params *bp;

	new_memory();
	mem.n_regions = 3; /* the third is no RAM: a DAX window */
	mem.regions[1] =
		(struct guest_region){ .gpa = LAYOUT_RAM_ABOVE, .size = 2 * MIB };
	mem.regions[2] = (struct guest_region){ .gpa = LAYOUT_PCI64, .size = 2 * MIB };
	is_int(x86_load_entry(&mem, 2, 1, &image, "", NULL), 0, "memory above 4 GiB");
	bp = (const void *)(mem.regions[0].host + LAYOUT_BOOT_PARAMS);
	ok(bp->e820_entries == 4 && bp->e820_table[3].addr == LAYOUT_RAM_ABOVE &&
		   bp->e820_table[3].size == 2 * MIB,
	   "is an area of its own; the window is none");
	mem.n_regions = 1;
	(void)munmap(mem.regions[0].host, RAM);
}

static void test_errors(void)
{
	static char line[3000];
	struct vm_boot boot = { .modules_fd = -1 };
	struct x86_image image = { .end = 20 * MIB };
	struct err err = ERR_INIT;
	int pipes[2];

	new_memory();
	memset(line, 'x', sizeof(line) - 1);
	is_int(x86_load_entry(&mem, 1, 1, &image, line, &err), -E2BIG,
	       "a long command line");
	is_str(err.msg, "the kernel's command line has more than 2047 bytes",
	       "is refused");
	line[2047] = 0;
	is_int(x86_load_entry(&mem, 1, 1, &image, line, &err), 0,
	       "2047 bytes are possible");

	boot.kernel_fd = kernel_file();
	boot.initrd_fd = memfd_create("initrd", MFD_CLOEXEC);
	if (boot.initrd_fd < 0 || ftruncate(boot.initrd_fd, 44 * MIB + 1) < 0)
		abort();
	is_int(x86_load_image(&mem, &boot, &image, &err), -ENOSPC, "a large initramfs");
	is_str(err.msg,
	       "an initramfs of 46137345 bytes does not fit into 64 MiB of guest memory",
	       "does not fit");
	if (ftruncate(boot.initrd_fd, (off_t)1 << 62) < 0)
		abort();
	is_int(x86_load_image(&mem, &boot, &image, NULL), -ENOSPC, "a huge one neither");
	(void)close(boot.kernel_fd);
	if (pipe(pipes) < 0)
		abort();
	boot.kernel_fd = pipes[0];
	is_int(x86_load_image(&mem, &boot, &image, &err), -EINVAL, "a kernel in a pipe");
	is_str(err.msg, "kernel: not a regular file", "is no file");
	(void)close(pipes[0]);
	(void)close(pipes[1]);
	(void)close(boot.initrd_fd);
	(void)munmap(mem.regions[0].host, RAM);
}

int main(void)
{
	test_entry();
	test_no_initrd();
	test_high_memory();
	test_errors();
	return tap_done();
}
