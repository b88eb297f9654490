/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel loaders: the input is a kernel image (ELF or bzImage).  A loader may refuse
 * it, or load it: then all of it lies between 1 MiB and the limit.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "vmm/arch/x86/kernel_image.h"

#define MIB (1ull << 20)
#define RAM (32 * MIB)
#define LIMIT (24 * MIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_zero(const char *p, uint64_t len)
{
	for (uint64_t i = 0; i < len; i += 512)
		if (p[i])
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kernel_source src = { .fd = -1, .data = data, .size = size };
	struct guest_memory mem = { .n_regions = 1 };
	struct kernel_image image = { 0 };
	char *ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (ram == MAP_FAILED)
		abort();
	mem.regions[0] = (struct guest_region){ .size = RAM, .host = ram };
	if (kernel_image_load(&src, &mem, LIMIT, &image, NULL) == 0 &&
	    (image.entry < MIB || image.entry >= image.end || image.end > LIMIT))
		abort();
	/* Nothing is written below or above, whatever came of it. */
	if (!is_zero(ram, MIB) || !is_zero(ram + LIMIT, RAM - LIMIT))
		abort();
	(void)munmap(ram, RAM);
	return 0;
}
