/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "lib/arena.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/path.h"
#include "oci/mount.h"
#include "oci/spec.h"
#include "rootfs/agent/boot.h"
#include "rootfs/agent/inroot.h"
#include "rootfs/agent/mounts.h"

/* What a bind mount's own flags replace, when it has any. */
#define BIND_ATTRS                                                                       \
	(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |  \
	 MOUNT_ATTR_NOSYMFOLLOW)
#define MS_ATIMES (MS_NOATIME | MS_RELATIME | MS_STRICTATIME | MS_NODIRATIME)

/* Files of /proc that lxcfs and friends put their own over. */
static const char *const proc_files[] = {
	"/proc/cpuinfo",
	"/proc/diskstats",
	"/proc/meminfo",
	"/proc/stat",
	"/proc/swaps",
	"/proc/uptime",
	"/proc/loadavg",
	"/proc/slabinfo",
	"/proc/sys/kernel/ns_last_pid",
	"/proc/sys/crypto/fips_enabled",
};

/* is_path() - is @path @clean, but for slashes too many and "."? */
static bool is_path(const char *path, const char *clean)
{
	for (;;) {
		size_t len;
		size_t want;

		while (*path == '/' || (path[0] == '.' && (path[1] == '/' || !path[1])))
			path++;
		clean += strspn(clean, "/");
		len = strcspn(path, "/");
		want = strcspn(clean, "/");
		if (len != want || memcmp(path, clean, len) != 0)
			return false;
		if (!len)
			return true;
		path += len;
		clean += want;
	}
}

static bool is_type(const struct oci_mount *m, const char *type)
{
	return m->type && strcmp(m->type, type) == 0;
}

bool mounts_bind_dev(const struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->mounts.n; i++)
		if (oci_mount_is_bind(&spec->mounts.v[i]) &&
		    is_path(spec->mounts.v[i].destination, "/dev"))
			return true;
	return false;
}

/* late_readonly() - what is still written to after it is mounted. */
static bool late_readonly(const struct oci_mount *m, bool bind)
{
	return (!bind && is_type(m, "tmpfs")) || is_path(m->destination, "/dev");
}

/* The container's procfs, once it is mounted: no device has the number 0. */
static dev_t proc_dev;

/*
 * check_proc() - nothing but proc itself on /proc, and nothing on its files
 * except on those that are replaced by custom.
 * @target: the mount point
 * @mnt: what is to be mounted there; -1: a new file system
 */
static int check_proc(const struct oci_mount *m, int target, int mnt, struct err *err)
{
	struct statfs sfs;
	struct stat st;

	if (is_path(m->destination, "/proc")) {
		if (mnt < 0 && is_type(m, "proc"))
			return 0;
		if (mnt >= 0 && fstatfs(mnt, &sfs) == 0 && sfs.f_type == PROC_SUPER_MAGIC)
			return 0;
		return err_msg(err, EINVAL,
			       "\"%s\" cannot be mounted because it is not of type proc",
			       m->destination);
	}
	/* By its number: statfs() would ask the host about every other target. */
	if (!proc_dev || fstat(target, &st) < 0 || st.st_dev != proc_dev)
		return 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(proc_files); i++)
		if (is_path(m->destination, proc_files[i]))
			return 0;
	return err_msg(err, EINVAL, "\"%s\" cannot be mounted because it is inside /proc",
		       m->destination);
}

/* open_target() - the mount point, made when it is missing. @file: for a file */
static int open_target(int root, const struct oci_mount *m, bool file, bool plain,
		       struct err *err)
{
	struct stat top;
	struct stat st;
	int fd;

	if (plain) {
		fd = inroot_open_plain(root, m->destination, O_PATH | O_DIRECTORY);
		if (fd == -ELOOP || fd == -ENOTDIR)
			return err_msg(
				err, EINVAL,
				"filesystem \"%s\" must be mounted on ordinary directory",
				m->type);
		if (fd == -ENOENT)
			fd = inroot_mkdirs(root, m->destination);
	} else if (file) {
		fd = inroot_file(root, m->destination, 0644);
	} else {
		/* A file that is there already may be covered by a file. */
		fd = inroot_open(root, m->destination, O_PATH);
		if (fd == -ENOENT)
			fd = inroot_mkdirs(root, m->destination);
	}
	if (fd < 0)
		return err_set(err, -fd, "create mountpoint for %s mount",
			       m->destination);
	if (fstat(fd, &st) == 0 && fstat(root, &top) == 0 && st.st_dev == top.st_dev &&
	    st.st_ino == top.st_ino) {
		close_fd(fd);
		return err_msg(err, EINVAL, "mountpoint \"%s\" is on the top of rootfs",
			       m->destination);
	}
	return fd;
}

/* note_proc() - remember the file system that was mounted at /proc. */
static void note_proc(const struct oci_mount *m, int mnt)
{
	struct stat st;

	if (is_path(m->destination, "/proc") && fstat(mnt, &st) == 0)
		proc_dev = st.st_dev;
}

/* set_propagation() - in the order of the options; the mount is attached. */
static int set_propagation(int mnt, const struct oci_mount_options *o, struct err *err)
{
	for (unsigned int i = 0; i < o->n_propagation; i++) {
		int ret = mounts_set(mnt, o->propagation[i] & MS_REC, 0, 0,
				     o->propagation[i] & ~(unsigned long)MS_REC);

		if (ret < 0)
			return err_set(err, -ret, "change mount propagation");
	}
	return 0;
}

/* bind_attrs() - the flags of a bind mount, on the clone of its source. */
static int bind_attrs(int tree, const struct oci_mount *m,
		      const struct oci_mount_options *o, struct err *err)
{
	unsigned long flags = o->flags & ~(unsigned long)(MS_BIND | MS_REC | MS_REMOUNT);
	uint64_t set = mounts_attr(flags);
	int ret = 0;

	if (flags || o->cleared) {
		if (late_readonly(m, true))
			set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
		ret = mounts_set(tree, false, set,
				 BIND_ATTRS | (flags & MS_ATIMES
						       ? MOUNT_ATTR__ATIME |
								 MOUNT_ATTR_NODIRATIME
						       : 0u),
				 0);
	}
	if (ret == 0 && (o->rec_set || o->rec_clear))
		ret = mounts_set(tree, true, o->rec_set, o->rec_clear, 0);
	return ret < 0 ? err_set(err, -ret, "set mount flags") : 0;
}

/* clone_source() - the tree to be bound; one of the container's root: as it is now */
static int clone_source(int root, const struct oci_mount *m, const char *root_path,
			bool recursive, struct err *err)
{
	unsigned int flags = (unsigned int)(OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC) |
			     (recursive ? AT_RECURSIVE : 0u);
	const char *inside = m->source + strlen(root_path);
	auto_fd int source = -1;
	int tree;

	if (path_is_below(m->source, root_path)) {
		source = inroot_open(root, *inside ? inside : "/", O_PATH);
		if (source < 0)
			return err_set(err, -source, "bind source '%s'", m->source);
		tree = open_tree(source, "", flags | AT_EMPTY_PATH);
	} else {
		tree = open_tree(AT_FDCWD, m->source, flags);
	}
	return tree < 0 ? err_set(err, errno, "bind source '%s'", m->source) : tree;
}

/* mount_bind() - @root_path: what sources in the container's root begin with */
static int mount_bind(int root, const char *root_path, const struct oci_mount *m,
		      const struct oci_mount_options *o, struct err *err)
{
	auto_fd int tree = -1;
	auto_fd int target = -1;
	struct stat st;
	int ret;

	if (!m->source)
		return err_msg(err, EINVAL, "bind mount without a source");
	tree = clone_source(root, m, root_path, o->flags & MS_REC, err);
	if (tree < 0)
		return tree;
	if (fstat(tree, &st) < 0)
		return err_set(err, errno, "bind source '%s'", m->source);
	target = open_target(root, m, !S_ISDIR(st.st_mode), false, err);
	if (target < 0)
		return target;
	ret = check_proc(m, target, tree, err);
	if (ret == 0)
		ret = bind_attrs(tree, m, o, err);
	if (ret < 0)
		return ret;
	ret = mounts_attach(tree, target);
	if (ret < 0)
		return err_set(err, -ret, "bind mount");
	note_proc(m, tree);
	return set_propagation(tree, o, err);
}

/* tmpfs_data() - a tmpfs has the mode of the directory it covers, unless told. */
static const char *tmpfs_data(int target, const char *data, bool fresh,
			      struct arena *arena)
{
	struct stat st;

	if (fresh || fstat(target, &st) < 0)
		return data;
	return arena_printf(arena, "mode=%04o%s%s", st.st_mode & 07777u, *data ? "," : "",
			    data);
}

/*
 * new_cgroups() - a user namespace without a cgroup namespace of its own may mount no
 * cgroup2: then the agent's is bound, as runc binds the host's.
 */
static int new_cgroups(const struct oci_mount *m, const struct oci_mount_options *o,
		       uint64_t attr, struct err *err)
{
	struct err why = ERR_INIT;
	int mnt = mounts_new("cgroup2", m->source, o->data, o->flags, attr, &why);
	int ret;

	if (mnt < 0 && mnt != -EPERM)
		return err_msg(err, -mnt, "%s", why.msg);
	if (mnt >= 0)
		return mnt;
	mnt = open_tree(AT_FDCWD, BOOT_CGROUP_DIR,
			(unsigned int)(OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
				       AT_RECURSIVE));
	if (mnt < 0)
		return err_msg(err, EPERM, "%s", why.msg);
	ret = mounts_set(mnt, false, attr & ~(uint64_t)MOUNT_ATTR__ATIME, 0, 0);
	if (ret == 0)
		return mnt;
	close_fd(mnt);
	return err_set(err, -ret, "set mount flags of '%s'", BOOT_CGROUP_DIR);
}

static int mount_new(int root, const struct oci_mount *m,
		     const struct oci_mount_options *o, struct arena *arena,
		     struct err *err)
{
	bool plain = is_type(m, "proc") || is_type(m, "sysfs");
	const char *type = is_type(m, "cgroup") ? "cgroup2" : m->type;
	uint64_t attr = mounts_attr(o->flags);
	const char *data = o->data;
	auto_fd int target = -1;
	auto_fd int mnt = -1;
	bool fresh;
	int probe;
	int ret;

	if (!type)
		return err_msg(err, EINVAL, "mount of \"%s\" has no type",
			       m->destination);
	probe = inroot_open(root, m->destination, O_PATH);
	fresh = probe < 0;
	close_fd(probe);
	target = open_target(root, m, false, plain, err);
	if (target < 0)
		return target;
	ret = check_proc(m, target, -1, err);
	if (ret < 0)
		return ret;
	if (is_type(m, "tmpfs"))
		data = tmpfs_data(target, data, fresh, arena);
	if (!data)
		return err_set(err, ENOMEM, "mount options");
	if (late_readonly(m, false))
		attr &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	mnt = strcmp(type, "cgroup2") == 0
		      ? new_cgroups(m, o, attr, err)
		      : mounts_new(type, m->source, data, o->flags, attr, err);
	if (mnt < 0)
		return mnt;
	if (o->tmpcopyup && is_type(m, "tmpfs") && !fresh) {
		ret = copyup(target, mnt, err);
		if (ret < 0)
			return ret;
	}
	if (o->rec_set || o->rec_clear)
		ret = mounts_set(mnt, true, o->rec_set, o->rec_clear, 0);
	if (ret == 0)
		ret = mounts_attach(mnt, target);
	if (ret < 0)
		return err_set(err, -ret, "mount");
	note_proc(m, mnt);
	return set_propagation(mnt, o, err);
}

/* prepare_bind() - the source of @m, covered by itself with the access time of @o. */
static int prepare_bind(const struct oci_mount *m, const struct oci_mount_options *o,
			struct err *err)
{
	auto_fd int tree = open_tree(AT_FDCWD, m->source,
				     (unsigned int)(OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
						    AT_RECURSIVE));
	auto_fd int source = open(m->source, O_PATH | O_CLOEXEC);
	int ret;

	if (tree < 0 || source < 0)
		return err_set(err, errno, "bind source '%s'", m->source);
	ret = mounts_set(tree, false, mounts_attr(o->flags & MS_ATIMES),
			 MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME, 0);
	if (ret == 0)
		ret = mounts_attach(tree, source);
	return ret < 0 ? err_set(err, -ret, "set the access time of '%s'", m->source) : 0;
}

int mounts_prepare(const struct oci_spec *spec, struct err *err)
{
	auto_arena struct arena arena = ARENA_INIT;

	for (size_t i = 0; i < spec->mounts.n; i++) {
		const struct oci_mount *m = &spec->mounts.v[i];
		struct oci_mount_options o;
		int ret = oci_mount_options(m, &arena, &o, err);

		if (ret == 0 && o.flags & MS_BIND && o.flags & MS_ATIMES && m->source &&
		    !path_is_below(m->source, spec->root->path))
			ret = prepare_bind(m, &o, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int mounts_make(int root, const struct oci_spec *spec, struct err *err)
{
	auto_arena struct arena arena = ARENA_INIT;

	for (size_t i = 0; i < spec->mounts.n; i++) {
		const struct oci_mount *m = &spec->mounts.v[i];
		struct oci_mount_options o;
		int ret = oci_mount_options(m, &arena, &o, err);

		if (ret < 0)
			return ret;
		ret = o.flags & MS_BIND ? mount_bind(root, spec->root->path, m, &o, err)
					: mount_new(root, m, &o, &arena, err);
		if (ret < 0)
			return err_wrap(err, ret,
					"error during container init: error mounting "
					"\"%s\" to rootfs at \"%s\"",
					m->source ? m->source : "", m->destination);
	}
	return 0;
}

int mounts_finish(int root, const struct oci_spec *spec, struct err *err)
{
	auto_arena struct arena arena = ARENA_INIT;

	for (size_t i = 0; i < spec->mounts.n; i++) {
		const struct oci_mount *m = &spec->mounts.v[i];
		struct oci_mount_options o;
		auto_fd int mnt = -1;
		int ret = oci_mount_options(m, &arena, &o, err);

		if (ret < 0)
			return ret;
		if (!(o.flags & MS_RDONLY) || !late_readonly(m, o.flags & MS_BIND))
			continue;
		mnt = inroot_open(root, m->destination, O_PATH);
		ret = mnt < 0 ? mnt : mounts_set(mnt, false, MOUNT_ATTR_RDONLY, 0, 0);
		if (ret < 0)
			return err_set(err, -ret, "remount \"%s\" read-only",
				       m->destination);
	}
	return 0;
}
