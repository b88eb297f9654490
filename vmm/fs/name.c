/* SPDX-License-Identifier: Apache-2.0 */
/* Under which names a record can be reached, and how requests change them. */
#include "vmm/fs/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

static void name_free_locked(struct fs_server *fs, struct fs_name *n, int *ret_close)
{
	struct fs_inode *parent = n->parent;

	free(n);
	parent->children--;
	fs_inode_reap_locked(fs, parent, ret_close);
}

void fs_names_drop_locked(struct fs_server *fs, struct fs_inode *inode, int *ret_close)
{
	while (inode->names) {
		struct fs_name *n = inode->names;

		inode->names = n->next;
		name_free_locked(fs, n, ret_close);
	}
}

static bool name_is(const struct fs_name *n, const struct fs_inode *dir, const char *name)
{
	return n->parent == dir && strcmp(n->s, name) == 0;
}

/* remove_name() - Return: whether it had this name */
static bool remove_name(struct fs_server *fs, struct fs_inode *inode,
			const struct fs_inode *dir, const char *name, int *ret_close)
{
	for (struct fs_name **p = &inode->names; *p; p = &(*p)->next) {
		if (name_is(*p, dir, name)) {
			struct fs_name *n = *p;

			*p = n->next;
			name_free_locked(fs, n, ret_close);
			return true;
		}
	}
	return false;
}

/*
 * break_cycle() - a directory is about to become @dir's child: when our records
 * say that @dir lies below it, the host has moved something in between.  Forget
 * the link that cannot be true any more, or walks upwards would never end.
 */
static void break_cycle(struct fs_server *fs, const struct fs_inode *inode,
			struct fs_inode *dir, int *ret_close)
{
	struct fs_inode *i = dir;

	while (i->names && i->names->parent != inode)
		i = i->names->parent;
	if (i->names) {
		i->refs++;
		fs_names_drop_locked(fs, i, ret_close);
		fs_inode_put_locked(fs, i, ret_close);
	}
}

int fs_name_add_locked(struct fs_server *fs, struct fs_inode *inode, struct fs_inode *dir,
		       const char *name, nlink_t nlink, int *ret_close)
{
	bool many = !S_ISDIR(inode->type) && nlink > 1;
	size_t len = strlen(name) + 1;
	struct fs_name *n, **p;
	unsigned int count = 0;

	if (inode->names && name_is(inode->names, dir, name) &&
	    (many || !inode->names->next))
		return 0;
	if (dir == inode)
		return -ESTALE; /* a directory in itself: the host moves things about */
	n = malloc(sizeof(*n) + len);
	if (!n)
		return -ENOMEM;
	memcpy(n->s, name, len);
	n->parent = dir;
	dir->children++;
	/*
	 * With one link the older names are wrong now; with several, the latest
	 * is the likeliest to be used next, and a few more are remembered.
	 */
	if (many)
		(void)remove_name(fs, inode, dir, name, ret_close);
	else
		fs_names_drop_locked(fs, inode, ret_close);
	if (S_ISDIR(inode->type))
		break_cycle(fs, inode, dir, ret_close);
	n->next = inode->names;
	inode->names = n;
	fs_inode_unpin_locked(fs, inode, ret_close); /* LINK of a nameless file */
	for (p = &inode->names; *p; p = &(*p)->next) {
		if (++count > FS_MAX_LINK_NAMES) {
			struct fs_name *old = *p;

			*p = old->next;
			name_free_locked(fs, old, ret_close);
			break;
		}
	}
	return 0;
}

void fs_names_begin(struct fs_server *fs)
{
	(void)pthread_mutex_lock(&fs->lock);
	while (fs->names_held)
		(void)pthread_cond_wait(&fs->names_cond, &fs->lock);
	fs->names_busy++;
	(void)pthread_mutex_unlock(&fs->lock);
}

void fs_names_end(struct fs_server *fs, bool changed)
{
	(void)pthread_mutex_lock(&fs->lock);
	fs->names_busy--;
	if (changed)
		fs->names_done++;
	if (changed || !fs->names_busy)
		(void)pthread_cond_broadcast(&fs->names_cond);
	(void)pthread_mutex_unlock(&fs->lock);
}

uint64_t fs_names_count(struct fs_server *fs)
{
	uint64_t ret;

	(void)pthread_mutex_lock(&fs->lock);
	ret = fs->names_done;
	(void)pthread_mutex_unlock(&fs->lock);
	return ret;
}

bool fs_names_wait(struct fs_server *fs, uint64_t count)
{
	bool ret;

	(void)pthread_mutex_lock(&fs->lock);
	while (fs->names_done == count && fs->names_busy)
		(void)pthread_cond_wait(&fs->names_cond, &fs->lock);
	ret = fs->names_done != count;
	(void)pthread_mutex_unlock(&fs->lock);
	return ret;
}

void fs_names_hold(struct fs_server *fs)
{
	(void)pthread_mutex_lock(&fs->lock);
	fs->names_held++; /* nobody begins, those who began will end */
	while (fs->names_busy)
		(void)pthread_cond_wait(&fs->names_cond, &fs->lock);
	(void)pthread_mutex_unlock(&fs->lock);
}

void fs_names_release(struct fs_server *fs)
{
	(void)pthread_mutex_lock(&fs->lock);
	if (--fs->names_held == 0)
		(void)pthread_cond_broadcast(&fs->names_cond);
	(void)pthread_mutex_unlock(&fs->lock);
}

/* find_like() - the record of @st, if it is of the same type. */
static struct fs_inode *find_like(struct fs_server *fs, const struct fs_inode *dir,
				  const struct stat *st)
{
	struct fs_inode *i = fs_inode_find_locked(fs, dir->root, st->st_dev, st->st_ino);

	return i && i->type == (st->st_mode & S_IFMT) ? i : NULL;
}

void fs_name_removed(struct fs_server *fs, struct fs_inode *dir, const char *name,
		     const struct stat *st, int *fd)
{
	auto_fd int last = -1;
	struct fs_inode *i;

	(void)pthread_mutex_lock(&fs->lock);
	i = find_like(fs, dir, st);
	if (i && i != dir->root->inode) {
		i->refs++;
		(void)remove_name(fs, i, dir, name, &last);
		if (S_ISDIR(i->type) || st->st_nlink <= 1) {
			/* Gone for good: its inode number may come back as another. */
			fs_names_drop_locked(fs, i, &last);
			fs_inode_unhash_locked(fs, i);
		}
		if (!i->names && i->pin < 0 && (i->nlookup || i->refs > 1) &&
		    fs->pins < FS_MAX_PINS) {
			i->pin = take_fd(fd);
			if (i->pin >= 0)
				fs->pins++;
		}
		fs_inode_put_locked(fs, i, &last);
	}
	(void)pthread_mutex_unlock(&fs->lock);
}

void fs_name_moved(struct fs_server *fs, struct fs_entry from, struct fs_entry to,
		   const struct stat *was, const struct stat *is)
{
	auto_fd int last = -1;
	struct fs_inode *i;

	(void)pthread_mutex_lock(&fs->lock);
	i = find_like(fs, from.dir, was);
	if (i && i != from.dir->root->inode) {
		i->refs++;
		(void)remove_name(fs, i, from.dir, from.name, &last);
		/* Without memory it has no name: found again by the next LOOKUP. */
		(void)fs_name_add_locked(fs, i, to.dir, to.name, is->st_nlink, &last);
		if (i->type == (is->st_mode & S_IFMT) &&
		    (is->st_ino != was->st_ino || is->st_dev != was->st_dev))
			fs_inode_rekey_locked(fs, i, is, &last);
		fs_inode_put_locked(fs, i, &last);
	}
	(void)pthread_mutex_unlock(&fs->lock);
}
