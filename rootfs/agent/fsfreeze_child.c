/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The children that freeze and thaw.  To freeze: the container's hooks, then what is
 * dirty in the guest is written (syncfs of every virtio-fs file system, those of
 * containers and the agent's own), then FIFREEZE of each file system on a block device
 * that is mounted in the container.  These may lie in files of virtio-fs (a loop
 * device), so that is written once more.  Thawing goes the other way.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "rootfs/agent/agent.h"
#include "rootfs/agent/container.h"
#include "rootfs/agent/fsfreeze.h"
#include "rootfs/agent/inroot.h"
#include "rootfs/agent/mountinfo.h"

#define MAX_MOUNTINFO (4u << 20) /* (bytes) */
#define MAX_DEVS 1024u /* virtio-fs file systems: one for each volume */

struct job {
	struct agent *agent;
	struct container *container;
	int sock; /* to the agent */
	int root; /* of the mounts that are looked at, O_PATH */
	dev_t synced[MAX_DEVS];
	unsigned int n_synced;
	dev_t frozen[FSFREEZE_MAX_BLOCKS];
	unsigned int n_frozen;
	bool tell; /* the agent, of each mount */
};

static void tell(const struct job *j, struct fsfreeze_msg *msg, size_t len, int fd)
{
	if (sock_send(j->sock, msg, len, &fd, fd >= 0) < 0)
		_exit(1); /* the agent has other plans */
}

static void tell_done(const struct job *j, int ret, const struct err *err)
{
	struct fsfreeze_msg msg = { .type = ret < 0 ? FSFREEZE_ERROR : FSFREEZE_DONE };

	if (ret < 0)
		msg.err = *err;
	tell(j, &msg, sizeof(msg), -1);
	_exit(ret < 0);
}

static void tell_mount(const struct job *j, const char *how, const struct mount_line *m,
		       int fd)
{
	struct fsfreeze_msg msg = { .type = FSFREEZE_MOUNT };

	if (!j->tell)
		return;
	(void)!snprintf(msg.text, sizeof(msg.text), "%s %.*s\n", how, PATH_MAX,
			m->escaped);
	tell(j, &msg, sizeof(msg), fd);
}

static void hook_begun(void *opaque, int pidfd)
{
	struct fsfreeze_msg msg = { .type = FSFREEZE_HOOK };

	tell(opaque, &msg, sizeof(msg), pidfd);
}

/* ---- mounts ---------------------------------------------------------------------- */

static bool is_among(const dev_t *list, unsigned int n, dev_t dev)
{
	for (unsigned int i = 0; i < n; i++)
		if (list[i] == dev)
			return true;
	return false;
}

/* open_mount() - -ENOENT: another mount hides it, or it is no file or directory. */
static int open_mount(const struct job *j, const struct mount_line *m)
{
	auto_fd int place = inroot_open(j->root, m->path, O_PATH);
	char path[64];
	struct stat st;
	int fd;

	if (place < 0)
		return place;
	if (fstat(place, &st) < 0)
		return -errno;
	if (st.st_dev != m->dev || (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)))
		return -ENOENT;
	(void)!snprintf(path, sizeof(path), "/proc/self/fd/%d", place);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int sync_mount(struct job *j, const struct mount_line *m, struct err *err)
{
	auto_fd int fd = -1;

	tell_mount(j, "gate", m, -1);
	if (is_among(j->synced, j->n_synced, m->dev))
		return 0;
	fd = open_mount(j, m);
	if (fd == -ENOENT)
		return 0; /* hidden here: the agent's own mounts have it as well */
	if (fd < 0)
		return err_set(err, -fd, "write back '%s'", m->path);
	if (syncfs(fd) < 0)
		return err_set(err, errno, "write back '%s'", m->path);
	if (j->n_synced < MAX_DEVS)
		j->synced[j->n_synced++] = m->dev;
	return 0;
}

static int freeze_mount(struct job *j, const struct mount_line *m, struct err *err)
{
	auto_fd int fd = -1;

	if (is_among(j->frozen, j->n_frozen, m->dev)) {
		tell_mount(j, "block", m, -1);
		return 0;
	}
	if (j->n_frozen == FSFREEZE_MAX_BLOCKS)
		return err_msg(err, E2BIG, "more than %u file systems on block devices",
			       FSFREEZE_MAX_BLOCKS);
	fd = open_mount(j, m);
	if (fd < 0)
		return err_set(err, -fd, "freeze '%s'", m->path);
	if (ioctl(fd, FIFREEZE, 0) < 0) {
		if (errno != EBUSY) /* frozen by somebody in the container: theirs */
			return err_set(err, errno, "freeze '%s'", m->path);
		close_fd(take_fd(&fd));
	}
	j->frozen[j->n_frozen++] = m->dev;
	tell_mount(j, "block", m, fd);
	return 0;
}

/* each_mount() - of @file ("self", or a pid), with @visit those that it wants. */
static int
each_mount(struct job *j, const char *pid, bool (*wanted)(struct mount_line *m),
	   int (*visit)(struct job *j, const struct mount_line *m, struct err *err),
	   struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	struct mount_line m;
	char path[64];
	char *rest;
	int ret;

	(void)!snprintf(path, sizeof(path), "/proc/%s/root", pid);
	j->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (j->root < 0)
		return err_set(err, errno, "open '%s'", path);
	(void)!snprintf(path, sizeof(path), "/proc/%s/mountinfo", pid);
	ret = io_read_file(AT_FDCWD, path, MAX_MOUNTINFO, &text, err);
	rest = text.data;
	while (ret == 0 && mount_line_next(&rest, &m))
		if (wanted(&m))
			ret = visit(j, &m, err);
	close_fd(take_fd(&j->root));
	return ret;
}

static bool is_virtiofs(struct mount_line *m)
{
	return strcmp(m->type, "virtiofs") == 0;
}

/* is_block() - one that can be written: the others need no freezing. */
static bool is_block(struct mount_line *m)
{
	return major(m->dev) != 0 && !m->fs_readonly;
}

/* ---- the whole -------------------------------------------------------------------- */

static int run_hooks(struct job *j, struct err *err)
{
	struct fsfreeze_hooks hooks;
	int ret = fsfreeze_hooks_find(j->container, &hooks, err);

	for (unsigned int i = 0; ret == 0 && i < hooks.n; i++)
		ret = fsfreeze_hook_run(j->agent, j->container, hooks.path[i], "freeze",
					hook_begun, j, err);
	return ret;
}

static int sync_all(struct job *j, const char *init, struct err *err)
{
	int ret;

	j->n_synced = 0;
	ret = each_mount(j, init, is_virtiofs, sync_mount, err);
	j->tell = false; /* the agent's mounts are not the container's */
	return ret < 0 ? ret : each_mount(j, "self", is_virtiofs, sync_mount, err);
}

void fsfreeze_child(struct agent *a, struct container *c, int sock)
{
	static struct job job; /* large, and alone in this process */
	struct job *j = &job;
	struct err err = ERR_INIT;
	char init[16];
	int ret;

	*j = (struct job){ .agent = a, .container = c, .sock = sock, .root = -1 };
	(void)!snprintf(init, sizeof(init), "%d",
			container_proc(c, AGENT_PROC_INIT)->pid);
	ret = run_hooks(j, &err);
	j->tell = true;
	if (ret == 0)
		ret = sync_all(j, init, &err);
	j->tell = true;
	if (ret == 0 && a->params->freeze_blocks)
		ret = each_mount(j, init, is_block, freeze_mount, &err);
	j->tell = false;
	if (ret == 0 && j->n_frozen)
		ret = sync_all(j, init, &err);
	tell_done(j, ret, &err);
	_exit(0);
}

void fsfreeze_thaw_child(struct agent *a, struct container *c, int sock)
{
	const struct fsfreeze *f = &c->fsfreeze;
	struct job *j = &(struct job){ .sock = sock };
	struct fsfreeze_hooks hooks;
	struct err err = ERR_INIT;
	int ret = 0;

	/* EINVAL: somebody in the container has thawed it. */
	for (unsigned int i = f->n_blocks; i-- > 0;)
		if (ioctl(f->blocks[i], FITHAW, 0) < 0 && errno != EINVAL)
			ret = err_set(&err, errno, "thaw a file system");
	if (fsfreeze_hooks_find(c, &hooks, &err) < 0)
		tell_done(j, -1, &err);
	/* None of them stops the others. */
	for (unsigned int i = f->n_hooks < hooks.n ? f->n_hooks : hooks.n; i-- > 0;) {
		struct err why = ERR_INIT;
		int r = fsfreeze_hook_run(a, c, hooks.path[i], "thaw", hook_begun, j,
					  &why);

		if (r < 0 && ret == 0)
			err = why;
		ret = ret < 0 ? ret : r;
	}
	tell_done(j, ret, &err);
	_exit(0);
}
