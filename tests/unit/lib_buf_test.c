/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/buf.h"

#include <errno.h>
#include <stdint.h>

#include "tests/unit/tap.h"

static void test_growing(void)
{
	auto_buf struct buf b = BUF_INIT;
	bool terminated = true;

	ok(!b.data && !b.len, "empty at first");
	is_int(buf_append(&b, NULL, 0), 0, "nothing may be appended");
	is_str(b.data, "", "and is text then");
	for (int i = 0; i < 10000; i++) {
		(void)buf_puts(&b, "0123456789");
		terminated = terminated && b.data && b.data[b.len] == 0;
	}
	is_int(b.len, 100000, "grows");
	ok(terminated, "and is always terminated");
	ok(strncmp(b.data + 99990, "0123456789", 11) == 0, "to its end");
	buf_release(&b);
	ok(!b.data && !b.len && !b.cap, "released");
}

static void test_printf(void)
{
	auto_buf struct buf b = BUF_INIT;

	is_int(buf_printf(&b, "%s=%d", "a", 5), 0, "printf");
	is_int(buf_printf(&b, "%0*d", 500, 1), 0, "longer than the buffer was");
	is_int(b.len, 503, "appends");
	ok(b.data && strncmp(b.data, "a=500000", 8) == 0, "behind what was there");
}

static void test_consume(void)
{
	auto_buf struct buf b = BUF_INIT;

	buf_consume(&b, 3);
	is_int(b.len, 0, "nothing can be consumed from nothing");
	(void)buf_puts(&b, "abcdef");
	buf_consume(&b, 2);
	is_str(b.data, "cdef", "from the front");
	buf_consume(&b, 100);
	is_str(b.data, "", "at most all");
}

static void test_take(void)
{
	auto_buf struct buf b = BUF_INIT;
	char *s;

	s = buf_take(&b);
	is_str(s, "", "an empty buffer gives an empty string");
	free(s);
	(void)buf_puts(&b, "x");
	s = buf_take(&b);
	is_str(s, "x", "its text");
	free(s);
	ok(!b.data && !b.len, "and is empty then");
}

static void test_no_memory(void)
{
	auto_buf struct buf b = BUF_INIT;

	(void)buf_puts(&b, "x");
	is_int(buf_reserve(&b, SIZE_MAX), -ENOMEM, "more than there is");
	is_int(buf_ok(&b), -ENOMEM, "is remembered");
	is_int(buf_puts(&b, "y"), -ENOMEM, "by each later call");
	is_int(buf_printf(&b, "y"), -ENOMEM, "of every kind");
	ok(!buf_take(&b), "there is nothing to take");
	is_str(b.data, "x", "what was there stays");
}

int main(void)
{
	test_growing();
	test_printf();
	test_consume();
	test_take();
	test_no_memory();
	return tap_done();
}
