/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "rootfs/agent/inroot.h"

#define MAX_LINKS 8u /* that lead nowhere, on the way to one directory */

static int resolve(int root, const char *path, int flags, uint64_t how_flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC),
		.resolve = RESOLVE_NO_MAGICLINKS | how_flags,
	};
	long fd;

	do {
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
		/* EAGAIN: a rename raced with "..", the kernel could not be sure */
	} while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? -errno : (int)fd;
}

int inroot_open(int root, const char *path, int flags)
{
	return resolve(root, path, flags, RESOLVE_IN_ROOT);
}

int inroot_open_plain(int root, const char *path, int flags)
{
	return resolve(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

int inroot_open_beneath(int dir, const char *path, int flags)
{
	path += strspn(path, "/");
	return resolve(dir, *path ? path : ".", flags,
		       RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/* next_component() - the length of the one that @p begins with, after slashes. */
static const char *next_component(const char *p, size_t *ret_len)
{
	p += strspn(p, "/");
	*ret_len = strcspn(p, "/");
	return p;
}

static int mkdirs(int root, const char *path, unsigned int links);

/*
 * where_to() - the path below the root that the link @name in @dir leads to.
 * @path: of the link itself, below the root
 * Return: 0; -EEXIST: it is no link; -errno
 */
static int where_to(int dir, const char *name, const char *path, char to[2 * PATH_MAX])
{
	size_t parent = strlen(path);
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return errno == EINVAL ? -EEXIST : -errno;
	target[n] = 0;
	while (parent && path[parent - 1] == '/')
		parent--;
	while (parent && path[parent - 1] != '/')
		parent--;
	(void)!snprintf(to, 2 * PATH_MAX, "%.*s%s", target[0] == '/' ? 0 : (int)parent,
			path, target);
	return 0;
}

/*
 * make_component() - the directory @name in @dir, which is @prefix below @root.
 * A link that leads nowhere gets the directory that it leads to.
 */
static int make_component(int root, int dir, const char *name, const char *prefix,
			  unsigned int links)
{
	char path[2 * PATH_MAX];
	int ret;
	int fd;

	if (mkdirat(dir, name, 0755) == 0)
		return inroot_open(root, prefix, O_PATH | O_DIRECTORY);
	if (errno != EEXIST)
		return -errno;
	ret = where_to(dir, name, prefix, path);
	if (ret < 0)
		return ret;
	if (!links)
		return -ELOOP;
	fd = mkdirs(root, path, links - 1);
	if (fd < 0)
		return fd;
	close_fd(fd);
	return inroot_open(root, prefix, O_PATH | O_DIRECTORY);
}

static int mkdirs(int root, const char *path, unsigned int links)
{
	char prefix[PATH_MAX];
	char name[NAME_MAX + 1];
	auto_fd int dir = -1;
	const char *p = path;
	size_t len;
	int fd;

	fd = inroot_open(root, path, O_PATH | O_DIRECTORY);
	if (fd != -ENOENT)
		return fd;
	if (strlen(path) >= sizeof(prefix))
		return -ENAMETOOLONG;
	dir = inroot_open(root, "/", O_PATH | O_DIRECTORY);
	for (p = next_component(p, &len); dir >= 0 && len; p = next_component(p, &len)) {
		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, p, len);
		name[len] = 0;
		p += len;
		/* From the root each time: a link on the way may lead anywhere in it. */
		memcpy(prefix, path, (size_t)(p - path));
		prefix[p - path] = 0;
		fd = inroot_open(root, prefix, O_PATH | O_DIRECTORY);
		if (fd == -ENOENT)
			fd = make_component(root, dir, name, prefix, links);
		close_fd(dir);
		dir = fd;
	}
	return take_fd(&dir);
}

int inroot_mkdirs(int root, const char *path)
{
	return mkdirs(root, path, MAX_LINKS);
}

int inroot_parent(int root, const char *path, char name[NAME_MAX + 1])
{
	char parent[PATH_MAX];
	size_t end = strlen(path);
	size_t begin;

	while (end && path[end - 1] == '/')
		end--;
	begin = end;
	while (begin && path[begin - 1] != '/')
		begin--;
	if (end - begin > NAME_MAX || begin >= sizeof(parent))
		return -ENAMETOOLONG;
	memcpy(name, path + begin, end - begin);
	name[end - begin] = 0;
	if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	memcpy(parent, path, begin);
	parent[begin] = 0;
	return inroot_mkdirs(root, begin ? parent : "/");
}

/* make_file() - a link that leads nowhere gets the file that it leads to. */
static int make_file(int root, const char *path, mode_t mode, unsigned int links)
{
	char name[NAME_MAX + 1];
	char to[2 * PATH_MAX];
	auto_fd int dir = -1;
	int fd;
	int ret;

	fd = inroot_open(root, path, O_PATH);
	if (fd != -ENOENT)
		return fd;
	dir = inroot_parent(root, path, name);
	if (dir < 0)
		return dir;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    mode);
	if (fd < 0 && errno == EEXIST) {
		ret = where_to(dir, name, path, to);
		if (ret == 0)
			ret = links ? make_file(root, to, mode, links - 1) : -ELOOP;
		return ret;
	}
	if (fd < 0)
		return -errno;
	close_fd(fd);
	fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int inroot_file(int root, const char *path, mode_t mode)
{
	return make_file(root, path, mode, MAX_LINKS);
}
