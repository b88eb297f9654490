/* SPDX-License-Identifier: Apache-2.0 */
/* What is watched: records, and the host's watches behind them. */
#include "vmm/fs/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "vmm/agent_proto.h"
#include "vmm/fs/ops.h"
#include "vmm/fs/server.h"

/* What of the host's changes is told: not that somebody opens or reads something. */
#define WATCHED                                                                          \
	(IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO |          \
	 IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF)

static_assert(FUSE_WATCH < FS_OPCODES, "has a place in the table of operations");

void fs_watches_init(struct fs_watches *w, const struct fs_params *params)
{
	w->told = params->on_notices;
	w->arg = params->on_notices_arg;
	w->fd = -1;
	TAILQ_INIT(&w->touches);
	(void)pthread_mutex_init(&w->arm_lock, NULL); /* cannot fail on Linux */
	(void)pthread_mutex_init(&w->lock, NULL); /* the same */
}

void fs_watches_reset(struct fs_watches *w)
{
	(void)pthread_mutex_lock(&w->arm_lock);
	(void)pthread_mutex_lock(&w->lock);
	for (unsigned int b = 0; w->buckets && b < FS_WATCH_BUCKETS; b++) {
		struct fs_watch *watch;

		while ((watch = w->buckets[b])) {
			w->buckets[b] = watch->next;
			atomic_fetch_sub(&w->n, 1);
			free(watch);
		}
	}
	w->gone = 0;
	close_fd(w->fd); /* and with it the host's watches */
	w->fd = -1;
	free(w->buckets);
	w->buckets = NULL;
	free(w->events);
	w->events = NULL;
	w->last = 0;
	buf_release(&w->notices);
	w->overflow = w->left = false;
	(void)pthread_mutex_unlock(&w->lock);
	(void)pthread_mutex_unlock(&w->arm_lock);
}

void fs_watches_release(struct fs_watches *w)
{
	fs_watches_reset(w);
	(void)pthread_mutex_destroy(&w->lock);
	(void)pthread_mutex_destroy(&w->arm_lock);
}

/* ---- records ------------------------------------------------------------------------- */

static struct fs_watch **bucket_of(const struct fs_watches *w, int wd)
{
	return &w->buckets[(unsigned int)wd & (FS_WATCH_BUCKETS - 1)];
}

struct fs_watch *fs_watch_find_locked(struct fs_watches *w, int wd, uint64_t node)
{
	struct fs_watch *watch = w->buckets ? *bucket_of(w, wd) : NULL;

	while (watch && (watch->wd != wd || watch->node != node))
		watch = watch->next;
	return watch;
}

void fs_watch_forget_locked(struct fs_server *fs, struct fs_inode *inode)
{
	struct fs_watches *w = &fs->watches;
	struct fs_watch *watch = inode->watch;

	if (!watch)
		return;
	inode->watch = NULL;
	(void)pthread_mutex_lock(&w->lock);
	if (watch->wd < 0) { /* in no bucket: the host's is gone already */
		atomic_fetch_sub(&w->n, 1);
		free(watch);
	} else {
		watch->node = 0;
		w->gone++;
	}
	(void)pthread_mutex_unlock(&w->lock);
}

/*
 * take_gone() - a host's watch that nobody needs any more, its record freed.
 * Return: its number; -1: there are no more
 */
static int take_gone(struct fs_watches *w)
{
	int ret = -1;

	(void)pthread_mutex_lock(&w->lock);
	for (unsigned int b = 0; ret < 0 && w->gone && b < FS_WATCH_BUCKETS; b++) {
		struct fs_watch **at = &w->buckets[b];

		while (ret < 0 && *at) {
			struct fs_watch *watch = *at;
			struct fs_watch *other = w->buckets[b];

			if (watch->node) {
				at = &watch->next;
				continue;
			}
			*at = watch->next;
			w->gone--;
			atomic_fetch_sub(&w->n, 1);
			for (other = w->buckets[b]; other; other = other->next)
				if (other->wd == watch->wd)
					break;
			if (!other)
				ret = watch->wd;
			free(watch);
		}
	}
	(void)pthread_mutex_unlock(&w->lock);
	return ret;
}

/* end_gone() - under arm_lock */
static void end_gone(struct fs_watches *w)
{
	int wd;

	while ((wd = take_gone(w)) >= 0)
		(void)inotify_rm_watch(w->fd, wd); /* gone: the inode was removed */
}

void fs_leave_dir(const struct fs_server *fs, const struct fs_root *root)
{
	/* It cannot fail, and if it did, the removal would be told later. */
	if (fs_touch_any(fs) && S_ISDIR(root->inode->type))
		(void)!fchdir(root->fd);
}

/* ---- the host's ---------------------------------------------------------------------- */

/* no_more() - the host's limits: said once; ENOSPC says it to the guest. */
static int no_more(struct fs_watches *w, int code, const char *limit)
{
	if (code == ENOMEM)
		return -ENOMEM;
	if (!w->refused)
		log_warn("the guest cannot watch more files: %s (%s)", limit,
			 strerrordesc_np(code));
	w->refused = true;
	return -ENOSPC;
}

/* begin() - what the first watch needs; under arm_lock */
static int begin(struct fs_watches *w)
{
	auto_fd int fd = -1;
	auto_free struct fs_watch **buckets = NULL;
	auto_free char *events = NULL;

	if (w->fd >= 0)
		return 0;
	buckets = calloc(FS_WATCH_BUCKETS, sizeof(*buckets));
	events = malloc(FS_WATCH_EVENTS);
	if (!buckets || !events)
		return -ENOMEM;
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		return no_more(w, errno, "fs.inotify.max_user_instances");
	if (w->listen && w->listen(w->wake_arg, fd) < 0)
		return -ENOMEM;
	(void)pthread_mutex_lock(&w->lock);
	w->buckets = take_ptr(&buckets);
	w->events = take_ptr(&events);
	w->fd = take_fd(&fd);
	(void)pthread_mutex_unlock(&w->lock);
	return 0;
}

/*
 * add_at() - have the host watch what is at @pl.  inotify_add_watch() knows paths only:
 * the worker's working directory, and one name.
 * Return: its number; -ENODATA: it has no name; -errno
 */
static int add_at(struct fs_server *fs, struct fs_inode *inode, struct fs_place *pl)
{
	bool is_root = inode->root->inode == inode && !S_ISDIR(inode->type);
	const char *name = is_root ? inode->root->place : pl->name;
	struct stat st;
	int wd, ret;

	if (S_ISDIR(inode->type))
		name = ".";
	if (!*name)
		return -ENODATA;
	if (name == pl->name) { /* asked first, so that what follows is quick */
		ret = fs_place_stat(fs, inode, pl, false, &st);
		if (ret < 0)
			return ret;
	}
	if (!is_root && fchdir(pl->fd) < 0)
		return -errno;
	wd = inotify_add_watch(fs->watches.fd, name, WATCHED | IN_DONT_FOLLOW);
	if (wd < 0 && (errno == ENOSPC || errno == ENOMEM))
		return no_more(&fs->watches, errno, "fs.inotify.max_user_watches");
	if (wd < 0)
		return is_root ? -errno : fs_place_error(pl);
	return wd;
}

/*
 * add() - the host's watch of @inode; under arm_lock
 * Return: its number; -ENODATA: there is nothing that could be watched; -errno
 */
static int add(struct fs_server *fs, struct fs_inode *inode)
{
	struct fs_place pl;
	struct stat st;
	int wd, ret;

	ret = fs_place_get(fs, inode, FS_PLACE_NAMED, &pl);
	if (ret < 0)
		return ret;
	wd = add_at(fs, inode, &pl);
	/* Whatever took its name meanwhile is not told of under its number. */
	if (wd >= 0 && pl.name[0] && fs_place_stat(fs, inode, &pl, false, &st) < 0) {
		bool known = false;

		(void)pthread_mutex_lock(&fs->watches.lock);
		for (struct fs_watch *i = *bucket_of(&fs->watches, wd); i; i = i->next)
			known |= i->wd == wd;
		(void)pthread_mutex_unlock(&fs->watches.lock);
		if (!known)
			(void)inotify_rm_watch(fs->watches.fd, wd); /* it was there */
		wd = -ESTALE;
	}
	fs_place_put(fs, &pl);
	return wd;
}

/* ask_again() - Return: whether it is watched already */
static bool ask_again(struct fs_server *fs, struct fs_inode *inode)
{
	bool ret = false;

	(void)pthread_mutex_lock(&fs->lock);
	if (inode->watch) {
		(void)pthread_mutex_lock(&fs->watches.lock);
		inode->watch->asked++;
		ret = inode->watch->wd >= 0;
		(void)pthread_mutex_unlock(&fs->watches.lock);
	}
	(void)pthread_mutex_unlock(&fs->lock);
	return ret;
}

/* put_record() - @inode is watched as @wd; it may have a record of an older watch. */
static int put_record(struct fs_server *fs, struct fs_inode *inode, int wd)
{
	struct fs_watches *w = &fs->watches;
	struct fs_watch *fresh = calloc(1, sizeof(*fresh));
	struct fs_watch *watch;

	if (!fresh)
		return -ENOMEM; /* the host's watch is told of to nobody */
	fresh->node = inode->id;
	(void)pthread_mutex_lock(&fs->lock);
	(void)pthread_mutex_lock(&w->lock);
	watch = inode->watch;
	if (!watch) {
		watch = inode->watch = take_ptr(&fresh);
		watch->asked = 1;
		atomic_fetch_add(&w->n, 1);
	}
	watch->wd = wd;
	watch->next = *bucket_of(w, wd);
	*bucket_of(w, wd) = watch;
	fs_dirs_drop_locked(fs, inode); /* see fs_dir_close() */
	(void)pthread_mutex_unlock(&w->lock);
	(void)pthread_mutex_unlock(&fs->lock);
	free(fresh);
	return 0;
}

/* arm() - under arm_lock */
static int arm(struct fs_server *fs, struct fs_inode *inode)
{
	struct fs_watches *w = &fs->watches;
	int ret;

	end_gone(w);
	if (ask_again(fs, inode))
		return 0; /* by another request meanwhile */
	if (atomic_load(&w->n) >= FS_MAX_WATCHES)
		return no_more(w, ENOSPC, "hull's limit");
	ret = begin(w);
	if (ret == 0)
		ret = add(fs, inode);
	if (ret == -ENODATA)
		return 0; /* it has no name any more: hardly anybody else can reach it */
	if (ret >= 0)
		ret = put_record(fs, inode, ret);
	fs_leave_dir(fs, inode->root);
	return ret;
}

int fs_op_watch(struct fs_req *r, struct fs_inode *inode)
{
	struct fs_server *fs = r->fs;
	int ret = 0;

	if (!fs->watches.told)
		return -ENOSYS;
	if (!inode->root || ask_again(fs, inode))
		return 0;
	(void)pthread_mutex_lock(&fs->watches.arm_lock);
	ret = arm(fs, inode);
	(void)pthread_mutex_unlock(&fs->watches.arm_lock);
	return ret;
}

/* ---- the queue ------------------------------------------------------------------------ */

void fs_watch_work(struct fs_server *fs)
{
	struct fs_watches *w = &fs->watches;
	bool some, dir_gone, gone;

	if (!atomic_load(&w->n))
		return;
	(void)pthread_mutex_lock(&w->lock);
	/* With notices enough to send, the host's kernel keeps what comes, and merges. */
	w->left = w->notices.len >= FS_MAX_NOTICES / 2;
	if (!w->left)
		fs_watch_read_locked(w);
	some = w->notices.len || w->overflow;
	dir_gone = w->dir_gone;
	w->dir_gone = false;
	gone = w->gone;
	(void)pthread_mutex_unlock(&w->lock);
	if (dir_gone)
		fs_dirs_close_idle(fs);
	/* Whoever adds one sees to it otherwise. */
	if (gone && pthread_mutex_trylock(&w->arm_lock) == 0) {
		end_gone(w);
		(void)pthread_mutex_unlock(&w->arm_lock);
	}
	fs_watch_tell(fs, some);
}

void fs_watch_ended(struct fs_server *fs, const struct agent_unwatched *u, size_t n)
{
	(void)pthread_mutex_lock(&fs->lock);
	for (size_t i = 0; i < n; i++) {
		struct fs_inode *inode = idtable_get(&fs->inodes, u[i].node);

		if (inode && inode->watch && inode->watch->asked == u[i].asked)
			fs_watch_forget_locked(fs, inode);
	}
	(void)pthread_mutex_unlock(&fs->lock);
	if (fs->watches.wake)
		fs->watches.wake(fs->watches.wake_arg);
}
