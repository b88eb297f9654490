/* SPDX-License-Identifier: Apache-2.0 */
/* Inode records: found by node id and by identity, counted, freed. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "vmm/fs/name.h"
#include "vmm/fs/server.h"

#define HASH_MIN 256u

static uint32_t hash_of(const struct fs_root *root, dev_t dev, uint64_t ino)
{
	uint64_t h = ino * 0x9e3779b97f4a7c15u;

	h ^= (dev + root->index) * 0xc2b2ae3d27d4eb4fu;
	return (uint32_t)(h >> 32 ^ h);
}

static struct fs_inode **bucket_of(const struct fs_server *fs, const struct fs_inode *i)
{
	return &fs->hash[hash_of(i->root, i->dev, i->ino) & (fs->n_hash - 1)];
}

/* grow_hash() - without memory it stays as it is: only slower. */
static void grow_hash(struct fs_server *fs)
{
	uint32_t old_n = fs->n_hash;
	struct fs_inode **old = fs->hash;
	struct fs_inode **bigger;

	bigger = calloc(old_n ? (size_t)old_n * 2 : HASH_MIN, sizeof(struct fs_inode *));
	if (!bigger)
		return;
	fs->hash = bigger;
	fs->n_hash = old_n ? old_n * 2 : HASH_MIN;
	for (uint32_t b = 0; b < old_n; b++) {
		struct fs_inode *i = old[b];

		while (i) {
			struct fs_inode *next = i->hash_next;
			struct fs_inode **to = bucket_of(fs, i);

			i->hash_next = *to;
			*to = i;
			i = next;
		}
	}
	free(old);
}

static int hash_add(struct fs_server *fs, struct fs_inode *inode)
{
	struct fs_inode **b;

	if (fs->hashed >= fs->n_hash)
		grow_hash(fs);
	if (!fs->n_hash)
		return -ENOMEM;
	b = bucket_of(fs, inode);
	inode->hash_next = *b;
	*b = inode;
	inode->hashed = true;
	fs->hashed++;
	return 0;
}

void fs_inode_unhash_locked(struct fs_server *fs, struct fs_inode *inode)
{
	struct fs_inode **p;

	if (!inode->hashed)
		return;
	for (p = bucket_of(fs, inode); *p != inode; p = &(*p)->hash_next)
		;
	*p = inode->hash_next;
	inode->hashed = false;
	fs->hashed--;
}

struct fs_inode *fs_inode_find_locked(struct fs_server *fs, const struct fs_root *root,
				      dev_t dev, uint64_t ino)
{
	struct fs_inode *i;

	if (!fs->n_hash)
		return NULL;
	i = fs->hash[hash_of(root, dev, ino) & (fs->n_hash - 1)];
	while (i && (i->ino != ino || i->dev != dev || i->root != root))
		i = i->hash_next;
	return i;
}

/*
 * is_mapped() - through the DAX window, decided once: Linux drops an inode whose answer
 * changes, and all it has cached of it.  What is on another machine can change there
 * without a word, and a FUSE server may refuse to be mapped.
 *
 * The size: each page that the guest touches is a fault of its own, and the first
 * mapped file costs the window's page structs.  Counted in instructions, files of 7 and
 * 16 MiB are as fast as when they are read, and spare the guest's memory; with libc
 * (2 MiB) mapped a start was a twentieth slower.
 */
static bool is_mapped(struct fs_server *fs, const struct fs_root *root,
		      const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_size >= (off_t)FS_DAX_MIN &&
	       !root->remote && atomic_load(&fs->inode_dax);
}

static struct fs_inode *inode_new(struct fs_server *fs, struct fs_root *root,
				  const struct stat *st)
{
	struct fs_inode *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->root = root;
	i->dev = st->st_dev;
	i->ino = st->st_ino;
	i->type = st->st_mode & S_IFMT;
	i->dax = is_mapped(fs, root, st);
	i->pin = -1;
	i->slot = -1;
	if (idtable_add(&fs->inodes, i, &i->id) < 0) {
		free(i);
		return NULL;
	}
	if (hash_add(fs, i) < 0) {
		idtable_remove(&fs->inodes, i->id);
		free(i);
		return NULL;
	}
	return i;
}

static bool is_fixed(const struct fs_inode *i)
{
	return !i->root || i->root->inode == i;
}

void fs_inode_unpin_locked(struct fs_server *fs, struct fs_inode *i, int *ret_close)
{
	if (i->pin < 0)
		return;
	fs->pins--;
	/*
	 * The last descriptor of a deleted file may take long to close: the caller does
	 * it without the lock.
	 */
	if (*ret_close < 0)
		*ret_close = i->pin;
	else
		close_fd(i->pin);
	i->pin = -1;
}

static void inode_free_locked(struct fs_server *fs, struct fs_inode *i, int *ret_close)
{
	fs_inode_unhash_locked(fs, i);
	fs_dirs_drop_locked(fs, i);
	fs_watch_forget_locked(fs, i);
	fs_inode_unpin_locked(fs, i, ret_close);
	idtable_remove(&fs->inodes, i->id);
	free(i);
}

/* fs_inode_reap_locked() - free the record, and what it alone held, when unused. */
void fs_inode_reap_locked(struct fs_server *fs, struct fs_inode *inode, int *ret_close)
{
	/*
	 * A record has several names only if it is a file, and a file is nobody's
	 * parent: so this is a chain upwards, apart from those names.
	 */
	while (inode && !inode->nlookup && !inode->refs && !inode->children &&
	       !inode->handles && !is_fixed(inode)) {
		struct fs_inode *up = NULL;

		while (inode->names) {
			struct fs_name *n = inode->names;

			inode->names = n->next;
			n->parent->children--;
			if (up && up != n->parent)
				fs_inode_reap_locked(fs, up, ret_close);
			up = n->parent;
			free(n);
		}
		inode_free_locked(fs, inode, ret_close);
		inode = up;
	}
}

struct fs_inode *fs_inode_get(struct fs_server *fs, uint64_t id)
{
	struct fs_inode *i;

	(void)pthread_mutex_lock(&fs->lock);
	i = id == FUSE_ROOT_ID ? fs->top : idtable_get(&fs->inodes, id);
	if (i && !i->nlookup && !is_fixed(i))
		i = NULL; /* forgotten: it stays only for what lies below it */
	if (i)
		i->refs++;
	(void)pthread_mutex_unlock(&fs->lock);
	return i;
}

void fs_inode_hold(struct fs_server *fs, struct fs_inode *inode)
{
	(void)pthread_mutex_lock(&fs->lock);
	inode->refs++;
	(void)pthread_mutex_unlock(&fs->lock);
}

void fs_inode_put_locked(struct fs_server *fs, struct fs_inode *inode, int *ret_close)
{
	inode->refs--;
	fs_inode_reap_locked(fs, inode, ret_close);
}

void fs_inode_put(struct fs_server *fs, struct fs_inode *inode)
{
	auto_fd int last = -1;

	if (!inode)
		return;
	(void)pthread_mutex_lock(&fs->lock);
	fs_inode_put_locked(fs, inode, &last);
	(void)pthread_mutex_unlock(&fs->lock);
}

/* forsake() - the host made another file of it: only open handles reach it now. */
static void forsake(struct fs_server *fs, struct fs_inode *i, int *ret_close)
{
	fs_inode_unhash_locked(fs, i);
	i->refs++; /* names may be what keeps it */
	fs_names_drop_locked(fs, i, ret_close);
	fs_inode_put_locked(fs, i, ret_close);
}

static int found(struct fs_server *fs, struct fs_root *root, struct fs_inode *dir,
		 const char *name, const struct stat *st, bool is_new,
		 struct fs_inode **ret)
{
	auto_fd int last = -1;
	struct fs_inode *i;
	int r = 0;

	if (root->overlay && !S_ISDIR(st->st_mode) &&
	    st->st_dev != atomic_load(&root->devs[0]))
		atomic_store(&root->split, true);

	(void)pthread_mutex_lock(&fs->lock);
	i = fs_inode_find_locked(fs, root, st->st_dev, st->st_ino);
	if (i && (is_new || i->type != (st->st_mode & S_IFMT))) {
		/* The inode number of a file that is gone came back as this one. */
		forsake(fs, i, &last);
		i = NULL;
	}
	if (!i) {
		i = inode_new(fs, root, st);
		if (!i)
			r = -ENOMEM;
	}
	if (i) {
		i->refs++;
		if (dir && !is_fixed(i))
			r = fs_name_add_locked(fs, i, dir, name, st->st_nlink, &last);
		if (r == 0)
			i->nlookup++;
		else
			fs_inode_put_locked(fs, i, &last);
	}
	(void)pthread_mutex_unlock(&fs->lock);
	if (r == 0)
		*ret = i;
	return r;
}

int fs_inode_found(struct fs_server *fs, struct fs_root *root, struct fs_inode *dir,
		   const char *name, const struct stat *st, struct fs_inode **ret)
{
	return found(fs, root, dir, name, st, false, ret);
}

int fs_inode_created(struct fs_server *fs, struct fs_root *root, struct fs_inode *dir,
		     const char *name, const struct stat *st, struct fs_inode **ret)
{
	return found(fs, root, dir, name, st, true, ret);
}

int fs_inode_pin(struct fs_server *fs, struct fs_inode *inode, int fd)
{
	auto_fd int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	int ret = 0;

	if (own < 0)
		return -errno;
	(void)pthread_mutex_lock(&fs->lock);
	if (inode->pin < 0 && fs->pins >= FS_MAX_PINS) {
		ret = -ENFILE;
	} else if (inode->pin < 0) {
		inode->pin = take_fd(&own);
		fs->pins++;
	}
	(void)pthread_mutex_unlock(&fs->lock);
	return ret;
}

void fs_inode_forget(struct fs_server *fs, uint64_t id, uint64_t n)
{
	auto_fd int last = -1;
	struct fs_inode *i;

	(void)pthread_mutex_lock(&fs->lock);
	i = idtable_get(&fs->inodes, id);
	if (i) {
		/* More than it has: the guest's count is wrong, not ours. */
		i->nlookup -= n < i->nlookup ? n : i->nlookup;
		fs_inode_reap_locked(fs, i, &last);
	}
	(void)pthread_mutex_unlock(&fs->lock);
}

void fs_inode_rekey_locked(struct fs_server *fs, struct fs_inode *inode,
			   const struct stat *st, int *ret_close)
{
	struct fs_inode *other;

	if (!inode->hashed)
		return; /* unlinked: nobody may find it by its identity */
	other = fs_inode_find_locked(fs, inode->root, st->st_dev, st->st_ino);
	if (other && other != inode)
		forsake(fs, other, ret_close);
	fs_inode_unhash_locked(fs, inode);
	inode->dev = st->st_dev;
	inode->ino = st->st_ino;
	(void)hash_add(fs, inode); /* the table is there: it had this record */
}

/* identify() - a loaded record has found its file, which may be another record's. */
static void identify(struct fs_server *fs, struct fs_inode *inode, const struct stat *st)
{
	inode->unsure = false;
	inode->dev = st->st_dev;
	inode->ino = st->st_ino;
	/* Without memory for the table it is found by its names only. */
	if (!fs_inode_find_locked(fs, inode->root, st->st_dev, st->st_ino))
		(void)hash_add(fs, inode);
}

int fs_inode_check(struct fs_server *fs, struct fs_inode *inode, const struct stat *st,
		   bool changed)
{
	auto_fd int last = -1;
	struct fs_root *root = inode->root;
	int ret = 0;

	(void)pthread_mutex_lock(&fs->lock);
	if (inode->type != (st->st_mode & S_IFMT)) {
		ret = -ESTALE;
	} else if (inode->unsure) {
		identify(fs, inode, st);
	} else if (inode->ino != st->st_ino || inode->dev != st->st_dev) {
		bool by_name = root->overlay && S_ISDIR(inode->type) &&
			       atomic_load(&root->split);

		if (!root->overlay || is_fixed(inode) || (!changed && !by_name))
			ret = is_fixed(inode) ? 0 : -ESTALE;
		else
			fs_inode_rekey_locked(fs, inode, st, &last);
	}
	(void)pthread_mutex_unlock(&fs->lock);
	return ret;
}

int fs_inode_new_top(struct fs_server *fs)
{
	struct fs_inode *i = calloc(1, sizeof(*i));

	if (!i)
		return -ENOMEM;
	i->id = FUSE_ROOT_ID;
	i->type = S_IFDIR;
	i->pin = -1;
	i->slot = -1;
	fs->top = i;
	return 0;
}

void fs_inode_free_all(struct fs_server *fs)
{
	struct fs_inode *i;
	uint32_t pos = 0;

	while ((i = idtable_next(&fs->inodes, &pos))) {
		while (i->names) {
			struct fs_name *n = i->names;

			i->names = n->next;
			free(n);
		}
		close_fd(i->pin);
		fs_watch_forget_locked(fs, i);
		free(i);
	}
	idtable_release(&fs->inodes);
	free(fs->hash);
	free(fs->top);
}
