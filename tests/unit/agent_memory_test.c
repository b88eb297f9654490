/* SPDX-License-Identifier: Apache-2.0 */
/* When a guest asks for memory and for how much, and what containers may take of it. */
#include "rootfs/agent/memory.h"

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

int main(void)
{
	test_wanted();
	test_limit();
	return tap_done();
}
