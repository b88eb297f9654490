/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 64-bit boot protocol (Linux Documentation/arch/x86/boot.rst, "64-bit Boot
 * Protocol"; zero-page.rst): what lies in memory when the kernel begins.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/acpi.h"
#include "vmm/arch/x86/kernel_image.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/arch/x86/x86.h"
#include "vmm/vm.h"

static_assert(sizeof(struct boot_params) == LAYOUT_BOOT_PARAMS_SIZE, "the zero page");

#define E820_RAM 1u
#define E820_ACPI 3u

/* Any boot loader that has no number of its own. */
#define LOADER_UNDEFINED 0xff
#define BOOT_FLAG 0xaa55
#define PROTOCOL_2_15 0x020f

/* Page table entries; Intel SDM volume 3A, chapter 4.5. */
#define PTE_PRESENT (1ull << 0)
#define PTE_WRITE (1ull << 1)
#define PTE_LARGE (1ull << 7)
#define LARGE_PAGE (2ull << 20)

/* low_ram_end() - of the region that begins at 0. */
static gpa_t low_ram_end(const struct guest_memory *mem)
{
	return mem->regions[0].size;
}

static int file_size(int fd, const char *what, uint64_t *ret_size, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "%s", what);
	if (!S_ISREG(st.st_mode))
		return err_msg(err, EINVAL, "%s: not a regular file", what);
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

static int read_into(const struct guest_memory *mem, gpa_t gpa, int fd, uint64_t size,
		     const char *what, struct err *err)
{
	struct kernel_source src = { .fd = fd, .size = size };
	void *dst = gpa_to_host(mem, gpa, size);
	int ret;

	if (!dst)
		return err_msg(err, ENOSPC, "%s does not fit into guest memory", what);
	ret = kernel_source_read(&src, 0, dst, size);
	return ret < 0 ? err_set(err, -ret, "read the %s", what) : 0;
}

/*
 * load_initrd() - the initramfs and behind it the modules, at the upper end of the
 * memory that Linux takes one from, in any case above the kernel.
 */
static int load_initrd(const struct guest_memory *mem, const struct vm_boot *boot,
		       struct x86_image *image, struct err *err)
{
	gpa_t top = low_ram_end(mem) < LAYOUT_INITRD_END ? low_ram_end(mem)
							 : LAYOUT_INITRD_END;
	uint64_t first = 0, second = 0, padded;
	gpa_t floor = image->end;
	int ret = 0;

	if (boot->initrd_fd >= 0)
		ret = file_size(boot->initrd_fd, "initramfs", &first, err);
	if (ret == 0 && boot->modules_fd >= 0)
		ret = file_size(boot->modules_fd, "modules archive", &second, err);
	if (ret < 0)
		return ret;
	/* cpio headers begin at multiples of 4; what is between archives is 0. */
	padded = (first + 3) & ~3ull;
	if (floor > top || padded > top - floor || second > top - floor - padded ||
	    ((top - padded - second) & ~(LAYOUT_PAGE - 1)) < floor)
		return err_msg(
			err, ENOSPC,
			"an initramfs of %llu bytes does not fit into %llu MiB of guest "
			"memory",
			(unsigned long long)(first + second),
			(unsigned long long)(low_ram_end(mem) >> 20));
	image->initrd_size = padded + second;
	image->initrd = (top - image->initrd_size) & ~(LAYOUT_PAGE - 1);
	if (first)
		ret = read_into(mem, image->initrd, boot->initrd_fd, first, "initramfs",
				err);
	if (ret == 0 && second)
		ret = read_into(mem, image->initrd + padded, boot->modules_fd, second,
				"modules archive", err);
	return ret;
}

static int load_kernel(const struct guest_memory *mem, int fd, struct x86_image *image,
		       struct err *err)
{
	struct kernel_image kernel = { 0 };
	struct kernel_source src = { .fd = fd };
	gpa_t limit = low_ram_end(mem);
	int ret = file_size(fd, "kernel", &src.size, err);

	if (limit > LAYOUT_IDENTITY_MAPPED)
		limit = LAYOUT_IDENTITY_MAPPED;
	if (ret < 0)
		return ret;
	ret = kernel_image_load(&src, mem, limit, &kernel, err);
	if (ret < 0)
		return err_wrap(err, ret, "kernel");
	image->entry = kernel.entry;
	image->end = kernel.end;
	return 0;
}

static void add_e820(struct boot_params *bp, gpa_t start, uint64_t size, uint32_t type)
{
	bp->e820_table[bp->e820_entries++] = (struct boot_e820_entry){
		.addr = start,
		.size = size,
		.type = type,
	};
}

static void write_boot_params(const struct guest_memory *mem, unsigned int n_ram,
			      const struct x86_image *image)
{
	struct boot_params *bp = gpa_to_host(mem, LAYOUT_BOOT_PARAMS, sizeof(*bp));

	memset(bp, 0, sizeof(*bp));
	bp->hdr.boot_flag = BOOT_FLAG;
	memcpy(&bp->hdr.header, "HdrS", sizeof(bp->hdr.header));
	bp->hdr.version = PROTOCOL_2_15;
	bp->hdr.type_of_loader = LOADER_UNDEFINED;
	bp->hdr.loadflags = LOADED_HIGH;
	bp->hdr.cmd_line_ptr = (uint32_t)LAYOUT_CMDLINE;
	bp->hdr.cmdline_size = (uint32_t)LAYOUT_CMDLINE_SIZE - 1;
	bp->hdr.ramdisk_image = (uint32_t)image->initrd;
	bp->hdr.ramdisk_size = (uint32_t)image->initrd_size;
	bp->acpi_rsdp_addr = LAYOUT_ACPI;
	add_e820(bp, 0, LAYOUT_LOW_RAM_END, E820_RAM);
	add_e820(bp, LAYOUT_ACPI, LAYOUT_ACPI_SIZE, E820_ACPI);
	add_e820(bp, LAYOUT_HIGH_RAM, low_ram_end(mem) - LAYOUT_HIGH_RAM, E820_RAM);
	for (unsigned int i = 1; i < n_ram; i++)
		add_e820(bp, mem->regions[i].gpa, mem->regions[i].size, E820_RAM);
}

static int write_cmdline(const struct guest_memory *mem, const char *cmdline,
			 struct err *err)
{
	size_t size = strlen(cmdline) + 1;

	if (size > LAYOUT_CMDLINE_SIZE)
		return err_msg(err, E2BIG,
			       "the kernel's command line has more than %u bytes",
			       (unsigned int)LAYOUT_CMDLINE_SIZE - 1);
	memcpy(gpa_to_host(mem, LAYOUT_CMDLINE, size), cmdline, size);
	return 0;
}

static void write_gdt(const struct guest_memory *mem)
{
	/* Null, unused, __BOOT_CS (64-bit code), __BOOT_DS (data), flat. */
	static const uint64_t gdt[] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff };

	static_assert(sizeof(gdt) == LAYOUT_GDT_SIZE, "the limit in GDTR");
	memcpy(gpa_to_host(mem, LAYOUT_GDT, sizeof(gdt)), gdt, sizeof(gdt));
}

/* Pages of 2 MiB, which every processor has; one directory page a GiB, and no more
 * of them than the kernel's image needs: each is a page of memory to touch. */
static void write_page_tables(const struct guest_memory *mem, gpa_t end)
{
	uint64_t *pml4 = gpa_to_host(mem, LAYOUT_PML4, LAYOUT_PAGE);
	uint64_t *pdpt = gpa_to_host(mem, LAYOUT_PDPT, LAYOUT_PAGE);

	pml4[0] = LAYOUT_PDPT | PTE_PRESENT | PTE_WRITE;
	for (uint64_t g = 0; g * LAYOUT_1GIB < end; g++) {
		gpa_t pd_gpa = LAYOUT_PD + g * LAYOUT_PAGE;
		uint64_t *pd = gpa_to_host(mem, pd_gpa, LAYOUT_PAGE);

		pdpt[g] = pd_gpa | PTE_PRESENT | PTE_WRITE;
		for (uint64_t i = 0; i < 512; i++)
			pd[i] = (g * LAYOUT_1GIB + i * LARGE_PAGE) | PTE_PRESENT |
				PTE_WRITE | PTE_LARGE;
	}
}

int x86_load_image(const struct guest_memory *mem, const struct vm_boot *boot,
		   struct x86_image *ret_image, struct err *err)
{
	struct x86_image image = { 0 };
	int ret = load_kernel(mem, boot->kernel_fd, &image, err);

	if (ret == 0)
		ret = load_initrd(mem, boot, &image, err);
	if (ret == 0)
		*ret_image = image;
	return ret;
}

int x86_load_entry(const struct guest_memory *mem, unsigned int n_ram, unsigned int vcpus,
		   const struct x86_image *image, const char *cmdline, struct err *err)
{
	int ret = write_cmdline(mem, cmdline, err);

	if (ret == 0)
		ret = acpi_build(gpa_to_host(mem, LAYOUT_ACPI, LAYOUT_ACPI_SIZE),
				 LAYOUT_ACPI, (uint32_t)LAYOUT_ACPI_SIZE, vcpus, err);
	if (ret < 0)
		return ret;
	write_boot_params(mem, n_ram, image);
	write_gdt(mem);
	write_page_tables(mem, image->end);
	return 0;
}
