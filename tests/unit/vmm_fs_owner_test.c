/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owner, group and mode of what the guest creates, and the privileges that go with
 * them, as a server in the jail leaves them on the host's file system.
 */
#include <linux/fs.h>
#include <sys/xattr.h>

#include "tests/unit/fs_jail.h"

static char tmp[256];
static int host;
static struct fuse_client c;

static void test_creating(uint64_t root)
{
	static const struct {
		uint32_t uid, gid;
	} who[] = {
		{ 0, 0 }, { 1000, 1000 }, { 1000, 50 }, { 0, 7 }, { 4000000000u, 99 }
	};
	static const struct {
		const char *name;
		uid_t uid;
		gid_t gid;
		mode_t mode;
	} dirs[] = { { "plain", 0, 0, 0755 },
		     { "setgid", 0, 60, 02775 },
		     { "closed", 1234, 1234, 0700 },
		     { "sticky", 0, 0, 01777 } };

	for (size_t d = 0; d < ARRAY_SIZE(dirs); d++) {
		gid_t forced = dirs[d].mode & S_ISGID ? dirs[d].gid : (gid_t)-1;
		uint64_t dir;

		fc_check(mkdirat(host, dirs[d].name, 0700) == 0);
		fc_check(fchownat(host, dirs[d].name, dirs[d].uid, dirs[d].gid, 0) == 0);
		fc_check(fchmodat(host, dirs[d].name, dirs[d].mode, 0) == 0);
		c.uid = c.gid = 0;
		dir = fc_node(&c, root, dirs[d].name);
		for (size_t w = 0; w < ARRAY_SIZE(who); w++) {
			gid_t gid = forced == (gid_t)-1 ? who[w].gid : forced;
			struct fuse_entry_out e = { 0 };
			uint64_t fh = 0;

			c.uid = who[w].uid;
			c.gid = who[w].gid;
			(void)printf("# %u:%u in %s\n", c.uid, c.gid, dirs[d].name);
			is_int(fc_create(&c, dir, "f", 06777, 027, O_RDWR, &e, &fh), 0,
			       "CREATE");
			ok(e.attr.uid == who[w].uid && e.attr.gid == gid,
			   "owner and group");
			is_int(e.attr.mode, S_IFREG | 06750, "mode, with the umask");
			is_int(fc_release(&c, FUSE_RELEASE, fh), 0, "RELEASE");
			is_int(fc_mkdir(&c, dir, "d", 0777, 022, &e), 0, "MKDIR");
			ok(e.attr.uid == who[w].uid && e.attr.gid == gid,
			   "owner and group");
			is_int(e.attr.mode,
			       S_IFDIR | 0755 | (forced == (gid_t)-1 ? 0 : S_ISGID),
			       "mode, setgid inherited");
			is_int(fc_mknod(&c, dir, "p", S_IFIFO | 0666, 0, &e), 0, "MKNOD");
			ok(e.attr.uid == who[w].uid && e.attr.gid == gid,
			   "owner and group");
			is_int(e.attr.mode, S_IFIFO | 0666, "mode, no umask");
			is_int(fc_symlink(&c, dir, "l", "x", &e), 0, "SYMLINK");
			ok(e.attr.uid == who[w].uid && e.attr.gid == gid,
			   "owner and group");
			/* The guest has decided that he may. */
			is_int(fc_name_op(&c, FUSE_UNLINK, dir, "f"), 0, "UNLINK");
			is_int(fc_name_op(&c, FUSE_UNLINK, dir, "p"), 0, "UNLINK");
			is_int(fc_name_op(&c, FUSE_UNLINK, dir, "l"), 0, "UNLINK");
			is_int(fc_name_op(&c, FUSE_RMDIR, dir, "d"), 0, "RMDIR");
		}
	}
	c.uid = UINT32_MAX;
	is_int(fc_mkdir(&c, root, "nobody", 0755, 0, &(struct fuse_entry_out){ 0 }),
	       -EPERM, "the invalid id");
	c.uid = c.gid = 0;
}

/* posix_acl_xattr(5): version 2, then tag, permissions, id. */
struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} e[5];
};

static void test_acl(uint64_t root)
{
	struct acl acl = { 2,
			   { { 1, 7, -1u },
			     { 2, 6, 1234 },
			     { 4, 5, -1u },
			     { 0x10, 7, -1u },
			     { 0x20, 5, -1u } } };
	struct fuse_entry_out d = { 0 }, e = { 0 };
	struct fuse_attr a = { 0 };
	uint64_t fh = 0;

	is_int(fc_mkdir(&c, root, "acl", 0755, 0, &d), 0, "MKDIR");
	is_int(fc_setxattr(&c, d.nodeid, "system.posix_acl_default", &acl, sizeof(acl),
			   0),
	       0, "a default ACL");
	c.uid = c.gid = 1000;
	is_int(fc_create(&c, d.nodeid, "f", 0666, 077, O_RDWR, &e, &fh), 0,
	       "CREATE there");
	is_int(e.attr.mode, S_IFREG | 0664, "the ACL counts, not the umask");
	ok(e.attr.uid == 1000 && e.attr.gid == 1000, "owner");
	is_int(fc_getxattr(&c, e.nodeid, "system.posix_acl_access", 200), sizeof(acl),
	       "an ACL of its own");
	is_int(fc_release(&c, FUSE_RELEASE, fh), 0, "RELEASE");
	c.uid = c.gid = 0;
	is_int(fc_setattr(&c, e.nodeid,
			  &(struct fuse_setattr_in){ .valid = FATTR_MODE, .mode = 02770 },
			  &a),
	       0, "setgid");
	is_int(a.mode & 07777, 02770, "set");
	is_int(fc_setxattr(&c, e.nodeid, "system.posix_acl_access", &acl, sizeof(acl), 0),
	       0, "an ACL by its owner");
	ok(fc_getattr(&c, e.nodeid, &a) == 0 && (a.mode & S_ISGID), "keeps setgid");
	is_int(fc_setxattr(&c, e.nodeid, "system.posix_acl_access", &acl, sizeof(acl),
			   FUSE_SETXATTR_ACL_KILL_SGID),
	       0, "an ACL by somebody outside the group");
	ok(fc_getattr(&c, e.nodeid, &a) == 0 && !(a.mode & S_ISGID), "takes setgid off");
}

static uint32_t mode_of(const char *name)
{
	struct stat st;

	fc_check(fstatat(host, name, &st, 0) == 0);
	return st.st_mode & 07777;
}

/* reset_mode() - as a root in the guest makes a setuid program. */
static void reset_mode(uint64_t node, uint32_t mode)
{
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = mode };
	struct fuse_attr a = { 0 };

	fc_check(fc_setattr(&c, node, &in, &a) == 0 && (a.mode & 07777) == mode);
}

static void test_killpriv(uint64_t root)
{
	struct fuse_setattr_in size = { .valid = FATTR_SIZE, .size = 1 };
	struct fuse_setattr_in own = { .valid = FATTR_UID | FATTR_KILL_SUIDGID,
				       .uid = 5 };
	struct fuse_open_in open = { .flags = O_WRONLY | O_TRUNC };
	struct fuse_entry_out e = { 0 };
	uint64_t fh = 0;

	is_int(fc_create(&c, root, "suid", 0755, 0, O_RDWR, &e, &fh), 0, "CREATE");
	reset_mode(e.nodeid, 06755);
	is_int(fc_write(&c, fh, 0, "root", 4), 4, "WRITE by one who may keep the bits");
	is_int(mode_of("suid"), 06755, "keeps them");
	is_int(fc_write_as(&c, fh, 0, "user", 4, FUSE_WRITE_KILL_SUIDGID, O_RDWR), 4,
	       "WRITE by one who may not");
	is_int(mode_of("suid"), 0755, "takes them off");
	reset_mode(e.nodeid, 02745);
	is_int(fc_write_as(&c, fh, 0, "user", 4, FUSE_WRITE_KILL_SUIDGID, O_RDWR), 4,
	       "WRITE to a setgid file without group execution");
	is_int(mode_of("suid"), 02745, "leaves it");
	reset_mode(e.nodeid, 06755);
	is_int(fc_setattr(&c, e.nodeid, &size, NULL), 0, "truncate, keeping");
	is_int(mode_of("suid"), 06755, "keeps");
	size.valid |= FATTR_KILL_SUIDGID;
	is_int(fc_setattr(&c, e.nodeid, &size, NULL), 0, "truncate, killing");
	is_int(mode_of("suid"), 0755, "kills");
	reset_mode(e.nodeid, 06755);
	is_int(fc_call(&c, FUSE_OPEN, e.nodeid, FC_ARGS(FC_VAR(open))), 0,
	       "O_TRUNC, keeping");
	is_int(mode_of("suid"), 06755, "keeps");
	open.open_flags = FUSE_OPEN_KILL_SUIDGID;
	is_int(fc_call(&c, FUSE_OPEN, e.nodeid, FC_ARGS(FC_VAR(open))), 0,
	       "O_TRUNC, killing");
	is_int(mode_of("suid"), 0755, "kills");
	reset_mode(e.nodeid, 06755);
	is_int(fc_setattr(&c, e.nodeid, &own, NULL), 0, "chown");
	is_int(mode_of("suid"), 0755, "kills always");
	is_int(fc_release(&c, FUSE_RELEASE, fh), 0, "RELEASE");
}

static void test_privileged(uint64_t root)
{
	/* VFS_CAP_REVISION_2, effective; CAP_NET_BIND_SERVICE */
	static const uint32_t cap[5] = { 0x02000001, 1u << 10, 0, 0, 0 };
	struct fuse_setattr_in own = { .valid = FATTR_UID | FATTR_GID,
				       .uid = 4294967294u,
				       .gid = 77 };
	struct fuse_entry_out e = { 0 };
	struct fuse_attr a = { 0 };
	uint64_t fh = 0;

	is_int(fc_create(&c, root, "cap", 0755, 0, O_RDWR, &e, &fh), 0, "CREATE");
	is_int(fc_setxattr(&c, e.nodeid, "security.capability", cap, sizeof(cap), 0), 0,
	       "file capabilities can be set");
	is_int(fc_getxattr(&c, e.nodeid, "security.capability", 100), sizeof(cap),
	       "and read back");
	ok(memcmp(c.reply, cap, sizeof(cap)) == 0, "as they were");
	is_int(fc_write(&c, fh, 0, "x", 1), 1, "WRITE");
	is_int(fc_getxattr(&c, e.nodeid, "security.capability", 100), -ENODATA,
	       "takes them off");
	is_int(fc_setattr(&c, e.nodeid, &own, &a), 0, "chown to the last id");
	ok(a.uid == 4294967294u && a.gid == 77, "set");
	is_int(fc_mknod(&c, root, "whiteout", S_IFCHR, 0, &e), 0,
	       "overlayfs's whiteout is no device");
	is_int(fc_mknod(&c, root, "null", S_IFCHR | 0666, 0x103, &e), -EPERM,
	       "/dev/null is");
	is_int(open("/proc/self/fd", O_PATH | O_CLOEXEC), -1, "all that without /proc");
	is_int(fc_release(&c, FUSE_RELEASE, fh), 0, "RELEASE");
}

/* A whiteout that a rename leaves is the guest's user's, as one of mknod(). */
static void test_whiteout(uint64_t root)
{
	struct fuse_entry_out e = { 0 };
	uint64_t node;

	c.uid = 1000;
	c.gid = 50;
	is_int(fc_mknod(&c, root, "wh-a", S_IFREG | 0600, 0, &e), 0, "MKNOD");
	node = e.nodeid;
	is_int(fc_rename(&c, root, "wh-a", root, "wh-b", RENAME_WHITEOUT), 0,
	       "RENAME_WHITEOUT");
	is_int(fc_lookup(&c, root, "wh-b", &e), 0, "LOOKUP of the new name");
	ok(e.nodeid == node, "is the same node");
	is_int(fc_lookup(&c, root, "wh-a", &e), 0, "LOOKUP of the old one");
	ok(S_ISCHR(e.attr.mode) && e.attr.rdev == 0 && e.nodeid != node, "a whiteout");
	ok(e.attr.uid == 1000 && e.attr.gid == 50, "of the user");
	is_int(fc_mknod(&c, root, "wh-c", S_IFREG | 0600, 0, &e), 0, "MKNOD");
	is_int(fc_rename(&c, root, "wh-c", root, "wh-b", RENAME_WHITEOUT), 0,
	       "RENAME_WHITEOUT over another");
	is_int(fc_getattr(&c, node, NULL), 0, "which is known until it is forgotten");
	c.uid = c.gid = 0;
	is_int(fc_mknod(&c, root, "wh-a", S_IFREG | 0600, 0, &e), -EEXIST,
	       "the name is taken");
	is_int(fc_rename(&c, root, "wh-b", root, "wh-a", 0), 0, "until it is renamed to");
}

static void run(void)
{
	uint64_t root;

	/* The worker's part again, in this process. */
	fc_check(fs_worker_init(&c.w, c.fs, NULL) == 0);
	fc_check(fc_init(&c) == 0);
	root = fc_root(&c, 0);
	test_creating(root);
	test_acl(root);
	test_killpriv(root);
	test_whiteout(root);
	test_privileged(root);
}

int main(void)
{
	char empty[256];
	int fd;

	if (!fs_jail_possible())
		return fs_jail_skip();
	fd = fc_tmp(empty, sizeof(empty));
	for (int securebits = 0; securebits < 2; securebits++) {
		host = fc_tmp(tmp, sizeof(tmp));
		fc_new(&c, &host, 1, false, false, 0);
		(void)printf("# %s SECBIT_NO_SETUID_FIXUP\n",
			     securebits ? "with" : "without");
		fs_jail_run(run, empty, securebits);
		fc_free(&c);
		fc_rm_tree(tmp);
		(void)close(host);
	}
	(void)close(fd);
	fc_rm_tree(empty);
	return tap_done();
}
