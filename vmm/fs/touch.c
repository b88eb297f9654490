/* SPDX-License-Identifier: Apache-2.0 */
/* What requests of the guest's do to what it watches: see watch.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "vmm/fs/name.h"
#include "vmm/fs/server.h"
#include "vmm/fs/watch.h"

/* The most that one request touches: an exchange of two files with several names. */
#define MAX_TOUCHED 16u

struct touched {
	uint64_t node;
	uint32_t mask;
	uint32_t seen; /* events that were left out */
	uint32_t cookie; /* of the last of them */
	char name[FS_NAME_SIZE]; /* "": the inode itself */
};

/* One request; a worker keeps it for the next. */
struct fs_touch {
	TAILQ_ENTRY(fs_touch) link; /* while n > 0 */
	unsigned int n;
	struct touched list[MAX_TOUCHED];
};

/* touch() - with fs_server.lock held. */
static void touch(struct fs_req *r, uint64_t node, const char *name, uint32_t mask)
{
	struct fs_watches *w = &r->fs->watches;
	struct fs_touch *t = r->worker->touch;

	if (!t)
		t = r->worker->touch = calloc(1, sizeof(*t));
	if (!t || t->n == MAX_TOUCHED)
		return; /* told twice, then */
	(void)pthread_mutex_lock(&w->lock);
	if (t->n == 0)
		TAILQ_INSERT_TAIL(&w->touches, t, link);
	t->list[t->n] = (struct touched){ .node = node, .mask = mask };
	(void)snprintf(t->list[t->n].name, FS_NAME_SIZE, "%s", name);
	t->n++;
	(void)pthread_mutex_unlock(&w->lock);
}

void fs_touch_name(struct fs_req *r, struct fs_inode *dir, const char *name,
		   uint32_t mask)
{
	if (!fs_touch_any(r->fs))
		return;
	(void)pthread_mutex_lock(&r->fs->lock);
	if (dir->watch)
		touch(r, dir->id, name, mask);
	(void)pthread_mutex_unlock(&r->fs->lock);
}

void fs_touch_self(struct fs_req *r, struct fs_inode *inode, uint32_t mask)
{
	fs_touch_name(r, inode, "", mask);
}

void fs_touch_found(struct fs_req *r, const struct fs_root *root, const struct stat *st,
		    uint32_t mask)
{
	struct fs_inode *inode;

	if (!fs_touch_any(r->fs))
		return;
	(void)pthread_mutex_lock(&r->fs->lock);
	inode = fs_inode_find_locked(r->fs, root, st->st_dev, st->st_ino);
	if (inode && inode->watch)
		touch(r, inode->id, "", mask);
	(void)pthread_mutex_unlock(&r->fs->lock);
}

void fs_touch_inode(struct fs_req *r, struct fs_inode *inode, uint32_t mask)
{
	if (!fs_touch_any(r->fs))
		return;
	(void)pthread_mutex_lock(&r->fs->lock);
	if (inode->watch)
		touch(r, inode->id, "", mask);
	for (const struct fs_name *n = inode->names; n; n = n->next)
		if (n->parent->watch)
			touch(r, n->parent->id, n->s, mask);
	(void)pthread_mutex_unlock(&r->fs->lock);
}

bool fs_touched_locked(struct fs_watches *w, uint64_t node, const char *name,
		       uint32_t mask, uint32_t cookie)
{
	struct fs_touch *t;

	TAILQ_FOREACH(t, &w->touches, link)
	for (unsigned int i = 0; i < t->n; i++) {
		struct touched *one = &t->list[i];

		if (one->node != node || !(one->mask & mask) ||
		    strcmp(one->name, name) != 0)
			continue;
		one->seen |= mask;
		one->cookie = cookie;
		return true;
	}
	return false;
}

/* tell_after_all() - the request failed: what happened was somebody else's deed. */
static void tell_after_all(struct fs_watches *w, const struct touched *one)
{
	uint32_t events = one->seen & (uint32_t)IN_ALL_EVENTS;

	for (uint32_t bit = 1; events; bit <<= 1) {
		if (events & bit)
			fs_notice_locked(w, one->node, 0 /* ends no watch */,
					 bit | (one->seen & IN_ISDIR), one->cookie,
					 one->name);
		events &= ~bit;
	}
}

void fs_touch_end(struct fs_req *r, int ret)
{
	struct fs_watches *w = &r->fs->watches;
	struct fs_touch *t = r->worker->touch;
	bool some;

	if (!t || !t->n)
		return;
	(void)pthread_mutex_lock(&w->lock);
	fs_watch_read_locked(w);
	TAILQ_REMOVE(&w->touches, t, link);
	for (unsigned int i = 0; ret < 0 && i < t->n; i++)
		tell_after_all(w, &t->list[i]);
	t->n = 0;
	some = w->notices.len || w->overflow;
	(void)pthread_mutex_unlock(&w->lock);
	fs_watch_tell(r->fs, some);
}

void fs_touch_free(struct fs_touch *t)
{
	free(t);
}
