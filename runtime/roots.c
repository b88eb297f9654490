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

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/mount.h"
#include "oci/spec.h"
#include "runtime/idmap.h"
#include "vmm/agent_proto.h"
#include "vmm/vm_config.h"

struct clone_options {
	bool recursive; /* with what is mounted below it */
	bool readonly; /* the top mount */
	bool readonly_below; /* and those below it */
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
	if (opt->readonly && !opt->readonly_below) {
		attr = (struct mount_attr){ .attr_set = MOUNT_ATTR_RDONLY };
		if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
			return err_set(err, errno, "mount_setattr '%s'", path);
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

/* add_root() - put @fd (taken over) into the table; @ret_path: the guest's path. */
static int add_root(struct oci_spec *spec, struct vm_config *config, int fd,
		    enum vm_fs_device device, bool readonly, char **ret_path,
		    struct err *err)
{
	static const char *const dirs[] = {
		[VM_FS_PRIVATE] = AGENT_PRIVATE_DIR,
		[VM_FS_SHARED] = AGENT_SHARED_DIR,
	};
	char *path;

	if (config->n_roots == VM_MAX_ROOTS) {
		close_fd(fd);
		return err_msg(err, E2BIG, "config.json: mounts: more than %u bind mounts",
			       VM_MAX_ROOTS - 1);
	}
	path = arena_printf(&spec->arena, "%s/%u", dirs[device], config->n_roots);
	if (!path) {
		close_fd(fd);
		return err_set(err, ENOMEM, "plan the mounts");
	}
	config->roots[config->n_roots++] = (struct vm_root){
		.fd = fd,
		.device = (uint8_t)device,
		.readonly = readonly,
	};
	*ret_path = path;
	return 0;
}

int roots_clone(int dir, const char *path, int *ret_fd, struct err *err)
{
	static const struct clone_options whole = { .recursive = true };

	return clone_tree(dir, path, &whole, ret_fd, err);
}

static int plan_rootfs(struct oci_spec *spec, const char *bundle,
		       struct vm_config *config, struct err *err)
{
	const char *path = spec->root->path;
	struct stat st;
	int fd = -1;
	int ret;

	if (*path != '/')
		path = arena_printf(&spec->arena, "%s/%s", bundle, path);
	if (!path)
		return err_set(err, ENOMEM, "plan the root file system");
	if (stat(path, &st) < 0)
		return err_set(err, errno, "config.json: root.path: '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "config.json: root.path: '%s'", path);
	ret = roots_clone(AT_FDCWD, path, &fd, err);
	if (ret < 0)
		return ret;
	/* The agent remounts it read-only once the mount points are made. */
	return add_root(spec, config, fd, VM_FS_PRIVATE, false, &spec->root->path, err);
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

static bool below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || !path[len]);
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
	if (!real || !(below(real, "/proc") || below(real, "/sys")))
		return 0;
	*ret = oci_strdup(spec, real);
	return *ret ? 0 : err_set(err, ENOMEM, "plan the mounts");
}

static int plan_bind(struct oci_spec *spec, const char *bundle, struct oci_mount *m,
		     struct vm_config *config, struct err *err)
{
	struct oci_mount_options opt = { 0 };
	struct clone_options clone = { 0 };
	const char *source = m->source;
	char *in_guest;
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
	ret = kernel_path(spec, source, &in_guest, err);
	if (ret < 0)
		return ret;
	if (in_guest) {
		m->source = in_guest;
		return 0;
	}
	clone.recursive = opt.flags & MS_REC;
	clone.readonly = opt.flags & MS_RDONLY;
	clone.readonly_below = opt.rec_set & MOUNT_ATTR_RDONLY;
	ret = clone_tree(AT_FDCWD, source, &clone, &fd, err);
	if (ret == 0 && opt.idmap) {
		ret = map_ids(spec, m, &opt, fd, err);
		if (ret < 0)
			close_fd(fd);
	}
	if (ret < 0)
		return err_wrap(err, ret, "error mounting \"%s\" to rootfs at \"%s\"",
				source, m->destination);
	return add_root(spec, config, fd, VM_FS_SHARED,
			clone.readonly_below || (clone.readonly && !clone.recursive),
			&m->source, err);
}

int roots_plan(struct oci_spec *spec, const char *bundle, struct vm_config *config,
	       struct err *err)
{
	int ret = plan_rootfs(spec, bundle, config, err);

	for (size_t i = 0; ret == 0 && i < spec->mounts.n; i++)
		if (oci_mount_is_bind(&spec->mounts.v[i]))
			ret = plan_bind(spec, bundle, &spec->mounts.v[i], config, err);
	return ret;
}

void roots_release(struct vm_config *config)
{
	for (uint32_t i = 0; i < config->n_roots; i++)
		close_fd(config->roots[i].fd);
	config->n_roots = 0;
}
