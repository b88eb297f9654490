/* SPDX-License-Identifier: Apache-2.0 */
/* A host with cgroup v2: one folder, in which hull-vmm is born. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/cgroup2.h"
#include "oci/cgroup2_saved.h"
#include "oci/honoured.h"
#include "runtime/container.h"
#include "runtime/host_cgroup.h"
#include "runtime/host_cgroup_ops.h"
#include "runtime/host_limits.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define CONTROLLERS_SIZE 4096u /* (bytes) */

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

static int check_unused(const char *path, struct err *err)
{
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_set(err, errno, "open cgroup '%s'", path);
	if (host_cgroup_reads(dir, "cgroup.events", "populated 1"))
		return host_cgroup_not_empty(path, err);
	if (host_cgroup_reads(dir, "cgroup.freeze", "1"))
		return host_cgroup_frozen(path, err);
	return 0;
}

static int create(const char *name, struct container *c, struct err *err)
{
	char path[PATH_MAX];
	int ret;

	if (snprintf(path, sizeof(path), CGROUP_ROOT "/%s", name + (*name == '/')) >=
	    (int)sizeof(path))
		return err_set(err, ENAMETOOLONG, "config.json: linux.cgroupsPath");
	ret = make_path(path, err);
	/* Before it is remembered as ours to remove. */
	if (ret == 0)
		ret = check_unused(path, err);
	if (ret < 0)
		return ret;
	c->cgroup = arena_strdup(&c->arena, path);
	return c->cgroup ? 0 : err_set(err, ENOMEM, "cgroup '%s'", path);
}

static int open_folder(const struct container *c, struct host_cgroup *ret,
		       struct err *err)
{
	int fd = open(c->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, errno, "open cgroup '%s'", c->cgroup);
	ret->dir[0] = (struct host_cgroup_dir){ .controllers = "", .fd = fd };
	ret->n = 1;
	return 0;
}

static int remove_folder(const struct container *c, struct err *err)
{
	if (rmdir(c->cgroup) < 0 && errno != ENOENT)
		return err_set(err, errno, "remove cgroup '%s'", c->cgroup);
	return 0;
}

int host_cgroup_own(void)
{
	auto_buf struct buf text = BUF_INIT;
	char path[PATH_MAX];
	const char *own;

	/* cgroups(7): "0::/path", the only line where v2 alone is mounted. */
	if (!host_cgroup_is_v2() ||
	    io_read_file(AT_FDCWD, "/proc/self/cgroup", PATH_MAX, &text, NULL) < 0)
		return -1;
	own = text.data ? strstr(text.data, "0::/") : NULL;
	if (!own || snprintf(path, sizeof(path), CGROUP_ROOT "%.*s/cgroup.procs",
			     (int)strcspn(own + 3, "\n"), own + 3) >= (int)sizeof(path))
		return -1;
	return open(path, O_WRONLY | O_CLOEXEC);
}

static int set(const struct host_cgroup *h, const struct host_limits *limits,
	       struct err *err)
{
	return cgroup_set(h->dir[0].fd, &limits->res, OCI_BY_HOST, err);
}

static struct cgroup_saved *save(const struct host_cgroup *h,
				 const struct host_limits *limits)
{
	return cgroup_save(h->dir[0].fd, &limits->res);
}

static int cpu_max(const struct host_cgroup *h, int64_t *ret_quota, uint64_t *ret_period)
{
	return cgroup_read_cpu_max(h->dir[0].fd, ret_quota, ret_period);
}

static int idle(const struct host_cgroup *h, int64_t *ret)
{
	return cgroup_read_limit(h->dir[0].fd, "cpu.idle", ret);
}

const struct host_cgroup_ops host_cgroup_v2 = {
	.create = create,
	.open = open_folder,
	.remove = remove_folder,
	.set = set,
	.save = save,
	.cpu_max = cpu_max,
	.idle = idle,
};
