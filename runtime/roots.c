/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/roots.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/path.h"
#include "oci/mount.h"
#include "oci/spec.h"
#include "runtime/bind_flags.h"
#include "runtime/idmap.h"
#include "runtime/verbs.h"
#include "vmm/agent_proto.h"
#include "vmm/vm_config.h"

#define MAX_MOUNTINFO (16u << 20) /* (bytes) */
/* In runc's words; of a source and a destination. */
#define MOUNTING                                                                         \
	RUNC_NO_PROCESS                                                                  \
	": error during container init: error mounting \"%s\" to rootfs at \"%s\""

struct clone_options {
	bool recursive; /* with what is mounted below it */
	bool readonly; /* the top mount */
	bool readonly_below; /* and those below it */
	bool writable; /* the top mount, though the source is not */
};

/*
 * clone_tree() - a detached clone of the mount that @path lies on, beginning at
 * @path: nothing above it can be reached through it, not even by "..".  Device
 * nodes and setuid bits in it mean nothing to the host.
 */
static int clone_tree(int dir, const char *path, const struct clone_options *opt,
		      int *ret_fd, struct err *err)
{
	unsigned int recursive = opt->recursive ? AT_RECURSIVE : 0;
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID,
		.propagation = MS_PRIVATE,
	};
	auto_fd int fd = open_tree(dir, path,
				   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive |
					   (*path ? 0 : AT_EMPTY_PATH));

	if (fd < 0)
		return err_set(err, errno, "clone the mount of '%s'", path);
	if (opt->readonly_below)
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	if (mount_setattr(fd, "", AT_EMPTY_PATH | recursive, &attr, sizeof(attr)) < 0)
		return err_set(err, errno, "mount_setattr '%s'", path);
	if (opt->writable || (opt->readonly && !opt->readonly_below)) {
		attr = (struct mount_attr){
			.attr_set = opt->writable ? 0 : MOUNT_ATTR_RDONLY,
			.attr_clr = opt->writable ? MOUNT_ATTR_RDONLY : 0,
		};
		if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
			return err_set(err, errno, "mount_setattr '%s'", path);
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

uint32_t roots_place(const char *destination)
{
	return (uint32_t)crc32(0, (const Bytef *)destination,
			       (uInt)strlen(destination));
}

/* add_root() - put @root, whose descriptor is taken over, into the table; @ret_path: the
 * guest's path. */
static int add_root(struct oci_spec *spec, struct vm_config *config,
		    const struct vm_root *root, char **ret_path, struct err *err)
{
	static const char *const dirs[] = {
		[VM_FS_PRIVATE] = AGENT_PRIVATE_DIR,
		[VM_FS_SHARED] = AGENT_SHARED_DIR,
	};
	char *path;

	if (config->n_roots == VM_MAX_ROOTS) {
		close_fd(root->fd);
		return err_msg(err, E2BIG, "config.json: mounts: more than %u bind mounts",
			       VM_MAX_ROOTS - 1);
	}
	path = arena_printf(&spec->arena, "%s/%u", dirs[root->device],
			    config->n_roots);
	if (!path) {
		close_fd(root->fd);
		return err_set(err, ENOMEM, "plan the mounts");
	}
	config->roots[config->n_roots++] = *root;
	*ret_path = path;
	return 0;
}

int roots_clone(int dir, const char *path, int *ret_fd, struct err *err)
{
	static const struct clone_options whole = { .recursive = true };

	return clone_tree(dir, path, &whole, ret_fd, err);
}

/* @ret_path: where it is on the host */
static int plan_rootfs(struct oci_spec *spec, const char *bundle,
		       struct vm_config *config, const char **ret_path, struct err *err)
{
	const char *path = spec->root->path;
	struct vm_root root;
	struct stat st;
	int fd = -1;
	int ret;

	if (*path != '/')
		path = arena_printf(&spec->arena, "%s/%s", bundle, path);
	if (!path)
		return err_set(err, ENOMEM, "plan the root file system");
	*ret_path = path;
	if (stat(path, &st) < 0)
		return err_set(err, errno, "config.json: root.path: '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "config.json: root.path: '%s'", path);
	ret = roots_clone(AT_FDCWD, path, &fd, err);
	if (ret < 0)
		return ret;
	/* The agent remounts it read-only once the mount points are made. */
	root = (struct vm_root){ .fd = fd,
				 .device = VM_FS_PRIVATE,
				 .place = roots_place("/") };
	return add_root(spec, config, &root, &spec->root->path, err);
}

/* map_ids() - with the mount's own maps, or those of the container's user namespace. */
static int map_ids(const struct oci_spec *spec, struct oci_mount *m,
		   const struct oci_mount_options *opt, int fd, struct err *err)
{
	bool own = m->uid_mappings.n;
	int ret = idmap_mount(fd, opt->idmap_recursive,
			      own ? &m->uid_mappings : &spec->linux_->uid_mappings,
			      own ? &m->gid_mappings : &spec->linux_->gid_mappings, err);

	/* Done: the guest sees the owners that they result in. */
	m->uid_mappings.n = m->gid_mappings.n = 0;
	return ret;
}

/*
 * kernel_path() - where a source lies in the guest that is of the kernel's own file
 * systems: these tell of the machine that the container is in, and what is written
 * to them is meant for it.
 * @ret: the path, or NULL for any other source
 */
static int kernel_path(struct oci_spec *spec, const char *source, char **ret,
		       struct err *err)
{
	auto_free char *real = NULL;
	struct statfs sfs;

	*ret = NULL;
	if (statfs(source, &sfs) < 0 ||
	    (sfs.f_type != PROC_SUPER_MAGIC && sfs.f_type != SYSFS_MAGIC &&
	     sfs.f_type != CGROUP2_SUPER_MAGIC))
		return 0;
	/* A link of /proc that leads elsewhere is that place. */
	real = realpath(source, NULL);
	if (!real || !(path_is_below(real, "/proc") || path_is_below(real, "/sys")))
		return 0;
	*ret = oci_strdup(spec, real);
	return *ret ? 0 : err_set(err, ENOMEM, "plan the mounts");
}

/*
 * guest_path() - where a source is in the guest without being exported.
 * @rootfs: the path of the root file system on the host
 * @ret: the path, or NULL
 */
static int guest_path(struct oci_spec *spec, const char *rootfs, const char *source,
		      char **ret, struct err *err)
{
	if (!path_is_below(source, rootfs))
		return kernel_path(spec, source, ret, err);
	/* As the container has it then, with what is mounted there before. */
	*ret = arena_printf(&spec->arena, "%s%s", spec->root->path,
			    source + strlen(rootfs));
	return *ret ? 0 : err_set(err, ENOMEM, "plan the mounts");
}

/* has_mounts_below() - as far as /proc tells; in doubt: none */
static bool has_mounts_below(const char *source)
{
	auto_free char *real = realpath(source, NULL);
	auto_buf struct buf mounts = BUF_INIT;
	char *rest = NULL;

	if (!real ||
	    io_read_file(AT_FDCWD, "/proc/self/mountinfo", MAX_MOUNTINFO, &mounts, NULL) < 0)
		return false;
	for (const char *line = strtok_r(mounts.data, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		char point[PATH_MAX];

		if (sscanf(line, "%*d %*d %*s %*s %4095s", point) == 1 &&
		    path_is_below(point, real) && strcmp(point, real) != 0)
			return true;
	}
	return false;
}

/*
 * leave_readonly_to_host() - take "ro" away, where the mounts below are not read-only:
 * in the guest all are one mount, on the host the top of the clone is.
 */
static void leave_readonly_to_host(struct oci_mount *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->options.n; i++)
		if (strcmp(m->options.v[i], "ro") != 0)
			m->options.v[n++] = m->options.v[i];
	m->options.n = n;
	m->options.v[n] = NULL;
}

/* plan_bind() - @rootfs: the path of the root file system on the host */
static int plan_bind(struct oci_spec *spec, const char *bundle, const char *rootfs,
		     struct oci_mount *m, struct vm_config *config, struct err *err)
{
	struct oci_mount_options opt = { 0 };
	struct clone_options clone = { 0 };
	struct vm_root root;
	const char *source = m->source;
	char *in_guest = NULL;
	int fd = -1;
	int ret;

	ret = oci_mount_options(m, &spec->arena, &opt, err);
	if (ret < 0)
		return ret;
	if (!source)
		return err_msg(err, EINVAL, "config.json: mounts: '%s' has no source",
			       m->destination);
	if (*source != '/')
		source = arena_printf(&spec->arena, "%s/%s", bundle, source);
	if (!source)
		return err_set(err, ENOMEM, "plan the mounts");
	/* Ids are mapped here, on a clone. */
	ret = opt.idmap ? 0 : guest_path(spec, rootfs, source, &in_guest, err);
	if (ret < 0)
		return ret;
	if (in_guest) {
		m->source = in_guest;
		return 0;
	}
	ret = bind_flags_inherit(spec, m, source, spec->linux_->uid_mappings.n, &opt,
				 &clone.writable, err);
	if (ret < 0)
		return err_wrap(err, ret, MOUNTING, source, m->destination);
	clone.recursive = opt.flags & MS_REC;
	clone.readonly = opt.flags & MS_RDONLY;
	clone.readonly_below = opt.rec_set & MOUNT_ATTR_RDONLY;
	if (clone.recursive && clone.readonly && !clone.readonly_below &&
	    has_mounts_below(source))
		leave_readonly_to_host(m);
	ret = clone_tree(AT_FDCWD, source, &clone, &fd, err);
	if (ret == 0 && opt.idmap) {
		ret = map_ids(spec, m, &opt, fd, err);
		if (ret < 0)
			close_fd(fd);
	}
	if (ret < 0)
		return err_wrap(err, ret, MOUNTING, source, m->destination);
	root = (struct vm_root){
		.fd = fd,
		.device = VM_FS_SHARED,
		.readonly = clone.readonly_below || (clone.readonly && !clone.recursive),
		.place = roots_place(m->destination),
	};
	return add_root(spec, config, &root, &m->source, err);
}

int roots_plan(struct oci_spec *spec, const char *bundle, struct vm_config *config,
	       struct err *err)
{
	const char *rootfs = ""; /* plan_rootfs() says */
	int ret = plan_rootfs(spec, bundle, config, &rootfs, err);

	for (size_t i = 0; ret == 0 && i < spec->mounts.n; i++) {
		struct oci_mount *m = &spec->mounts.v[i];

		/* As in runc: a path of the host may name a place in the container. */
		if (path_is_below(m->destination, rootfs) &&
		    m->destination[strlen(rootfs)])
			m->destination += strlen(rootfs);
		if (oci_mount_is_bind(m))
			ret = plan_bind(spec, bundle, rootfs, m, config, err);
	}
	return ret;
}

void roots_release(struct vm_config *config)
{
	for (uint32_t i = 0; i < config->n_roots; i++)
		close_fd(config->roots[i].fd);
	config->n_roots = 0;
}
