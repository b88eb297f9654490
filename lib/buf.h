/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct buf - a growing byte buffer.
 *
 * Invariant: data[len] is 0 whenever data is not NULL, so text can be used as a
 * C string.  Allocation failure is remembered (oom) and returned by every later
 * call, so a run of appends may be checked once, at the end, with buf_ok().
 */
#ifndef HULL_LIB_BUF_H
#define HULL_LIB_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* owned; NULL while empty */
	size_t len; /* (bytes) without the final 0 */
	size_t cap; /* (bytes) */
	bool oom;
};

#define BUF_INIT ((struct buf){ 0 })

/* All return 0 or -ENOMEM. */
int buf_append(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *s);
int buf_printf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int buf_reserve(struct buf *b, size_t more);

/* buf_consume() - drop @n bytes from the front (n <= len). */
void buf_consume(struct buf *b, size_t n);

/* buf_ok() - 0, or -ENOMEM when any call before ran out of memory. */
static inline int buf_ok(const struct buf *b)
{
	return b->oom ? -12 /* -ENOMEM */ : 0;
}

/* buf_take() - hand over data (caller frees); never NULL unless out of memory. */
char *buf_take(struct buf *b);

void buf_release(struct buf *b);

#define auto_buf __attribute__((__cleanup__(buf_release)))

#endif
