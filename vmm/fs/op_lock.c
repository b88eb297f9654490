/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GETLK and SETLK.  SETLKW has no function: a request that waited could not be taken back,
 * as virtio-fs has no way to say that whoever waits was killed.
 */
#include <errno.h>
#include <fcntl.h>

#include "vmm/fs/ops.h"

/* get_lock() - what the guest asks for, checked; fs_handle_put() of its handle is due. */
static int get_lock(struct fs_req *r, struct fs_lock *l)
{
	struct fuse_lk_in in;
	int ret;

	if (!atomic_load(&r->fs->locks_shared))
		return -ENOSYS; /* as INIT has said */
	ret = fs_req_get(r, &in, sizeof(in));
	if (ret < 0)
		return ret;
	if (in.lk_flags & ~(uint32_t)FUSE_LK_FLOCK || in.lk.start > in.lk.end ||
	    in.lk.end > FS_LOCK_END ||
	    (in.lk.type != F_RDLCK && in.lk.type != F_WRLCK && in.lk.type != F_UNLCK))
		return -EINVAL;
	*l = (struct fs_lock){
		.owner = in.owner,
		.start = in.lk.start,
		.end = in.lk.end,
		.kind = FS_LOCK_POSIX,
		.type = (uint8_t)in.lk.type,
	};
	if (in.lk_flags & FUSE_LK_FLOCK) {
		l->kind = FS_LOCK_FLOCK;
		l->start = 0;
		l->end = FS_LOCK_END;
	}
	l->handle = fs_handle_get(r->fs, in.fh, false);
	return l->handle ? 0 : -EBADF;
}

int fs_op_setlk(struct fs_req *r, struct fs_inode *inode)
{
	struct fs_lock want;
	int ret = get_lock(r, &want);

	(void)inode;
	if (ret < 0)
		return ret;
	ret = fs_lock_set(r->fs, &want);
	fs_handle_put(r->fs, want.handle);
	return ret;
}

int fs_op_getlk(struct fs_req *r, struct fs_inode *inode)
{
	struct fuse_lk_out out = { 0 };
	struct fs_lock want, other;
	int ret = get_lock(r, &want);

	(void)inode;
	if (ret < 0)
		return ret;
	if (want.kind == FS_LOCK_FLOCK || want.type == F_UNLCK)
		ret = -EINVAL;
	else
		ret = fs_lock_test(r->fs, &want, &other);
	fs_handle_put(r->fs, want.handle);
	if (ret < 0)
		return ret;
	out.lk.type = other.type;
	out.lk.start = other.start;
	out.lk.end = other.end; /* pid 0: no process of the guest's, as far as it knows */
	return fs_req_put(r, &out, sizeof(out));
}
