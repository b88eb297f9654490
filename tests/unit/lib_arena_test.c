/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/arena.h"

#include <stdint.h>

#include "tests/unit/tap.h"

int main(void)
{
	auto_arena struct arena a = ARENA_INIT;
	bool aligned = true;
	bool zeroed = true;
	char *small = arena_strdup(&a, "hello");
	char *big;

	for (size_t size = 0; size < 3000; size += 7) {
		unsigned char *p = arena_alloc(&a, size);

		aligned = aligned && p && (uintptr_t)p % 16 == 0;
		for (size_t i = 0; p && i < size; i++)
			zeroed = zeroed && p[i] == 0;
		if (p)
			memset(p, 0xff, size);
	}
	ok(aligned, "allocations are aligned to 16");
	ok(zeroed, "and zeroed");
	is_str(small, "hello", "an old one is untouched");
	big = arena_alloc(&a, 1 << 20);
	ok(big != NULL, "larger than a chunk");
	if (big)
		memset(big, 1, 1 << 20);
	is_str(arena_strndup(&a, "hello", 2), "he", "a part of a string");
	is_str(arena_strndup(&a, "", 0), "", "an empty string");
	is_str(arena_printf(&a, "%d-%s", 7, "x"), "7-x", "a formatted one");
	ok(!arena_array(&a, SIZE_MAX / 2, 3), "an overflow is refused");
	ok(!arena_alloc(&a, SIZE_MAX), "so is everything there is");
	ok(!arena_strndup(&a, "x", SIZE_MAX), "also for a string");
	ok(arena_array(&a, 3, 8) != NULL, "and the arena goes on");
	arena_release(&a);
	ok(!a.chunks, "released");
	arena_release(&a);
	ok(arena_alloc(&a, 1) != NULL, "a released one is an empty one");
	return tap_done();
}
