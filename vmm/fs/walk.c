/* SPDX-License-Identifier: Apache-2.0 */
/* From a record to its directory fd: an LRU of open directories, and openat2(). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/fs/server.h"
#include "vmm/fs/whiteout.h"

int fs_dirs_init(struct fs_server *fs, unsigned int n_slots)
{
	fs->slots = calloc(n_slots, sizeof(*fs->slots));
	if (!fs->slots)
		return -ENOMEM;
	fs->n_slots = n_slots;
	for (unsigned int i = 0; i < n_slots; i++) {
		struct fs_dir_slot *s = &fs->slots[i];

		s->fd = -1;
		s->prev = (int)i - 1;
		s->next = i + 1 < n_slots ? (int)i + 1 : -1;
	}
	fs->mru = 0;
	fs->lru = (int)n_slots - 1;
	return 0;
}

void fs_dirs_release(struct fs_server *fs)
{
	for (unsigned int i = 0; i < fs->n_slots; i++)
		close_fd(fs->slots[i].fd);
	free(fs->slots);
}

static void unlink_slot(struct fs_server *fs, struct fs_dir_slot *s)
{
	if (s->prev >= 0)
		fs->slots[s->prev].next = s->next;
	else
		fs->mru = s->next;
	if (s->next >= 0)
		fs->slots[s->next].prev = s->prev;
	else
		fs->lru = s->prev;
}

static void to_front(struct fs_server *fs, int n)
{
	struct fs_dir_slot *s = &fs->slots[n];

	if (fs->mru == n)
		return;
	unlink_slot(fs, s);
	s->prev = -1;
	s->next = fs->mru;
	fs->slots[fs->mru].prev = n;
	fs->mru = n;
}

static void to_back(struct fs_server *fs, int n)
{
	struct fs_dir_slot *s = &fs->slots[n];

	if (fs->lru == n)
		return;
	unlink_slot(fs, s);
	s->next = -1;
	s->prev = fs->lru;
	fs->slots[fs->lru].next = n;
	fs->lru = n;
}

static void empty_slot(struct fs_server *fs, int n)
{
	close_fd(fs->slots[n].fd);
	fs->slots[n].fd = -1;
	to_back(fs, n);
}

void fs_dirs_drop_locked(struct fs_server *fs, struct fs_inode *inode)
{
	struct fs_dir_slot *s;

	if (inode->slot < 0)
		return;
	s = &fs->slots[inode->slot];
	s->inode = NULL;
	/* In use as the start of a walk: then its last user closes it. */
	if (!s->users)
		empty_slot(fs, inode->slot);
	inode->slot = -1;
}

void fs_dirs_close_idle(struct fs_server *fs)
{
	(void)pthread_mutex_lock(&fs->lock);
	for (unsigned int i = 0; i < fs->n_slots; i++)
		if (fs->slots[i].inode && !fs->slots[i].users)
			fs_dirs_drop_locked(fs, fs->slots[i].inode);
	(void)pthread_mutex_unlock(&fs->lock);
}

static void hold_slot(struct fs_server *fs, int n, struct fs_dir *d)
{
	fs->slots[n].users++;
	to_front(fs, n);
	d->slot = n;
	d->fd = fs->slots[n].fd;
}

/* keep() - put a newly opened directory into the LRU, or leave it to @d alone. */
static void keep(struct fs_server *fs, struct fs_inode *inode, int fd, struct fs_dir *d)
{
	auto_fd int old = -1;
	int n;

	(void)pthread_mutex_lock(&fs->lock);
	if (inode->slot >= 0) {
		old = fd; /* another thread was faster */
		hold_slot(fs, inode->slot, d);
	} else {
		for (n = fs->lru; n >= 0 && fs->slots[n].users; n = fs->slots[n].prev)
			;
		if (n < 0) {
			d->own = fd;
			d->fd = fd;
		} else {
			if (fs->slots[n].inode)
				fs->slots[n].inode->slot = -1;
			old = fs->slots[n].fd;
			fs->slots[n].fd = fd;
			fs->slots[n].inode = inode;
			inode->slot = n;
			hold_slot(fs, n, d);
		}
	}
	(void)pthread_mutex_unlock(&fs->lock);
}

/* open_known() - without a walk.  Return: whether @inode is open already */
static bool open_known(struct fs_server *fs, struct fs_inode *inode, struct fs_dir *d)
{
	if (inode->root->inode == inode)
		d->fd = inode->root->fd;
	else if (inode->slot >= 0)
		hold_slot(fs, inode->slot, d);
	else if (inode->pin >= 0)
		d->fd = inode->pin;
	else
		return false;
	return true;
}

/*
 * struct walk - one step towards a directory: from an open ancestor along a path
 * that fits into PATH_MAX, to `to`, which is the directory meant or one on the way.
 */
struct walk {
	struct fs_dir from;
	struct fs_inode *to; /* held */
	char path[PATH_MAX];
};

/* plan() - Return: 0; 1: the directory itself is open; -ESTALE */
static int plan(struct fs_server *fs, struct fs_inode *inode, struct walk *w)
{
	size_t total = 0, rest, at;
	struct fs_inode *i;

	w->from = FS_DIR_INIT;
	if (open_known(fs, inode, &w->from))
		return 1;
	for (i = inode; !open_known(fs, i, &w->from); i = i->names->parent) {
		if (!i->names)
			return -ESTALE;
		total += strlen(i->names->s) + 1;
	}
	/* Too deep for one path: stop at the lowest directory that it reaches. */
	w->to = inode;
	for (rest = total; rest > sizeof(w->path); w->to = w->to->names->parent)
		rest -= strlen(w->to->names->s) + 1;
	w->to->refs++;
	at = rest;
	for (i = w->to; at; i = i->names->parent) {
		size_t len = strlen(i->names->s);

		w->path[--at] = i == w->to ? '\0' : '/';
		at -= len;
		memcpy(w->path + at, i->names->s, len);
	}
	return 0;
}

static int open_beneath(int fd, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long ret;

	ret = syscall(SYS_openat2, fd, path, &how, sizeof(how));
	return ret < 0 ? -errno : (int)ret;
}

/* go() - take one step; ENOENT and the like mean that the host moved things. */
static int go(struct fs_server *fs, struct walk *w, struct fs_dir *d)
{
	auto_fd int fd = -1;
	struct stat st;
	int ret;

	fd = open_beneath(w->from.fd, w->path);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || fd == -EXDEV)
		return -ESTALE;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	ret = fs_inode_check(fs, w->to, &st, false);
	if (ret < 0)
		return ret;
	keep(fs, w->to, take_fd(&fd), d);
	return 0;
}

int fs_dir_open(struct fs_server *fs, struct fs_inode *inode, struct fs_dir *d)
{
	struct fs_dir on_way = FS_DIR_INIT;
	struct fs_inode *held = NULL;
	int ret;

	*d = FS_DIR_INIT;
	if (!inode->root || !S_ISDIR(inode->type))
		return -ENOTDIR;
	for (;;) {
		struct fs_dir next = FS_DIR_INIT;
		struct walk w;

		(void)pthread_mutex_lock(&fs->lock);
		ret = plan(fs, inode, &w);
		(void)pthread_mutex_unlock(&fs->lock);
		if (ret != 0) {
			if (ret == 1)
				*d = w.from;
			break;
		}
		ret = go(fs, &w, &next);
		fs_dir_close(fs, &w.from);
		fs_dir_close(fs, &on_way);
		fs_inode_put(fs, held);
		held = w.to;
		on_way = next;
		if (ret < 0)
			break;
		if (w.to == inode) {
			*d = next;
			on_way = FS_DIR_INIT;
			break;
		}
		if (next.own >= 0) {
			/* No slot to find it in again: the next plan() would not end. */
			ret = -ENFILE;
			break;
		}
	}
	fs_dir_close(fs, &on_way);
	fs_inode_put(fs, held);
	return ret < 0 ? ret : 0;
}

void fs_dir_close(struct fs_server *fs, struct fs_dir *d)
{
	if (d->slot >= 0) {
		struct fs_dir_slot *s = &fs->slots[d->slot];

		(void)pthread_mutex_lock(&fs->lock);
		if (--s->users == 0 && !s->inode)
			empty_slot(fs, d->slot);
		else if (!s->users && s->inode->watch)
			/* As long as it is open, its removal is told to nobody. */
			fs_dirs_drop_locked(fs, s->inode);
		(void)pthread_mutex_unlock(&fs->lock);
	}
	close_fd(d->own);
	*d = FS_DIR_INIT;
}

/* place_known() - an open file, a pin or a root.  Return: whether there is one */
static bool place_known(struct fs_inode *inode, enum fs_place_how how,
			struct fs_place *pl)
{
	if (how == FS_PLACE_ANY && inode->handles) {
		pl->handle = inode->handles;
		fs_handle_hold(pl->handle);
		pl->fd = pl->handle->fd;
		pl->real = true;
	} else if (inode->root->inode == inode) {
		pl->fd = inode->root->data_fd >= 0 ? inode->root->data_fd
						   : inode->root->fd;
		pl->real = inode->root->data_fd >= 0;
	} else if (!inode->names && inode->handles) {
		pl->handle = inode->handles;
		fs_handle_hold(pl->handle);
		pl->fd = pl->handle->fd;
		pl->real = true;
	} else if (!inode->names && inode->pin >= 0) {
		pl->fd = inode->pin;
	} else {
		return false;
	}
	pl->at_flags = AT_EMPTY_PATH;
	return true;
}

int fs_place_get(struct fs_server *fs, struct fs_inode *inode, enum fs_place_how how,
		 struct fs_place *pl)
{
	int ret = 0;
	bool known;

	pl->fd = -1;
	pl->name[0] = '\0';
	pl->real = false;
	pl->parent = NULL;
	pl->handle = NULL;
	pl->dir = FS_DIR_INIT;
	if (!inode->root)
		return -EPERM; /* the device's own root: nothing of the host's */
	if (S_ISDIR(inode->type)) {
		pl->at_flags = AT_EMPTY_PATH;
		ret = fs_dir_open(fs, inode, &pl->dir);
		pl->fd = pl->dir.fd;
		return ret;
	}
	(void)pthread_mutex_lock(&fs->lock);
	known = place_known(inode, how, pl);
	if (!known && inode->names) {
		(void)snprintf(pl->name, sizeof(pl->name), "%s", inode->names->s);
		pl->parent = inode->names->parent;
		pl->parent->refs++;
	}
	(void)pthread_mutex_unlock(&fs->lock);
	if (known)
		return 0;
	if (!pl->parent)
		return -ESTALE;
	pl->at_flags = AT_SYMLINK_NOFOLLOW;
	ret = fs_dir_open(fs, pl->parent, &pl->dir);
	pl->fd = pl->dir.fd;
	if (ret < 0)
		fs_place_put(fs, pl);
	return ret;
}

void fs_place_put(struct fs_server *fs, struct fs_place *pl)
{
	fs_dir_close(fs, &pl->dir);
	fs_inode_put(fs, pl->parent);
	pl->parent = NULL;
	if (pl->handle)
		fs_handle_put(fs, pl->handle);
	pl->handle = NULL;
}

int fs_place_error(const struct fs_place *pl)
{
	if (errno == ENOENT && pl->name[0])
		return -ESTALE;
	return -errno;
}

int fs_place_stat(struct fs_server *fs, struct fs_inode *inode, struct fs_place *pl,
		  bool changed, struct stat *st)
{
	int ret = fs_stat_name(inode->root, pl->fd, pl->name, pl->at_flags, st);

	if (ret < 0)
		return ret == -ENOENT || ret == -ENOTDIR ? -ESTALE : ret;
	/* What is reached through a descriptor of its own is what it is. */
	if (!pl->name[0] && !S_ISDIR(inode->type) && !changed)
		return 0;
	return fs_inode_check(fs, inode, st, changed);
}

/* dup_of() - a file without a name: another use of a description we have. */
static int dup_of(struct fs_server *fs, struct fs_inode *inode, int flags)
{
	bool write = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
	int fd = -EBADF;

	if (inode->root->inode == inode) {
		fd = fcntl(inode->root->data_fd, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? -errno : fd;
	}
	(void)pthread_mutex_lock(&fs->lock);
	for (struct fs_handle *h = inode->handles; h; h = h->next) {
		if (!write || h->writable) {
			fd = fcntl(h->fd, F_DUPFD_CLOEXEC, 0);
			break;
		}
	}
	(void)pthread_mutex_unlock(&fs->lock);
	if (fd == -EBADF)
		return -ESTALE;
	return fd < 0 ? -errno : fd;
}

int fs_place_open(struct fs_server *fs, struct fs_inode *inode, struct fs_place *pl,
		  int flags)
{
	/* O_NONBLOCK: should the host have put a fifo there, it must not hang. */
	int how = flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	bool change = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
	bool overlay = inode->root->overlay;
	auto_fd int fd = -1;
	struct stat st;
	int ret;

	if (S_ISDIR(inode->type)) {
		fd = openat(pl->fd, ".", how | O_DIRECTORY);
		return fd < 0 ? -errno : take_fd(&fd);
	}
	if (!S_ISREG(inode->type))
		return -ENXIO;
	if (!pl->name[0])
		return dup_of(fs, inode, flags);
	if (inode->root->readonly)
		how |= O_NOATIME;
	/* What is shown in the DAX window can be read, whoever opened it. */
	if (inode->dax && (flags & O_ACCMODE) == O_WRONLY)
		how = (how & ~O_ACCMODE) | O_RDWR;
	/*
	 * Before a change: is it the same file?  The check afterwards cannot say it
	 * on overlayfs, where this very open may copy the file up.
	 */
	if (change) {
		ret = fs_place_stat(fs, inode, pl, false, &st);
		if (ret < 0)
			return ret;
	}
	fd = openat(pl->fd, pl->name, how);
	if (fd < 0 && errno == EPERM && (how & O_NOATIME))
		fd = openat(pl->fd, pl->name, how & ~O_NOATIME);
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? -ESTALE : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	ret = fs_inode_check(fs, inode, &st, change && overlay);
	if (ret < 0)
		return ret;
	if (change && overlay)
		fs_dax_renew(fs, inode, fd);
	return take_fd(&fd);
}

int fs_inode_open(struct fs_server *fs, struct fs_inode *inode, enum fs_place_how how,
		  int flags)
{
	struct fs_place pl;
	int fd = fs_place_get(fs, inode, how, &pl);

	if (fd < 0)
		return fd;
	fd = fs_place_open(fs, inode, &pl, flags);
	fs_place_put(fs, &pl);
	return fd;
}
