/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/units.h"

#include <errno.h>

#include "lib/cleanup.h"
#include "tests/unit/tap.h"

struct sample {
	const char *text;
	int ret;
	int64_t value;
};

static void test_bytes(void)
{
	static const struct sample samples[] = {
		{ "0", 0, 0 },
		{ "4096", 0, 4096 },
		{ "64k", 0, 65536 },
		{ "64K", 0, 65536 },
		{ "2mb", 0, 2 << 20 },
		{ "2MiB", 0, 2 << 20 },
		{ "1.5g", 0, 3 << 29 },
		{ "1.5 GB", 0, 3 << 29 },
		{ "12b", 0, 12 },
		{ "1T", 0, 1ll << 40 },
		{ "3p", 0, 3ll << 50 },
		{ "0.1k", 0, 102 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "9223372036854775808", -ERANGE, 0 },
		{ "9000p", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "m", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ ".5m", -EINVAL, 0 },
		{ "5.m", -EINVAL, 0 },
		{ "5mm", -EINVAL, 0 },
		{ "5x", -EINVAL, 0 },
		{ "5  m", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		int64_t value = 0;

		is_int(units_bytes(samples[i].text, &value), samples[i].ret, "'%s'",
		       samples[i].text);
		is_int(value, samples[i].value, "its value");
	}
}

static void test_duration(void)
{
	static const struct sample samples[] = {
		{ "0", 0, 0 },
		{ "5s", 0, 5000000000 },
		{ "100ms", 0, 100000000 },
		{ "1m30s", 0, 90000000000 },
		{ "1.5h", 0, 5400000000000 },
		{ ".5s", 0, 500000000 },
		{ "1us", 0, 1000 },
		{ "1\xc2\xb5s", 0, 1000 },
		{ "7ns", 0, 7 },
		{ "-1s", 0, -1000000000 },
		{ "+1s", 0, 1000000000 },
		{ "", -EINVAL, 0 },
		{ "5", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "5x", -EINVAL, 0 },
		{ "5s ", -EINVAL, 0 },
		{ "1s2", -EINVAL, 0 },
		{ ".s", -EINVAL, 0 },
		{ "9999999999h", -ERANGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		int64_t value = 0;

		is_int(units_duration(samples[i].text, &value), samples[i].ret, "'%s'",
		       samples[i].text);
		is_int(value, samples[i].value, "its value");
	}
}

int main(void)
{
	test_bytes();
	test_duration();
	return tap_done();
}
