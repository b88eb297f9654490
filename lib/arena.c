/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/arena.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>

#define CHUNK_SIZE 8192u
#define ALIGN 16u

struct arena_chunk {
	struct arena_chunk *next;
	size_t used; /* (bytes) of data[] */
	size_t size; /* (bytes) of data[] */
	size_t reserved; /* keeps data[] aligned */
	char data[];
};

static_assert(sizeof(struct arena_chunk) % ALIGN == 0, "data is aligned");

void *arena_alloc(struct arena *a, size_t size)
{
	struct arena_chunk *chunk = a->chunks;
	size_t room;
	void *ret;

	if (__builtin_add_overflow(size, ALIGN - 1, &size))
		return NULL;
	size &= ~(size_t)(ALIGN - 1);
	if (!chunk || chunk->size - chunk->used < size) {
		room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
		if (__builtin_add_overflow(room, sizeof(*chunk), &room))
			return NULL;
		chunk = calloc(1, room);
		if (!chunk)
			return NULL;
		chunk->size = room - sizeof(*chunk);
		chunk->next = a->chunks;
		a->chunks = chunk;
	}
	ret = chunk->data + chunk->used;
	chunk->used += size;
	return ret;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return arena_alloc(a, bytes);
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *ret;

	if (len == SIZE_MAX)
		return NULL;
	ret = arena_alloc(a, len + 1);
	if (ret && len)
		memcpy(ret, s, len);
	return ret;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *ret;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	ret = arena_alloc(a, (size_t)n + 1);
	if (!ret)
		return NULL;
	va_start(ap, fmt);
	(void)!vsnprintf(ret, (size_t)n + 1, fmt, ap); /* measured above */
	va_end(ap);
	return ret;
}

void arena_release(struct arena *a)
{
	struct arena_chunk *chunk = a->chunks;
	int saved = errno;

	a->chunks = NULL;
	while (chunk) {
		struct arena_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
	errno = saved;
}
