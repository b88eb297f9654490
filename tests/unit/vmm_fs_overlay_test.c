/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overlayfs, the main case: copy-up changes what is behind a name and a descriptor,
 * and the guest must not notice.  In the jail, on a clone of the mount as hull-vmm
 * gets it; with all layers on one file system, and on two.
 */
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "tests/unit/fs_jail.h"
#include "vmm/fs/whiteout.h"

static char base[256];
static int host, lower; /* O_PATH: the overlay; its lower layer */
static bool one_fs;
static bool over; /* the upper layer is a tmpfs: maybe without user.* attributes */
static struct fuse_client c;

/* The lower layer has to be complete before it is mounted. */
static void make_lower(void)
{
	static const char *const files[] = { "ro",    "rw",   "mode",  "owner", "trunc",
					     "xattr", "gone", "moved", "h1",    "m1",
					     "x1",    "l1",   "r1",    "o1" };
	static const char *const links[] = { "h2", "m2", "x2", "l2", "r2", "o2" };
	int dir;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		host_write(lower, files[i], "lower");
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		const char from[3] = { links[i][0], '1', '\0' };

		fc_check(linkat(lower, from, lower, links[i], 0) == 0);
	}
	fc_check(mkdirat(lower, "dir", 0755) == 0 &&
		 mkdirat(lower, "dir/sub", 0755) == 0);
	dir = openat(lower, "dir/sub", O_PATH | O_CLOEXEC);
	host_write(dir, "deep", "lower");
	(void)close(dir);
}

static void mkdir_in(const char *name, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/%s", base, name);
	fc_check(mkdir(path, 0755) == 0);
}

static void mount_overlay(void)
{
	char l[300], u[300], w[300], m[300], options[1200];
	int tree;

	mkdir_in("l", l, sizeof(l));
	if (!one_fs)
		fc_check(mount("tmpfs", l, "tmpfs", 0, NULL) == 0);
	lower = open(l, O_PATH | O_CLOEXEC);
	make_lower();
	mkdir_in("u", u, sizeof(u));
	mkdir_in("w", w, sizeof(w));
	mkdir_in("m", m, sizeof(m));
	(void)snprintf(options, sizeof(options),
		       "lowerdir=%s,upperdir=%s,workdir=%s,index=off,xino=off", l, u, w);
	fc_check(mount("overlay", m, "overlay", 0, options) == 0);
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, m,
			    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	fc_check(tree >= 0);
	host = tree;
	fc_check(umount2(m, MNT_DETACH) == 0);
}

/* same() - is the record still good, and does its name still lead to it? */
static void same(uint64_t root, const char *name, uint64_t node, const char *what)
{
	struct fuse_entry_out e = { 0 };
	struct fuse_attr a = { 0 };

	is_int(fc_getattr(&c, node, &a), 0, "%s: GETATTR afterwards", what);
	is_int(fc_lookup(&c, root, name, &e), 0, "%s: LOOKUP afterwards", what);
	ok(e.nodeid == node, "%s: the same node", what);
}

static void test_copy_up(uint64_t root)
{
	struct fuse_setattr_in mode = { .valid = FATTR_MODE, .mode = 0600 };
	struct fuse_setattr_in own = { .valid = FATTR_UID, .uid = 1000 };
	struct fuse_setattr_in size = { .valid = FATTR_SIZE, .size = 2 };
	uint64_t n, ro = 0, rw = 0;
	struct fuse_attr a = { 0 }, b = { 0 };
	int ret;

	n = fc_node(&c, root, "rw");
	fc_check(fc_getattr(&c, n, &a) == 0);
	is_int(fc_open(&c, n, O_RDONLY, &ro), 0, "open a lower file for reading");
	is_int(fc_open(&c, n, O_RDWR, &rw), 0, "and for writing");
	is_int(fc_write(&c, rw, 0, "UPPER!", 6), 6, "WRITE");
	is_int(fc_read(&c, ro, 0, 100), 6, "the older handle reads");
	ok(memcmp(c.reply, "UPPER!", 6) == 0, "the new data");
	is_int(fc_getattr(&c, n, &b), 0, "GETATTR");
	if (one_fs)
		ok(a.ino == b.ino, "the inode number has not changed");
	is_int(fc_release(&c, FUSE_RELEASE, ro), 0, "RELEASE");
	is_int(fc_release(&c, FUSE_RELEASE, rw), 0, "RELEASE");
	same(root, "rw", n, "write");
	is_str(host_read(lower, "rw"), "lower", "the lower file is as it was");

	n = fc_node(&c, root, "mode");
	is_int(fc_setattr(&c, n, &mode, &a), 0, "chmod");
	same(root, "mode", n, "chmod");
	n = fc_node(&c, root, "owner");
	is_int(fc_setattr(&c, n, &own, &a), 0, "chown");
	same(root, "owner", n, "chown");
	n = fc_node(&c, root, "trunc");
	is_int(fc_setattr(&c, n, &size, &a), 0, "truncate");
	is_int(a.size, 2, "set");
	same(root, "trunc", n, "truncate");
	n = fc_node(&c, root, "xattr");
	ret = fc_setxattr(&c, n, "user.a", "b", 1, 0);
	ok(ret == 0 || (ret == -EOPNOTSUPP && over), "setxattr");
	same(root, "xattr", n, "setxattr");
	is_int(fc_getxattr(&c, n, "trusted.overlay.origin", 100), -ENODATA,
	       "overlayfs's own attributes are not seen");
}

/* Without an index, copy-up breaks hard links: one name becomes another file. */
static void test_links(uint64_t root)
{
	struct fuse_setattr_in mode = { .valid = FATTR_MODE, .mode = 0600 };
	struct fuse_entry_out e = { 0 };
	struct fuse_attr a = { 0 };
	uint64_t n, fh = 0;
	int ret;

	n = fc_node(&c, root, "h1");
	ok(fc_node(&c, root, "h2") == n, "two names of one lower file");
	ok(fc_node(&c, root, "h1") == n, "the first one is used last");
	is_int(fc_open(&c, n, O_WRONLY, &fh), 0, "open it for writing");
	is_int(fc_write(&c, fh, 0, "broken", 6), 6, "WRITE");
	is_int(fc_release(&c, FUSE_RELEASE, fh), 0, "RELEASE");
	same(root, "h1", n, "write to a link");
	is_int(fc_lookup(&c, root, "h2", &e), 0, "the other name");
	ok(e.nodeid != n && e.attr.size == 5, "is another file now, as overlayfs has it");

	n = fc_node(&c, root, "m1");
	is_int(fc_setattr(&c, n, &mode, &a), 0, "chmod of a link");
	same(root, "m1", n, "chmod of a link");
	n = fc_node(&c, root, "x1");
	ret = fc_setxattr(&c, n, "user.a", "b", 1, 0);
	ok(ret == 0 || (ret == -EOPNOTSUPP && over), "setxattr of a link");
	same(root, "x1", n, "setxattr of a link");
	n = fc_node(&c, root, "l1");
	is_int(fc_link(&c, n, root, "l3", &e), 0, "LINK of a link");
	ok(e.nodeid == n, "is the same node");
	same(root, "l1", n, "LINK of a link");
	n = fc_node(&c, root, "r1");
	is_int(fc_rename(&c, root, "r1", root, "r3", 0), 0, "RENAME of a link");
	same(root, "r3", n, "RENAME of a link");
	n = fc_node(&c, root, "o1");
	is_int(fc_open(&c, n, O_WRONLY | O_TRUNC, &fh), 0, "O_TRUNC of a link");
	is_int(fc_release(&c, FUSE_RELEASE, fh), 0, "RELEASE");
	same(root, "o1", n, "O_TRUNC of a link");
}

static void test_dirs(uint64_t root)
{
	struct fuse_setattr_in mode = { .valid = FATTR_MODE, .mode = 0700 };
	uint64_t dir = fc_node(&c, root, "dir"), sub = fc_node(&c, dir, "sub");
	uint64_t deep = fc_node(&c, sub, "deep"), fh = 0;
	struct fuse_entry_out e = { 0 };
	struct fs_inode *inode;
	struct fuse_attr a = { 0 };
	struct stat st;
	int ret;

	is_int(fc_open(&c, deep, O_RDWR, &fh), 0, "open a deep file for writing");
	is_int(fc_release(&c, FUSE_RELEASE, fh), 0, "RELEASE");
	is_int(fc_getattr(&c, sub, &a), 0, "its directory, copied up on the way");
	same(root, "dir", dir, "copy-up below");
	is_int(fc_setattr(&c, sub, &mode, &a), 0, "chmod of a directory");
	same(dir, "sub", sub, "chmod of a directory");
	is_int(fc_create(&c, sub, "new", 0644, 0, O_RDWR, &e, &fh), 0, "CREATE in it");
	same(dir, "sub", sub, "CREATE");
	ret = fc_rename(&c, root, "dir", root, "dir2", 0);
	ok(ret == 0 || ret == -EXDEV, "RENAME of a merged directory, as overlayfs likes");
	is_int(fc_getattr(&c, dir, &a), 0, "its node is found");

	/* A directory whose inode number changes while it is out of the cache. */
	inode = fs_inode_get(c.fs, sub);
	fc_check(inode && fstatat(host, "dir/sub", &st, 0) == 0);
	st.st_ino += 1000;
	is_int(fs_inode_check(c.fs, inode, &st, false), one_fs ? -ESTALE : 0,
	       "another inode number is another directory%s",
	       one_fs ? "" : ": not on two file systems");
	fs_inode_put(c.fs, inode);
}

static void test_removing(uint64_t root)
{
	uint64_t n = fc_node(&c, root, "gone"), fh = 0;
	struct fuse_entry_out e = { 0 };
	struct fuse_attr a = { 0 };

	is_int(fc_open(&c, n, O_RDONLY, &fh), 0, "open a lower file");
	is_int(fc_name_op(&c, FUSE_UNLINK, root, "gone"), 0, "UNLINK");
	is_int(fc_read(&c, fh, 0, 10), 5, "it is still read");
	is_int(fc_getattr(&c, n, &a), 0, "and has attributes");
	is_int(fc_lookup(&c, root, "gone", &e), -ENOENT, "the name is gone");
	is_int(fc_create(&c, root, "gone", 0600, 0, O_RDWR, &e, &fh), 0, "and free");
	ok(e.nodeid != n, "for another node");
	n = fc_node(&c, root, "moved");
	is_int(fc_rename(&c, root, "moved", root, "gone", 0), 0, "RENAME over it");
	same(root, "gone", n, "RENAME");
	is_int(fc_name_op(&c, FUSE_UNLINK, root, "gone"), 0, "UNLINK of what was moved");
	is_int(fc_mknod(&c, root, "node", S_IFREG | 0600, 0, &e), 0, "MKNOD");
	is_int(fc_mkdir(&c, root, "newdir", 0755, 0, &e), 0, "MKDIR");
	is_int(fc_rename(&c, root, "newdir", root, "newdir2", 0), 0,
	       "RENAME of a new one");
	same(root, "newdir2", e.nodeid, "RENAME of a new one");
	is_int(fc_name_op(&c, FUSE_RMDIR, root, "newdir2"), 0, "RMDIR");
}

/* What a listing calls a file's inode number is what stat() calls it. */
static void test_numbers(uint64_t root)
{
	static const uint32_t opcodes[] = { FUSE_READDIR, FUSE_READDIRPLUS };
	struct fuse_entry_out e = { 0 };
	unsigned int same = 0, seen = 0;
	uint64_t fh = 0;

	is_int(fc_lookup(&c, root, "ro", &e), 0, "LOOKUP");
	for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++) {
		bool plus = opcodes[i] == FUSE_READDIRPLUS;
		int len;

		is_int(fc_open_as(&c, FUSE_OPENDIR, root, O_RDONLY, &fh), 0, "OPENDIR");
		len = fc_read_as(&c, opcodes[i], fh, 0, 65536);
		for (int at = 0; at < len;) {
			const struct fuse_direntplus *dp = (const void *)(c.reply + at);
			const struct fuse_dirent *d =
				plus ? &dp->dirent : (const void *)dp;

			if (d->namelen == 2 && memcmp(d->name, "ro", 2) == 0) {
				seen++;
				same += d->ino == e.attr.ino;
			}
			at += (int)(plus ? FUSE_DIRENTPLUS_SIZE(dp)
					 : FUSE_DIRENT_SIZE(d));
		}
		is_int(fc_release(&c, FUSE_RELEASEDIR, fh), 0, "RELEASEDIR");
	}
	is_int(seen, 2, "listed by both");
	is_int(same, 2, "with the inode number that stat() shows");
}

/* host_link() - is it a link to the fixed target, on the host? */
static bool host_link(const char *name)
{
	char target[64] = "";

	return readlinkat(host, name, target, sizeof(target) - 1) > 0 &&
	       strcmp(target, FS_WHITEOUT_TARGET) == 0;
}

/* is_whiteout() - as the guest sees it, by all ways to look at it. */
static void is_whiteout(uint64_t dir, const char *name, const char *what)
{
	struct fuse_entry_out e = { 0 };
	struct fuse_attr a = { 0 };

	is_int(fc_lookup(&c, dir, name, &e), 0, "%s: LOOKUP of %s", what, name);
	is_int(e.attr.mode, S_IFCHR, "a device");
	ok(e.attr.rdev == 0 && e.attr.size == 0, "0:0");
	is_int(fc_getattr(&c, e.nodeid, &a), 0, "GETATTR");
	ok(a.mode == S_IFCHR && a.ino == e.attr.ino, "says the same");
	is_int(fc_call(&c, FUSE_READLINK, e.nodeid, NULL, 0), -EINVAL, "no link");
}

static void test_whiteouts(uint64_t root)
{
	struct fuse_setattr_in own = { .valid = FATTR_UID, .uid = 1000 };
	struct fuse_setattr_in mode = { .valid = FATTR_MODE, .mode = 0600 };
	struct fuse_entry_out e = { 0 }, two = { 0 };
	struct fuse_attr a = { 0 };

	is_int(fc_mknod(&c, root, "wh", S_IFCHR, 0, &e), 0, "MKNOD of a whiteout");
	ok(host_link("wh"), "is a link on the host");
	is_whiteout(root, "wh", "MKNOD");
	is_int(fc_mknod(&c, root, "wh", S_IFCHR, 0, &two), -EEXIST, "not twice");
	is_int(fc_mknod(&c, root, "dev", S_IFCHR | 0600, 0x103, &two), -EPERM,
	       "no other device");
	is_int(fc_link(&c, e.nodeid, root, "wh2", &two), 0, "LINK");
	ok(two.nodeid == e.nodeid && two.attr.nlink == 2, "of the same node");
	is_whiteout(root, "wh2", "LINK");
	is_int(fc_setattr(&c, e.nodeid, &own, &a), 0, "chown");
	ok(a.uid == 1000 && a.mode == S_IFCHR, "is of what it is");
	is_int(fc_setattr(&c, e.nodeid, &mode, &a), 0, "chmod");
	is_int(a.mode, S_IFCHR, "is of no use");
	is_int(fc_setxattr(&c, e.nodeid, "trusted.x", "1", 1, 0), -EPERM, "SETXATTR");
	is_int(fc_rename(&c, root, "wh2", root, "wh3", 0), 0, "RENAME");
	is_whiteout(root, "wh3", "RENAME");
	is_int(fc_name_op(&c, FUSE_UNLINK, root, "wh"), 0, "UNLINK");
	is_int(fc_getattr(&c, e.nodeid, &a), 0, "of one of two names");
	is_int(fc_name_op(&c, FUSE_UNLINK, root, "wh3"), 0, "UNLINK of the other");
	is_int(fc_lookup(&c, root, "wh3", &two), -ENOENT, "it is gone");
	is_int(fc_getattr(&c, e.nodeid, &a), 0, "but known as long as it is pinned");
	is_int(a.mode, S_IFCHR, "as what it was");

	is_int(fc_symlink(&c, root, "sl", FS_WHITEOUT_TARGET, &e), -EPERM,
	       "SYMLINK makes none");
	is_int(fc_symlink(&c, root, "sl", FS_WHITEOUT_TARGET "x", &e), 0, "a longer one");
	is_int(e.attr.mode & S_IFMT, S_IFLNK, "is a link");
	is_int(fc_symlink(&c, root, "sl2", "/dev/null/hull:whitexxx", &e), 0,
	       "one of that length");
	is_int(e.attr.mode & S_IFMT, S_IFLNK, "is a link");
	is_int(fc_call(&c, FUSE_READLINK, e.nodeid, NULL, 0), 0, "that can be read");
}

/* type_in() - what a listing of @dir says of @name: DT_*; 255: nothing */
static unsigned int type_in(uint64_t dir, const char *name, bool plus)
{
	unsigned int type = 255;
	uint64_t fh = 0;
	int len;

	fc_check(fc_open_as(&c, FUSE_OPENDIR, dir, O_RDONLY, &fh) == 0);
	len = fc_read_as(&c, plus ? FUSE_READDIRPLUS : FUSE_READDIR, fh, 0, 65536);
	for (int at = 0; at < len;) {
		const struct fuse_direntplus *dp = (const void *)(c.reply + at);
		const struct fuse_dirent *d = plus ? &dp->dirent : (const void *)dp;

		if (d->namelen == strlen(name) &&
		    memcmp(d->name, name, d->namelen) == 0) {
			type = d->type;
			ok(!plus || dp->entry_out.attr.mode >> 12 == type,
			   "attributes of the same type");
		}
		at += (int)(plus ? FUSE_DIRENTPLUS_SIZE(dp) : FUSE_DIRENT_SIZE(d));
	}
	fc_check(fc_release(&c, FUSE_RELEASEDIR, fh) == 0);
	return type;
}

static void test_listed_whiteouts(uint64_t root)
{
	struct fuse_entry_out d = { 0 }, e = { 0 };

	fc_check(fc_mkdir(&c, root, "listed", 0755, 0, &d) == 0 &&
		 fc_mknod(&c, d.nodeid, "wh", S_IFCHR, 0, &e) == 0 &&
		 fc_symlink(&c, d.nodeid, "sl", "target", &e) == 0);
	for (int plus = 0; plus < 2; plus++) {
		is_int(type_in(d.nodeid, "wh", plus), DT_CHR, "a whiteout's type");
		is_int(type_in(d.nodeid, "sl", plus), DT_LNK, "a link's type");
	}
}

/* moved() - RENAME_WHITEOUT in @d, and what is to be there afterwards. */
static void moved(uint64_t d, const char *from, const char *to, const char *what)
{
	uint64_t node = fc_node(&c, d, from);
	struct fuse_entry_out e = { 0 };
	unsigned int left;

	is_int(fc_rename(&c, d, from, d, to, RENAME_WHITEOUT), 0, "%s: RENAME", what);
	is_whiteout(d, from, what);
	is_int(fc_lookup(&c, d, to, &e), 0, "LOOKUP of the new name");
	ok(e.nodeid == node && e.attr.mode >> 12 != DT_CHR, "the same node");
	is_int(fc_getattr(&c, node, NULL), 0, "GETATTR");
	is_int(fc_name_op(&c, FUSE_UNLINK, d, from), 0, "UNLINK of the whiteout");
	left = type_in(d, ".hull-whiteout-0", false);
	for (int i = 1; i < 20; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), ".hull-whiteout-%d", i);
		left &= type_in(d, name, false);
	}
	is_int(left, 255, "nothing else is left");
}

static void test_rename_whiteout(uint64_t root)
{
	struct fuse_entry_out d = { 0 }, e = { 0 };
	uint64_t dir, n, fh = 0;
	uint32_t pins;

	fc_check(fc_mkdir(&c, root, "rw-dir", 0755, 0, &d) == 0);
	dir = d.nodeid;
	fc_check(fc_create(&c, dir, "a", 0600, 0, O_RDWR, &e, &fh) == 0 &&
		 fc_write(&c, fh, 0, "a", 1) == 1);
	moved(dir, "a", "b", "a file");
	is_int(fc_read(&c, fh, 0, 10), 1, "it is still read");
	fc_check(fc_release(&c, FUSE_RELEASE, fh) == 0 &&
		 fc_create(&c, dir, "c", 0600, 0, O_RDWR, &e, &fh) == 0 &&
		 fc_release(&c, FUSE_RELEASE, fh) == 0);
	moved(dir, "b", "c", "a file over another");
	is_int(fc_getattr(&c, e.nodeid, NULL), 0, "which is kept while it is known");
	pins = c.fs->pins;
	fc_forget(&c, e.nodeid, 1);
	is_int(c.fs->pins, pins - 1, "by a descriptor");
	fc_check(fc_symlink(&c, dir, "l", "target", &e) == 0);
	moved(dir, "l", "l2", "a link");
	fc_check(fc_mkdir(&c, dir, "d", 0755, 0, &e) == 0 &&
		 fc_mknod(&c, e.nodeid, "in", S_IFREG | 0600, 0, NULL) == 0);
	moved(dir, "d", "d2", "a folder");
	is_int(fc_lookup(&c, fc_node(&c, dir, "d2"), "in", &e), 0, "with what is in it");
	fc_check(fc_mkdir(&c, dir, "empty", 0755, 0, &e) == 0);
	moved(dir, "d2", "empty", "a folder over an empty one");
	n = fc_node(&c, dir, "empty");
	fc_check(fc_mkdir(&c, dir, "e", 0755, 0, &e) == 0);

	is_int(fc_rename(&c, dir, "e", dir, "empty", RENAME_WHITEOUT), -ENOTEMPTY,
	       "not over a full one");
	is_int(fc_rename(&c, dir, "e", dir, "c", RENAME_WHITEOUT), -ENOTDIR,
	       "a folder over a file");
	is_int(fc_rename(&c, dir, "c", dir, "e", RENAME_WHITEOUT), -EISDIR,
	       "a file over a folder");
	is_int(fc_rename(&c, dir, "c", dir, "e", RENAME_WHITEOUT | RENAME_NOREPLACE),
	       -EEXIST, "RENAME_NOREPLACE");
	is_int(fc_rename(&c, dir, "c", dir, "e", RENAME_WHITEOUT | RENAME_EXCHANGE),
	       -EINVAL, "RENAME_EXCHANGE");
	is_int(fc_rename(&c, dir, "e", e.nodeid, "in", RENAME_WHITEOUT), -EINVAL,
	       "a folder into itself");
	is_int(fc_rename(&c, dir, "none", dir, "n2", RENAME_WHITEOUT), -ENOENT,
	       "what is not there");
	ok(type_in(dir, "e", true) == DT_DIR && type_in(dir, "c", true) == DT_REG &&
		   fc_node(&c, dir, "empty") == n,
	   "all is as it was");
	is_int(fc_lookup(&c, n, "in", &e), 0, "in there, too");
	is_int(fc_link(&c, fc_node(&c, dir, "c"), dir, "c2", &e), 0, "LINK");
	is_int(fc_rename(&c, dir, "c", dir, "c2", RENAME_WHITEOUT), 0,
	       "one link over the other");
	ok(fc_node(&c, dir, "c") == e.nodeid && fc_node(&c, dir, "c2") == e.nodeid,
	   "changes nothing");
}

static void run(void)
{
	uint64_t root, n;
	struct fuse_syncfs_in sync = { 0 };

	fc_check(fs_worker_init(&c.w, c.fs, NULL) == 0);
	fc_check(fc_init(&c) == 0);
	root = fc_root(&c, 0);
	n = fc_node(&c, root, "ro");
	test_numbers(root);
	test_copy_up(root);
	test_links(root);
	test_dirs(root);
	test_removing(root);
	test_whiteouts(root);
	test_listed_whiteouts(root);
	test_rename_whiteout(root);
	is_int(fc_getattr(&c, n, NULL), 0, "an untouched file is still there");
	is_int(fc_call(&c, FUSE_SYNCFS, root, FC_ARGS(FC_VAR(sync))), 0, "SYNCFS");
}

static void clean_lower(void)
{
	char l[300];

	(void)snprintf(l, sizeof(l), "%s/l", base);
	fc_check(umount2(l, MNT_DETACH) == 0);
}

int main(void)
{
	char empty[256];
	struct statfs sf;
	int fd, base_fd;

	if (!fs_jail_possible())
		return fs_jail_skip();
	fc_check(unshare(CLONE_NEWNS) == 0);
	fc_check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	fd = fc_tmp(empty, sizeof(empty));
	for (int i = 0; i < 2; i++) {
		one_fs = i == 0;
		base_fd = fc_tmp(base, sizeof(base));
		/* An overlay cannot be the upper layer of another one. */
		fc_check(fstatfs(base_fd, &sf) == 0);
		over = sf.f_type == OVERLAYFS_SUPER_MAGIC;
		if (over)
			fc_check(mount("tmpfs", base, "tmpfs", 0, NULL) == 0);
		mount_overlay();
		(void)printf("# layers on %s\n", one_fs ? "one file system" : "two");
		fc_new(&c, &host, 1, false, false, 4);
		fs_jail_run(run, empty, false);
		fc_free(&c);
		(void)close(host);
		(void)close(lower);
		(void)close(base_fd);
		if (over)
			fc_check(umount2(base, MNT_DETACH) == 0);
		if (!one_fs && !over)
			clean_lower();
		fc_rm_tree(base);
	}
	(void)close(fd);
	fc_rm_tree(empty);
	return tap_done();
}
