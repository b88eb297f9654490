/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader.  yajl's parser tells the events (it checks the syntax and
 * does not recurse); what it lets through and this file does not: overlong UTF-8,
 * half surrogate pairs (it makes "?" of them), NUL, names given twice, depth.
 */
#include "lib/json.h"

#include <errno.h>
#include <stdarg.h>
#include <yajl/yajl_parse.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/utf8.h"

DEFINE_CLEANUP(yajl, struct yajl_handle_t, yajl_free)

struct parser {
	struct arena *arena;
	struct json_value *root;
	struct json_value *open; /* the innermost open object or array */
	const char *key; /* the name before the next value of an object */
	unsigned int depth;
	int ret; /* of a callback that gave up; err is filled in */
	struct err *err;
};

static const char *const type_names[] = {
	[JSON_NULL] = "null",       [JSON_BOOL] = "a boolean",
	[JSON_NUMBER] = "a number", [JSON_STRING] = "a string",
	[JSON_ARRAY] = "an array",  [JSON_OBJECT] = "an object",
};

const char *json_type_name(enum json_type type)
{
	return type_names[type];
}

void json_path(const struct json_value *v, struct buf *b)
{
	const struct json_value *chain[JSON_MAX_DEPTH + 1];
	size_t n = 0;

	for (; v && v->parent && n < ARRAY_SIZE(chain); v = v->parent)
		chain[n++] = v;
	while (n--) {
		v = chain[n];
		if (!v->key)
			(void)buf_printf(b, "[%zu]", v->index);
		else if (v->key[0] && !strpbrk(v->key, ".[] "))
			(void)buf_printf(b, "%s%s", b->len ? "." : "", v->key);
		else
			(void)buf_printf(b, "[\"%s\"]", v->key);
	}
}

int json_err(const struct json_value *v, struct err *err, const char *fmt, ...)
{
	auto_buf struct buf path = BUF_INIT;
	char msg[ERR_MSG_SIZE];
	va_list ap;
	int n;

	if (!err)
		return -EINVAL;
	va_start(ap, fmt);
	n = vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (n < 0)
		msg[0] = 0;
	json_path(v, &path);
	if (!path.len)
		return err_msg(err, EINVAL, "%s", msg);
	/* The reason must fit behind a path however long. */
	return err_msg(err, EINVAL, "%.200s%s: %s", path.data,
		       path.len > 200 ? "..." : "", msg);
}

/* ---- building the tree ------------------------------------------------------------ */

/* no_memory() - give up; the value of a callback that stops yajl. */
static int no_memory(struct parser *p)
{
	p->ret = err_set(p->err, ENOMEM, "parse JSON");
	return 0;
}

/* add() - a new value where the parser stands; NULL after no_memory(). */
static struct json_value *add(struct parser *p, enum json_type type)
{
	struct json_value *v = arena_alloc(p->arena, sizeof(*v));
	struct json_value *parent = p->open;

	if (!v) {
		(void)no_memory(p);
		return NULL;
	}
	v->type = type;
	v->parent = parent;
	v->key = take_ptr(&p->key);
	if (!parent) {
		p->root = v;
		return v;
	}
	v->index = parent->n++;
	if (parent->last)
		parent->last->next = v;
	else
		parent->first = v;
	parent->last = v;
	return v;
}

static int on_null(void *ctx)
{
	return add(ctx, JSON_NULL) != NULL;
}

static int on_bool(void *ctx, int value)
{
	struct json_value *v = add(ctx, JSON_BOOL);

	if (!v)
		return 0;
	v->boolean = value != 0;
	return 1;
}

static int on_text(struct parser *p, enum json_type type, const char *text, size_t len)
{
	struct json_value *v = add(p, type);

	if (!v)
		return 0;
	v->text = arena_strndup(p->arena, text, len);
	return v->text ? 1 : no_memory(p);
}

static int on_number(void *ctx, const char *text, size_t len)
{
	return on_text(ctx, JSON_NUMBER, text, len);
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
	return on_text(ctx, JSON_STRING, (const char *)text, len);
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
	struct parser *p = ctx;

	p->key = arena_strndup(p->arena, (const char *)text, len);
	return p->key ? 1 : no_memory(p);
}

static int open_value(struct parser *p, enum json_type type)
{
	struct json_value *v = add(p, type);

	if (!v)
		return 0;
	if (++p->depth > JSON_MAX_DEPTH) {
		p->ret = err_msg(p->err, EINVAL, "more than %u levels of nesting",
				 JSON_MAX_DEPTH);
		return 0;
	}
	p->open = v;
	return 1;
}

static int close_value(struct parser *p)
{
	/* The tree is ours: only readers see it as const. */
	p->open = (struct json_value *)(uintptr_t)p->open->parent;
	p->depth--;
	return 1;
}

static int on_open_object(void *ctx)
{
	return open_value(ctx, JSON_OBJECT);
}

static int on_open_array(void *ctx)
{
	return open_value(ctx, JSON_ARRAY);
}

static int on_close_array(void *ctx)
{
	return close_value(ctx);
}

static int by_key(const void *a, const void *b)
{
	const struct json_value *const *x = a;
	const struct json_value *const *y = b;
	int order = strcmp((*x)->key, (*y)->key);

	/* Of two with one name the later one is told about. */
	return order ? order : ((*x)->index > (*y)->index) - ((*x)->index < (*y)->index);
}

/* on_close_object() - sorted, names given twice stand side by side. */
static int on_close_object(void *ctx)
{
	struct parser *p = ctx;
	auto_free const struct json_value **members = NULL;
	size_t n = 0;

	if (p->open->n < 2)
		return close_value(p);
	members = calloc(p->open->n, sizeof(*members));
	if (!members)
		return no_memory(p);
	for (const struct json_value *v = p->open->first; v; v = v->next)
		members[n++] = v;
	qsort(members, n, sizeof(*members), by_key);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(members[i - 1]->key, members[i]->key) != 0)
			continue;
		p->ret = json_err(members[i], p->err, "given twice");
		return 0;
	}
	return close_value(p);
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_map_key = on_key,
	.yajl_start_map = on_open_object,
	.yajl_end_map = on_close_object,
	.yajl_start_array = on_open_array,
	.yajl_end_array = on_close_array,
};

/* ---- the text ----------------------------------------------------------------------- */

/* syntax_err() - an error with line and column of @offset. */
static int syntax_err(const char *text, size_t len, size_t offset, const char *reason,
		      struct err *err)
{
	size_t line = 1;
	size_t start = 0;

	if (offset > len)
		offset = len; /* yajl ends a text with a space of its own */
	for (size_t i = 0; i < offset; i++) {
		if (text[i] != '\n')
			continue;
		line++;
		start = i + 1;
	}
	return err_msg(err, EINVAL, "line %zu, column %zu: %.*s", line,
		       offset - start + 1, (int)strcspn(reason, "\n"), reason);
}

/* yajl_err() - @consumed: (bytes) with the token that a "parse error" is about. */
static int yajl_err(const char *text, size_t len, size_t consumed, const char *reason,
		    struct err *err)
{
	if (consumed && strncmp(reason, "parse error", 11) == 0)
		consumed--;
	return syntax_err(text, len, consumed, reason, err);
}

/* hex4() - the value of four hexadecimal digits, or -1. */
static int hex4(const char *text, size_t len)
{
	int value = 0;

	if (len < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		static const char digits[] = "0123456789abcdef";
		int c = text[i] >= 'A' && text[i] <= 'F' ? text[i] + 32 : text[i];
		const char *digit = c ? strchr(digits, c) : NULL;

		if (!digit)
			return -1;
		value = value << 4 | (int)(digit - digits);
	}
	return value;
}

/*
 * check_escape() - refuse a \u escape that means no character, and NUL.
 * @i: of the backslash; the digits are left to yajl
 * Return: how many bytes it has; -EINVAL
 */
static int check_escape(const char *text, size_t len, size_t i, struct err *err)
{
	int c;

	if (i + 1 >= len || text[i + 1] != 'u')
		return 2;
	c = hex4(text + i + 2, len - i - 2);
	if (c == 0)
		return syntax_err(text, len, i, "a string holds a NUL character", err);
	if (c < 0xd800 || c > 0xdfff)
		return 2;
	if (c < 0xdc00 && i + 7 < len && text[i + 6] == '\\' && text[i + 7] == 'u')
		c = hex4(text + i + 8, len - i - 8);
	else
		c = -1;
	if (c < 0xdc00 || c > 0xdfff)
		return syntax_err(text, len, i, "half a surrogate pair", err);
	return 12;
}

/*
 * check_characters() - valid UTF-8, and escapes that mean a character.
 *
 * A backslash is legal in strings only, so the text need not be understood here.
 */
static int check_characters(const char *text, size_t len, struct err *err)
{
	for (size_t i = 0; i < len;) {
		size_t n = utf8_char(text + i, len - i);

		if (n == 0)
			return syntax_err(text, len, i, "not UTF-8", err);
		if (text[i] == '\\') {
			int r = check_escape(text, len, i, err);

			if (r < 0)
				return r;
			n = (size_t)r;
		}
		i += n;
	}
	return 0;
}

int json_parse(const char *text, size_t len, struct arena *arena,
	       const struct json_value **ret, struct err *err)
{
	struct parser p = { .arena = arena, .err = err };
	struct yajl_handle_t *handle auto_call(cleanup_yajl_) = NULL;
	const unsigned char *bytes = (const unsigned char *)text;
	unsigned char *reason;
	yajl_status status;
	int r;

	if (len > JSON_MAX_SIZE)
		return err_msg(err, EFBIG, "larger than %u bytes", JSON_MAX_SIZE);
	r = check_characters(text, len, err);
	if (r < 0)
		return r;
	handle = yajl_alloc(&callbacks, NULL, &p);
	if (!handle)
		return err_set(err, ENOMEM, "parse JSON");
	status = yajl_parse(handle, bytes, len);
	if (status == yajl_status_ok)
		status = yajl_complete_parse(handle);
	if (status == yajl_status_ok) {
		*ret = p.root;
		return 0;
	}
	if (p.ret < 0)
		return p.ret;
	reason = yajl_get_error(handle, 0, bytes, len);
	r = yajl_err(text, len, yajl_get_bytes_consumed(handle),
		     reason ? (const char *)reason : "broken", err);
	yajl_free_error(handle, reason);
	return r;
}

/* ---- values --------------------------------------------------------------------------- */

const struct json_value *json_get(const struct json_value *object, const char *key)
{
	const struct json_value *v;

	if (object->type != JSON_OBJECT)
		return NULL;
	for (v = object->first; v; v = v->next)
		if (strcmp(v->key, key) == 0)
			return v;
	return NULL;
}

int json_expect(const struct json_value *v, enum json_type type, struct err *err)
{
	if (v->type == type)
		return 0;
	return json_err(v, err, "expected %s, got %s", type_names[type],
			type_names[v->type]);
}

int json_bool(const struct json_value *v, bool *ret, struct err *err)
{
	int r = json_expect(v, JSON_BOOL, err);

	if (r == 0)
		*ret = v->boolean;
	return r;
}

int json_str(const struct json_value *v, const char **ret, struct err *err)
{
	int r = json_expect(v, JSON_STRING, err);

	if (r == 0)
		*ret = v->text;
	return r;
}

/* integer() - check that @v is written as an integer; @ret_negative: with a minus. */
static int integer(const struct json_value *v, bool *ret_negative, struct err *err)
{
	int r = json_expect(v, JSON_NUMBER, err);
	const char *digits;

	if (r < 0)
		return r;
	*ret_negative = v->text[0] == '-';
	digits = v->text + *ret_negative;
	if (digits[strspn(digits, "0123456789")])
		return json_err(v, err, "expected an integer, got %.40s", v->text);
	return 0;
}

int json_i64(const struct json_value *v, int64_t min, int64_t max, int64_t *ret,
	     struct err *err)
{
	bool negative;
	int64_t n;
	int r = integer(v, &negative, err);

	if (r < 0)
		return r;
	errno = 0;
	n = strtoll(v->text, NULL, 10);
	if (errno == ERANGE || n < min || n > max)
		return json_err(v, err, "%.40s is not between %lld and %lld", v->text,
				(long long)min, (long long)max);
	*ret = n;
	return 0;
}

int json_u64(const struct json_value *v, uint64_t max, uint64_t *ret, struct err *err)
{
	bool negative;
	uint64_t n;
	int r = integer(v, &negative, err);

	if (r < 0)
		return r;
	errno = 0;
	n = strtoull(v->text, NULL, 10);
	if (errno == ERANGE || (negative && n) || n > max)
		return json_err(v, err, "%.40s is not between 0 and %llu", v->text,
				(unsigned long long)max);
	*ret = n;
	return 0;
}
