/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest physical memory and the only way to a pointer into it.
 *
 * Made once before the vCPUs run, read-only afterwards: any thread may look up.
 * What a pointer leads to changes under our feet: read each field once.
 */
#ifndef HULL_VMM_MEMORY_H
#define HULL_VMM_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct err;

typedef uint64_t gpa_t; /* guest physical address */

#define GUEST_MEMORY_MAX_REGIONS 8u

struct guest_region {
	gpa_t gpa;
	uint64_t size; /* (bytes) */
	char *host; /* where it is mapped in hull-vmm */
};

struct guest_memory {
	unsigned int n_regions;
	struct guest_region regions[GUEST_MEMORY_MAX_REGIONS];
};

/*
 * gpa_to_host() - the host address of [@gpa, @gpa + @len).
 *
 * Return: NULL unless the whole range lies in one region (len 0 is allowed
 * at any address inside a region)
 */
static inline void *gpa_to_host(const struct guest_memory *mem, gpa_t gpa, size_t len)
{
	for (unsigned int i = 0; i < mem->n_regions; i++) {
		const struct guest_region *r = &mem->regions[i];

		if (gpa >= r->gpa && gpa - r->gpa <= r->size &&
		    len <= r->size - (gpa - r->gpa))
			return r->host + (gpa - r->gpa);
	}
	return NULL;
}

#endif
