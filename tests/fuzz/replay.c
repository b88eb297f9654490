/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main() for a fuzz target without libFuzzer: gives it every file of
 * tests/fuzz/corpus/<target>/ (the program's own name without _replay), or the files
 * named on the command line, and prints TAP.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "tests/fuzz/input.h"
#include "tests/unit/tap.h"

#define REPLAY_MAX_INPUT (16u << 20) /* (bytes) */

static void replay(int dirfd, const char *name)
{
	auto_buf struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	uint8_t *exact;

	if (io_read_file(dirfd, name, REPLAY_MAX_INPUT, &b, &err) < 0) {
		ok(false, "%s", err.msg);
		return;
	}
	/* A copy of exactly that length: a sanitizer sees one byte too many. */
	exact = malloc(b.len ? b.len : 1);
	must(exact != NULL);
	if (b.len)
		memcpy(exact, b.data, b.len);
	ok(LLVMFuzzerTestOneInput(exact, b.len) == 0, "%s", name);
	free(exact);
}

int main(int argc, char **argv)
{
	static const char suffix[] = "_replay";
	const char *base = strrchr(argv[0], '/');
	size_t len;
	char path[256];
	auto_dir DIR *dir = NULL;
	struct dirent *e;

	for (int i = 1; i < argc; i++)
		replay(AT_FDCWD, argv[i]);
	if (argc > 1)
		return tap_done();

	base = base ? base + 1 : argv[0];
	len = strlen(base);
	if (len < sizeof(suffix) || strcmp(base + len + 1 - sizeof(suffix), suffix) != 0)
		return 1;
	if (snprintf(path, sizeof(path), "tests/fuzz/corpus/%.*s",
		     (int)(len + 1 - sizeof(suffix)), base) >= (int)sizeof(path))
		return 1;
	dir = opendir(path);
	if (!dir) {
		ok(false, "%s: %s", path, strerror(errno));
		return tap_done();
	}
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			replay(dirfd(dir), e->d_name);
	ok(tap_count > 0, "%s holds inputs", path);
	return tap_done();
}
