/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/path.h"

#include "tests/unit/tap.h"

int main(void)
{
	ok(path_is_below("/a/b", "/a"), "in it");
	ok(path_is_below("/a", "/a"), "itself");
	ok(!path_is_below("/ab", "/a"), "a longer name");
	ok(!path_is_below("/", "/a"), "above it");
	ok(!path_is_below("", "/a"), "none");
	return tap_done();
}
