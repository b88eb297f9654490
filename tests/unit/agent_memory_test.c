/* SPDX-License-Identifier: Apache-2.0 */
/* When a guest asks for memory and for how much, and what containers may take of it. */
#include "rootfs/agent/memory.h"

#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "oci/spec.h"
#include "tests/unit/tap.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

/* steps() - how often a guest of 128 MiB asks until it has @more. */
static unsigned int steps(uint64_t more)
{
	uint64_t plugged = 0;
	unsigned int n = 0;

	for (; plugged < more && n < 99; n++) {
		uint64_t want = memory_wanted(100 * MIB, plugged, more);

		if (want <= plugged || want > more || (want < more && want % (128 * MIB)))
			return 999;
		plugged = want;
	}
	return n;
}

static void test_wanted(void)
{
	is_int((long long)memory_wanted(105 * MIB, 0, 4 * GIB), 128 * MIB, "a piece");
	is_int((long long)memory_wanted(105 * MIB, 128 * MIB, 4 * GIB), 384 * MIB,
	       "twice of what is there, and whole pieces");
	is_int((long long)memory_wanted(105 * MIB, 384 * MIB, 458 * MIB), 458 * MIB,
	       "no more than there is");
	is_int((long long)memory_wanted(105 * MIB, 458 * MIB, 458 * MIB), 458 * MIB,
	       "and never less");
	is_int((long long)memory_wanted(3 * GIB, 0, 40 * MIB), 40 * MIB, "a small rest");
	is_int(steps(32 * MIB), 1, "the smallest rest: at once");
	is_int(steps(458 * MIB), 3, "512 MiB in three steps");
	is_int(steps(4 * GIB), 6, "4 GiB in six");
	is_int(steps(251 * GIB), 11, "all that a machine can have in eleven");
}

/* fits() - a limit for which the host made the machine can be reached. */
static void fits(uint64_t limit)
{
	uint64_t machine = limit + 64 * MIB + limit / 100 * 2;
	uint64_t more = machine - 128 * MIB;

	/* The kernel's image, and page structs of what is there at the start. */
	ok(memory_limit(machine - 20 * MIB, more) >= limit,
	   "%llu MiB for the container of a machine of %llu MiB",
	   (unsigned long long)(limit / MIB), (unsigned long long)(machine / MIB));
}

static void test_limit(void)
{
	is_int((long long)memory_limit(105 * MIB, 0), 69 * MIB,
	       "of what is there at first");
	is_int((long long)memory_limit(233 * MIB, 128 * MIB), 195 * MIB,
	       "page structs are the kernel's");
	is_int((long long)memory_limit(40 * MIB, 0), 20 * MIB, "of a little, half");
	fits(100 * MIB);
	fits(512 * MIB);
	fits(GIB);
	fits(64 * GIB);
}

static void scaled(const char *text, unsigned int first, uint64_t max, const char *want)
{
	char buf[128];
	int len;

	(void)!snprintf(buf, sizeof(buf), "%s", text);
	len = memory_scale(buf, sizeof(buf), first, max, 100 * MIB, GIB);
	if (!want) {
		is_int(len, -1, "no number");
		return;
	}
	is_str(buf, want, "%s", want);
	is_int(len, (long long)strlen(want), "its length");
}

static void test_scale(void)
{
	scaled("860\n", 0, 0, "8806");
	scaled("1218\t1624\t2436\n", 0, 0, "12472 16629 24944");
	scaled("4096\t131072\t860000\n", 2, 6 << 20, "4096 131072 6291456");
	scaled("7000000\n", 0, 6 << 20, "7000000"); /* somebody's own */
	scaled("2000000000\n", 0, 0, "2147483647");
	scaled("9223372036854775807\n", 0, 0, "9223372036854775807");
	scaled("\n", 0, 0, NULL);
}

/* tmpfs() - the options of a mount with @options, as JSON. */
static void tmpfs(const char *type, const char *options, const char *want)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf json = BUF_INIT;
	auto_buf struct buf got = BUF_INIT;

	(void)buf_printf(&json,
			 "{\"ociVersion\":\"1.0.0\",\"mounts\":[{\"destination\":\"/t\","
			 "\"type\":\"%s\",\"options\":[%s]}]}",
			 type, options);
	is_int(oci_spec_parse(json.data, json.len, &spec, NULL), 0, "options %s",
	       options);
	if (!spec)
		return;
	is_int(memory_size_tmpfs(spec, GIB, NULL), 0, "sized");
	for (size_t i = 0; i < spec->mounts.v[0].options.n; i++)
		(void)buf_printf(&got, "%s%s", i ? "," : "",
				 spec->mounts.v[0].options.v[i]);
	is_str(got.data ? got.data : "", want, "%s", want);
}

static void test_tmpfs(void)
{
	tmpfs("tmpfs", "", "size=536870912,nr_inodes=131072");
	tmpfs("tmpfs", "\"nosuid\",\"size=64m\"", "nosuid,size=64m,nr_inodes=131072");
	tmpfs("tmpfs", "\"size=25%\"", "size=25%,size=268435450,nr_inodes=131072");
	tmpfs("tmpfs", "\"size=25%\",\"size=1k\",\"nr_inodes=5\"",
	      "size=25%,size=1k,nr_inodes=5");
	tmpfs("tmpfs", "\"nr_blocks=9\"", "nr_blocks=9,nr_inodes=131072");
	tmpfs("tmpfs", "\"bind\"", "bind");
	tmpfs("proc", "", "");
}

int main(void)
{
	test_wanted();
	test_limit();
	test_scale();
	test_tmpfs();
	return tap_done();
}
