/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "oci/cgroup2.h"
#include "oci/spec.h"
#include "runtime/container.h"
#include "runtime/host_scope.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define CONTROLLERS_SIZE 4096u /* (bytes) */

bool host_cgroup_is_v2(void)
{
	struct statfs st;

	return statfs(CGROUP_ROOT, &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC;
}

/* is_clean() - an absolute path without "." and ".." that could lead out. */
static bool is_clean(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if ((len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += len;
		path += strspn(path, "/");
	}
	return true;
}

/*
 * enable_controllers() - let the cgroups in @path have all that it has itself.  One that
 * refuses (there are processes in it) is no error yet: a limit that then has no file is.
 */
static void enable_controllers(const char *path)
{
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_buf struct buf has = BUF_INIT;
	auto_buf struct buf gives = BUF_INIT;
	char *rest = NULL;

	if (dir < 0 ||
	    io_read_file(dir, "cgroup.controllers", CONTROLLERS_SIZE, &has, NULL) < 0 ||
	    io_read_file(dir, "cgroup.subtree_control", CONTROLLERS_SIZE, &gives, NULL) <
		    0)
		return;
	for (const char *name = strtok_r(has.data, " \n", &rest); name;
	     name = strtok_r(NULL, " \n", &rest)) {
		char text[64];

		if (gives.data && cgroup_has_word(gives.data, name))
			continue;
		(void)!snprintf(text, sizeof(text), "+%s", name);
		(void)io_write_file(dir, "cgroup.subtree_control", text, NULL);
	}
}

/* make_path() - the folders of @path below CGROUP_ROOT; the last may exist. */
static int make_path(const char *path, struct err *err)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	memcpy(part, path, len + 1);
	enable_controllers(CGROUP_ROOT);
	for (char *p = part + sizeof(CGROUP_ROOT);; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = 0;
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return err_set(err, errno, "create cgroup '%s'", part);
		if (c)
			enable_controllers(part);
		*p = c;
		if (!c)
			return 0;
	}
}

int host_cgroup_open(const char *name, struct container *c, int *ret_fd, struct err *err)
{
	auto_fd int fd = -1;
	char *path = arena_printf(&c->arena, CGROUP_ROOT "/%s", name + (*name == '/'));

	if (!path)
		return err_set(err, ENOMEM, "cgroup '%s'", name);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, errno, "open cgroup '%s'", path);
	c->cgroup = path;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* reads() - does the file @name in @dir have @text?  One that is not there has not. */
static bool reads(int dir, const char *name, const char *text)
{
	auto_buf struct buf b = BUF_INIT;

	return io_read_file(dir, name, CONTROLLERS_SIZE, &b, NULL) == 0 && b.data &&
	       strstr(b.data, text);
}

/* check_unused() - nobody else's: its limits and its freezer would be theirs too. */
static int check_unused(const char *path, struct err *err)
{
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_set(err, errno, "open cgroup '%s'", path);
	if (reads(dir, "cgroup.events", "populated 1"))
		return err_msg(err, EBUSY, "container's cgroup is not empty: '%s'", path);
	if (reads(dir, "cgroup.freeze", "1"))
		return err_msg(err, EBUSY, "container's cgroup unexpectedly frozen: '%s'",
			       path);
	return 0;
}

int host_cgroup_create(const struct oci_spec *spec, struct container *c, int *ret_fd,
		       struct err *err)
{
	const char *name = spec->linux_->cgroups_path ? spec->linux_->cgroups_path : c->id;
	char path[PATH_MAX];
	int ret;

	*ret_fd = -1;
	if (!host_cgroup_is_v2()) {
		log_debug("no cgroup v2 at " CGROUP_ROOT ": hull-vmm stays in the "
			  "caller's cgroup");
		return 0;
	}
	if (!is_clean(name))
		return err_msg(err, EINVAL, "config.json: linux.cgroupsPath: '%s'", name);
	if (snprintf(path, sizeof(path), CGROUP_ROOT "/%s", name + (*name == '/')) >=
	    (int)sizeof(path))
		return err_set(err, ENAMETOOLONG, "config.json: linux.cgroupsPath");
	ret = make_path(path, err);
	/* Before it is remembered as ours to remove. */
	if (ret == 0)
		ret = check_unused(path, err);
	return ret < 0 ? ret : host_cgroup_open(name, c, ret_fd, err);
}

int host_cgroup_remove(const struct container *c, struct err *err)
{
	int ret = c->unit ? host_scope_stop(c, err) : 0;

	/* systemd takes the folder away with the scope. */
	if (c->cgroup && rmdir(c->cgroup) < 0 && errno != ENOENT && ret == 0)
		ret = err_set(err, errno, "remove cgroup '%s'", c->cgroup);
	return ret;
}
