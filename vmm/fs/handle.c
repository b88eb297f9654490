/* SPDX-License-Identifier: Apache-2.0 */
/* Open files and directories by the number that the guest has for them. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/fs/ops.h"
#include "vmm/fs/server.h"

int fs_handle_new(struct fs_server *fs, struct fs_inode *inode, int new_fd, bool writable,
		  uint64_t *ret_id)
{
	auto_fd int fd = new_fd;
	struct fs_handle *h = calloc(1, sizeof(*h));
	int ret;

	if (!h)
		return -ENOMEM;
	if (fd >= 0 && S_ISDIR(inode->type)) {
		h->dirbuf = fs_dirbuf_new();
		if (!h->dirbuf) {
			free(h);
			return -ENOMEM;
		}
	}
	h->writable = writable;
	h->is_dir = S_ISDIR(inode->type);
	h->inode = inode;
	h->fd = take_fd(&fd);
	atomic_init(&h->refs, 2); /* the guest's, and ours until it is in the list */

	(void)pthread_mutex_lock(&fs->handle_lock);
	ret = idtable_add(&fs->handles, h, &h->id);
	(void)pthread_mutex_unlock(&fs->handle_lock);
	if (ret < 0) {
		close_fd(h->fd);
		fs_dirbuf_free(h->dirbuf);
		free(h);
		return ret;
	}
	(void)pthread_mutex_lock(&fs->lock);
	inode->refs++;
	if (!h->is_dir) {
		h->next = inode->handles;
		inode->handles = h;
	}
	(void)pthread_mutex_unlock(&fs->lock);
	*ret_id = h->id;
	fs_handle_put(fs, h);
	return 0;
}

void fs_handle_hold(struct fs_handle *h)
{
	atomic_fetch_add(&h->refs, 1);
}

struct fs_handle *fs_handle_get(struct fs_server *fs, uint64_t id, bool is_dir)
{
	struct fs_handle *h;

	(void)pthread_mutex_lock(&fs->handle_lock);
	h = idtable_get(&fs->handles, id);
	if (h && h->is_dir == is_dir)
		fs_handle_hold(h);
	else
		h = NULL;
	(void)pthread_mutex_unlock(&fs->handle_lock);
	return h;
}

void fs_handle_put(struct fs_server *fs, struct fs_handle *h)
{
	if (atomic_fetch_sub(&h->refs, 1) != 1)
		return;
	fs_locks_drop_handle(fs, h);
	close_fd(h->fd);
	fs_inode_put(fs, h->inode);
	fs_dirbuf_free(h->dirbuf);
	free(h);
}

static void remove_handle(struct fs_server *fs, struct fs_handle *h)
{
	(void)pthread_mutex_lock(&fs->lock);
	for (struct fs_handle **p = &h->inode->handles; *p; p = &(*p)->next) {
		if (*p == h) {
			*p = h->next;
			break;
		}
	}
	(void)pthread_mutex_unlock(&fs->lock);
	fs_handle_put(fs, h);
}

int fs_handle_close(struct fs_server *fs, uint64_t id, bool is_dir)
{
	struct fs_handle *h;

	(void)pthread_mutex_lock(&fs->handle_lock);
	h = idtable_get(&fs->handles, id);
	if (h && h->is_dir == is_dir)
		idtable_remove(&fs->handles, id);
	else
		h = NULL;
	(void)pthread_mutex_unlock(&fs->handle_lock);
	if (!h)
		return -EBADF;
	remove_handle(fs, h);
	return 0;
}

int fs_handle_renumber(struct fs_server *fs, uint64_t id, uint64_t saved)
{
	struct fs_handle *h;
	int ret;

	(void)pthread_mutex_lock(&fs->handle_lock);
	h = idtable_get(&fs->handles, id);
	idtable_remove(&fs->handles, id);
	ret = idtable_put_back(&fs->handles, h, saved);
	if (ret == 0)
		h->id = saved;
	(void)pthread_mutex_unlock(&fs->handle_lock);
	if (ret < 0)
		remove_handle(fs, h);
	return ret;
}

void fs_handle_close_all(struct fs_server *fs)
{
	uint32_t pos = 0;

	for (;;) {
		struct fs_handle *h;

		(void)pthread_mutex_lock(&fs->handle_lock);
		h = idtable_next(&fs->handles, &pos);
		if (h)
			idtable_remove(&fs->handles, h->id);
		(void)pthread_mutex_unlock(&fs->handle_lock);
		if (!h)
			return;
		remove_handle(fs, h);
	}
}
