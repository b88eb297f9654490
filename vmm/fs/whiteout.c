/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/fs/whiteout.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/fs/server.h"

#define TARGET_LEN (sizeof(FS_WHITEOUT_TARGET) - 1)
#define TEMP_SIZE 32u
#define TEMP_TRIES 100 /* names in use: what crashes have left, or the guest made */

bool fs_whiteout_is(const char *target, size_t len)
{
	return len == TARGET_LEN && memcmp(target, FS_WHITEOUT_TARGET, TARGET_LEN) == 0;
}

bool fs_whiteout_at(const struct fs_root *root, int fd, const char *name)
{
	char target[TARGET_LEN + 1]; /* one more: a longer one is another */
	ssize_t len;

	if (!root->overlay)
		return false;
	len = readlinkat(fd, name, target, sizeof(target));
	return len > 0 && fs_whiteout_is(target, (size_t)len);
}

void fs_whiteout_show(const struct fs_root *root, int fd, const char *name,
		      struct stat *st)
{
	if (!root->overlay || !S_ISLNK(st->st_mode) || st->st_size != TARGET_LEN ||
	    !fs_whiteout_at(root, fd, name))
		return;
	st->st_mode = S_IFCHR;
	st->st_rdev = 0;
	st->st_size = 0;
	st->st_blocks = 0;
}

int fs_stat_name(const struct fs_root *root, int fd, const char *name, int flags,
		 struct stat *st)
{
	if (fstatat(fd, name, st, flags | AT_NO_AUTOMOUNT) < 0)
		return -errno;
	fs_whiteout_show(root, fd, name, st);
	return 0;
}

int fs_whiteout_make(const struct fs_root *root, int dir, const char *name, mode_t mode)
{
	if (mknodat(dir, name, mode, 0) == 0)
		return 0;
	/* A file system of the host's that is mounted in an overlay has taken it. */
	if (errno != EPERM || !root->overlay)
		return -errno;
	return symlinkat(FS_WHITEOUT_TARGET, dir, name) < 0 ? -errno : 0;
}

static int move(int from, const char *name, int to, const char *to_name,
		unsigned int flags)
{
	return syscall(SYS_renameat2, from, name, to, to_name, flags) < 0 ? -errno : 0;
}

/* make_temp() - a whiteout under a name that nobody uses. */
static int make_temp(int dir, char name[TEMP_SIZE])
{
	static atomic_uint counter;

	for (int i = 0; i < TEMP_TRIES; i++) {
		(void)snprintf(name, TEMP_SIZE, ".hull-whiteout-%u",
			       atomic_fetch_add(&counter, 1));
		if (symlinkat(FS_WHITEOUT_TARGET, dir, name) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* move_file() - @from has two names, or changes places with @to; then @temp is put there. */
static int move_file(const struct fs_whiteout_end *from, const struct fs_whiteout_end *to,
		     const char *temp)
{
	int ret;

	if (to->st)
		ret = move(from->dir, from->name, to->dir, to->name, RENAME_EXCHANGE);
	else if (linkat(from->dir, from->name, to->dir, to->name, 0) < 0)
		ret = -errno;
	else
		ret = 0;
	if (ret < 0)
		return ret;
	ret = move(from->dir, temp, from->dir, from->name, 0);
	if (ret < 0 && to->st)
		(void)move(from->dir, from->name, to->dir, to->name, RENAME_EXCHANGE);
	else if (ret < 0)
		(void)unlinkat(to->dir, to->name, 0);
	return ret;
}

/*
 * move_dir() - @to is @temp, the whiteout, before the two change places: were it the
 * folder that is replaced, @from would for a moment be one that is merged with what
 * lies below.
 */
static int move_dir(const struct fs_whiteout_end *from, const struct fs_whiteout_end *to,
		    const char *temp)
{
	unsigned int flags = to->st ? RENAME_EXCHANGE : RENAME_NOREPLACE;
	int ret;

	ret = move(from->dir, temp, to->dir, to->name, flags);
	if (ret < 0)
		return ret;
	ret = move(from->dir, from->name, to->dir, to->name, RENAME_EXCHANGE);
	if (ret == 0 && to->st && unlinkat(from->dir, temp, AT_REMOVEDIR) < 0) {
		ret = -errno; /* it is not empty */
		(void)move(from->dir, from->name, to->dir, to->name, RENAME_EXCHANGE);
	}
	if (ret < 0)
		(void)move(from->dir, temp, to->dir, to->name,
			   to->st ? RENAME_EXCHANGE : 0);
	return ret;
}

int fs_whiteout_rename(const struct fs_root *root, const struct fs_whiteout_end *from,
		       const struct fs_whiteout_end *to, bool noreplace)
{
	bool dir = S_ISDIR(from->st->st_mode);
	char temp[TEMP_SIZE];
	int ret;

	if (!root->overlay)
		return -EINVAL;
	if (to->st && noreplace)
		return -EEXIST;
	if (to->st && to->st->st_ino == from->st->st_ino &&
	    to->st->st_dev == from->st->st_dev)
		return 0; /* two links of one file: both stay, by POSIX */
	if (to->st && dir != S_ISDIR(to->st->st_mode))
		return dir ? -ENOTDIR : -EISDIR;
	ret = make_temp(from->dir, temp);
	if (ret < 0)
		return ret;
	ret = dir ? move_dir(from, to, temp) : move_file(from, to, temp);
	if (ret < 0)
		(void)unlinkat(from->dir, temp, 0);
	return ret;
}
