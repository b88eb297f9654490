/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/utf8.h"

#include "tests/unit/tap.h"

static const struct {
	const char *bytes;
	size_t left;
	size_t len;
	const char *what;
} cases[] = {
	{ "a", 1, 1, "ASCII" },
	{ "\x7f", 1, 1, "the last of ASCII" },
	{ "\x80", 1, 0, "a continuation alone" },
	{ "\xc0\x80", 2, 0, "an overlong NUL" },
	{ "\xc1\xbf", 2, 0, "an overlong DEL" },
	{ "\xc2\x80", 2, 2, "the first of two bytes" },
	{ "\xdf\xbf", 2, 2, "the last of two bytes" },
	{ "\xc2", 1, 0, "half of two bytes" },
	{ "\xc2\x41", 2, 0, "two bytes of which the second is a letter" },
	{ "\xe0\x9f\xbf", 3, 0, "overlong in three bytes" },
	{ "\xe0\xa0\x80", 3, 3, "the first of three bytes" },
	{ "\xed\x9f\xbf", 3, 3, "the last before the surrogates" },
	{ "\xed\xa0\x80", 3, 0, "a surrogate" },
	{ "\xee\x80\x80", 3, 3, "the first after the surrogates" },
	{ "\xef\xbf\xbf", 3, 3, "the last of three bytes" },
	{ "\xef\xbf", 2, 0, "two of three bytes" },
	{ "\xf0\x8f\xbf\xbf", 4, 0, "overlong in four bytes" },
	{ "\xf0\x90\x80\x80", 4, 4, "the first of four bytes" },
	{ "\xf4\x8f\xbf\xbf", 4, 4, "the last of all" },
	{ "\xf4\x90\x80\x80", 4, 0, "past the last" },
	{ "\xf5\x80\x80\x80", 4, 0, "far past the last" },
	{ "\xff", 1, 0, "no byte of UTF-8" },
};

int main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(utf8_char(cases[i].bytes, cases[i].left), cases[i].len, "%s",
		       cases[i].what);
	return tap_done();
}
