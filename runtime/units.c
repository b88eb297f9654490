/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "lib/cleanup.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A decimal number as it was read: whole + part / scale. */
struct decimal {
	int64_t whole;
	int64_t part;
	int64_t scale; /* a power of 10 */
};

/*
 * read_decimal() - digits, perhaps with a point between or before them; *@p moves
 * behind it.  Digits beyond the ninth behind the point are too small to count.
 */
static int read_decimal(const char **p, struct decimal *ret)
{
	struct decimal d = { .scale = 1 };
	const char *s = *p;
	bool any = is_digit(*s);

	for (; is_digit(*s); s++)
		if (__builtin_mul_overflow(d.whole, 10, &d.whole) ||
		    __builtin_add_overflow(d.whole, *s - '0', &d.whole))
			return -ERANGE;
	if (*s == '.') {
		for (s++; is_digit(*s); s++) {
			any = true;
			if (d.scale == 1000000000)
				continue;
			d.part = d.part * 10 + (*s - '0');
			d.scale *= 10;
		}
	}
	if (!any)
		return -EINVAL;
	*p = s;
	*ret = d;
	return 0;
}

/* scaled() - @d times @unit, rounded down. */
static int scaled(const struct decimal *d, int64_t unit, int64_t *ret)
{
	__int128 n = (__int128)d->whole * unit + (__int128)d->part * unit / d->scale;

	if (n > INT64_MAX)
		return -ERANGE;
	*ret = (int64_t)n;
	return 0;
}

int units_bytes(const char *text, int64_t *ret)
{
	static const char letters[] = "kmgtp";
	const char *p = text;
	const char *letter;
	struct decimal d;
	int64_t unit = 1;
	int r;

	if (!is_digit(*p))
		return -EINVAL;
	r = read_decimal(&p, &d);
	if (r < 0)
		return r;
	if (p[-1] == '.')
		return -EINVAL;
	if (*p == ' ')
		p++;
	letter = *p ? strchr(letters, tolower((unsigned char)*p)) : NULL;
	if (letter) {
		unit = INT64_C(1) << (10 * (letter - letters + 1));
		p++;
	}
	if (*p == 'i' || *p == 'I')
		p++;
	if (*p == 'b' || *p == 'B')
		p++;
	return *p ? -EINVAL : scaled(&d, unit, ret);
}

/* duration_unit() - (ns), and *@p moves behind its name; 0: none. */
static int64_t duration_unit(const char **p)
{
	/* Names that begin like others stand before them. */
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		{ "ns", 1 },           { "us", 1000 },
		{ "\xc2\xb5s", 1000 }, /* with U+00B5, the micro sign */
		{ "\xce\xbcs", 1000 }, /* with U+03BC, the letter */
		{ "ms", 1000000 },     { "s", 1000000000 },
		{ "m", 60000000000 },  { "h", 3600000000000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t len = strlen(units[i].name);

		if (strncmp(*p, units[i].name, len) != 0)
			continue;
		*p += len;
		return units[i].ns;
	}
	return 0;
}

int units_duration(const char *text, int64_t *ret)
{
	bool negative = *text == '-';
	const char *p = text + (*text == '-' || *text == '+');
	int64_t sum = 0;

	if (strcmp(p, "0") == 0) {
		*ret = 0;
		return 0;
	}
	do {
		struct decimal d;
		int64_t unit;
		int64_t n;
		int r = read_decimal(&p, &d);

		if (r < 0)
			return r;
		unit = duration_unit(&p);
		if (!unit)
			return -EINVAL;
		if (scaled(&d, unit, &n) < 0 || __builtin_add_overflow(sum, n, &sum))
			return -ERANGE;
	} while (*p);
	*ret = negative ? -sum : sum;
	return 0;
}
