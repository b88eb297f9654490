/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct aml - ACPI Machine Language, assembled (ACPI 6.4 §20).
 *
 * Calling sequence: AML_INIT, aml_begin_scope()/aml_begin_device() ... aml_end()
 * nested as deep as AML_MAX_DEPTH, names in between; aml_take() at the end.  Out
 * of memory and wrong nesting are remembered and come out of aml_ok().
 *
 * Resources (ACPI 6.4 §6.4) are collected in a struct buf of their own and
 * become an object by aml_name_resources().
 */
#ifndef HULL_VMM_ACPI_AML_H
#define HULL_VMM_ACPI_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define AML_MAX_DEPTH 4u

struct aml {
	struct buf buf;
	size_t open[AML_MAX_DEPTH]; /* where the length of each open block goes */
	unsigned int depth;
	bool bad; /* nested too deep, or an aml_end() too many */
};

#define AML_INIT ((struct aml){ 0 })

/*
 * Names are segments of four characters, separated by '.', after an optional
 * '\'; a shorter segment is filled up with '_'.
 */
void aml_begin_scope(struct aml *aml, const char *name);
void aml_begin_device(struct aml *aml, const char *name);
void aml_end(struct aml *aml);

void aml_name_int(struct aml *aml, const char *name, uint64_t value);
/* aml_name_eisaid() - @id: three capital letters and four hex digits. */
void aml_name_eisaid(struct aml *aml, const char *name, const char *id);
/* aml_name_package() - a package of @n integers (@n < 256). */
void aml_name_package(struct aml *aml, const char *name, const uint64_t *values,
		      unsigned int n);
/* aml_name_resources() - @res gets its end tag here and is released. */
void aml_name_resources(struct aml *aml, const char *name, struct buf *res);

/* aml_ok() - 0, or -errno when anything went wrong so far. */
int aml_ok(const struct aml *aml);
void aml_release(struct aml *aml);

/* aml_res_bus() - the bus numbers a bridge passes on. */
void aml_res_bus(struct buf *res, uint16_t first, uint16_t last);
/* aml_res_fixed() - memory that the device itself decodes. */
void aml_res_fixed(struct buf *res, uint32_t first, uint32_t size);
/* aml_res_memory() - a window of addresses that a bridge passes on; @size > 0. */
void aml_res_memory32(struct buf *res, uint32_t first, uint32_t size);
void aml_res_memory64(struct buf *res, uint64_t first, uint64_t size);

#endif
