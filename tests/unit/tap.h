/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test Anything Protocol for the unit tests: one program per module.
 *
 *	int main(void)
 *	{
 *		test_that_a();
 *		return tap_done();
 *	}
 *
 * ok(cond, "what is true") prints one line per claim and, when it is not true,
 * the place.  The plan is printed at the end, so a program that dies on the way
 * has none and counts as failed.  TAP_SKIP is the exit status of a program that
 * cannot run here at all; CI counts it as a failure.
 */
#ifndef HULL_TESTS_UNIT_TAP_H
#define HULL_TESTS_UNIT_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TAP_SKIP 77

static int tap_count;
static int tap_failed;

static inline bool tap_ok(bool cond, const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static inline bool tap_ok(bool cond, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	tap_count++;
	(void)printf("%sok %d - ", cond ? "" : "not ", tap_count);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)printf("\n");
	if (!cond) {
		tap_failed++;
		(void)printf("# failed at %s:%d\n", file, line);
	}
	(void)fflush(stdout);
	return cond;
}

#define ok(cond, ...) tap_ok((cond), __FILE__, __LINE__, __VA_ARGS__)

/* is_int() and is_str() print what came and what was expected. */
#define is_int(got, want, ...)                                               \
	do {                                                                 \
		long long got_ = (long long)(got);                           \
		long long want_ = (long long)(want);                         \
		if (!tap_ok(got_ == want_, __FILE__, __LINE__, __VA_ARGS__)) \
			(void)printf("#   got %lld, expected %lld\n", got_,  \
				     want_);                                 \
	} while (0)

#define is_str(got, want, ...)                                               \
	do {                                                                 \
		const char *got_ = (got);                                    \
		const char *want_ = (want);                                  \
		if (!tap_ok(got_ && want_ && !strcmp(got_, want_), __FILE__, \
			    __LINE__, __VA_ARGS__))                          \
			(void)printf("#   got '%s', expected '%s'\n",        \
				     got_ ? got_ : "(null)",                 \
				     want_ ? want_ : "(null)");              \
	} while (0)

static inline int tap_done(void)
{
	(void)printf("1..%d\n", tap_count);
	return tap_failed ? 1 : 0;
}

#endif
