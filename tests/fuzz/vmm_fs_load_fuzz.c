/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a saved machine that a fallen hull-vmm may have written, loaded over a small
 * tree; then what was loaded is looked at, as a guest would.
 *
 * Input: the sections of vmm/fs/save_internal.h.  The tree is "file" ("text") and "dir/log"
 * ("one\n"), both with modification times of 1 s.
 */
#include "tests/fuzz/input.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/fs/server.h"
#include "vmm/snapshot/sections.h"

#define MAX_SLOTS 4096u

static int tree = -1;

static void put_file(const char *name, const char *text)
{
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	int fd = openat(tree, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	must(futimens(fd, times) == 0 && close(fd) == 0);
}

/* begin() - once: it is only read, but for files without a name. */
static void begin(void)
{
	const char *places = getenv("TMPDIR");
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/hull-fuzz-XXXXXX",
		       places ? places : "/dev/shm");
	must(mkdtemp(path) != NULL);
	tree = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(tree >= 0 && mkdirat(tree, "dir", 0755) == 0);
	put_file("file", "text");
	put_file("dir/log", "one\n");
}

/* look() - at every record that is there now. */
static void look(struct fs_server *fs)
{
	struct fs_inode *i;
	uint32_t pos = 0;

	while ((i = idtable_next(&fs->inodes, &pos))) {
		struct fs_inode *held = fs_inode_get(fs, i->id);
		struct fs_place pl;
		struct stat st;

		if (held && fs_place_get(fs, held, FS_PLACE_ANY, &pl) == 0) {
			(void)fs_place_stat(fs, held, &pl, false, &st);
			fs_place_put(fs, &pl);
		}
		fs_inode_put(fs, held);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sections in = { .data = (const char *)data, .len = size };
	struct fs_root_params root = { .data_fd = -1 };
	const struct fs_params params = {
		.tag = "tag",
		.roots = &root,
		.n_roots = 1,
		.dax_size = 8 << 20,
	};
	struct fs_server *fs = NULL;
	struct err err = ERR_INIT;

	if (tree < 0)
		begin();
	root.fd = fcntl(tree, F_DUPFD_CLOEXEC, 3);
	must(root.fd >= 0 && fs_server_new(&params, &fs, NULL) == 0);
	/* A table as large as its highest number says takes long to walk. */
	fs->inodes.max_slots = fs->handles.max_slots = MAX_SLOTS;
	(void)fs_server_load(fs, &in, &err);
	look(fs);
	fs_server_reset(fs);
	must(atomic_load(&fs->locks.n) == 0 && fs->locks.n_files == 0);
	look(fs);
	fs_server_free(fs);
	return 0;
}
