/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel images: an ELF vmlinux, or a bzImage, which is unpacked here on the host
 * (faster than the guest's own decompressor) to the vmlinux in it.
 *
 * The image comes from whoever runs hull, but is checked like any file.
 */
#ifndef HULL_VMM_ARCH_X86_KERNEL_IMAGE_H
#define HULL_VMM_ARCH_X86_KERNEL_IMAGE_H

#include <stdint.h>

#include "vmm/memory.h"

struct err;

/* Where the bytes of an image come from: a descriptor or memory, both borrowed. */
struct kernel_source {
	int fd; /* -1: in memory */
	const uint8_t *data; /* when fd is -1 */
	uint64_t size; /* (bytes) */
};

struct kernel_image {
	gpa_t entry; /* of the 64-bit boot protocol */
	gpa_t end; /* first address behind all that the kernel occupies at entry */
};

/*
 * kernel_image_load() - put the kernel where it was linked to.
 * @mem: its memory at [1 MiB, @limit) is still all 0
 * @limit: no segment may reach beyond
 *
 * Return: 0 or -errno (ENOEXEC: no kernel we know, or a broken one)
 */
int kernel_image_load(const struct kernel_source *src, const struct guest_memory *mem,
		      gpa_t limit, struct kernel_image *ret_image, struct err *err);

/* The parts, for kernel_image_load() and the tests. */

/* elf_load() - load an ELF vmlinux. */
int elf_load(const struct kernel_source *src, const struct guest_memory *mem, gpa_t limit,
	     struct kernel_image *ret_image, struct err *err);

/*
 * bzimage_unpack() - decompress the vmlinux inside.
 * @ret_data, @ret_size: mapped memory; the caller unmaps
 */
int bzimage_unpack(const struct kernel_source *src, void **ret_data, uint64_t *ret_size,
		   struct err *err);

/* kernel_source_read() - exactly @len bytes from @offset; -ENODATA beyond the end. */
int kernel_source_read(const struct kernel_source *src, uint64_t offset, void *dst,
		       uint64_t len);

#endif
