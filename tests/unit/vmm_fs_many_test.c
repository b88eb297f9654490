/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many files that the guest knows: few descriptors, and not much memory for each - on
 * the file system of TMPDIR (or /tmp ...), and on an overlayfs over it.
 */
#include <malloc.h>
#include <sched.h>
#include <sys/mount.h>

#include "tests/unit/fuse_client.h"

#define DIRS 100u
#define FILES 1000u /* in each */
#define MAX_FDS 1000u /* of hull-vmm */
#define MAX_MEMORY (24u << 20) /* (bytes) for DIRS * FILES records */

static struct fuse_client c;
static uint64_t nodes[DIRS][FILES];

static void make_tree(int host)
{
	char name[32];

	for (unsigned int d = 0; d < DIRS; d++) {
		int dir;

		(void)snprintf(name, sizeof(name), "dir%u", d);
		fc_check(mkdirat(host, name, 0755) == 0);
		dir = openat(host, name, O_PATH | O_CLOEXEC);
		for (unsigned int f = 0; f < FILES; f++) {
			(void)snprintf(name, sizeof(name), "some-file-%u.txt", f);
			fc_check(mknodat(dir, name, S_IFREG | 0644, 0) == 0);
		}
		(void)close(dir);
	}
	host_write(host, "dir7/some-file-7.txt", "text");
}

/* heap() - (bytes) in use; the records are nowhere else. */
static size_t heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void look_up_all(uint64_t root)
{
	char name[32];

	for (unsigned int d = 0; d < DIRS; d++) {
		uint64_t dir;

		(void)snprintf(name, sizeof(name), "dir%u", d);
		dir = fc_node(&c, root, name);
		for (unsigned int f = 0; f < FILES; f++) {
			(void)snprintf(name, sizeof(name), "some-file-%u.txt", f);
			nodes[d][f] = fc_node(&c, dir, name);
		}
	}
}

/* test_use() - each of them can be used, in any order. */
static void test_use(void)
{
	unsigned int wrong = 0;
	struct fuse_attr a;
	uint64_t fh = 0;

	for (unsigned int i = 0; i < DIRS * FILES; i += 7)
		wrong += fc_getattr(&c, nodes[i % DIRS][i / DIRS], &a) != 0;
	is_int(wrong, 0, "all of them are reached");
	is_int(fc_open(&c, nodes[7][7], O_RDONLY, &fh), 0, "one is open");
	is_int(fc_read(&c, fh, 0, 10), 4, "and read");
}

static void test_many(int host, const char *where)
{
	unsigned int fds = fc_count_fds();
	size_t before, used;

	fc_new(&c, &host, 1, false, false, 0);
	fc_check(fc_init(&c) == 0);
	before = heap();
	look_up_all(fc_root(&c, 0));
	used = heap() - before;
	fds = fc_count_fds() - fds;
	(void)printf("# %s: %u files known: %u descriptors, %zu KiB, %zu bytes each\n",
		     where, DIRS * FILES, fds, used >> 10, used / (DIRS * FILES));
	ok(fds < MAX_FDS, "%s: few descriptors", where);
	ok(used < MAX_MEMORY, "%s: little memory", where);
	test_use();
	for (unsigned int d = 0; d < DIRS; d++)
		for (unsigned int f = 0; f < FILES; f++)
			fc_forget(&c, nodes[d][f], 1);
	ok(c.fs->inodes.used <= DIRS + 3, "%s: forgotten, they cost nothing", where);
	fc_free(&c);
}

/* overlay_of() - an overlayfs over @lower, in @tmp; -1: there is none here */
static int overlay_of(const char *tmp, const char *lower)
{
	char upper[300], work[300], at[300], options[1200];

	(void)snprintf(upper, sizeof(upper), "%s/upper", tmp);
	(void)snprintf(work, sizeof(work), "%s/work", tmp);
	(void)snprintf(at, sizeof(at), "%s/merged", tmp);
	fc_check(mkdir(upper, 0755) == 0 && mkdir(work, 0755) == 0 &&
		 mkdir(at, 0755) == 0);
	(void)snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s",
		       lower, upper, work);
	if (mount("overlay", at, "overlay", 0, options) < 0)
		return -1;
	return open(at, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int main(void)
{
	char tmp[256], lower[300];
	int base = fc_tmp(tmp, sizeof(tmp));
	int host, overlay = -1;

	(void)snprintf(lower, sizeof(lower), "%s/lower", tmp);
	fc_check(mkdir(lower, 0755) == 0);
	host = open(lower, O_PATH | O_DIRECTORY | O_CLOEXEC);
	make_tree(host);
	test_many(host, "plain");
	if (geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		overlay = overlay_of(tmp, lower);
	if (overlay >= 0)
		test_many(overlay, "overlayfs");
	else
		(void)printf("# no overlayfs here\n");
	close_fd(overlay);
	(void)snprintf(lower, sizeof(lower), "%s/merged", tmp);
	(void)umount2(lower, MNT_DETACH); /* it may not be there */
	fc_rm_tree(tmp);
	(void)close(host);
	(void)close(base);
	return tap_done();
}
