/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log, in runc's two formats (`--log FILE --log-format text|json`).
 *
 * Only main-level code logs; libraries return a struct err.  One line per call,
 * written with one write(), so lines of several processes do not mix.  Before
 * log_init() nothing is written but errors, to stderr, as text.
 *
 * text:  time="2024-01-01T00:00:00Z" level=error msg="..."
 * json:  {"level":"error","msg":"...","time":"2024-01-01T00:00:00Z"}
 *
 * Any thread may log after log_init(), which only main may call.
 */
#ifndef HULL_LIB_LOG_H
#define HULL_LIB_LOG_H

#include <stdbool.h>
#include <stddef.h>

struct err;

enum log_level {
	LOG_NONE, /* say nothing at all */
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
};

enum log_format {
	LOG_TEXT,
	LOG_JSON,
};

/*
 * log_init() - from now on write lines up to @level to @fd.
 * @fd: borrowed; -1 is stderr
 */
void log_init(int fd, enum log_format format, enum log_level level);

/* log_fd() - where lines go now (for handing it to a child). */
int log_fd(void);
enum log_format log_format(void);
enum log_level log_level(void);

/* log_quote() - @s as the inside of a JSON string into @dst, cut to @size. */
size_t log_quote(char *dst, size_t size, const char *s);

void log_line(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
