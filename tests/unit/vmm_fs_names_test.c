/* SPDX-License-Identifier: Apache-2.0 */
/* Records and names: what the guest holds while guest and host change the tree. */
#include <linux/fs.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "tests/unit/fuse_client.h"

static char tmp[256];
static int host; /* O_PATH of tmp */

static void test_unlinked(struct fuse_client *c, uint64_t root)
{
	struct fuse_setattr_in sa = { .valid = FATTR_MODE, .mode = 0400 };
	struct fuse_setattr_in size = { .valid = FATTR_SIZE, .size = 2 };
	struct fuse_entry_out e = { 0 }, link = { 0 };
	struct fuse_attr a = { 0 };
	uint64_t fh = 0, fh2 = 0;

	is_int(fc_create(c, root, "u", 0600, 0, O_RDWR, &e, &fh), 0, "CREATE");
	is_int(fc_write(c, fh, 0, "data", 4), 4, "WRITE");
	is_int(fc_name_op(c, FUSE_UNLINK, root, "u"), 0, "UNLINK while open");
	is_int(fc_read(c, fh, 0, 10), 4, "READ goes on");
	is_int(fc_write(c, fh, 4, "more", 4), 4, "WRITE goes on");
	ok(fc_getattr(c, e.nodeid, &a) == 0 && a.nlink == 0 && a.size == 8,
	   "GETATTR as well");
	is_int(fc_setattr(c, e.nodeid, &sa, &a), 0, "SETATTR mode");
	is_int(a.mode & 07777, 0400, "set");
	is_int(fc_setattr(c, e.nodeid, &size, &a), 0, "SETATTR size");
	is_int(a.size, 2, "set");
	is_int(fc_setxattr(c, e.nodeid, "user.x", "y", 1, 0), 0, "SETXATTR");
	is_int(fc_getxattr(c, e.nodeid, "user.x", 10), 1, "GETXATTR");
	is_int(fc_open(c, e.nodeid, O_RDWR, &fh2), 0,
	       "OPEN again, as through /proc/self/fd");
	is_int(fc_read(c, fh2, 0, 10), 2, "reads it");
	is_int(fc_link(c, e.nodeid, root, "u2", &link), -ENOENT, "LINK of it");
	is_int(fc_release(c, FUSE_RELEASE, fh), 0, "RELEASE");
	is_int(fc_release(c, FUSE_RELEASE, fh2), 0, "RELEASE");
	is_int(fc_getattr(c, e.nodeid, &a), 0, "it lives as long as the guest knows it");
	fc_forget(c, e.nodeid, 1);
	is_int(fc_getattr(c, e.nodeid, &a), -ESTALE, "and no longer");
	is_int(c->fs->pins, 0, "nothing is kept open for it");

	/* A new file may get the old one's inode number: it is another node. */
	is_int(fc_create(c, root, "n1", 0600, 0, O_RDWR, &e, &fh), 0, "CREATE");
	is_int(fc_release(c, FUSE_RELEASE, fh), 0, "RELEASE");
	is_int(fc_name_op(c, FUSE_UNLINK, root, "n1"), 0, "UNLINK");
	is_int(fc_create(c, root, "n2", 0600, 0, O_RDWR, &link, &fh), 0,
	       "CREATE another");
	ok(link.nodeid != e.nodeid, "another node");
	is_int(fc_release(c, FUSE_RELEASE, fh), 0, "RELEASE");
}

static void test_links(struct fuse_client *c, uint64_t root)
{
	struct fuse_entry_out e = { 0 };
	struct fuse_attr a = { 0 };
	uint64_t a1, fh = 0;
	char name[16];

	host_write(host, "h0", "linked");
	a1 = fc_node(c, root, "h0");
	for (int i = 1; i < 9; i++) {
		(void)snprintf(name, sizeof(name), "h%d", i);
		is_int(fc_link(c, a1, root, name, &e), 0, "LINK %s", name);
		fc_check(e.nodeid == a1);
	}
	/* More names than are remembered: any of them leads to the node again. */
	for (int i = 8; i > 0; i--) {
		(void)snprintf(name, sizeof(name), "h%d", i);
		is_int(fc_name_op(c, FUSE_UNLINK, root, name), 0, "UNLINK %s", name);
		if (fc_getattr(c, a1, &a) == 0)
			is_int(a.nlink, i, "%d links left", i);
		else
			ok(false, "GETATTR");
	}
	ok(fc_node(c, root, "h0") == a1, "LOOKUP of the last name: the same node");
	is_int(fc_open(c, a1, O_RDONLY, &fh), 0, "OPEN by it");
	is_int(fc_release(c, FUSE_RELEASE, fh), 0, "RELEASE");
	/* Renamed by the host, then looked up: the node follows. */
	fc_check(renameat(host, "h0", host, "h9") == 0);
	is_int(fc_getattr(c, a1, &a), -ESTALE, "moved by the host: where is it?");
	ok(fc_node(c, root, "h9") == a1, "LOOKUP finds it");
	is_int(fc_getattr(c, a1, &a), 0, "GETATTR works again");
}

static void test_host_changes(struct fuse_client *c, uint64_t root)
{
	struct fuse_entry_out d = { 0 };
	struct fuse_attr a = { 0 };
	uint64_t n, n2, fh = 0;
	int other;

	host_write(host, "hc", "first");
	n = fc_node(c, root, "hc");
	host_write(host, "hc.new", "second");
	fc_check(renameat(host, "hc.new", host, "hc") == 0);
	is_int(fc_getattr(c, n, &a), -ESTALE, "replaced by the host: GETATTR");
	is_int(fc_open(c, n, O_RDONLY, &fh), -ESTALE, "OPEN");
	is_int(fc_open(c, n, O_WRONLY | O_TRUNC, &fh), -ESTALE, "OPEN with O_TRUNC");
	is_int(fc_getxattr(c, n, "user.x", 10), -ESTALE, "GETXATTR");
	is_str(host_read(host, "hc"), "second", "and the new file is untouched");
	n2 = fc_node(c, root, "hc");
	ok(n2 != n, "LOOKUP: a new node");
	is_int(fc_open(c, n2, O_RDONLY, &fh), 0, "which opens");

	/* A symbolic link where a file was: never followed. */
	host_write(host, "../outside", "secret");
	fc_check(unlinkat(host, "hc", 0) == 0);
	fc_check(symlinkat("../outside", host, "hc") == 0);
	is_int(fc_read(c, fh, 0, 10), 6, "what is open stays");
	is_int(fc_getattr(c, n2, &a), 0, "and has attributes");
	is_int(fc_release(c, FUSE_RELEASE, fh), 0, "RELEASE");
	is_int(fc_open(c, n2, O_RDWR, &fh), -ESTALE, "a link swapped in: OPEN");
	is_int(fc_getattr(c, n2, &a), -ESTALE, "GETATTR");
	is_int(fc_setattr(c, n2, &(struct fuse_setattr_in){ .valid = FATTR_MODE }, &a),
	       -ESTALE, "SETATTR");

	/* A link where a directory on the way was. */
	is_int(fc_mkdir(c, root, "hd", 0755, 0, &d), 0, "MKDIR");
	other = openat(host, "hd", O_PATH | O_CLOEXEC);
	host_write(other, "in", "inside");
	n = fc_node(c, d.nodeid, "in");
	fc_check(renameat(host, "hd", host, "hd2") == 0);
	fc_check(symlinkat("/etc", host, "hd") == 0);
	for (unsigned int i = 0; i < c->fs->n_slots * 2; i++) {
		char name[16];
		struct fuse_entry_out x = { 0 };

		(void)snprintf(name, sizeof(name), "fill%u", i);
		fc_check(fc_mkdir(c, root, name, 0755, 0, &x) == 0);
		fc_check(fc_lookup(c, x.nodeid, "none", &x) == -ENOENT);
	}
	is_int(fc_lookup(c, d.nodeid, "passwd", &d), -ESTALE, "a link in the middle");
	is_int(fc_getattr(c, n, &a), -ESTALE, "for what is below, too");

	/* A fifo where a file was: OPEN must not hang. */
	host_write(host, "ff", "x");
	n = fc_node(c, root, "ff");
	fc_check(unlinkat(host, "ff", 0) == 0 && mkfifoat(host, "ff", 0600) == 0);
	is_int(fc_open(c, n, O_RDONLY, &fh), -ESTALE, "a fifo swapped in: OPEN");
	is_int(fc_open(c, n, O_WRONLY, &fh), -ESTALE, "for writing");
	(void)close(other);
	(void)unlinkat(host, "../outside", 0);
}

/* The host turns a/b/c inside out: records that were right become a circle. */
static void test_cycle(struct fuse_client *c, uint64_t root)
{
	struct fuse_entry_out a = { 0 }, b = { 0 }, x = { 0 };
	struct fuse_attr at = { 0 };
	int fa;

	is_int(fc_mkdir(c, root, "ca", 0755, 0, &a), 0, "MKDIR a");
	is_int(fc_mkdir(c, a.nodeid, "cb", 0755, 0, &b), 0, "MKDIR a/b");
	is_int(fc_lookup(c, b.nodeid, "none", &x), -ENOENT, "both are open now");
	fc_check(renameat2(host, "ca/cb", host, "cb", 0) == 0);
	fc_check(renameat2(host, "ca", host, "cb/ca", 0) == 0);
	is_int(fc_lookup(c, b.nodeid, "ca", &x), 0, "LOOKUP of a below b");
	ok(x.nodeid == a.nodeid, "is a");
	is_int(fc_getattr(c, a.nodeid, &at), 0, "GETATTR ends");
	fa = openat(host, "cb/ca", O_PATH | O_CLOEXEC);
	host_write(fa, "f", "");
	is_int(fc_lookup(c, a.nodeid, "f", &x), 0, "LOOKUP below a");
	is_int(fc_lookup(c, root, "cb", &x), 0, "LOOKUP of b");
	is_int(fc_getattr(c, b.nodeid, &at), 0, "both are found");
	(void)close(fa);
}

static void test_many(void)
{
	enum {
		DIRS = 100,
		FILES = 100,
		SLOTS = 16
	};
	struct fuse_client c;
	struct fuse_entry_out d = { 0 };
	static uint64_t nodes[DIRS][FILES];
	unsigned int before = fc_count_fds();
	unsigned int good = 0;
	char path[256], name[16], longest[151];
	uint64_t root, dir;
	int base, fd;

	base = fc_tmp(path, sizeof(path));
	for (int i = 0; i < DIRS; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		fc_check(mkdirat(base, name, 0755) == 0);
		fd = openat(base, name, O_PATH | O_CLOEXEC);
		for (int k = 0; k < FILES; k++) {
			(void)snprintf(name, sizeof(name), "%d", k);
			host_write(fd, name, "");
		}
		(void)close(fd);
	}
	fc_new(&c, &base, 1, false, false, SLOTS);
	fc_check(fc_init(&c) == 0);
	root = fc_root(&c, 0);
	for (int i = 0; i < DIRS; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		dir = fc_node(&c, root, name);
		for (int k = 0; k < FILES; k++) {
			(void)snprintf(name, sizeof(name), "%d", k);
			nodes[i][k] = fc_node(&c, dir, name);
		}
		fc_forget(&c, dir, 1);
	}
	ok(fc_count_fds() <= before + SLOTS + 4, "%d files looked up, %u descriptors",
	   DIRS * FILES, fc_count_fds() - before);
	for (int k = 0; k < FILES; k++)
		for (int i = 0; i < DIRS; i++)
			good += fc_getattr(&c, nodes[i][k], NULL) == 0;
	is_int(good, DIRS * FILES, "each is found again, across directories");
	for (int k = 0; k < FILES; k++)
		for (int i = 0; i < DIRS; i++)
			fc_forget(&c, nodes[i][k], 1);
	is_int(c.fs->inodes.used, 1, "forgetting them frees all records but the root");

	/* Deeper than one path can say. */
	dir = root;
	memset(longest, 'd', 150);
	longest[150] = '\0';
	for (int i = 0; i < 100; i++) {
		fc_check(fc_mkdir(&c, dir, longest, 0755, 0, &d) == 0);
		dir = d.nodeid;
	}
	for (int i = 0; i < DIRS; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		fc_check(fc_lookup(&c, fc_node(&c, root, name), "0", &d) == 0);
	}
	is_int(fc_mkdir(&c, dir, "leaf", 0755, 0, &d), 0, "100 levels of 150 bytes");
	is_int(fc_getattr(&c, d.nodeid, NULL), 0, "GETATTR at the end");
	fc_free(&c);
	(void)close(base);
	fc_rm_tree(path);
	is_int(fc_count_fds(), before, "no descriptor is left");
}

/* ---- a storm: one thread renames and makes hard links, others use the file ---- */

static struct fuse_client storm;
static uint64_t storm_root, storm_dir, storm_node;
static atomic_bool storm_stop;
static atomic_uint storm_bad, storm_calls;

static void storm_result(const char *what, int got, int want)
{
	if (got != want) {
		(void)printf("# %s: %d\n", what, got);
		atomic_fetch_add(&storm_bad, 1);
	}
}

static void *storm_user(void *arg)
{
	struct fuse_client c = { .fs = storm.fs };

	(void)arg;
	c.out = malloc(FC_MAX);
	c.in = malloc(FC_MAX);
	fc_check(c.out && c.in && fs_worker_init(&c.w, c.fs, NULL) == 0);
	while (!atomic_load(&storm_stop)) {
		struct fuse_setattr_in sa = {
			.valid = FATTR_MODE | FATTR_UID | FATTR_MTIME,
			.mode = 0644,
			.uid = getuid(),
		};
		uint64_t fh = 0;

		storm_result("GETATTR", fc_getattr(&c, storm_node, NULL), 0);
		storm_result("SETATTR", fc_setattr(&c, storm_node, &sa, NULL), 0);
		storm_result("OPEN", fc_open(&c, storm_node, O_RDONLY, &fh), 0);
		storm_result("RELEASE", fc_release(&c, FUSE_RELEASE, fh), 0);
		storm_result("GETXATTR", fc_getxattr(&c, storm_node, "user.x", 10),
			     -ENODATA);
		atomic_fetch_add(&storm_calls, 1);
	}
	fs_worker_release(&c.w);
	free(c.out);
	free(c.in);
	return NULL;
}

static void test_storm(void)
{
	enum {
		ROUNDS = 3000
	};
	struct fuse_entry_out d = { 0 };
	pthread_t t[3];
	uint64_t from, to;

	fc_new(&storm, &host, 1, false, false, 4);
	fc_check(fc_init(&storm) == 0);
	storm_root = fc_root(&storm, 0);
	fc_check(fc_mkdir(&storm, storm_root, "storm", 0755, 0, &d) == 0);
	storm_dir = d.nodeid;
	host_write(host, "s0", "x");
	storm_node = fc_node(&storm, storm_root, "s0");
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		fc_check(pthread_create(&t[i], NULL, storm_user, NULL) == 0);
	from = storm_root;
	to = storm_dir;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t swap = from;

		storm_result("RENAME", fc_rename(&storm, from, "s0", to, "s0", 0), 0);
		from = to;
		to = swap;
		if (i % 16 == 0) {
			/* Also while the file is known under two names. */
			storm_result("LINK", fc_link(&storm, storm_node, from, "s1", &d),
				     0);
			storm_result("UNLINK",
				     fc_name_op(&storm, FUSE_UNLINK, from, "s1"), 0);
		}
	}
	atomic_store(&storm_stop, true);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		(void)pthread_join(t[i], NULL);
	ok(atomic_load(&storm_calls) > 100, "%u calls beside %d renames",
	   atomic_load(&storm_calls), ROUNDS);
	is_int(atomic_load(&storm_bad), 0, "none of them lost the file");
	fc_free(&storm);
}

/* may_link() - does this host let us name a file by its descriptor? */
static bool may_link(void)
{
	int file = openat(host, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	bool may;

	fc_check(file >= 0);
	may = linkat(file, "", host, "may", AT_EMPTY_PATH) == 0;
	(void)unlinkat(host, "may", 0);
	(void)close(file);
	return may;
}

static void test_tmpfile(struct fuse_client *c, uint64_t root)
{
	struct fuse_setattr_in sa = { .valid = FATTR_MODE, .mode = 0400 };
	struct fuse_entry_out e = { 0 }, link = { 0 };
	struct fuse_attr a = { 0 };
	uint64_t fh = 0, again = 0;
	unsigned int fds;

	is_int(fc_create_as(c, FUSE_TMPFILE, root, "/", 0666, 022, O_RDWR | O_EXCL, &e,
			    &fh),
	       0, "TMPFILE that stays without a name");
	ok((e.attr.mode & 07777) == 0644 && e.attr.nlink == 0, "mode, umask, no link");
	is_int(fc_write(c, fh, 0, "data", 4), 4, "WRITE");
	is_int(fc_open(c, e.nodeid, O_RDONLY, &again), 0, "OPEN, as through /proc");
	is_int(fc_read(c, again, 0, 10), 4, "READ");
	is_int(fc_setattr(c, e.nodeid, &sa, &a), 0, "SETATTR");
	is_int(fc_link(c, e.nodeid, root, "t", &link), -ENOENT, "O_EXCL: LINK fails");
	is_int(fc_release(c, FUSE_RELEASE, again), 0, "RELEASE");
	is_int(fc_release(c, FUSE_RELEASE, fh), 0, "RELEASE");
	is_int(fc_getattr(c, e.nodeid, &a), 0, "it lives as long as the guest knows it");
	fc_forget(c, e.nodeid, 1);
	is_int(fc_getattr(c, e.nodeid, &a), -ESTALE, "and no longer");

	fds = fc_count_fds();
	if (!may_link()) {
		is_int(fc_create_as(c, FUSE_TMPFILE, root, "/", 0600, 0, O_RDWR, &e, &fh),
		       -EOPNOTSUPP, "none where it could never be named");
		is_int(fc_count_fds(), fds, "nothing is left of it");
		return;
	}
	is_int(fc_create_as(c, FUSE_TMPFILE, root, "/", 0600, 0, O_RDWR, &e, &fh), 0,
	       "TMPFILE to be linked");
	is_int(fc_write(c, fh, 0, "linked", 6), 6, "WRITE");
	is_int(fc_link(c, e.nodeid, root, "t", &link), 0, "LINK");
	ok(link.nodeid == e.nodeid && link.attr.nlink == 1, "the same node, named");
	is_str(host_read(host, "t"), "linked", "the host sees it");
	is_int(fc_release(c, FUSE_RELEASE, fh), 0, "RELEASE");
	is_int(fc_count_fds(), fds, "reached by its name from now on");
	is_int(fc_getattr(c, e.nodeid, &a), 0, "GETATTR");
	fc_forget(c, e.nodeid, 2);
	(void)unlinkat(host, "t", 0);
}

/* The host removes a file, and what the guest makes then gets its inode number. */
static void test_number_again(struct fuse_client *c, uint64_t root)
{
	struct fuse_entry_out gone = { 0 }, e = { 0 };
	bool again = false;
	uint64_t fh = 0;

	for (int i = 0; i < 100 && !again; i++) {
		host_write(host, "gone", "old");
		fc_check(fc_lookup(c, root, "gone", &gone) == 0);
		fc_check(unlinkat(host, "gone", 0) == 0);
		fc_check(fc_create(c, root, "new", 0600, 0, O_RDWR, &e, &fh) == 0);
		fc_check(fc_release(c, FUSE_RELEASE, fh) == 0);
		again = e.attr.ino == gone.attr.ino;
		if (again)
			ok(e.nodeid != gone.nodeid, "another file is another node");
		fc_check(fc_name_op(c, FUSE_UNLINK, root, "new") == 0);
		fc_forget(c, gone.nodeid, 1);
		fc_forget(c, e.nodeid, 1);
	}
	if (!again)
		(void)printf("# this file system does not use numbers again\n");
}

int main(void)
{
	unsigned int before = fc_count_fds();
	struct fuse_client c;
	uint64_t root;

	host = fc_tmp(tmp, sizeof(tmp));
	fc_new(&c, &host, 1, false, false, 8);
	fc_check(fc_init(&c) == 0);
	root = fc_root(&c, 0);
	test_unlinked(&c, root);
	test_links(&c, root);
	test_tmpfile(&c, root);
	test_number_again(&c, root);
	test_host_changes(&c, root);
	test_cycle(&c, root);
	fc_free(&c);
	test_many();
	test_storm();
	fc_rm_tree(tmp);
	(void)close(host);
	is_int(fc_count_fds(), before, "no descriptor is left");
	return tap_done();
}
