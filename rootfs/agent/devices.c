/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "rootfs/agent/devices.h"
#include "rootfs/agent/inroot.h"
#include "rootfs/agent/mounts.h"
#include "rootfs/agent/userns.h"

struct node {
	const char *path;
	mode_t mode; /* type and permissions */
	dev_t dev;
	uid_t uid;
	gid_t gid;
};

/* OCI runtime-spec 1.3 config-linux.md#default-devices */
static const struct {
	const char *name;
	unsigned int major;
	unsigned int minor;
} default_nodes[] = {
	{ "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

static const char *const links[][2] = {
	{ "/proc/self/fd", "fd" },
	{ "/proc/self/fd/0", "stdin" },
	{ "/proc/self/fd/1", "stdout" },
	{ "/proc/self/fd/2", "stderr" },
};

/*
 * own_node() - the node as one of the agent's own /dev.  The root of a user namespace
 * can neither make it nor change its owner: devices_prepare() did.
 */
static int own_node(const struct node *n, char own[64], struct err *err)
{
	(void)!snprintf(own, 64, "/dev/.%c-%u-%u", S_ISBLK(n->mode) ? 'b' : 'c',
			major(n->dev), minor(n->dev));
	if (mknod(own, n->mode, n->dev) < 0 && errno != EEXIST)
		return err_set(err, errno, "mknod '%s' for %s", own, n->path);
	if (chown(own, n->uid, n->gid) < 0 && errno != EPERM)
		return err_set(err, errno, "chown '%s' for %s", own, n->path);
	return 0;
}

/*
 * bind_node() - where nodes cannot be made (virtio-fs and user namespaces refuse
 * them), one from the agent's own /dev covers an empty file.
 */
static int bind_node(int dir, const char *name, const struct node *n, struct err *err)
{
	char own[64];
	auto_fd int target = -1;
	auto_fd int tree = -1;
	int ret = own_node(n, own, err);

	if (ret < 0)
		return ret;
	tree = open_tree(AT_FDCWD, own,
			 (unsigned int)(OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
	target = openat(dir, name, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0);
	if (tree < 0 || target < 0)
		return err_set(err, errno, "create device inode %s", n->path);
	ret = mounts_attach(tree, target);
	return ret < 0 ? err_set(err, -ret, "bind device %s", n->path) : 0;
}

/* make_node() - one that exists already is left as it is. */
static int make_node(int dir, const char *name, const struct node *n, struct err *err)
{
	if (mknodat(dir, name, n->mode, n->dev) < 0) {
		if (errno == EEXIST)
			return 0;
		if (errno == EPERM && !S_ISFIFO(n->mode))
			return bind_node(dir, name, n, err);
		return err_set(err, errno, "mknod %s", n->path);
	}
	if ((n->uid || n->gid) &&
	    fchownat(dir, name, n->uid, n->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, errno, "chown %s", n->path);
	return 0;
}

static struct node listed_node(const struct oci_device *d)
{
	const mode_t mode = d->file_mode.set ? (mode_t)d->file_mode.value & 07777 : 0666;

	return (struct node){
		.path = d->path,
		.mode = mode | (d->type == 'b'   ? S_IFBLK
				: d->type == 'p' ? S_IFIFO
						 : S_IFCHR),
		.dev = makedev((unsigned int)d->major, (unsigned int)d->minor),
		.uid = d->uid.set ? d->uid.value : 0,
		.gid = d->gid.set ? d->gid.value : 0,
	};
}

static struct node default_node(unsigned int i)
{
	return (struct node){
		.path = default_nodes[i].name,
		.mode = S_IFCHR | 0666,
		.dev = makedev(default_nodes[i].major, default_nodes[i].minor),
	};
}

static int make_listed(int root, const struct oci_device *d, struct err *err)
{
	const struct node n = listed_node(d);
	char name[NAME_MAX + 1];
	auto_fd int dir = -1;

	if (strcmp(d->path, "/dev/ptmx") == 0)
		return 0; /* a link to the container's own */
	dir = inroot_parent(root, d->path, name);
	if (dir < 0)
		return err_set(err, -dir, "mkdir parent of device inode %s", d->path);
	return make_node(dir, name, &n, err);
}

/* listed() - the default device /dev/@name is in linux.devices with its own mode. */
static bool listed(const struct oci_spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->linux_->devices.n; i++) {
		const char *path = spec->linux_->devices.v[i].path;

		if (strncmp(path, "/dev/", 5) == 0 && strcmp(path + 5, name) == 0)
			return true;
	}
	return false;
}

static int make_links(int dev, struct err *err)
{
	if (unlinkat(dev, "ptmx", 0) < 0 && errno != ENOENT)
		return err_set(err, errno, "unlink /dev/ptmx");
	if (symlinkat("pts/ptmx", dev, "ptmx") < 0)
		return err_set(err, errno, "symlink /dev/ptmx");
	for (unsigned int i = 0; i < ARRAY_SIZE(links); i++)
		if (symlinkat(links[i][0], dev, links[i][1]) < 0 && errno != EEXIST)
			return err_set(err, errno, "symlink /dev/%s", links[i][1]);
	if (access("/proc/kcore", F_OK) == 0 &&
	    symlinkat("/proc/kcore", dev, "core") < 0 && errno != EEXIST)
		return err_set(err, errno, "symlink /dev/core");
	return 0;
}

/* prepare_node() - whatever the agent's umask is. */
static int prepare_node(const struct node *n, struct err *err)
{
	char own[64];
	int ret = own_node(n, own, err);

	if (ret == 0 && chmod(own, n->mode & 07777) < 0)
		ret = err_set(err, errno, "chmod '%s' for %s", own, n->path);
	return ret;
}

int devices_prepare(const struct oci_spec *spec, struct err *err)
{
	const struct oci_linux *l = spec->linux_;
	int ret = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(default_nodes) && ret == 0; i++) {
		const struct node n = default_node(i);

		ret = prepare_node(&n, err);
	}
	for (size_t i = 0; i < l->devices.n && ret == 0; i++) {
		struct node n = listed_node(&l->devices.v[i]);

		n.uid = userns_id(&l->uid_mappings, n.uid);
		n.gid = userns_id(&l->gid_mappings, n.gid);
		if (n.uid == UINT32_MAX || n.gid == UINT32_MAX)
			return err_msg(err, EINVAL,
				       "linux.devices[%zu]: its owner is not mapped", i);
		if (!S_ISFIFO(n.mode))
			ret = prepare_node(&n, err);
	}
	return ret;
}

int devices_make(int root_fd, const struct oci_spec *spec, struct err *err)
{
	auto_fd int dev = inroot_mkdirs(root_fd, "/dev");
	int ret = 0;

	if (dev < 0)
		return err_set(err, -dev, "mkdir /dev");
	for (size_t i = 0; i < spec->linux_->devices.n && ret == 0; i++)
		ret = make_listed(root_fd, &spec->linux_->devices.v[i], err);
	for (unsigned int i = 0; i < ARRAY_SIZE(default_nodes) && ret == 0; i++) {
		const struct node n = default_node(i);

		if (!listed(spec, n.path))
			ret = make_node(dev, n.path, &n, err);
	}
	return ret < 0 ? ret : make_links(dev, err);
}
