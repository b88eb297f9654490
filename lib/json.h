/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON, read strictly and written as Go's encoding/json writes it.
 *
 * Reading: json_parse() makes a tree in an arena.  Every value knows its parent,
 * so an error can name the place:
 *
 *	config.json: process.args[2]: expected a string, got a number
 *
 * Refused: anything outside RFC 8259, invalid UTF-8, half surrogate pairs, NUL
 * characters in strings (they end up in C strings), a name twice in one object,
 * more than JSON_MAX_DEPTH levels, more than JSON_MAX_SIZE bytes, anything
 * behind the value.  Numbers keep their text: integers are exact, and 1.0 or 1e3
 * is not an integer.
 *
 * Writing: calls append to a struct buf.  Names are given for members of objects
 * and NULL for elements of arrays and the top value.  Running out of memory is
 * remembered in the buffer: check once with buf_ok().
 */
#ifndef HULL_LIB_JSON_H
#define HULL_LIB_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;
struct err;

#define JSON_MAX_DEPTH 64u
#define JSON_MAX_SIZE (4u << 20) /* (bytes) */

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json_value {
	enum json_type type;
	bool boolean;
	const char *text; /* JSON_STRING: decoded; JSON_NUMBER: as written */
	const char *key; /* the member's name; NULL in an array and at the top */
	size_t index; /* place in the parent */
	size_t n; /* JSON_ARRAY, JSON_OBJECT: how many children */
	struct json_value *first; /* child */
	struct json_value *last; /* child */
	struct json_value *next; /* sibling */
	const struct json_value *parent; /* NULL at the top */
};

/*
 * json_parse() - the tree of @text, in @arena (which outlives it).
 * Return: 0; -EINVAL; -EFBIG; -ENOMEM.  The message has line and column for
 *	syntax, a path for duplicates.
 */
int json_parse(const char *text, size_t len, struct arena *arena,
	       const struct json_value **ret, struct err *err);

/* json_get() - the member @key of an object, or NULL. */
const struct json_value *json_get(const struct json_value *object, const char *key);

/* json_type_name() - "a string", "an object", ... */
const char *json_type_name(enum json_type type);

/* json_path() - append the place of @v ("linux.namespaces[3].type") to @b. */
void json_path(const struct json_value *v, struct buf *b);

/*
 * json_err() - err_msg() with the place of @v before the message.
 * Return: -EINVAL
 */
int json_err(const struct json_value *v, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* json_expect() - 0 when @v is of @type, or else an error that says so. */
int json_expect(const struct json_value *v, enum json_type type, struct err *err);

/*
 * The value as a C type, or an error that names place, type and range.
 * @ret is untouched on failure; strings belong to the arena.
 */
int json_bool(const struct json_value *v, bool *ret, struct err *err);
int json_str(const struct json_value *v, const char **ret, struct err *err);
int json_i64(const struct json_value *v, int64_t min, int64_t max, int64_t *ret,
	     struct err *err);
int json_u64(const struct json_value *v, uint64_t max, uint64_t *ret, struct err *err);

/* ---- writing ---------------------------------------------------------------- */

struct json_writer {
	struct buf *out; /* borrowed */
	const char *indent; /* per level: "\t", "    "; NULL: everything on one line */
	unsigned int depth;
	bool filled; /* the open object or array has a member already */
};

#define JSON_WRITER(out_, indent_)                                                       \
	((struct json_writer){ .out = (out_), .indent = (indent_) })

void json_open_object(struct json_writer *w, const char *key);
void json_close_object(struct json_writer *w);
void json_open_array(struct json_writer *w, const char *key);
void json_close_array(struct json_writer *w);

/* json_put_str() - @s NULL writes null. Bytes that are not UTF-8 become U+FFFD. */
void json_put_str(struct json_writer *w, const char *key, const char *s);
void json_put_i64(struct json_writer *w, const char *key, int64_t n);
void json_put_u64(struct json_writer *w, const char *key, uint64_t n);
/* json_put_hundredths() - n / 100: 0, 0.5, 1.25. */
void json_put_hundredths(struct json_writer *w, const char *key, uint64_t n);
void json_put_bool(struct json_writer *w, const char *key, bool b);
void json_put_null(struct json_writer *w, const char *key);

#endif
