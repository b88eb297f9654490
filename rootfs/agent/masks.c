/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "rootfs/agent/inroot.h"
#include "rootfs/agent/mounts.h"

#define CLONE_FLAGS ((unsigned int)(AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC))

/* What covers masked paths, made for the first that needs it. */
struct covers {
	int null; /* the agent's own /dev/null: O_PATH */
	int empty; /* an empty, read-only tmpfs, attached somewhere, or -1 */
};

/* cover_dir() - the first directory gets the tmpfs, the others clones of it. */
static int cover_dir(struct covers *c, int target, struct err *err)
{
	auto_fd int mnt = -1;
	int ret;

	if (c->empty < 0)
		mnt = mounts_new("tmpfs", "tmpfs", "nr_blocks=1,nr_inodes=1", 0,
				 MOUNT_ATTR_RDONLY, err);
	else
		mnt = open_tree(c->empty, "", CLONE_FLAGS);
	if (mnt < 0)
		return c->empty < 0 ? mnt : err_set(err, errno, "clone mask");
	ret = mounts_attach(mnt, target);
	if (ret < 0)
		return err_set(err, -ret, "mount mask");
	if (c->empty < 0)
		c->empty = take_fd(&mnt);
	return 0;
}

static int cover_file(struct covers *c, int target, struct err *err)
{
	auto_fd int mnt = -1;
	int ret;

	if (c->null < 0)
		c->null = open("/dev/null", O_PATH | O_CLOEXEC);
	mnt = open_tree(c->null, "", CLONE_FLAGS);
	if (mnt < 0)
		return err_set(err, errno, "clone '/dev/null'");
	ret = mounts_attach(mnt, target);
	return ret < 0 ? err_set(err, -ret, "mount '/dev/null'") : 0;
}

static int mask(struct covers *c, int root, const char *path, struct err *err)
{
	auto_fd int target = inroot_open(root, path, O_PATH);
	struct stat st;
	int ret;

	if (target == -ENOENT)
		return 0;
	if (target < 0 || fstat(target, &st) < 0)
		return err_set(err, target < 0 ? -target : errno,
			       "can't mask path \"%s\"", path);
	ret = S_ISDIR(st.st_mode) ? cover_dir(c, target, err)
				  : cover_file(c, target, err);
	return ret < 0 ? err_wrap(err, ret, "can't mask path \"%s\"", path) : 0;
}

/* make_readonly() - a read-only clone of what is there on top of itself. */
static int make_readonly(int root, const char *path, struct err *err)
{
	auto_fd int target = inroot_open(root, path, O_PATH);
	auto_fd int tree = -1;
	int ret;

	if (target == -ENOENT)
		return 0;
	if (target < 0)
		return err_set(err, -target, "can't make \"%s\" read-only", path);
	tree = open_tree(target, "", CLONE_FLAGS | AT_RECURSIVE);
	/* The other attributes come along with the clone. */
	ret = tree < 0 ? -errno : mounts_set(tree, false, MOUNT_ATTR_RDONLY, 0, 0);
	if (ret == 0)
		ret = mounts_attach(tree, target);
	if (ret < 0)
		return err_set(err, -ret, "can't make \"%s\" read-only", path);
	return 0;
}

int mounts_mask(int root, const struct oci_spec *spec, struct err *err)
{
	const struct oci_linux *l = spec->linux_;
	struct covers covers = { -1, -1 };
	int ret = 0;

	for (size_t i = 0; i < l->readonly_paths.n && ret == 0; i++)
		ret = make_readonly(root, l->readonly_paths.v[i], err);
	for (size_t i = 0; i < l->masked_paths.n && ret == 0; i++) {
		const struct oci_strings before = { l->masked_paths.v, i };

		/* One that is named again has its cover. */
		if (!oci_strings_has(&before, l->masked_paths.v[i]))
			ret = mask(&covers, root, l->masked_paths.v[i], err);
	}
	close_fd(covers.null);
	close_fd(covers.empty);
	return ret;
}
