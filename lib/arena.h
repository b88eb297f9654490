/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct arena - memory that is released all at once.
 *
 * For trees that are built once and thrown away whole (a parsed document).
 * Allocations are zeroed, aligned to 16 bytes, and live until arena_release().
 * An arena belongs to one thread at a time.
 */
#ifndef HULL_LIB_ARENA_H
#define HULL_LIB_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* owned; the newest first */
};

#define ARENA_INIT ((struct arena){ 0 })

/* arena_alloc() - @size zeroed bytes; NULL when out of memory. */
void *arena_alloc(struct arena *a, size_t size);

/* arena_array() - @n zeroed elements of @size; NULL also on overflow. */
void *arena_array(struct arena *a, size_t n, size_t size);

/* Copies of a string; of its first @len bytes, terminated.  NULL: no memory. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t len);

/* arena_printf() - a formatted string; NULL when out of memory. */
char *arena_printf(struct arena *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void arena_release(struct arena *a);

#define auto_arena __attribute__((__cleanup__(arena_release)))

#endif
