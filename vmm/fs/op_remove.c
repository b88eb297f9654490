/* SPDX-License-Identifier: Apache-2.0 */
/* UNLINK, RMDIR, RENAME: names go, and records follow. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/fs/ops.h"
#include "vmm/fs/whiteout.h"

/*
 * look() - what has this name now?  Held open (O_PATH), its inode number cannot
 * come back as another file's before the records know that it is gone.
 * Return: 0, *ret_fd may be -1 (no descriptor to be had); -errno
 */
static int look(const struct fs_root *root, int dir, const char *name, struct stat *st,
		int *ret_fd)
{
	auto_fd int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0) {
		if (fstat(fd, st) < 0)
			return -errno;
		fs_whiteout_show(root, fd, "", st);
		*ret_fd = take_fd(&fd);
		return 0;
	}
	if (errno != EMFILE && errno != ENFILE)
		return -errno;
	return fs_stat_name(root, dir, name, AT_SYMLINK_NOFOLLOW, st);
}

static int remove_entry(struct fs_req *r, struct fs_inode *dir, int flags)
{
	struct fs_server *fs = r->fs;
	char name[FS_NAME_SIZE];
	auto_fd int victim = -1;
	struct fs_dir d;
	struct stat st;
	int ret;

	ret = fs_req_name(r, name);
	if (ret == 0)
		ret = fs_dir_open(fs, dir, &d);
	if (ret < 0)
		return ret;
	fs_names_begin(fs);
	ret = look(dir->root, d.fd, name, &st, &victim);
	if (ret == 0) {
		fs_touch_name(r, dir, name, IN_DELETE);
		fs_touch_found(r, dir->root, &st, IN_ATTRIB);
		if (unlinkat(d.fd, name, flags) < 0)
			ret = -errno;
	}
	if (ret == 0)
		fs_name_removed(fs, dir, name, &st, &victim);
	fs_names_end(fs, ret == 0);
	fs_dir_close(fs, &d);
	return ret;
}

int fs_op_unlink(struct fs_req *r, struct fs_inode *dir)
{
	return remove_entry(r, dir, 0);
}

int fs_op_rmdir(struct fs_req *r, struct fs_inode *dir)
{
	return remove_entry(r, dir, AT_REMOVEDIR);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* touch_both() - what a rename of @was does to what is watched; @gone: NULL: nothing */
static void touch_both(struct fs_req *r, struct fs_entry from, struct fs_entry to,
		       const struct stat *was, const struct stat *gone, bool exchange)
{
	const uint32_t moved = exchange ? IN_MOVED_FROM | IN_MOVED_TO : 0;

	fs_touch_name(r, from.dir, from.name, IN_MOVED_FROM | moved);
	fs_touch_name(r, to.dir, to.name, IN_MOVED_TO | moved);
	fs_touch_found(r, from.dir->root, was, IN_MOVE_SELF);
	if (gone)
		fs_touch_found(r, to.dir->root, gone,
			       exchange ? IN_MOVE_SELF : IN_ATTRIB);
}

/* do_rename() - the call itself.  A whiteout belongs to who renames, as one of MKNOD. */
static int do_rename(struct fs_req *r, const struct fs_root *root,
		     const struct fs_whiteout_end *from, const struct fs_whiteout_end *to,
		     unsigned int flags)
{
	bool whiteout = flags & RENAME_WHITEOUT;
	int ret = whiteout ? fs_cred_enter(r, 0) : 0;

	if (ret < 0)
		return ret;
	if (syscall(SYS_renameat2, from->dir, from->name, to->dir, to->name, flags) < 0)
		ret = -errno;
	/* So says a file system that knows no such flag; or it is not to be. */
	if (ret == -EINVAL && whiteout && !(flags & RENAME_EXCHANGE))
		ret = fs_whiteout_rename(root, from, to, flags & RENAME_NOREPLACE);
	if (whiteout)
		fs_cred_leave(r);
	return ret;
}

/* after() - @is: what was @was, at its new name; overlayfs may have copied it up. */
static void after(const struct fs_root *root, int dir, const char *name,
		  const struct stat *was, struct stat *is)
{
	if (!root->overlay || fs_stat_name(root, dir, name, AT_SYMLINK_NOFOLLOW, is) < 0)
		*is = *was;
}

/* rename_at() - the call, and then the records.  Return: 0; -errno */
static int rename_at(struct fs_req *r, struct fs_entry from, int from_fd,
		     struct fs_entry to, int to_fd, unsigned int flags)
{
	const struct fs_root *root = to.dir->root;
	bool exchange = flags & RENAME_EXCHANGE;
	struct fs_server *fs = r->fs;
	auto_fd int victim = -1;
	struct stat was, is, gone;
	bool replaces;
	int ret;

	ret = fs_stat_name(root, from_fd, from.name, AT_SYMLINK_NOFOLLOW, &was);
	if (ret < 0)
		return ret;
	ret = look(root, to_fd, to.name, &gone, &victim);
	if (ret < 0 && ret != -ENOENT)
		return ret;
	replaces = ret == 0;
	touch_both(r, from, to, &was, replaces ? &gone : NULL, exchange);
	ret = do_rename(r, root, &(struct fs_whiteout_end){ from_fd, from.name, &was },
			&(struct fs_whiteout_end){ to_fd, to.name,
						   replaces ? &gone : NULL },
			flags);
	if (ret < 0)
		return ret;
	if (replaces && !exchange) {
		if (same_file(&was, &gone))
			return 0; /* two links of one file: both stay, by POSIX */
		fs_name_removed(fs, to.dir, to.name, &gone, &victim);
	}
	after(root, to_fd, to.name, &was, &is);
	fs_name_moved(fs, from, to, &was, &is);
	if (replaces && exchange) {
		after(root, from_fd, from.name, &gone, &is);
		fs_name_moved(fs, to, from, &gone, &is);
	}
	return 0;
}

static int rename_to(struct fs_req *r, struct fs_inode *olddir, uint64_t newid,
		     unsigned int flags)
{
	char oldname[FS_NAME_SIZE], newname[FS_NAME_SIZE];
	struct fs_server *fs = r->fs;
	struct fs_inode *newdir;
	struct fs_dir from, to = FS_DIR_INIT;
	int ret;

	ret = fs_req_name(r, oldname);
	if (ret == 0)
		ret = fs_req_name(r, newname);
	if (ret < 0)
		return ret;
	newdir = fs_inode_get(fs, newid);
	if (!newdir)
		return -ESTALE;
	if (newdir->root != olddir->root) {
		ret = -EXDEV;
	} else {
		ret = fs_dir_open(fs, olddir, &from);
		if (ret == 0) {
			ret = fs_dir_open(fs, newdir, &to);
			if (ret == 0) {
				fs_names_begin(fs);
				ret = rename_at(r, (struct fs_entry){ olddir, oldname },
						from.fd,
						(struct fs_entry){ newdir, newname },
						to.fd, flags);
				fs_names_end(fs, ret == 0);
			}
			fs_dir_close(fs, &to);
			fs_dir_close(fs, &from);
		}
	}
	fs_inode_put(fs, newdir);
	return ret;
}

int fs_op_rename(struct fs_req *r, struct fs_inode *olddir)
{
	struct fuse_rename_in in;
	int ret = fs_req_get(r, &in, sizeof(in));

	return ret < 0 ? ret : rename_to(r, olddir, in.newdir, 0);
}

int fs_op_rename2(struct fs_req *r, struct fs_inode *olddir)
{
	struct fuse_rename2_in in;
	int ret = fs_req_get(r, &in, sizeof(in));

	if (ret < 0)
		return ret;
	if (in.flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	return rename_to(r, olddir, in.newdir, in.flags);
}
