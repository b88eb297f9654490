/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths of a container, looked up below its root whatever its symbolic links
 * say (openat2(RESOLVE_IN_ROOT)): nothing here can reach outside of @root.
 *
 * All return a descriptor (O_CLOEXEC) that the caller owns, or -errno.
 */
#ifndef HULL_AGENT_INROOT_H
#define HULL_AGENT_INROOT_H

#include <limits.h>
#include <sys/types.h>

/* inroot_open() - @flags as for open(); no O_CREAT. */
int inroot_open(int root, const char *path, int flags);

/* inroot_open_plain() - likewise, but a symbolic link anywhere is -ELOOP. */
int inroot_open_plain(int root, const char *path, int flags);

/* inroot_mkdirs() - the directory @path (O_PATH), made with its parents (0755). */
int inroot_mkdirs(int root, const char *path);

/*
 * inroot_open_beneath() - without links, and never above @dir: slashes that begin
 * @path mean nothing, ".." that leads out is -EXDEV.
 */
int inroot_open_beneath(int dir, const char *path, int flags);

/*
 * inroot_parent() - the directory that @path is in (O_PATH), made when missing.
 * @name: the last component
 */
int inroot_parent(int root, const char *path, char name[NAME_MAX + 1]);

/* inroot_file() - the file @path (O_PATH), made empty when there is nothing. */
int inroot_file(int root, const char *path, mode_t mode);

#endif
