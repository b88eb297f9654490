/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/memory.h"

#include <stdatomic.h>
#include <sys/mman.h>

#define PAGE_SIZE ((uintptr_t)4096)

/* ram_at() - the region of RAM that has @host; NULL: it is no RAM. */
static const struct guest_region *ram_at(const struct guest_memory *mem, uintptr_t host)
{
	for (unsigned int i = 0; i < mem->n_regions; i++) {
		const struct guest_region *r = &mem->regions[i];

		if (r->ram && host >= (uintptr_t)r->host &&
		    host - (uintptr_t)r->host < r->size)
			return r;
	}
	return NULL;
}

/* note() - pages that are given back, [@offset, @offset + @len) of the region. */
static void note(const struct guest_region *r, size_t offset, size_t len)
{
	for (size_t i = offset / PAGE_SIZE; i < (offset + len) / PAGE_SIZE; i++)
		atomic_fetch_or(&r->given_back[i / 8], (uint8_t)(1u << i % 8));
}

size_t guest_memory_discard(const struct guest_memory *mem, const void *host, size_t len)
{
	uintptr_t start = (uintptr_t)host;
	const struct guest_region *r = ram_at(mem, start);
	size_t offset, left;

	if (!r)
		return 0;
	offset = start - (uintptr_t)r->host;
	left = -offset & (PAGE_SIZE - 1); /* up to the first whole page */
	if (len > r->size - offset)
		len = r->size - offset;
	if (len < left)
		return 0;
	len = (len - left) & ~(size_t)(PAGE_SIZE - 1);
	/* Advice: what the kernel does not take back is still ours. */
	if (!len || madvise(r->host + offset + left, len, MADV_DONTNEED) < 0)
		return 0;
	if (r->given_back)
		note(r, offset + left, len);
	return len;
}
