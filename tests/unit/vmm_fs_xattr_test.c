/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's trusted.*, which the host has as user.hull.trusted.*: in the jail,
 * where nobody may set the host's own.
 */
#include "tests/unit/fs_jail.h"

static char tmp[256];
static int host;
static struct fuse_client c;

/* of_host() - the attribute as the host has it, or NULL. */
static const char *of_host(const char *name, const char *attr)
{
	auto_fd int fd = openat(host, name, O_RDONLY | O_CLOEXEC);
	static char value[256];
	ssize_t n;

	fc_check(fd >= 0);
	n = fgetxattr(fd, attr, value, sizeof(value) - 1);
	if (n < 0)
		return NULL;
	value[n] = '\0';
	return value;
}

/* make_files() - before the jail: what was on the host. */
static void make_files(void)
{
	char path[512];

	host_write(host, "file", "x");
	host_write(host, "bare", "x");
	fc_check(symlinkat("file", host, "link") == 0 &&
		 mknodat(host, "fifo", S_IFIFO | 0600, 0) == 0 &&
		 mknodat(host, "sock", S_IFSOCK | 0600, 0) == 0 &&
		 mkdirat(host, "dir", 0755) == 0);
	(void)snprintf(path, sizeof(path), "%s/file", tmp);
	fc_check(setxattr(path, "trusted.host", "secret", 6, 0) == 0);
	fc_check(setxattr(path, "user.hull.other", "o", 1, 0) == 0);
	fc_check(setxattr(path, "user.one", "1", 1, 0) == 0);
}

static int list(uint64_t node, uint32_t size)
{
	struct fuse_getxattr_in in = { .size = size };
	struct fuse_getxattr_out out;
	int ret = fc_call(&c, FUSE_LISTXATTR, node, FC_ARGS(FC_VAR(in)));

	if (ret < 0 || size)
		return ret < 0 ? ret : (int)c.reply_len;
	fc_take(&c, &out, sizeof(out));
	return (int)out.size;
}

/* lists() - is @name in the last list? */
static bool lists(const char *name)
{
	for (size_t at = 0; at < c.reply_len; at += strlen(c.reply + at) + 1)
		if (strcmp(c.reply + at, name) == 0)
			return true;
	return false;
}

static int set_with(uint64_t node, const char *name, const char *value, uint32_t flags)
{
	struct fuse_setxattr_in in = { .size = (uint32_t)strlen(value), .flags = flags };

	return fc_call(&c, FUSE_SETXATTR, node,
		       FC_ARGS(FC_VAR(in), FC_STR(name), { value, strlen(value) }));
}

static void test_translation(uint64_t node)
{
	uint64_t fh = 0;

	is_int(fc_setxattr(&c, node, "trusted.x", "value", 5, 0), 0, "SETXATTR");
	is_str(of_host("file", "user.hull.trusted.x"), "value", "the host's name");
	is_int(fc_getxattr(&c, node, "trusted.x", 0), 5, "its length");
	is_int(fc_getxattr(&c, node, "trusted.x", 4), -ERANGE, "too little room");
	is_int(fc_getxattr(&c, node, "trusted.x", 5), 5, "GETXATTR");
	ok(memcmp(c.reply, "value", 5) == 0, "the value");
	is_int(set_with(node, "trusted.x", "w", XATTR_CREATE), -EEXIST, "XATTR_CREATE");
	is_int(set_with(node, "trusted.y", "w", XATTR_REPLACE), -ENODATA,
	       "XATTR_REPLACE");
	is_int(set_with(node, "trusted.x", "w", XATTR_REPLACE), 0, "of what is there");
	is_str(of_host("file", "user.hull.trusted.x"), "w", "is another value");
	is_int(fc_open(&c, node, O_RDONLY, &fh), 0, "while it is open");
	is_int(fc_getxattr(&c, node, "trusted.x", 5), 1, "GETXATTR");
	is_int(fc_release(&c, FUSE_RELEASE, fh), 0, "RELEASE");
	is_int(fc_name_op(&c, FUSE_REMOVEXATTR, node, "trusted.x"), 0, "REMOVEXATTR");
	ok(!of_host("file", "user.hull.trusted.x"), "on the host, too");
	is_int(fc_name_op(&c, FUSE_REMOVEXATTR, node, "trusted.x"), -ENODATA,
	       "not twice");
	is_int(fc_getxattr(&c, node, "trusted.x", 5), -ENODATA, "it is gone");
}

static void test_hidden(uint64_t node)
{
	static const char *const names[] = { "user.hull.other", "user.hull.trusted.x",
					     "user.hull.trusted.host", "user.hull.",
					     "user.hull.user.hull.trusted.x" };

	is_int(fc_setxattr(&c, node, "trusted.x", "value", 5, 0), 0, "SETXATTR");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		is_int(fc_getxattr(&c, node, names[i], 100), -ENODATA, "%s: GETXATTR",
		       names[i]);
		is_int(fc_setxattr(&c, node, names[i], "1", 1, 0), -EPERM, "SETXATTR");
		is_int(fc_name_op(&c, FUSE_REMOVEXATTR, node, names[i]), -EPERM,
		       "REMOVEXATTR");
	}
	is_str(of_host("file", "user.hull.other"), "o", "the host's is as it was");
	is_int(fc_getxattr(&c, node, "trusted.host", 100), -ENODATA,
	       "the host's trusted.* cannot be seen");
	is_int(fc_name_op(&c, FUSE_REMOVEXATTR, node, "trusted.host"), -ENODATA,
	       "nor removed");
	is_int(fc_setxattr(&c, node, "trusted.host", "mine", 4, 0), 0, "nor set");
	is_int(fc_setxattr(&c, node, "user.hullx", "1", 1, 0), 0, "a name like these");
	is_int(fc_setxattr(&c, node, "trustedx", "1", 1, 0), -EOPNOTSUPP, "no trusted.*");
}

/* The host's list: trusted.host, user.hull.other, user.one and what was made here. */
static void test_list(uint64_t node)
{
	static const char all[] = "user.one\0user.hullx\0trusted.x\0trusted.host";
	int len = (int)sizeof(all);

	is_int(list(node, 4096), len, "LISTXATTR");
	ok(lists("user.one") && lists("user.hullx") && lists("trusted.x") &&
		   lists("trusted.host"),
	   "all of the guest's names");
	is_int(list(node, 0), len, "their length");
	is_int(list(node, (uint32_t)len), len, "just enough room");
	is_int(list(node, (uint32_t)len - 1), -ERANGE, "too little room");
	is_int(list(node, 1), -ERANGE, "far too little");
	c.room = sizeof(struct fuse_out_header);
	is_int(list(node, 4096), -ERANGE, "a reply without room");
	c.room = 0;
	c.uid = 1000;
	is_int(list(node, 4096), 20, "LISTXATTR of another user");
	ok(lists("user.one") && lists("user.hullx"), "without trusted.*");
	is_int(list(node, 20), 20, "as little room");
	is_int(list(node, 0), 20, "its length");
	c.uid = 0;
}

static void test_long(uint64_t node)
{
	char name[300];

	memset(name, 'n', sizeof(name));
	memcpy(name, "trusted.", 8);
	name[245] = '\0';
	is_int(fc_setxattr(&c, node, name, "1", 1, 0), 0, "a name of 245 bytes");
	is_int(fc_getxattr(&c, node, name, 1), 1, "can be read");
	is_int(list(node, 4096), 246, "and is in the list");
	ok(lists(name), "as it is");
	is_int(fc_name_op(&c, FUSE_REMOVEXATTR, node, name), 0, "and is removed");
	name[245] = 'n';
	name[246] = '\0';
	is_int(fc_setxattr(&c, node, name, "1", 1, 0), -ERANGE, "246 are too many");
	is_int(fc_getxattr(&c, node, name, 1), -ERANGE, "to be read as well");
	is_int(fc_name_op(&c, FUSE_REMOVEXATTR, node, name), -ERANGE, "or removed");
	name[246] = 'n';
	name[255] = '\0';
	is_int(fc_setxattr(&c, node, name, "1", 1, 0), -ERANGE, "255 are");
	name[255] = 'n';
	name[299] = '\0';
	is_int(fc_setxattr(&c, node, name, "1", 1, 0), -ERANGE, "and 299");
	is_int(list(node, 4096), 0, "nothing is left");
}

/*
 * Overlayfs gives up attributes for the whole mount when one of these is
 * EOPNOTSUPP, and fails the copy-up of the link at any other error but EPERM.
 */
static void test_special(uint64_t root)
{
	static const char *const names[] = { "link", "fifo", "sock" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		uint64_t n = fc_node(&c, root, names[i]);

		is_int(fc_setxattr(&c, n, "trusted.overlay.origin", "o", 1, 0), -EPERM,
		       "%s: SETXATTR", names[i]);
		is_int(fc_getxattr(&c, n, "trusted.overlay.origin", 100), -ENODATA,
		       "GETXATTR");
		is_int(list(n, 4096), 0, "LISTXATTR");
	}
	ok(!of_host("file", "user.hull.trusted.overlay.origin"), "none was followed");
}

static void run(void)
{
	uint64_t root, file, dir;

	fc_check(fs_worker_init(&c.w, c.fs, NULL) == 0);
	fc_check(fc_init(&c) == 0);
	root = fc_root(&c, 0);
	file = fc_node(&c, root, "file");
	dir = fc_node(&c, root, "dir");
	test_translation(file);
	test_hidden(file);
	test_list(file);
	test_long(fc_node(&c, root, "bare"));
	test_special(root);
	is_int(fc_setxattr(&c, dir, "trusted.overlay.opaque", "y", 1, 0), 0,
	       "SETXATTR of a directory");
	is_str(of_host("dir", "user.hull.trusted.overlay.opaque"), "y", "is set");
	is_int(fc_getxattr(&c, dir, "trusted.overlay.opaque", 1), 1, "is read");
}

int main(void)
{
	char empty[256];
	int fd;

	if (!fs_jail_possible())
		return fs_jail_skip();
	fd = fc_tmp(empty, sizeof(empty));
	host = fc_tmp(tmp, sizeof(tmp));
	make_files();
	fc_new(&c, &host, 1, false, false, 0);
	fs_jail_run(run, empty, false);
	is_str(of_host("file", "trusted.host"), "secret",
	       "the host's trusted.* is as it was");
	ok(!of_host("dir", "trusted.overlay.opaque"), "and there is no other");
	fc_free(&c);
	(void)close(host);
	(void)close(fd);
	fc_rm_tree(tmp);
	fc_rm_tree(empty);
	return tap_done();
}
