/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/err.h"

#include <stdarg.h>

/* mark_cut() - end a message that did not fit in "...". */
static void mark_cut(struct err *err)
{
	memcpy(err->msg + sizeof(err->msg) - 4, "...", 4);
}

static void format(struct err *err, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void format(struct err *err, const char *fmt, va_list ap)
{
	int n = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);

	if (n >= (int)sizeof(err->msg))
		mark_cut(err);
}

/* append() - add @text; the result is cut when it does not fit. */
static void append(struct err *err, const char *text)
{
	size_t used = strlen(err->msg);
	int n = snprintf(err->msg + used, sizeof(err->msg) - used, "%s", text);

	if (n >= (int)(sizeof(err->msg) - used))
		mark_cut(err);
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	char reason[128];
	va_list ap;

	if (err) {
		err->code = code;
		va_start(ap, fmt);
		format(err, fmt, ap);
		va_end(ap);
		append(err, ": ");
		/* The GNU strerror_r() returns the text, perhaps not in the buffer. */
		append(err, strerror_r(code, reason, sizeof(reason)));
	}
	return -code;
}

int err_msg(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		err->code = code;
		va_start(ap, fmt);
		format(err, fmt, ap);
		va_end(ap);
	}
	return -code;
}

int err_wrap(struct err *err, int ret, const char *fmt, ...)
{
	struct err inner;
	va_list ap;

	if (err) {
		inner = *err;
		va_start(ap, fmt);
		format(err, fmt, ap);
		va_end(ap);
		append(err, ": ");
		append(err, inner.msg);
	}
	return ret;
}
