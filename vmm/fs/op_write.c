/* SPDX-License-Identifier: Apache-2.0 */
/* READ and WRITE: straight between the file and guest memory. */
#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vmm/fs/ops.h"

mode_t fs_mode_before(struct fs_server *fs, struct fs_inode *inode, int fd)
{
	struct stat st;

	if (!atomic_load_explicit(&inode->special_mode, memory_order_relaxed))
		return 0;
	/* One at a time: or one thread's restored bits are another's lost ones. */
	(void)pthread_mutex_lock(&fs->mode_lock);
	if (fstat(fd, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID)))
		return st.st_mode;
	(void)pthread_mutex_unlock(&fs->mode_lock);
	return 0;
}

void fs_mode_after(struct fs_server *fs, int fd, mode_t before, bool kill)
{
	mode_t want = before & 07777;
	struct stat st;

	if (!before)
		return;
	if (kill) {
		/* inode(7): setgid without group execution is no privilege. */
		want &= ~(mode_t)S_ISUID;
		if (want & S_IXGRP)
			want &= ~(mode_t)S_ISGID;
	}
	/* The data is written: an error here has nobody left to tell. */
	if (fstat(fd, &st) == 0 && (st.st_mode & 07777) != want)
		(void)fchmod(fd, want);
	(void)pthread_mutex_unlock(&fs->mode_lock);
}

/* advance() - drop @done bytes from the front of a list of buffers. */
static void advance(struct iovec **iov, unsigned int *n, size_t done)
{
	while (*n && done >= (*iov)->iov_len) {
		done -= (*iov)->iov_len;
		(*iov)++;
		(*n)--;
	}
	if (*n) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + done;
		(*iov)->iov_len -= done;
	}
}

int fs_op_read(struct fs_req *r, struct fs_inode *inode)
{
	struct fuse_read_in in;
	struct fs_handle *h;
	struct iovec *iov;
	unsigned int n;
	size_t size;
	int ret;

	(void)inode;
	ret = fs_req_get(r, &in, sizeof(in));
	if (ret < 0)
		return ret;
	if (in.offset > INT64_MAX)
		return -EINVAL;
	size = in.size < r->reply.left ? in.size : r->reply.left;
	ret = fs_cursor_take(&r->reply, size, &iov, &n);
	if (ret < 0)
		return ret;
	h = fs_handle_get(r->fs, in.fh, false);
	if (!h)
		return -EBADF;
	if (fs_dax_holds(r->fs, h->inode)) {
		fs_handle_put(r->fs, h);
		return -FS_PARK; /* what the guest stored is not in the file yet */
	}
	/* Fewer bytes than asked for mean the end of the file to the guest. */
	while (r->replied < size) {
		ssize_t got = preadv(h->fd, iov, (int)n, (off_t)(in.offset + r->replied));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			ret = r->replied ? 0 : -errno;
		if (got <= 0)
			break;
		r->replied += (size_t)got;
		advance(&iov, &n, (size_t)got);
	}
	fs_handle_put(r->fs, h);
	return ret;
}

/*
 * write_flags() - from the flags of the guest's open file.  Overlayfs before
 * Linux 6.8 ignores RWF_APPEND: the data then goes where the guest says the end is.
 */
static int write_flags(const struct fs_req *r, const struct fuse_write_in *in)
{
	int flags = 0;

	/* Pages written back belong where they are, and are synced by FSYNC. */
	if (in->write_flags & FUSE_WRITE_CACHE)
		return 0;
	if (in->flags & O_APPEND)
		flags |= RWF_APPEND;
	if (!atomic_load_explicit(&r->fs->relaxed, memory_order_relaxed)) {
		if ((in->flags & O_SYNC) == O_SYNC)
			flags |= RWF_SYNC;
		else if (in->flags & O_DSYNC)
			flags |= RWF_DSYNC;
	}
	return flags;
}

static int write_all(struct fs_handle *h, struct iovec *iov, unsigned int n,
		     const struct fuse_write_in *in, int flags, uint32_t *ret_done)
{
	uint32_t done = 0;

	while (done < in->size) {
		off_t at = (off_t)(in->offset + done);
		ssize_t put;

		put = flags ? pwritev2(h->fd, iov, (int)n, at, flags)
			    : pwritev(h->fd, iov, (int)n, at);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && !done)
			return -errno;
		if (put <= 0)
			break;
		done += (uint32_t)put;
		advance(&iov, &n, (size_t)put);
	}
	*ret_done = done;
	return 0;
}

int fs_op_write(struct fs_req *r, struct fs_inode *inode)
{
	struct fuse_write_out out = { 0 };
	struct fuse_write_in in;
	struct fs_handle *h;
	struct iovec *iov;
	mode_t before;
	unsigned int n;
	int ret;

	(void)inode;
	ret = fs_req_get(r, &in, sizeof(in));
	if (ret < 0)
		return ret;
	if (in.offset > (uint64_t)INT64_MAX - in.size)
		return -EFBIG;
	ret = fs_cursor_take(&r->args, in.size, &iov, &n);
	if (ret < 0)
		return ret;
	h = fs_handle_get(r->fs, in.fh, false);
	if (!h)
		return -EBADF;
	if (h->writable) {
		/* Stores to a mapping raise no event in the guest: this may be theirs. */
		if (!(in.write_flags & FUSE_WRITE_CACHE))
			fs_touch_inode(r, h->inode, IN_MODIFY);
		before = fs_mode_before(r->fs, h->inode, h->fd);
		ret = write_all(h, iov, n, &in, write_flags(r, &in), &out.size);
		fs_mode_after(r->fs, h->fd, before,
			      in.write_flags & FUSE_WRITE_KILL_SUIDGID);
	} else {
		ret = -EBADF;
	}
	fs_dax_heal(r->fs, h->inode);
	fs_handle_put(r->fs, h);
	return ret < 0 ? ret : fs_req_put(r, &out, sizeof(out));
}

int fs_op_fallocate(struct fs_req *r, struct fs_inode *inode)
{
	struct fuse_fallocate_in in;
	struct fs_handle *h;
	int ret;

	(void)inode;
	ret = fs_req_get(r, &in, sizeof(in));
	if (ret < 0)
		return ret;
	if (in.offset > INT64_MAX || in.length > INT64_MAX)
		return -EFBIG;
	h = fs_handle_get(r->fs, in.fh, false);
	if (!h)
		return -EBADF;
	if (h->writable)
		fs_touch_inode(r, h->inode, IN_MODIFY);
	if (!h->writable)
		ret = -EBADF;
	else if (fallocate(h->fd, (int)in.mode, (off_t)in.offset, (off_t)in.length) < 0)
		ret = -errno;
	fs_dax_heal(r->fs, h->inode);
	fs_handle_put(r->fs, h);
	return ret;
}

int fs_op_copy_file_range(struct fs_req *r, struct fs_inode *inode)
{
	struct fuse_write_out out = { 0 };
	struct fuse_copy_file_range_in in;
	struct fs_handle *from, *to;
	ssize_t done = -1;
	off_t at, to_at;
	int ret;

	(void)inode;
	ret = fs_req_get(r, &in, sizeof(in));
	if (ret < 0)
		return ret;
	if (in.flags || in.off_in > INT64_MAX || in.off_out > INT64_MAX)
		return -EINVAL;
	if (in.len > INT32_MAX)
		in.len =
			INT32_MAX & ~4095; /* the reply has 32 bits; the caller goes on */
	from = fs_handle_get(r->fs, in.fh_in, false);
	to = fs_handle_get(r->fs, in.fh_out, false);
	at = (off_t)in.off_in;
	to_at = (off_t)in.off_out;
	if (to && to->writable)
		fs_touch_inode(r, to->inode, IN_MODIFY);
	if (!from || !to || !to->writable)
		ret = -EBADF;
	else
		done = copy_file_range(from->fd, &at, to->fd, &to_at, in.len, 0);
	if (ret == 0 && done < 0)
		ret = -errno;
	if (from)
		fs_handle_put(r->fs, from);
	if (to)
		fs_handle_put(r->fs, to);
	if (ret < 0)
		return ret;
	out.size = (uint32_t)done;
	return fs_req_put(r, &out, sizeof(out));
}
