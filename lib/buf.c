/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/buf.h"

#include <errno.h>
#include <stdarg.h>

int buf_reserve(struct buf *b, size_t more)
{
	size_t want;
	size_t cap;
	char *p;

	if (b->oom || __builtin_add_overflow(b->len, more, &want) ||
	    __builtin_add_overflow(want, 1, &want)) {
		b->oom = true;
		return -ENOMEM;
	}
	if (want <= b->cap)
		return 0;
	cap = b->cap ? b->cap : 64;
	while (cap < want && cap <= ((size_t)-1) / 2)
		cap *= 2;
	if (cap < want)
		cap = want;
	p = realloc(b->data, cap);
	if (!p) {
		b->oom = true;
		return -ENOMEM;
	}
	b->data = p;
	b->cap = cap;
	b->data[b->len] = 0;
	return 0;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
	if (buf_reserve(b, len) < 0)
		return -ENOMEM;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = 0;
	return 0;
}

int buf_puts(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || buf_reserve(b, (size_t)n) < 0) {
		b->oom = true;
		return -ENOMEM;
	}
	va_start(ap, fmt);
	n = vsnprintf(b->data + b->len, b->cap - b->len, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

void buf_consume(struct buf *b, size_t n)
{
	if (n > b->len)
		n = b->len;
	b->len -= n;
	if (!b->data)
		return;
	memmove(b->data, b->data + n, b->len);
	b->data[b->len] = 0;
}

char *buf_take(struct buf *b)
{
	char *ret;

	if (buf_reserve(b, 0) < 0)
		return NULL;
	ret = b->data;
	*b = BUF_INIT;
	return ret;
}

void buf_release(struct buf *b)
{
	int saved = errno;

	free(b->data);
	*b = BUF_INIT;
	errno = saved;
}
