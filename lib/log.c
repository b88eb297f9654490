/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

static struct {
	int fd;
	enum log_format format;
	enum log_level level;
} state = { .fd = STDERR_FILENO, .format = LOG_TEXT, .level = LOG_ERROR };

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

void log_init(int fd, enum log_format format, enum log_level level)
{
	state.fd = fd >= 0 ? fd : STDERR_FILENO;
	state.format = format;
	state.level = level;
}

int log_fd(void)
{
	return state.fd;
}

enum log_format log_format(void)
{
	return state.format;
}

enum log_level log_level(void)
{
	return state.level;
}

size_t log_quote(char *dst, size_t size, const char *s)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (n + 7 > size) /* the longest escape and the final 0 */
			break;
		if (c == '"' || c == '\\') {
			dst[n++] = '\\';
			dst[n++] = (char)c;
		} else if (c == '\n') {
			dst[n++] = '\\';
			dst[n++] = 'n';
		} else if (c < 0x20) {
			memcpy(dst + n, "\\u00", 4);
			dst[n + 4] = hex[c >> 4];
			dst[n + 5] = hex[c & 15];
			n += 6;
		} else {
			dst[n++] = (char)c;
		}
	}
	dst[n] = 0;
	return n;
}

/*
 * put_date() - @now as RFC 3339 in UTC.  By hand, because the C library's gmtime_r()
 * looks for the local time zone's file first, and hull-vmm may open nothing.
 * The day count: era of 400 years that begins in March.
 */
static void put_date(time_t now, char *dst, size_t size)
{
	unsigned long long seconds = now > 0 ? (unsigned long long)now : 0;
	unsigned long long days = seconds / 86400 + 719468; /* since 0000-03-01 */
	unsigned long long era = days / 146097;
	unsigned long long doe = days % 146097; /* day of the era */
	unsigned long long yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned long long doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned long long month = (5 * doy + 2) / 153; /* 0: March */

	seconds %= 86400;
	(void)!snprintf(dst, size, "%04llu-%02llu-%02lluT%02llu:%02llu:%02lluZ",
			yoe + era * 400 + (month >= 10), month < 10 ? month + 3 : month - 9,
			doy - (153 * month + 2) / 5 + 1, seconds / 3600, seconds / 60 % 60,
			seconds % 60);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char msg[1024];
	char quoted[1536];
	char stamp[64];
	char line[2048];
	va_list ap;
	int saved = errno;
	int n;

	if (level > state.level)
		return;
	va_start(ap, fmt);
	n = vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	put_date(time(NULL), stamp, sizeof(stamp));
	(void)log_quote(quoted, sizeof(quoted), msg);
	if (state.format == LOG_JSON)
		n = snprintf(line, sizeof(line),
			     "{\"level\":\"%s\",\"msg\":\"%s\",\"time\":\"%s\"}\n",
			     level_names[level], quoted, stamp);
	else
		n = snprintf(line, sizeof(line),
			     "time=\"%s\" level=%s msg=\"%s\"\n", stamp,
			     level_names[level], quoted);
	if (n > 0)
		/* A log that cannot be written has nobody to be told about. */
		(void)!write(state.fd, line,
			     (size_t)n < sizeof(line) ? (size_t)n : sizeof(line));
	errno = saved;
}
