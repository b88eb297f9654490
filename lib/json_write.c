/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer: byte for byte what Go's encoding/json makes of the same values, as
 * callers of an OCI runtime know it (indentation, empty objects and arrays on one
 * line, <, > and & escaped).  yajl_gen prints these differently.
 */
#include "lib/json.h"

#include "lib/buf.h"
#include "lib/utf8.h"

/* new_line() - where a member, or a closing bracket, begins. */
static void new_line(struct json_writer *w)
{
	if (!w->indent)
		return;
	(void)buf_puts(w->out, "\n");
	for (unsigned int i = 0; i < w->depth; i++)
		(void)buf_puts(w->out, w->indent);
}

static void quote(struct buf *b, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t left = strlen(text);

	(void)buf_puts(b, "\"");
	while (left) {
		size_t len = utf8_char((const char *)s, left);

		if (len == 0) {
			(void)buf_puts(b, "\\ufffd");
			len = 1;
		} else if (*s == '"' || *s == '\\') {
			(void)buf_printf(b, "\\%c", *s);
		} else if (*s == '\n') {
			(void)buf_puts(b, "\\n");
		} else if (*s == '\r') {
			(void)buf_puts(b, "\\r");
		} else if (*s == '\t') {
			(void)buf_puts(b, "\\t");
		} else if (*s < 0x20 || *s == '<' || *s == '>' || *s == '&') {
			(void)buf_printf(b, "\\u%04x", *s);
		} else {
			/* U+2028 and U+2029 end lines in JavaScript: Go escapes them. */
			if (len == 3 && s[0] == 0xe2 && s[1] == 0x80 &&
			    (s[2] & 0xfe) == 0xa8)
				(void)buf_printf(b, "\\u202%x", s[2] & 0xf);
			else
				(void)buf_append(b, s, len);
		}
		s += len;
		left -= len;
	}
	(void)buf_puts(b, "\"");
}

/* begin() - what stands before every value. */
static void begin(struct json_writer *w, const char *key)
{
	if (w->depth) {
		if (w->filled)
			(void)buf_puts(w->out, ",");
		new_line(w);
	}
	w->filled = true;
	if (!key)
		return;
	quote(w->out, key);
	(void)buf_puts(w->out, w->indent ? ": " : ":");
}

static void open_value(struct json_writer *w, const char *key, const char *bracket)
{
	begin(w, key);
	(void)buf_puts(w->out, bracket);
	w->depth++;
	w->filled = false;
}

static void close_value(struct json_writer *w, const char *bracket)
{
	w->depth--;
	if (w->filled)
		new_line(w);
	(void)buf_puts(w->out, bracket);
	w->filled = true;
}

void json_open_object(struct json_writer *w, const char *key)
{
	open_value(w, key, "{");
}

void json_close_object(struct json_writer *w)
{
	close_value(w, "}");
}

void json_open_array(struct json_writer *w, const char *key)
{
	open_value(w, key, "[");
}

void json_close_array(struct json_writer *w)
{
	close_value(w, "]");
}

void json_put_str(struct json_writer *w, const char *key, const char *s)
{
	if (!s) {
		json_put_null(w, key);
		return;
	}
	begin(w, key);
	quote(w->out, s);
}

void json_put_i64(struct json_writer *w, const char *key, int64_t n)
{
	begin(w, key);
	(void)buf_printf(w->out, "%lld", (long long)n);
}

void json_put_u64(struct json_writer *w, const char *key, uint64_t n)
{
	begin(w, key);
	(void)buf_printf(w->out, "%llu", (unsigned long long)n);
}

void json_put_hundredths(struct json_writer *w, const char *key, uint64_t n)
{
	unsigned int part = (unsigned int)(n % 100);

	begin(w, key);
	(void)buf_printf(w->out, "%llu", (unsigned long long)(n / 100));
	if (part % 10)
		(void)buf_printf(w->out, ".%02u", part);
	else if (part)
		(void)buf_printf(w->out, ".%u", part / 10);
}

void json_put_bool(struct json_writer *w, const char *key, bool b)
{
	begin(w, key);
	(void)buf_puts(w->out, b ? "true" : "false");
}

void json_put_null(struct json_writer *w, const char *key)
{
	begin(w, key);
	(void)buf_puts(w->out, "null");
}
