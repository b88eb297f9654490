/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest physical memory and the only way to a pointer into it.
 *
 * Made once before the vCPUs run, read-only afterwards (but for given_back, which is set
 * while the machine stands still): any thread may look up.
 * What a pointer leads to changes under our feet: read each field once.
 */
#ifndef HULL_VMM_MEMORY_H
#define HULL_VMM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

typedef uint64_t gpa_t; /* guest physical address */

#define GUEST_MEMORY_MAX_REGIONS 8u

struct guest_region {
	gpa_t gpa;
	uint64_t size; /* (bytes) */
	char *host; /* where it is mapped in hull-vmm */
	/* A bit for each page, set when it is given back; NULL: nobody wants to know. */
	_Atomic uint8_t *given_back;
	bool ram; /* private memory of this guest's alone: pages can be given back */
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

/*
 * guest_memory_discard() - give the whole pages of [@host, @host + @len) back to the
 * host.  What the guest finds there later is what was there before its first store: zeros
 * in anonymous memory, the file's bytes where a file is mapped privately.
 * Any thread.
 *
 * @host: as gpa_to_host() gave it; what lies beyond its region is left alone
 * Return: (bytes) given back; 0: it is no RAM (a DAX window shows files), or no whole
 * page
 */
size_t guest_memory_discard(const struct guest_memory *mem, const void *host, size_t len);

#endif
