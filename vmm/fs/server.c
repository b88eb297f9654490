/* SPDX-License-Identifier: Apache-2.0 */
/* Making and unmaking the server; its roots. */
#include "vmm/fs/server.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/fs/ops.h"

#define DEFAULT_DIR_FDS 256u
#define MIN_DIR_FDS 4u
/* Above the inode number: st_dev's number, and the root's where they share st_dev. */
#define INO_DEV_SHIFT 56
#define INO_ROOT_SHIFT 48

#ifndef CEPH_SUPER_MAGIC
#define CEPH_SUPER_MAGIC 0x00c36400
#endif

/*
 * Private roots are written by this guest alone, apart from somebody who copies a
 * file in from the host by hand: that is seen within a second.  In shared ones
 * attributes are asked for each time, and a file is opened only if its name still
 * leads to it (ESTALE makes the guest's kernel look again): close-to-open.  Names are
 * believed for a second all the same, because Linux drops a dentry that is never
 * valid, and with it the inode and all its pages, at each last close.
 */
static const struct fs_policy private_policy = {
	.entry_ns = 1000000000,
	.negative_ns = 1000000000,
	.attr_ns = 1000000000,
	.keep_cache = true, /* the guest drops it itself when size or mtime differ */
	.cache_dirs = true,
	.cache_symlinks = true,
};
static const struct fs_policy shared_policy = {
	.entry_ns = 1000000000,
	.submounts = true,
};

static bool is_remote(const struct statfs *s)
{
	unsigned long type = (unsigned long)s->f_type;

	return type == NFS_SUPER_MAGIC || type == SMB_SUPER_MAGIC ||
	       type == CIFS_SUPER_MAGIC || type == SMB2_SUPER_MAGIC ||
	       type == V9FS_MAGIC || type == FUSE_SUPER_MAGIC ||
	       type == AFS_SUPER_MAGIC || type == CEPH_SUPER_MAGIC;
}

uint64_t fs_root_ino(struct fs_root *root, dev_t dev, uint64_t ino)
{
	for (uint64_t i = 0; i < FS_ROOT_DEVS; i++) {
		dev_t known = atomic_load_explicit(&root->devs[i], memory_order_relaxed);

		if (known == 0 &&
		    atomic_compare_exchange_strong(&root->devs[i], &known, dev))
			known = dev;
		if (known == dev)
			return ino ^ i << INO_DEV_SHIFT ^ root->ino_mix;
	}
	return ino ^ (uint64_t)dev << 40 ^ root->ino_mix; /* more mounts than room */
}

static void root_free(struct fs_root *root)
{
	if (!root)
		return;
	close_fd(root->fd);
	close_fd(root->data_fd);
	free(root);
}
DEFINE_CLEANUP(root, struct fs_root, root_free)

/* open_data() - an O_PATH fd of a file cannot be opened again without /proc. */
static int open_data(struct fs_root *root, struct err *err)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", root->fd);
	root->data_fd = open(path, (root->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC |
					   O_NONBLOCK | O_NOCTTY);
	/* Without write access (a read-only mount, a running program) it can be read. */
	if (root->data_fd < 0 && !root->readonly)
		root->data_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (root->data_fd < 0)
		return err_set(err, errno, "open the file of root %u", root->index);
	return 0;
}

static int root_probe(struct fs_root *root, struct stat *st, struct err *err)
{
	struct statfs s;

	if (fstatat(root->fd, "", st, AT_EMPTY_PATH) < 0 || fstatfs(root->fd, &s) < 0)
		return err_set(err, errno, "stat root %u", root->index);
	atomic_store(&root->devs[0], st->st_dev);
	root->overlay = s.f_type == OVERLAYFS_SUPER_MAGIC;
	root->remote = is_remote(&s);
	if (S_ISREG(st->st_mode) && root->data_fd < 0)
		return open_data(root, err);
	return 0;
}

int fs_server_add_root(struct fs_server *fs, const struct fs_root_params *p,
		       struct err *err)
{
	struct fs_root *root auto_call(cleanup_root_) = calloc(1, sizeof(*root));
	struct fs_root *none = NULL;
	struct fs_inode *inode = NULL;
	struct stat st;
	int ret;

	if (!root) {
		close_fd(p->fd);
		close_fd(p->data_fd);
		return err_set(err, ENOMEM, "root %u", p->index);
	}
	root->fd = p->fd;
	root->data_fd = p->data_fd;
	root->index = p->index;
	root->readonly = p->readonly;
	if (p->place)
		(void)!snprintf(root->place, sizeof(root->place), "%s", p->place);
	if (!fs->policy.submounts)
		root->ino_mix = (uint64_t)p->index << INO_ROOT_SHIFT;
	if (root->index >= VM_MAX_ROOTS)
		return err_msg(err, EINVAL, "root %u: more than %u roots", p->index,
			       VM_MAX_ROOTS);
	ret = root_probe(root, &st, err);
	if (ret < 0)
		return ret;
	ret = fs_inode_found(fs, root, NULL, NULL, &st, &inode);
	if (ret < 0)
		return err_set(err, -ret, "root %u", p->index);
	root->inode = inode; /* the reference stays: it is never freed */
	if (!atomic_compare_exchange_strong(&fs->roots[p->index], &none, root)) {
		root->inode = NULL;
		fs_inode_put(fs, inode);
		fs_inode_forget(fs, inode->id, 1);
		return err_msg(err, EEXIST, "root %u is there already", p->index);
	}
	(void)take_ptr(&root);
	return 0;
}

static int locks_init(struct fs_server *fs)
{
	/* None of these allocates or fails on Linux with default attributes. */
	if (pthread_mutex_init(&fs->lock, NULL) ||
	    pthread_mutex_init(&fs->handle_lock, NULL) ||
	    pthread_mutex_init(&fs->mode_lock, NULL) || fs_locks_init(&fs->locks) ||
	    pthread_cond_init(&fs->names_cond, NULL))
		return -ENOMEM;
	return 0;
}

DEFINE_CLEANUP(server, struct fs_server, fs_server_free)

/* close_roots() - those that no server has taken over. */
static void close_roots(const struct fs_params *p, unsigned int from)
{
	for (unsigned int i = from; i < p->n_roots; i++) {
		close_fd(p->roots[i].fd);
		close_fd(p->roots[i].data_fd);
	}
}

int fs_server_new(const struct fs_params *params, struct fs_server **ret, struct err *err)
{
	unsigned int n_dirs = params->max_dir_fds ? params->max_dir_fds : DEFAULT_DIR_FDS;
	struct fs_server *fs auto_call(cleanup_server_) = NULL;
	struct fs_server *raw = calloc(1, sizeof(*raw));
	int r;

	if (!raw || locks_init(raw) != 0) {
		free(raw);
		close_roots(params, 0);
		return err_set(err, ENOMEM, "virtio-fs server");
	}
	fs = raw;
	idtable_init(&fs->inodes, FS_MAX_INODES);
	idtable_init(&fs->handles, FS_MAX_HANDLES);
	fs->policy = params->shared ? shared_policy : private_policy;
	fs->policy.locks = params->shared && params->locks;
	fs_gate_init(&fs->gate);
	fs_offers_init(&fs->offers, params);
	fs_watches_init(&fs->watches, params);
	fs->gate.moved = params->on_gate;
	fs->gate.moved_arg = params->on_gate_arg;
	fs->dax.on_mapped = params->on_mapped;
	fs->dax.on_mapped_arg = params->on_mapped_arg;
	r = fs_dax_init(&fs->dax, params->dax_size, err);
	if (r < 0) {
		close_roots(params, 0);
		return r;
	}
	if (fs_dirs_init(fs, n_dirs < MIN_DIR_FDS ? MIN_DIR_FDS : n_dirs) < 0 ||
	    fs_inode_new_top(fs) < 0) {
		close_roots(params, 0);
		return err_set(err, ENOMEM, "virtio-fs server");
	}
	for (unsigned int i = 0; i < params->n_roots; i++) {
		r = fs_server_add_root(fs, &params->roots[i], err);
		if (r < 0) {
			close_roots(params, i + 1);
			return r;
		}
	}
	*ret = take_ptr(&fs);
	return 0;
}

void fs_server_free(struct fs_server *fs)
{
	if (!fs)
		return;
	fs_handle_close_all(fs);
	fs_dax_reset(fs);
	fs_dax_release(&fs->dax);
	fs_inode_free_all(fs);
	fs_dirs_release(fs);
	idtable_release(&fs->handles);
	for (unsigned int i = 0; i < VM_MAX_ROOTS; i++)
		root_free(fs->roots[i]);
	fs_watches_release(&fs->watches);
	fs_offers_release(&fs->offers);
	fs_gate_release(&fs->gate);
	fs_locks_release(&fs->locks);
	(void)pthread_cond_destroy(&fs->names_cond);
	(void)pthread_mutex_destroy(&fs->mode_lock);
	(void)pthread_mutex_destroy(&fs->handle_lock);
	(void)pthread_mutex_destroy(&fs->lock);
	free(fs);
}

void fs_server_reset(struct fs_server *fs)
{
	struct fs_inode *i;
	uint32_t pos = 0;

	atomic_store(&fs->initialised, false);
	atomic_store(&fs->root_known, false);
	fs_handle_close_all(fs);
	fs_dax_reset(fs);
	(void)pthread_mutex_lock(&fs->lock);
	fs_offers_reset_locked(fs);
	/*
	 * Freeing one may free its parents, wherever they are in the table: each
	 * is looked at by number, never through a pointer kept over a step.
	 */
	while ((i = idtable_next(&fs->inodes, &pos))) {
		int last = -1;

		i->nlookup = 0;
		fs_offer_forget_locked(i);
		fs_watch_forget_locked(fs, i);
		fs_inode_reap_locked(fs, i, &last);
		close_fd(last);
	}
	(void)pthread_mutex_unlock(&fs->lock);
	fs_watches_reset(&fs->watches);
}
