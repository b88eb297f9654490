/* SPDX-License-Identifier: Apache-2.0 */
/* The host's events, and what becomes of them: notices for the agent. */
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "vmm/agent_proto.h"
#include "vmm/fs/server.h"
#include "vmm/fs/watch.h"

#define ALL_EVENTS ((uint32_t)IN_ALL_EVENTS)

static_assert(sizeof(struct inotify_event) + FS_NAME_SIZE <= FS_WATCH_EVENTS,
	      "room for any event");

/* is_last() - is the notice that was put last the same?  Then one of them will do. */
static bool is_last(const struct fs_watches *w, const struct agent_notice *n,
		    const char *name)
{
	struct agent_notice last;
	size_t size = agent_notice_size(n->name_len);

	if (w->notices.len < size || w->last != w->notices.len - size)
		return false;
	memcpy(&last, w->notices.data + w->last, sizeof(last));
	return last.node == n->node && last.mask == n->mask && !n->cookie &&
	       last.name_len == n->name_len &&
	       memcmp(w->notices.data + w->last + sizeof(last), name, n->name_len) == 0;
}

void fs_notice_locked(struct fs_watches *w, uint64_t node, uint32_t asked, uint32_t mask,
		      uint32_t cookie, const char *name)
{
	static const char zeros[8];
	const struct agent_notice n = {
		.node = node,
		.asked = asked,
		.mask = mask,
		.cookie = cookie,
		.name_len = (uint32_t)strlen(name),
	};
	size_t size = agent_notice_size(n.name_len);
	size_t at = w->notices.len;

	if (is_last(w, &n, name))
		return;
	if (at + size > FS_MAX_NOTICES || buf_append(&w->notices, &n, sizeof(n)) < 0 ||
	    buf_append(&w->notices, name, n.name_len) < 0 ||
	    buf_append(&w->notices, zeros, size - sizeof(n) - n.name_len) < 0) {
		w->notices.len = at; /* no half of one */
		w->notices.oom = false;
		w->overflow = true;
		return;
	}
	w->last = at;
}

/* drop_locked() - the host has ended the watch: its inode is gone. */
static void drop_locked(struct fs_watches *w, int wd)
{
	struct fs_watch **at = &w->buckets[(unsigned int)wd & (FS_WATCH_BUCKETS - 1)];

	while (*at) {
		struct fs_watch *watch = *at;

		if (watch->wd != wd) {
			at = &watch->next;
			continue;
		}
		*at = watch->next;
		if (watch->node) {
			watch->wd = -1; /* the inode's until it is forgotten */
			continue;
		}
		w->gone--;
		atomic_fetch_sub(&w->n, 1);
		free(watch);
	}
}

static void on_event_locked(struct fs_watches *w, const struct inotify_event *e)
{
	const char *name = e->len ? e->name : "";
	struct fs_watch *watch;

	if (e->mask & IN_Q_OVERFLOW) {
		w->overflow = true;
		return;
	}
	if (e->mask & IN_IGNORED) {
		drop_locked(w, e->wd);
		return;
	}
	if (e->mask & IN_ISDIR && e->mask & IN_DELETE)
		w->dir_gone = true;
	if (!(e->mask & ALL_EVENTS))
		return; /* IN_UNMOUNT */
	watch = w->buckets[(unsigned int)e->wd & (FS_WATCH_BUCKETS - 1)];
	for (; watch; watch = watch->next)
		if (watch->wd == e->wd && watch->node &&
		    !fs_touched_locked(w, watch->node, name, e->mask, e->cookie))
			fs_notice_locked(w, watch->node, watch->asked,
					 e->mask & (ALL_EVENTS | IN_ISDIR), e->cookie,
					 name);
}

void fs_watch_read_locked(struct fs_watches *w)
{
	ssize_t n;

	while (w->fd >= 0 && (n = read(w->fd, w->events, FS_WATCH_EVENTS)) > 0) {
		/* Whole events, each aligned as the first. */
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const void *)(w->events + at);

			on_event_locked(w, e);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	}
}

void fs_watch_tell(struct fs_server *fs, bool some)
{
	if (some && fs->watches.told)
		fs->watches.told(fs->watches.arg);
}

/* put_overflow_locked() - for all: which of them have missed something nobody knows. */
static int put_overflow_locked(struct fs_watches *w, struct buf *out)
{
	for (unsigned int b = 0; w->buckets && b < FS_WATCH_BUCKETS; b++)
		for (struct fs_watch *i = w->buckets[b]; i; i = i->next) {
			const struct agent_notice n = {
				.node = i->node,
				.asked = i->asked,
				.mask = IN_Q_OVERFLOW,
			};

			if (i->node)
				(void)buf_append(out, &n, sizeof(n));
		}
	return buf_ok(out);
}

int fs_watch_take(struct fs_server *fs, struct buf *out)
{
	struct fs_watches *w = &fs->watches;
	size_t before = out->len;
	bool left;
	int ret;

	(void)pthread_mutex_lock(&w->lock);
	ret = w->notices.len ? buf_append(out, w->notices.data, w->notices.len) : 0;
	if (ret == 0 && w->overflow)
		ret = put_overflow_locked(w, out);
	if (ret == 0) {
		w->notices.len = 0;
		w->overflow = false;
	} else {
		out->len = before;
	}
	left = w->left;
	(void)pthread_mutex_unlock(&w->lock);
	if (left && w->wake)
		w->wake(w->wake_arg);
	return ret;
}
