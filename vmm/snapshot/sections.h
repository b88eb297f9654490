/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine's state as a row of sections, each with a tag and a length.
 *
 * Whoever loads asks for the sections in the order in which they were put; a wrong tag
 * or length is an error that names the section, so that what was saved by another
 * program is never taken for ours.  No pointers, no descriptors.  Any thread.
 */
#ifndef HULL_VMM_SNAPSHOT_SECTIONS_H
#define HULL_VMM_SNAPSHOT_SECTIONS_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

/* Four letters; the first is the lowest byte. */
#define SECTION_TAG(a, b, c, d)                                                          \
	((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

/* section_put() - append one; buf_ok() tells at the end. */
void section_put(struct buf *b, uint32_t tag, const void *data, size_t len);

/* What is still to be read; the bytes are borrowed. */
struct sections {
	const char *data;
	size_t len;
};

/*
 * section_get() - the next section, which must be @tag with @len bytes, into @dst.
 * Errors: EPROTO
 */
int section_get(struct sections *s, uint32_t tag, void *dst, size_t len, struct err *err);

/* section_look() - the next section, which must be @tag, where it lies: of any length. */
int section_look(struct sections *s, uint32_t tag, const void **ret_data, size_t *ret_len,
		 struct err *err);

#endif
