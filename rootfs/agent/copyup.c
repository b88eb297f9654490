/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpcopyup: a tmpfs begins with what the image has at its mount point.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "rootfs/agent/mounts.h"

#define MAX_DEPTH 128

static int copy_dir(int from, int to, unsigned int depth);

/* copy_data() - a regular file. */
static int copy_data(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	auto_fd int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	auto_fd int to = -1;
	ssize_t n;

	if (from < 0)
		return -errno;
	to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    st->st_mode & 07777);
	if (to < 0)
		return -errno;
	do {
		n = sendfile(to, from, NULL, 1u << 20);
	} while (n > 0);
	return n < 0 ? -errno : 0;
}

static int copy_link(int from_dir, int to_dir, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = 0;
	return symlinkat(target, to_dir, name) < 0 ? -errno : 0;
}

static int copy_subdir(int from_dir, int to_dir, const char *name, unsigned int depth)
{
	auto_fd int from =
		openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_fd int to = -1;

	if (from < 0 || mkdirat(to_dir, name, 0700) < 0)
		return -errno;
	to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return to < 0 ? -errno : copy_dir(from, to, depth + 1);
}

static int copy_entry(int from, int to, const char *name, unsigned int depth)
{
	struct stat st;
	int ret;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		ret = copy_subdir(from, to, name, depth);
	else if (S_ISREG(st.st_mode))
		ret = copy_data(from, to, name, &st);
	else if (S_ISLNK(st.st_mode))
		ret = copy_link(from, to, name);
	else
		ret = mknodat(to, name, st.st_mode, st.st_rdev) < 0 ? -errno : 0;
	if (ret < 0)
		return ret;
	if (fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	/* After the owner: chown takes set-user-ID bits away. */
	if (!S_ISLNK(st.st_mode) && fchmodat(to, name, st.st_mode & 07777, 0) < 0)
		return -errno;
	return 0;
}

static int copy_dir(int from, int to, unsigned int depth)
{
	auto_dir DIR *dir = NULL;
	const struct dirent *e;
	int fd;
	int ret = 0;

	if (depth > MAX_DEPTH)
		return -ELOOP;
	fd = dup(from);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		close_fd(fd);
		return -errno;
	}
	while (ret == 0 && (e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			ret = copy_entry(from, to, e->d_name, depth);
	return ret;
}

int copyup(int from, int to, struct err *err)
{
	auto_fd int readable = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret = readable < 0 ? -errno : copy_dir(readable, to, 0);

	return ret < 0 ? err_set(err, -ret, "tmpcopyup") : 0;
}
