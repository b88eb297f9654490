/* SPDX-License-Identifier: Apache-2.0 */
/* A host with cgroup v1: a folder in each hierarchy, which hull-vmm joins. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "runtime/cgroup1_limits.h"
#include "runtime/cgroup1_places.h"
#include "runtime/container.h"
#include "runtime/host_cgroup.h"
#include "runtime/host_cgroup_ops.h"
#include "runtime/host_cgroup_v1.h"

#define MAX_DEPTH 32u /* of folders that are looked into for processes */

/* A folder whose last process has just ended may refuse to go for a moment. */
#define REMOVE_TRIES 50u
#define REMOVE_PAUSE_NS 20000000L /* (ns) */

static int open_folder(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* has_processes() - v1 does not tell of those in the folders below. */
static bool has_processes(int dir, unsigned int depth)
{
	auto_buf struct buf procs = BUF_INIT;
	auto_dir DIR *list = NULL;
	const struct dirent *e;
	int fd;

	/* A file that is too long is not empty either. */
	if (io_read_file(dir, "cgroup.procs", PIPE_BUF, &procs, NULL) == -EFBIG ||
	    procs.len)
		return true;
	fd = depth ? openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	list = fd < 0 ? NULL : fdopendir(fd);
	while (list && (e = readdir(list))) {
		auto_fd int below = -1;

		if (e->d_name[0] == '.' || e->d_type != DT_DIR)
			continue;
		below = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below >= 0 && has_processes(below, depth - 1))
			return true;
	}
	return false;
}

/* is_frozen() - by itself: not with a folder above it. */
static bool is_frozen(int dir)
{
	return host_cgroup_reads(dir, "freezer.state", "FR") &&
	       !host_cgroup_reads(dir, "freezer.self_freezing", "0");
}

/* check_unused() - one that is not there is; what is there instead the mkdir will tell. */
static int check_unused(const char *path, struct err *err)
{
	auto_fd int dir = open_folder(path);

	if (dir < 0)
		return 0;
	if (has_processes(dir, MAX_DEPTH))
		return host_cgroup_not_empty(path, err);
	return is_frozen(dir) ? host_cgroup_frozen(path, err) : 0;
}

/*
 * make_path() - the folders of @p below its mount point; the last may exist.  A folder
 * of cpuset has no CPUs at first, and takes no process then: those on the way get what
 * is above them, the last with its limits what they leave out.
 */
static int make_path(const struct cgroup1_place *p, struct err *err)
{
	bool cpuset = cgroup1_has(p->controllers, "cpuset");
	char part[PATH_MAX];
	int ret = 0;

	if (snprintf(part, sizeof(part), "%s", p->path) >= (int)sizeof(part))
		return err_set(err, ENAMETOOLONG, "config.json: linux.cgroupsPath");
	for (char *at = part + strlen(p->mount) + 1; ret == 0; at++) {
		char c = *at;

		if (c && c != '/')
			continue;
		*at = 0;
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return err_set(err, errno, "create cgroup '%s'", part);
		if (!c)
			break;
		if (cpuset) {
			auto_fd int dir = open_folder(part);

			ret = cgroup1_inherit_cpuset(dir, err);
		}
		*at = c;
	}
	return ret < 0 ? err_wrap(err, ret, "cgroup '%s'", part) : 0;
}

/* make() - one folder; remembered as ours to remove. */
static int make(const struct cgroup1_place *p, struct container *c, struct err *err)
{
	struct oci_pair *made = &c->cgroup1.v[c->cgroup1.n];
	int ret = make_path(p, err);

	if (ret < 0)
		return ret;
	made->key = arena_strdup(&c->arena, p->controllers);
	made->value = arena_strdup(&c->arena, p->path);
	if (!made->key || !made->value)
		return err_set(err, ENOMEM, "cgroup '%s'", p->path);
	c->cgroup1.n++;
	return 0;
}

int host_cgroup_v1_create(const struct cgroup1_places *places, struct container *c,
			  struct err *err)
{
	int ret = 0;

	c->cgroup1.v = arena_array(&c->arena, places->n + 1, sizeof(*c->cgroup1.v));
	if (!c->cgroup1.v)
		return err_set(err, ENOMEM, "linux.cgroupsPath");
	/* All before the first is made, which would have to be taken away again. */
	for (size_t i = 0; i < places->n && ret == 0; i++)
		ret = check_unused(places->v[i].path, err);
	for (size_t i = 0; i < places->n && ret == 0; i++) {
		bool optional = cgroup1_is_optional(places->v[i].controllers);

		ret = make(&places->v[i], c, optional ? NULL : err);
		if (optional)
			ret = 0;
	}
	return ret;
}

static int create(const char *name, struct container *c, struct err *err)
{
	struct cgroup1_places places;
	int ret = cgroup1_find(name, &c->arena, &places, err);

	return ret < 0 ? ret : host_cgroup_v1_create(&places, c, err);
}

static int open_folders(const struct container *c, struct host_cgroup *ret,
			struct err *err)
{
	for (size_t i = 0; i < c->cgroup1.n && ret->n < HOST_CGROUP_MAX; i++) {
		const struct oci_pair *p = &c->cgroup1.v[i];
		int fd = open_folder(p->value);

		if (fd < 0 && cgroup1_is_optional(p->key))
			continue;
		if (fd < 0)
			return err_set(err, errno, "open cgroup '%s'", p->value);
		ret->dir[ret->n++] =
			(struct host_cgroup_dir){ .controllers = p->key, .fd = fd };
	}
	return 0;
}

static int join(const struct host_cgroup *h, struct err *err)
{
	for (size_t i = 0; i < h->n; i++) {
		const char *list = h->dir[i].controllers;
		int ret = io_write_file(h->dir[i].fd, "cgroup.procs", "0", NULL);

		if (ret < 0 && !cgroup1_is_optional(list))
			return err_set(err, -ret, "join the cgroup of %s", list);
	}
	return 0;
}

static void thaw(const struct container *c)
{
	for (size_t i = 0; i < c->cgroup1.n; i++) {
		auto_fd int dir = -1;

		if (!cgroup1_has(c->cgroup1.v[i].key, "freezer"))
			continue;
		dir = open_folder(c->cgroup1.v[i].value);
		if (dir >= 0 && is_frozen(dir))
			(void)io_write_file(dir, "freezer.state", "THAWED", NULL);
	}
}

static int remove_folder(const char *path)
{
	static const struct timespec pause = { .tv_nsec = REMOVE_PAUSE_NS };

	for (unsigned int i = 0; rmdir(path) < 0; i++) {
		if (errno == ENOENT)
			break;
		if (errno != EBUSY || i == REMOVE_TRIES)
			return -errno;
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

/* remove_folders() - all that can be; the first that cannot is the error. */
static int remove_folders(const struct container *c, struct err *err)
{
	int first = 0;

	for (size_t i = 0; i < c->cgroup1.n; i++) {
		const struct oci_pair *p = &c->cgroup1.v[i];
		int ret = remove_folder(p->value);

		if (ret < 0 && first == 0 && !cgroup1_is_optional(p->key))
			first = err_set(err, -ret, "remove cgroup '%s'", p->value);
	}
	return first;
}

const struct host_cgroup_ops host_cgroup_v1 = {
	.create = create,
	.open = open_folders,
	.join = join,
	.thaw = thaw,
	.remove = remove_folders,
	.set = cgroup1_set,
	.save = cgroup1_save,
	.cpu_max = cgroup1_cpu_max,
	.idle = cgroup1_idle,
	.oom_control = true,
};
