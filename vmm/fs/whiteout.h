/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whiteouts on a root that cannot have them.
 *
 * Overlayfs says "this name of the layers below is deleted" with a character device
 * 0:0, and makes it by mknod() and by rename() with RENAME_WHITEOUT.  On an overlayfs of
 * the host, which is what a container's root file system mostly is, both fail: there such
 * a node would be one of its own.  So that an overlayfs of the guest can have its upper
 * layer there, a root that is an overlayfs (fs_root.overlay) has a symbolic link with
 * a target that leads nowhere in its place.  All of the server sees it as the device:
 * whoever looks at a name below a root does it with fs_stat_name() or fs_whiteout_show(),
 * so records, attributes, listings and links of it are a device's.  The guest can neither
 * make such a link (SYMLINK fails) nor see one.  Anybody may make a whiteout, so one that
 * came with an image, or that somebody made on the host, is no more than that.
 *
 * Other roots have the host's own, and nothing here costs them anything; an overlay pays
 * for symbolic links of just this length, and in plain listings for all links.
 */
#ifndef HULL_VMM_FS_WHITEOUT_H
#define HULL_VMM_FS_WHITEOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/*
 * Short enough for ext4 to keep it in the inode (59 bytes); nothing can be behind it, as
 * /dev/null is no directory.
 */
#define FS_WHITEOUT_TARGET "/dev/null/hull:whiteout"

struct fs_root;

/* fs_whiteout_is() - is this target the one? */
bool fs_whiteout_is(const char *target, size_t len);

/* fs_whiteout_at() - is it one of ours?  @name: "": @fd itself */
bool fs_whiteout_at(const struct fs_root *root, int fd, const char *name);

/* fs_whiteout_show() - @st, of @name in @fd or of @fd itself: a link becomes the device. */
void fs_whiteout_show(const struct fs_root *root, int fd, const char *name,
		      struct stat *st);

/* fs_stat_name() - fstatat() below @root, as the guest sees it.  Return: 0; -errno */
int fs_stat_name(const struct fs_root *root, int fd, const char *name, int flags,
		 struct stat *st);

/* fs_whiteout_make() - mknod() of the device, or a link.  Return: 0; -errno */
int fs_whiteout_make(const struct fs_root *root, int dir, const char *name, mode_t mode);

/* One end of a rename. */
struct fs_whiteout_end {
	int dir;
	const char *name;
	const struct stat *st; /* what is there; NULL: nothing */
};

/*
 * fs_whiteout_rename() - rename() with RENAME_WHITEOUT, for a root without it.
 *
 * Several calls take the place of one; at no moment, and after no crash, is @from's name
 * free, for the content of a lower layer would then come back:
 * - a file: for a moment it has both names, and what @to was has @from's (a rename over
 *   it never leaves @to missing);
 * - a folder, which cannot have two names: for a moment @to is a whiteout.
 * What a crash leaves besides is a whiteout, or the folder that was replaced, which is
 * empty, under a name of its own in @from's directory (".hull-whiteout-N").
 * Return: 0; -errno, all is as it was
 */
int fs_whiteout_rename(const struct fs_root *root, const struct fs_whiteout_end *from,
		       const struct fs_whiteout_end *to, bool noreplace);

#endif
