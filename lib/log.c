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

void log_line(enum log_level level, const char *fmt, ...)
{
	char msg[1024];
	char quoted[1536];
	char stamp[32] = "";
	char line[2048];
	struct tm tm;
	time_t now;
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
	now = time(NULL);
	if (gmtime_r(&now, &tm))
		(void)!strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
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
