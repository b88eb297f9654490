/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "rootfs/agent/mounts.h"
#include "rootfs/agent/rootfs.h"

static const unsigned long propagations[] = {
	[OCI_PROPAGATION_SHARED] = MS_SHARED,
	[OCI_PROPAGATION_RSHARED] = MS_SHARED | MS_REC,
	[OCI_PROPAGATION_SLAVE] = MS_SLAVE,
	[OCI_PROPAGATION_RSLAVE] = MS_SLAVE | MS_REC,
	[OCI_PROPAGATION_PRIVATE] = MS_PRIVATE,
	[OCI_PROPAGATION_RPRIVATE] = MS_PRIVATE | MS_REC,
	[OCI_PROPAGATION_UNBINDABLE] = MS_UNBINDABLE,
	[OCI_PROPAGATION_RUNBINDABLE] = MS_UNBINDABLE | MS_REC,
};

int rootfs_begin(const struct oci_spec *spec, struct err *err)
{
	const char *path = spec->root->path;
	auto_fd int tree = -1;

	/* Nothing that happens here is seen by the agent or by other containers. */
	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		return err_set(err, errno, "make '/' private");
	tree = open_tree(AT_FDCWD, path,
			 (unsigned int)(OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
					AT_RECURSIVE));
	if (tree < 0)
		return err_set(err, errno, "root.path '%s'", path);
	if (move_mount(tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_set(err, errno, "bind root.path '%s'", path);
	return take_fd(&tree);
}

/* set_root() - read-only and propagation of the new root mount. */
static int set_root(int root, const struct oci_spec *spec, struct err *err)
{
	enum oci_propagation p = spec->linux_->rootfs_propagation;
	int ret = 0;

	if (p)
		ret = mounts_set(root, propagations[p] & MS_REC, 0, 0,
				 propagations[p] & ~(unsigned long)MS_REC);
	if (ret < 0)
		return err_set(err, -ret, "linux.rootfsPropagation");
	if (spec->root->readonly)
		ret = mounts_set(root, false, MOUNT_ATTR_RDONLY, 0, 0);
	return ret < 0 ? err_set(err, -ret, "error setting rootfs as readonly") : 0;
}

int rootfs_enter(int root, const struct oci_spec *spec, struct err *err)
{
	int ret;

	if (fchdir(root) < 0)
		return err_set(err, errno, "fchdir '%s'", spec->root->path);
	/* Old and new in one place: the old one is on top, and goes. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_set(err, errno, "pivot_root '%s'", spec->root->path);
	if (umount2(".", MNT_DETACH) < 0)
		return err_set(err, errno, "umount the old root");
	/* Only now: pivot_root refuses a root that is shared. */
	ret = set_root(root, spec, err);
	if (ret < 0)
		return ret;
	if (chdir("/") < 0)
		return err_set(err, errno, "chdir '/'");
	return 0;
}
