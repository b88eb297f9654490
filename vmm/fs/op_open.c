/* SPDX-License-Identifier: Apache-2.0 */
/* OPEN to RELEASE, and what is asked of an open file besides its data. */
#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/fs/ops.h"

int fs_open_out(struct fs_server *fs, struct fs_inode *inode, int fd, bool writable,
		struct fuse_open_out *out)
{
	*out = (struct fuse_open_out){ 0 };
	if (S_ISDIR(inode->type)) {
		if (fs->policy.cache_dirs)
			out->open_flags = FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE;
	} else {
		out->open_flags = FOPEN_STRAIGHT;
		if (fs->policy.keep_cache)
			out->open_flags |= FOPEN_KEEP_CACHE;
	}
	return fs_handle_new(fs, inode, fd, writable, &out->fh);
}

/*
 * open_file() - the descriptor carries the access mode only: O_APPEND and O_SYNC
 * come with each WRITE, and O_DIRECT asks for an alignment that guest memory does
 * not promise.
 */
static int open_file(struct fs_req *r, struct fs_inode *inode,
		     const struct fuse_open_in *in)
{
	int access = (int)in->flags & O_ACCMODE;
	bool trunc = in->flags & O_TRUNC;
	auto_fd int fd = -1;
	struct fs_place pl;
	mode_t before;
	bool later;
	int ret;

	ret = fs_place_get(r->fs, inode, FS_PLACE_NAMED, &pl);
	if (ret < 0)
		return ret;
	/*
	 * O_TRUNC spares overlayfs from copying the data up first.  Only where mode
	 * bits may have to be kept it is a step of its own.
	 */
	later = trunc && access != O_RDONLY &&
		(atomic_load(&inode->special_mode) || !pl.name[0]);
	fd = fs_place_open(r->fs, inode, &pl, access | (trunc && !later ? O_TRUNC : 0));
	fs_place_put(r->fs, &pl);
	if (fd < 0)
		return fd;
	if (later) {
		before = fs_mode_before(r->fs, inode, fd);
		if (ftruncate(fd, 0) < 0)
			ret = -errno;
		fs_mode_after(r->fs, fd, before, in->open_flags & FUSE_OPEN_KILL_SUIDGID);
		if (ret < 0)
			return ret;
	}
	return take_fd(&fd);
}

int fs_op_open(struct fs_req *r, struct fs_inode *inode)
{
	struct fuse_open_out out;
	struct fuse_open_in in;
	bool write;
	int fd, ret;

	ret = fs_req_get(r, &in, sizeof(in));
	if (ret < 0)
		return ret;
	write = (in.flags & O_ACCMODE) != O_RDONLY;
	if (S_ISDIR(inode->type))
		return -EISDIR;
	if (!S_ISREG(inode->type))
		return -ENXIO; /* fifos, sockets and devices are the guest's kernel's own */
	if (inode->root->readonly && (write || (in.flags & O_TRUNC)))
		return -EROFS;
	if (in.flags & O_TRUNC || (write && inode->root->overlay)) { /* a copy-up */
		ret = fs_pass_gate(r, FS_GATE_CHANGE);
		if (ret < 0)
			return ret;
	}
	if (in.flags & O_TRUNC)
		fs_touch_inode(r, inode, IN_MODIFY);
	fd = open_file(r, inode, &in);
	if (fd < 0)
		return fd;
	/* Access mode 3 asks for both permissions and gives neither: for ioctl(). */
	ret = fs_open_out(r->fs, inode, fd, write && (in.flags & O_ACCMODE) != O_ACCMODE,
			  &out);
	if (ret < 0)
		return ret;
	return fs_req_put(r, &out, sizeof(out));
}

int fs_op_release(struct fs_req *r, struct fs_inode *inode)
{
	struct fuse_release_in in;
	struct fs_handle *h;
	int ret = fs_req_get(r, &in, sizeof(in));

	(void)inode;
	if (ret < 0)
		return ret;
	h = fs_touch_any(r->fs) ? fs_handle_get(r->fs, in.fh, false) : NULL;
	if (h) {
		if (h->writable)
			fs_touch_inode(r, h->inode, IN_CLOSE_WRITE);
		fs_handle_put(r->fs, h);
	}
	return fs_handle_close(r->fs, in.fh, false);
}

static bool any_remote(const struct fs_server *fs)
{
	for (unsigned int i = 0; i < VM_MAX_ROOTS; i++) {
		const struct fs_root *root = atomic_load(&fs->roots[i]);

		if (root && root->remote)
			return true;
	}
	return false;
}

/*
 * FLUSH is the guest's close(): of use where the host's close() reports errors, and where
 * the process had locked something.  Otherwise ENOSYS saves a request for each close from
 * then on, but of files that were locked; the guest's kernel still writes back what it holds.
 */
int fs_op_flush(struct fs_req *r, struct fs_inode *inode)
{
	struct fuse_flush_in in;
	struct fs_handle *h;
	bool had_locks;
	int fd, ret;

	(void)inode;
	ret = fs_req_get(r, &in, sizeof(in));
	if (ret < 0)
		return ret;
	if (!fs_locks_any(&r->fs->locks) && !any_remote(r->fs))
		return -ENOSYS;
	h = fs_handle_get(r->fs, in.fh, false);
	if (!h)
		return -EBADF;
	had_locks = fs_locks_drop_owner(r->fs, h->inode, in.lock_owner);
	if (!had_locks && !any_remote(r->fs))
		ret = -ENOSYS;
	if (h->inode->root->remote) {
		fd = fcntl(h->fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0 || close(fd) < 0)
			ret = -errno;
	}
	fs_handle_put(r->fs, h);
	return ret;
}

static int sync_handle(struct fs_req *r, bool is_dir)
{
	struct fuse_fsync_in in;
	struct fs_handle *h;
	int ret;

	ret = fs_req_get(r, &in, sizeof(in));
	if (ret < 0)
		return ret;
	h = fs_handle_get(r->fs, in.fh, is_dir);
	if (!h)
		return -EBADF;
	if (fs_dax_holds(r->fs, h->inode))
		ret = -FS_PARK; /* what it stored is not in the file yet */
	else if (h->fd >= 0 && !atomic_load(&r->fs->relaxed)) {
		if (in.fsync_flags & FUSE_FSYNC_FDATASYNC)
			ret = fdatasync(h->fd);
		else
			ret = fsync(h->fd);
		if (ret < 0)
			ret = -errno;
	}
	fs_handle_put(r->fs, h);
	return ret;
}

int fs_op_fsync(struct fs_req *r, struct fs_inode *inode)
{
	(void)inode;
	return sync_handle(r, false);
}

int fs_op_fsyncdir(struct fs_req *r, struct fs_inode *inode)
{
	(void)inode;
	return sync_handle(r, true);
}

int fs_op_lseek(struct fs_req *r, struct fs_inode *inode)
{
	struct fuse_lseek_out out;
	struct fuse_lseek_in in;
	struct fs_handle *h;
	off_t at;
	int ret;

	(void)inode;
	ret = fs_req_get(r, &in, sizeof(in));
	if (ret < 0)
		return ret;
	/* The only two that the guest's kernel cannot answer. */
	if (in.whence != SEEK_DATA && in.whence != SEEK_HOLE)
		return -EINVAL;
	if (in.offset > INT64_MAX)
		return -ENXIO;
	h = fs_handle_get(r->fs, in.fh, false);
	if (!h)
		return -EBADF;
	/* Moves the descriptor's own position, which nothing here ever uses. */
	at = lseek(h->fd, (off_t)in.offset, (int)in.whence);
	ret = at < 0 ? -errno : 0;
	fs_handle_put(r->fs, h);
	if (ret < 0)
		return ret;
	out.offset = (uint64_t)at;
	return fs_req_put(r, &out, sizeof(out));
}
