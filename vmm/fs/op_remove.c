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

/*
 * look() - what has this name now?  Held open (O_PATH), its inode number cannot
 * come back as another file's before the records know that it is gone.
 * Return: 0, *ret_fd may be -1 (no descriptor to be had); -errno
 */
static int look(int dir, const char *name, struct stat *st, int *ret_fd)
{
	auto_fd int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0) {
		if (fstat(fd, st) < 0)
			return -errno;
		*ret_fd = take_fd(&fd);
		return 0;
	}
	if (errno != EMFILE && errno != ENFILE)
		return -errno;
	if (fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return -errno;
	return 0;
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
	ret = look(d.fd, name, &st, &victim);
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

/* rename_at() - the call, and then the records.  Return: 0; -errno */
static int rename_at(struct fs_req *r, struct fs_entry from, int from_fd,
		     struct fs_entry to, int to_fd, unsigned int flags)
{
	struct fs_server *fs = r->fs;
	auto_fd int victim = -1;
	struct stat was, is, gone;
	bool replaces;
	int ret;

	if (fstatat(from_fd, from.name, &was, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return -errno;
	ret = look(to_fd, to.name, &gone, &victim);
	if (ret < 0 && ret != -ENOENT)
		return ret;
	replaces = ret == 0;
	touch_both(r, from, to, &was, replaces ? &gone : NULL, flags & RENAME_EXCHANGE);
	if (syscall(SYS_renameat2, from_fd, from.name, to_fd, to.name, flags) < 0)
		return -errno;
	if (replaces && !(flags & RENAME_EXCHANGE)) {
		if (same_file(&was, &gone))
			return 0; /* two links of one file: both stay, by POSIX */
		fs_name_removed(fs, to.dir, to.name, &gone, &victim);
	}
	is = was;
	if (to.dir->root->overlay &&
	    fstatat(to_fd, to.name, &is, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		is = was;
	fs_name_moved(fs, from, to, &was, &is);
	if (replaces && (flags & RENAME_EXCHANGE)) {
		is = gone;
		if (to.dir->root->overlay &&
		    fstatat(from_fd, from.name, &is,
			    AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
			is = gone;
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
