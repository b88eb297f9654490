/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/json.h"

#include <errno.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/tap.h"

/* ---- reading ------------------------------------------------------------------- */

static void refused(const char *text, size_t len, const char *want, const char *what)
{
	auto_arena struct arena arena = ARENA_INIT;
	const struct json_value *v = NULL;
	struct err err = ERR_INIT;

	is_int(json_parse(text, len, &arena, &v, &err), -EINVAL, "%s: refused", what);
	is_str(err.msg, want, "%s: the message", what);
	ok(!v, "%s: no tree", what);
}

#define REFUSED(text, want, what) refused((text), sizeof(text) - 1, (want), (what))

static void test_refusals(void)
{
	REFUSED("", "line 1, column 1: parse error: premature EOF", "empty");
	REFUSED("{\"a\":1} x", "line 1, column 9: parse error: trailing garbage",
		"trailing garbage");
	REFUSED("{}{}", "line 1, column 3: parse error: trailing garbage", "two values");
	REFUSED("{\"a\":1,}",
		"line 1, column 8: parse error: invalid object key (must be a string)",
		"trailing comma");
	REFUSED("{\n \"a\": tru\n}",
		"line 2, column 10: lexical error: invalid string in json text.",
		"broken word");
	REFUSED("// c\n1",
		"line 1, column 1: lexical error: probable comment found in input "
		"text, comments are not enabled.",
		"comment");
	REFUSED("\"\xff\"", "line 1, column 2: not UTF-8", "not UTF-8");
	REFUSED("\"\xc0\x80\"", "line 1, column 2: not UTF-8", "overlong NUL");
	REFUSED("[1,\xed\xa0\x80]", "line 1, column 4: not UTF-8", "a surrogate");
	REFUSED("\"\xe2\x82", "line 1, column 2: not UTF-8",
		"half a character at the end");
	REFUSED("\"\\",
		"line 1, column 1: lexical error: inside a string, '\\' occurs before a character which it may not.",
		"half an escape");
	REFUSED("\"\\u00",
		"line 1, column 1: lexical error: invalid (non-hex) character occurs after '\\u' inside string.",
		"half a \\u");
	REFUSED("\"a\\u0000b\"", "line 1, column 3: a string holds a NUL character",
		"NUL");
	REFUSED("\"\\ud800x\"", "line 1, column 2: half a surrogate pair", "high half");
	REFUSED("\"\\udc00\"", "line 1, column 2: half a surrogate pair", "low half");
	REFUSED("\"\\ud800\\u0041\"", "line 1, column 2: half a surrogate pair",
		"high half and a letter");
	REFUSED("\"\\u12g4\"",
		"line 1, column 6: lexical error: invalid (non-hex) character occurs after '\\u' "
		"inside string.",
		"bad hex");
	REFUSED("\"a\nb\"",
		"line 1, column 3: lexical error: invalid character inside string.",
		"raw newline");
	REFUSED("01", "line 1, column 1: parse error: trailing garbage", "leading zero");
	REFUSED("{\"a\":{\"b\":1,\"c\":2,\"b\":3}}", "a.b: given twice", "a name twice");
	REFUSED("[{},{\"x\":1,\"x\":1}]", "[1].x: given twice", "a name twice in a list");
	REFUSED("{\"\":1,\"\":1}", "[\"\"]: given twice", "an empty name twice");
}

static void test_bounds(void)
{
	auto_arena struct arena arena = ARENA_INIT;
	const struct json_value *v = NULL;
	struct err err = ERR_INIT;
	auto_buf struct buf b = BUF_INIT;
	auto_free char *big = calloc(1, JSON_MAX_SIZE + 1);

	for (unsigned int i = 0; i < JSON_MAX_DEPTH; i++)
		(void)buf_puts(&b, "[");
	for (unsigned int i = 0; i < JSON_MAX_DEPTH; i++)
		(void)buf_puts(&b, "]");
	is_int(json_parse(b.data, b.len, &arena, &v, &err), 0, "the deepest nesting");
	b.len = 0;
	for (unsigned int i = 0; i < 100000; i++)
		(void)buf_puts(&b, "{\"a\":[");
	is_int(json_parse(b.data, b.len, &arena, &v, &err), -EINVAL, "too deep");
	is_str(err.msg, "more than 64 levels of nesting", "the message");
	if (!big)
		return;
	memset(big, ' ', JSON_MAX_SIZE + 1);
	big[0] = '1';
	is_int(json_parse(big, JSON_MAX_SIZE, &arena, &v, &err), 0, "the largest text");
	is_int(json_parse(big, JSON_MAX_SIZE + 1, &arena, &v, &err), -EFBIG, "too large");
	is_str(err.msg, "larger than 4194304 bytes", "the message");
	is_int(json_parse("[", 1, &arena, &v, NULL), -EINVAL, "no message wanted");
	is_int(json_parse("{\"a\":1,\"a\":1}", 13, &arena, &v, NULL), -EINVAL,
	       "no message wanted for a name given twice");
}

static void test_many_members(void)
{
	auto_arena struct arena arena = ARENA_INIT;
	const struct json_value *v = NULL;
	struct err err = ERR_INIT;
	auto_buf struct buf b = BUF_INIT;

	(void)buf_puts(&b, "{");
	for (int i = 0; i < 100000; i++)
		(void)buf_printf(&b, "\"k%d\":%d,", i, i);
	(void)buf_puts(&b, "\"k5\":0}");
	is_int(json_parse(b.data, b.len, &arena, &v, &err), -EINVAL,
	       "one of 100001 names twice");
	is_str(err.msg, "k5: given twice", "and which");
}

static void test_values(void)
{
	static const char text[] =
		"{\"n\":null,\"t\":true,\"f\":false,\"i\":-12,\"s\":\"a\\u00e4\\n"
		"\\ud83d\\ude00\\\\u0000\",\"l\":[1,[2]],\"o\":{\"x.y\":{}}}";
	auto_arena struct arena arena = ARENA_INIT;
	const struct json_value *v = NULL;
	struct err err = ERR_INIT;
	const char *s = NULL;
	bool b = false;

	is_int(json_parse(text, sizeof(text) - 1, &arena, &v, &err), 0, "parse");
	is_int(v->type, JSON_OBJECT, "an object");
	is_int(v->n, 7, "of seven");
	is_int(json_get(v, "n")->type, JSON_NULL, "null");
	is_int(json_bool(json_get(v, "t"), &b, &err), 0, "true");
	ok(b, "is true");
	is_int(json_bool(json_get(v, "f"), &b, &err), 0, "false");
	ok(!b, "is false");
	is_int(json_str(json_get(v, "s"), &s, &err), 0, "a string");
	is_str(s, "a\xc3\xa4\n\xf0\x9f\x98\x80\\u0000", "decoded");
	is_int(json_get(v, "l")->n, 2, "a list of two");
	is_int(json_get(v, "l")->first->next->index, 1, "the second's place");
	ok(!json_get(v, "zz"), "no such member");
	ok(!json_get(json_get(v, "l"), "x"), "no member of a list");
	is_int(json_err(json_get(v, "l")->first->next->first, &err, "bad %d", 7), -EINVAL,
	       "an error there");
	is_str(err.msg, "l[1][0]: bad 7", "names the place");
	(void)json_err(json_get(v, "o")->first, &err, "bad");
	is_str(err.msg, "o[\"x.y\"]: bad", "a name with a dot is quoted");
	(void)json_err(v, &err, "bad");
	is_str(err.msg, "bad", "the top has no place");
	is_int(json_bool(json_get(v, "s"), &b, &err), -EINVAL, "a string is no boolean");
	is_str(err.msg, "s: expected a boolean, got a string", "the message");
	is_int(json_str(json_get(v, "o"), &s, &err), -EINVAL, "an object is no string");
	is_str(err.msg, "o: expected a string, got an object", "the message");
	is_int(json_expect(json_get(v, "n"), JSON_ARRAY, &err), -EINVAL,
	       "null is no list");
	is_str(err.msg, "n: expected an array, got null", "the message");
	is_int(json_err(v, NULL, "x"), -EINVAL, "no message wanted");
}

static const struct json_value *number(struct arena *arena, const char *text)
{
	const struct json_value *v = NULL;

	if (json_parse(text, strlen(text), arena, &v, NULL) < 0)
		return NULL;
	return v;
}

static void test_numbers(void)
{
	auto_arena struct arena a = ARENA_INIT;
	struct err err = ERR_INIT;
	int64_t i = 5;
	uint64_t u = 5;

	is_int(json_i64(number(&a, "-9223372036854775808"), INT64_MIN, INT64_MAX, &i,
			&err),
	       0, "the least int64");
	ok(i == INT64_MIN, "exactly");
	is_int(json_i64(number(&a, "9223372036854775807"), INT64_MIN, INT64_MAX, &i,
			&err),
	       0, "the greatest int64");
	ok(i == INT64_MAX, "exactly");
	is_int(json_i64(number(&a, "9223372036854775808"), INT64_MIN, INT64_MAX, &i,
			&err),
	       -EINVAL, "one more");
	is_str(err.msg,
	       "9223372036854775808 is not between -9223372036854775808 and "
	       "9223372036854775807",
	       "the message");
	is_int(json_u64(number(&a, "18446744073709551615"), UINT64_MAX, &u, &err), 0,
	       "the greatest uint64");
	ok(u == UINT64_MAX, "exactly");
	is_int(json_u64(number(&a, "18446744073709551616"), UINT64_MAX, &u, &err),
	       -EINVAL, "one more");
	is_int(json_u64(number(&a, "-1"), UINT64_MAX, &u, &err), -EINVAL,
	       "-1 has a sign");
	is_str(err.msg, "-1 is not between 0 and 18446744073709551615", "the message");
	is_int(json_u64(number(&a, "-0"), UINT64_MAX, &u, &err), 0, "-0 is 0");
	is_int(json_u64(number(&a, "256"), 255, &u, &err), -EINVAL, "above a bound");
	is_str(err.msg, "256 is not between 0 and 255", "the message");
	is_int(json_i64(number(&a, "7"), -3, 3, &i, &err), -EINVAL,
	       "above a signed bound");
	is_str(err.msg, "7 is not between -3 and 3", "the message");
	is_int(json_i64(number(&a, "1.0"), -3, 3, &i, &err), -EINVAL,
	       "1.0 is no integer");
	is_str(err.msg, "expected an integer, got 1.0", "the message");
	is_int(json_u64(number(&a, "1e3"), UINT64_MAX, &u, &err), -EINVAL, "1e3 neither");
	is_int(json_u64(number(&a, "\"1\""), UINT64_MAX, &u, &err), -EINVAL, "nor \"1\"");
	is_str(err.msg, "expected a number, got a string", "the message");
	is_int(json_i64(number(&a, "true"), -3, 3, &i, &err), -EINVAL, "nor true");
	is_int(json_u64(
		       number(&a,
			      "99999999999999999999999999999999999999999999999999999999"),
		       UINT64_MAX, &u, &err),
	       -EINVAL, "a number without end");
	ok(i == INT64_MAX && u == 0, "failures leave the result alone");
}

static void test_long_place(void)
{
	auto_arena struct arena a = ARENA_INIT;
	const struct json_value *v = NULL;
	struct err err = ERR_INIT;
	auto_buf struct buf b = BUF_INIT;

	(void)buf_puts(&b, "{\"");
	for (int i = 0; i < 3000; i++)
		(void)buf_puts(&b, "k");
	(void)buf_puts(&b, "\":1}");
	is_int(json_parse(b.data, b.len, &a, &v, &err), 0, "a name of 3000 bytes");
	(void)json_err(v->first, &err, "the reason");
	ok(strstr(err.msg, "kkk...: the reason") != NULL, "leaves room for the reason");
}

/* ---- writing ------------------------------------------------------------------- */

static void write_sample(struct json_writer *w)
{
	json_open_object(w, NULL);
	json_put_str(w, "s", "x");
	json_put_i64(w, "i", INT64_MIN);
	json_put_u64(w, "u", UINT64_MAX);
	json_put_hundredths(w, "h0", 0);
	json_put_hundredths(w, "h1", 1205);
	json_put_hundredths(w, "h2", 50);
	json_put_bool(w, "b", true);
	json_put_null(w, "n");
	json_put_str(w, "ns", NULL);
	json_open_array(w, "l");
	json_put_bool(w, NULL, false);
	json_open_object(w, NULL);
	json_close_object(w);
	json_open_array(w, NULL);
	json_close_array(w);
	json_close_array(w);
	json_close_object(w);
}

static void test_writer(void)
{
	auto_buf struct buf one = BUF_INIT;
	auto_buf struct buf lines = BUF_INIT;
	struct json_writer w = JSON_WRITER(&one, NULL);
	struct json_writer wi = JSON_WRITER(&lines, "\t");

	write_sample(&w);
	is_str(one.data,
	       "{\"s\":\"x\",\"i\":-9223372036854775808,\"u\":18446744073709551615,"
	       "\"h0\":0,\"h1\":12.05,\"h2\":0.5,"
	       "\"b\":true,\"n\":null,\"ns\":null,\"l\":[false,{},[]]}",
	       "on one line");
	write_sample(&wi);
	is_str(lines.data,
	       "{\n\t\"s\": \"x\",\n\t\"i\": -9223372036854775808,\n"
	       "\t\"u\": 18446744073709551615,\n\t\"h0\": 0,\n\t\"h1\": 12.05,\n"
	       "\t\"h2\": 0.5,\n\t\"b\": true,\n\t\"n\": null,\n"
	       "\t\"ns\": null,\n\t\"l\": [\n\t\tfalse,\n\t\t{},\n\t\t[]\n\t]\n}",
	       "indented");
}

static void quoted(const char *text, const char *want, const char *what)
{
	auto_buf struct buf b = BUF_INIT;
	struct json_writer w = JSON_WRITER(&b, NULL);

	json_put_str(&w, NULL, text);
	is_str(b.data, want, "%s", what);
}

static void test_quoting(void)
{
	quoted("a\"b\\c/d", "\"a\\\"b\\\\c/d\"", "quotes and backslashes");
	quoted("\n\r\t\x01\x1f\x7f", "\"\\n\\r\\t\\u0001\\u001f\x7f\"",
	       "control characters");
	quoted("<&>", "\"\\u003c\\u0026\\u003e\"", "as Go: safe in HTML");
	quoted("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
	       "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"", "UTF-8 stays");
	quoted("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", "\"\\u2028\\u2029\xe2\x80\xaa\"",
	       "line separators");
	quoted("\xff\xc3(\xe2\x82", "\"\\ufffd\\ufffd(\\ufffd\\ufffd\"", "broken bytes");
	quoted("\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xe0\x80\x80\xf0\x80\x80\x80\xf5\x80",
	       "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd"
	       "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"",
	       "overlong, surrogate, too far");
}

static void test_names(void)
{
	is_str(json_type_name(JSON_NULL), "null", "null");
	is_str(json_type_name(JSON_OBJECT), "an object", "an object");
}

int main(void)
{
	test_refusals();
	test_bounds();
	test_many_members();
	test_values();
	test_numbers();
	test_long_place();
	test_writer();
	test_quoting();
	test_names();
	return tap_done();
}
