/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest knows of its files, written down: records with their names, open files,
 * what the DAX window shows, and what is locked.  No worker serves meanwhile (fs_hold()).  Back again: load.c.
 *
 * A file that was deleted while it was open has no name to be found by: its content goes
 * along, up to FS_MAX_GHOST bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "vmm/fs/pool.h"
#include "vmm/fs/save_internal.h"
#include "vmm/fs/server.h"
#include "vmm/snapshot/sections.h"

bool fs_untouched(struct virtio_device *dev)
{
	struct fs_server *fs = fs_device_server(dev);
	uint32_t n_roots = 0;
	bool ret;

	for (unsigned int i = 0; i < VM_MAX_ROOTS; i++)
		n_roots += atomic_load(&fs->roots[i]) != NULL;
	(void)pthread_mutex_lock(&fs->lock);
	(void)pthread_mutex_lock(&fs->handle_lock);
	/* The roots are in the table whether the guest has looked them up or not. */
	ret = !atomic_load(&fs->root_known) && fs->inodes.used == n_roots &&
	      !fs->handles.used;
	(void)pthread_mutex_unlock(&fs->handle_lock);
	(void)pthread_mutex_unlock(&fs->lock);
	return ret;
}

/* fd_of() - a descriptor of the file that is open; -1: the guest has none. */
static int fd_of(const struct fs_server *fs, const struct fs_inode *i)
{
	uint64_t n = fs->dax.size >> FS_DAX_SHIFT;

	if (i->handles)
		return i->handles->fd;
	for (uint64_t at = 0; atomic_load(&i->shown) && at < n; at++)
		if (fs->dax.slots[at].inode == i)
			return fs->dax.slots[at].fd;
	return -1;
}

static int save_name(const struct fs_server *fs, const struct fs_name *name,
		     struct buf *out)
{
	const struct fs_saved_name s = {
		.parent = name->parent == fs->top ? FUSE_ROOT_ID : name->parent->id,
		.len = (uint32_t)strlen(name->s),
	};

	(void)buf_append(out, &s, sizeof(s));
	return buf_append(out, name->s, s.len);
}

/* save_record() - and whether its file is one that may not change: it is open. */
static int save_record(struct fs_server *fs, struct fs_inode *i, struct buf *out,
		       struct err *err)
{
	struct fs_saved_inode s = {
		.id = i->id,
		.nlookup = i->nlookup,
		.type = i->type,
		.root = i->root->index,
		.flags = (i->dax ? FS_SAVED_DAX : 0) |
			 (i->root->inode == i ? FS_SAVED_ROOT : 0) |
			 (i->names ? 0 : FS_SAVED_UNNAMED) |
			 (atomic_load(&i->special_mode) ? FS_SAVED_SPECIAL : 0),
	};
	int fd = S_ISREG(i->type) ? fd_of(fs, i) : -1;
	struct stat st;

	if (fd >= 0) {
		if (fstat(fd, &st) < 0)
			return err_set(err, errno, "look at an open file");
		s.flags |= FS_SAVED_OPEN;
		s.size = st.st_size;
		s.mtime_s = st.st_mtim.tv_sec;
		s.mtime_ns = (uint32_t)st.st_mtim.tv_nsec;
	}
	for (const struct fs_name *n = i->names; n; n = n->next)
		s.n_names++;
	(void)buf_append(out, &s, sizeof(s));
	for (const struct fs_name *n = i->names; n; n = n->next)
		(void)save_name(fs, n, out);
	return buf_ok(out) < 0 ? err_set(err, ENOMEM, "its files") : 0;
}

static int save_records(struct fs_server *fs, struct buf *out, struct err *err)
{
	auto_buf struct buf all = BUF_INIT;
	struct fs_inode *i;
	uint32_t pos = 0;
	int ret = 0;

	/* Roots that the guest has not looked at may be others in the next machine: a
	 * template is none of a container's. */
	while (ret == 0 && atomic_load(&fs->root_known) &&
	       (i = idtable_next(&fs->inodes, &pos)))
		ret = save_record(fs, i, &all, err);
	section_put(out, FS_TAG_INODES, all.data, all.len);
	return ret;
}

static int save_handles(struct fs_server *fs, struct buf *out, struct err *err)
{
	auto_buf struct buf all = BUF_INIT;
	struct fs_handle *h;
	uint32_t pos = 0;

	while ((h = idtable_next(&fs->handles, &pos))) {
		int flags = h->fd >= 0 ? fcntl(h->fd, F_GETFL) : O_RDONLY;
		const struct fs_saved_handle s = {
			.id = h->id,
			.inode = h->inode == fs->top ? FUSE_ROOT_ID : h->inode->id,
			.access = (uint32_t)flags & O_ACCMODE,
			.writable = h->writable,
		};

		if (flags < 0)
			return err_set(err, errno, "look at an open file");
		(void)buf_append(&all, &s, sizeof(s));
	}
	if (buf_ok(&all) < 0)
		return err_set(err, ENOMEM, "its open files");
	section_put(out, FS_TAG_HANDLES, all.data, all.len);
	return 0;
}

static int save_window(struct fs_server *fs, struct buf *out, struct err *err)
{
	auto_buf struct buf all = BUF_INIT;

	for (uint64_t i = 0; i < fs->dax.size >> FS_DAX_SHIFT; i++) {
		const struct fs_dax_slot *slot = &fs->dax.slots[i];
		const struct fs_saved_slot s = {
			.slot = i,
			.inode = slot->inode ? slot->inode->id : 0,
			.offset = slot->offset,
			.writable = slot->writable,
		};

		if (!slot->inode)
			continue;
		if (slot->held)
			return err_msg(err, EAGAIN, "files are frozen");
		(void)buf_append(&all, &s, sizeof(s));
	}
	if (buf_ok(&all) < 0)
		return err_set(err, ENOMEM, "its DAX window");
	section_put(out, FS_TAG_WINDOW, all.data, all.len);
	return 0;
}

/* ---- files that were deleted ----------------------------------------------------- */

/* readable_of() - a descriptor that can be read, of a file that may be open for writing
 * only; -1 */
static int readable_of(const struct fs_server *fs, const struct fs_inode *i)
{
	const struct fs_handle *h;

	for (h = i->handles; h; h = h->next)
		if ((fcntl(h->fd, F_GETFL) & O_ACCMODE) != O_WRONLY)
			return h->fd;
	return i->handles ? -1 : fd_of(fs, i);
}

static int save_ghost(const struct fs_server *fs, const struct fs_inode *i,
		      struct buf *out, struct err *err)
{
	struct fs_saved_ghost s = { .inode = i->id };
	int fd = readable_of(fs, i);
	struct stat st;

	if (fd < 0)
		return err_msg(err, EOPNOTSUPP,
			       "a file that was deleted is open for writing only");
	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "look at a file that was deleted");
	if (st.st_size > (off_t)FS_MAX_GHOST)
		return err_msg(err, EFBIG,
			       "a file that was deleted and is open has %" PRId64
			       " bytes: %u at most can be saved",
			       (int64_t)st.st_size, FS_MAX_GHOST);
	s.len = (uint32_t)st.st_size;
	s.mode = st.st_mode & 07777;
	s.uid = st.st_uid;
	s.gid = st.st_gid;
	(void)buf_append(out, &s, sizeof(s));
	if (buf_reserve(out, s.len) < 0)
		return err_set(err, ENOMEM, "a file that was deleted");
	if (pread(fd, out->data + out->len, s.len, 0) != (ssize_t)s.len)
		return err_set(err, errno ? errno : EIO, "read a file that was deleted");
	out->len += s.len;
	return 0;
}

static int save_ghosts(struct fs_server *fs, struct buf *out, struct err *err)
{
	auto_buf struct buf all = BUF_INIT;
	struct fs_inode *i;
	uint32_t pos = 0;
	int ret = 0;

	while (ret == 0 && (i = idtable_next(&fs->inodes, &pos)))
		if (S_ISREG(i->type) && !i->names && i->root->inode != i &&
		    fd_of(fs, i) >= 0)
			ret = save_ghost(fs, i, &all, err);
	section_put(out, FS_TAG_GHOSTS, all.data, all.len);
	return ret;
}

static int save_locks(struct fs_server *fs, struct buf *out, struct err *err)
{
	auto_buf struct buf all = BUF_INIT;

	for (unsigned int b = 0; b < FS_LOCK_BUCKETS; b++) {
		for (const struct fs_locked *f = fs->locks.buckets[b]; f; f = f->next) {
			for (unsigned int i = 0; i < f->n; i++) {
				const struct fs_saved_lock s = {
					.handle = f->locks[i].handle->id,
					.owner = f->locks[i].owner,
					.start = f->locks[i].start,
					.end = f->locks[i].end,
					.kind = f->locks[i].kind,
					.type = f->locks[i].type,
				};

				(void)buf_append(&all, &s, sizeof(s));
			}
		}
	}
	if (buf_ok(&all) < 0)
		return err_set(err, ENOMEM, "its file locks");
	section_put(out, FS_TAG_LOCKS, all.data, all.len);
	return 0;
}

int fs_save(struct virtio_device *dev, struct buf *out, struct err *err)
{
	struct fs_server *fs = fs_device_server(dev);
	struct fs_saved_server s = {
		.initialised = atomic_load(&fs->initialised),
		.submounts = atomic_load(&fs->submounts),
		.setxattr_ext = atomic_load(&fs->setxattr_ext),
		.inode_dax = atomic_load(&fs->inode_dax),
		.root_known = atomic_load(&fs->root_known),
		.locks_shared = atomic_load(&fs->locks_shared),
	};
	int ret;

	/* Nobody else uses them: the workers stand still. */
	s.inode_sequence = fs->inodes.sequence;
	s.handle_sequence = fs->handles.sequence;
	section_put(out, FS_TAG, &s, sizeof(s));
	ret = save_records(fs, out, err);
	if (ret == 0) /* before what is open of them */
		ret = save_ghosts(fs, out, err);
	if (ret == 0)
		ret = save_handles(fs, out, err);
	if (ret == 0)
		ret = save_window(fs, out, err);
	return ret < 0 ? ret : save_locks(fs, out, err);
}
