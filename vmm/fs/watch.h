/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct fs_watches - what the guest's processes watch (inotify, fanotify), watched on
 * the host as well, so that they hear of what somebody else does to it.
 *
 * DOC: the way of an event
 *
 *	inotify_add_watch() in the guest -> its kernel (rootfs/kernel/patches/0011) sends
 *	FUSE_WATCH, and goes on when it is answered -> fs_op_watch() has the host's kernel
 *	watch the inode
 *	somebody changes it -> a worker reads the event -> a notice for the agent
 *	(AGENT_NOTICES) -> the guest's kernel doubts what it has cached of the inode, and
 *	wakes who watches
 *
 * Nobody tells us that a watch of the guest's has ended.  So the agent's answer names
 * the inodes that nobody watches; what was asked for again meanwhile (`asked`) stays.
 * A record goes with its inode at the latest.
 *
 * What we do ourselves for the guest raises an event on the host, too, and the guest's
 * own kernel has raised or will raise one of its own.  So each request says first what
 * it touches (fs_touch_name(), fs_touch_inode()), and the events are read when it is
 * done, before it is answered (fs_touch_end()): what was touched is left out.  Should
 * somebody else have done the same to the same name in between, nothing is lost, since
 * the guest's event comes after that; where the request fails, which means that no
 * event comes, what was left out is told after all.  One exception: the guest has told
 * of a file that is closed before it asks us to close it.
 *
 * Bounds: FS_MAX_WATCHES; FS_MAX_NOTICES bytes that wait for the agent.  Beyond them
 * events are dropped, and all who watch anything are told of that (IN_Q_OVERFLOW), as
 * they are when the host's queue overflows.
 *
 * Locks: arm_lock is held while a watch is added or removed, which may take as long as
 * the host's file system does; `lock` guards all else, for moments.  Order: arm_lock,
 * fs_server.lock, lock.
 */
#ifndef HULL_VMM_FS_WATCH_H
#define HULL_VMM_FS_WATCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "lib/buf.h"

struct agent_unwatched;
struct fs_inode;
struct fs_params;
struct fs_req;
struct fs_root;
struct fs_server;

#define FUSE_WATCH 60u /* the opcode: hull's own */
#define FS_MAX_WATCHES 8192u /* one guest's part of what the host's root may have */
#define FS_MAX_NOTICES (64u << 10) /* (bytes) */
#define FS_WATCH_BUCKETS 1024u /* a power of 2 */
#define FS_WATCH_EVENTS 16384u /* (bytes) of the host's queue that are read at once */

/* What the guest watches; of an inode, or of one that is gone (node 0). */
struct fs_watch {
	struct fs_watch *next; /* in its bucket */
	uint64_t node;
	int wd; /* the host's: several nodes may be one inode there */
	uint32_t asked; /* times that the guest asked for it */
};

struct fs_touch;

struct fs_watches {
	/* told() - there are notices to be taken.  Any thread.  NULL: nothing is watched. */
	void (*told)(void *arg);
	void *arg;
	/* listen() - a worker is to call fs_watch_work() when @fd is readable. */
	int (*listen)(void *arg, int fd);
	void (*wake)(void *arg); /* a worker is to call fs_watch_work() */
	void *wake_arg;

	atomic_uint n; /* records; 0: nothing to do anywhere */

	pthread_mutex_t arm_lock;
	bool refused; /* the log was told that the host allows no more */

	pthread_mutex_t lock;
	int fd; /* owned inotify instance; -1: nothing was watched yet */
	struct fs_watch **buckets; /* by wd; NULL with fd */
	char *events; /* a piece of the host's queue */
	unsigned int gone; /* records with node 0 */
	TAILQ_HEAD(fs_touches, fs_touch) touches; /* requests under way */
	struct buf notices; /* for the agent */
	size_t last; /* where in it the last one begins */
	bool overflow; /* some are missing */
	bool left; /* in the host's queue: there was no room */
	bool dir_gone; /* a folder was removed that we may have open */
};

void fs_watches_init(struct fs_watches *w, const struct fs_params *params);
void fs_watches_release(struct fs_watches *w);
/* fs_watches_reset() - the guest knows nothing any more, and no inode has a record. */
void fs_watches_reset(struct fs_watches *w);
/* fs_watch_forget_locked() - @inode goes away, or nobody watches it. */
void fs_watch_forget_locked(struct fs_server *fs, struct fs_inode *inode);

/* fs_leave_dir() - a worker's working directory is not to keep what was removed. */
void fs_leave_dir(const struct fs_server *fs, const struct fs_root *root);

/* fs_watch_work() - read the host's queue, and end watches of what is gone.  A worker. */
void fs_watch_work(struct fs_server *fs);

/*
 * fs_watch_take() - the notices for one AGENT_NOTICES, appended to @out.  Any thread.
 * Return: 0, also if there are none; -ENOMEM: they are kept
 */
int fs_watch_take(struct fs_server *fs, struct buf *out);
/* fs_watch_ended() - the agent's answer: nobody watches these @n.  Any thread. */
void fs_watch_ended(struct fs_server *fs, const struct agent_unwatched *u, size_t n);

/* ---- touch.c: on a worker, with no lock held ----------------------------------------- */

/* fs_touch_name() - about to do @mask (IN_CREATE, ...) to @name in @dir. */
void fs_touch_name(struct fs_req *r, struct fs_inode *dir, const char *name,
		   uint32_t mask);
/* fs_touch_self() - to @inode, which its folder is not told of (IN_MOVE_SELF, ...). */
void fs_touch_self(struct fs_req *r, struct fs_inode *inode, uint32_t mask);
/* fs_touch_found() - the same, to the file that @st is of; perhaps nobody knows it. */
void fs_touch_found(struct fs_req *r, const struct fs_root *root, const struct stat *st,
		    uint32_t mask);
/* fs_touch_inode() - to @inode, which its folders are told of as well. */
void fs_touch_inode(struct fs_req *r, struct fs_inode *inode, uint32_t mask);
/* fs_touch_end() - it is done, with @ret; before the guest is answered. */
void fs_touch_end(struct fs_req *r, int ret);
/* fs_touch_free() - NULL will do. */
void fs_touch_free(struct fs_touch *t);

/*
 * fs_touched_locked() - was it one of our requests, for @node?  Then it remembers.
 * @mask: the host's event; @name: "": the inode itself
 */
bool fs_touched_locked(struct fs_watches *w, uint64_t node, const char *name,
		       uint32_t mask, uint32_t cookie);

/* ---- between the two ------------------------------------------------------------------- */

/* fs_watch_read_locked() - all that the host's queue holds. */
void fs_watch_read_locked(struct fs_watches *w);
/* fs_notice_locked() - one for the agent. */
void fs_notice_locked(struct fs_watches *w, uint64_t node, uint32_t asked, uint32_t mask,
		      uint32_t cookie, const char *name);
/* fs_watch_find_locked() - the record of @node; NULL: none */
struct fs_watch *fs_watch_find_locked(struct fs_watches *w, int wd, uint64_t node);
/* fs_watch_tell() - after the lock: if there is something, told(). @some: was there? */
void fs_watch_tell(struct fs_server *fs, bool some);

#endif
