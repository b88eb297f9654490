/* SPDX-License-Identifier: Apache-2.0 */
/* SETATTR: size, owner, mode, times, in the order in which none undoes another. */
#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/fs/ops.h"
#include "vmm/fs/whiteout.h"

#define NS_PER_S 1000000000u

int fs_place_chmod(struct fs_server *fs, struct fs_inode *inode, struct fs_place *pl,
		   mode_t mode)
{
	auto_fd int fd = -1;

	mode &= 07777;
	if (S_ISLNK(inode->type))
		return -EOPNOTSUPP; /* as the host's file systems answer */
	if (pl->real)
		return fchmod(pl->fd, mode) < 0 ? -errno : 0;
	if (S_ISDIR(inode->type))
		return fchmodat(pl->fd, ".", mode, 0) < 0 ? -errno : 0;
	/* Whoever has it copied finds nothing amiss; nobody opens it, whatever its mode. */
	if (S_ISCHR(inode->type) && fs_whiteout_at(inode->root, pl->fd, pl->name))
		return 0;
	if (!pl->name[0])
		return -ESTALE; /* O_PATH of an unlinked file: there is no call for it */
	if (!S_ISREG(inode->type)) {
		/*
		 * Opening a fifo would wake its writers.  fchmodat() follows links,
		 * but the caller has just seen that it is none, and should the host
		 * make it one now, it leads nowhere outside this root.
		 */
		return fchmodat(pl->fd, pl->name, mode, 0) < 0 ? fs_place_error(pl) : 0;
	}
	fd = fs_place_open(fs, inode, pl, O_RDONLY);
	if (fd < 0)
		return fd;
	return fchmod(fd, mode) < 0 ? -errno : 0;
}

static int set_size(struct fs_req *r, struct fs_inode *inode,
		    const struct fuse_setattr_in *in)
{
	bool kill = in->valid & FATTR_KILL_SUIDGID;
	struct fs_server *fs = r->fs;
	struct fs_handle *h = NULL;
	auto_fd int own = -1;
	mode_t before;
	int fd, ret = 0;

	if (!S_ISREG(inode->type))
		return S_ISDIR(inode->type) ? -EISDIR : -EINVAL;
	if (in->size > INT64_MAX)
		return -EFBIG;
	if (in->valid & FATTR_FH)
		h = fs_handle_get(fs, in->fh, false);
	if (h && h->writable && h->inode == inode) {
		fd = h->fd;
	} else {
		fd = own = fs_inode_open(fs, inode, FS_PLACE_NAMED, O_WRONLY);
		ret = own < 0 ? own : 0;
	}
	if (ret == 0) {
		before = fs_mode_before(fs, inode, fd);
		if (ftruncate(fd, (off_t)in->size) < 0)
			ret = -errno;
		fs_mode_after(fs, fd, before, kill && ret == 0);
	}
	if (h)
		fs_handle_put(fs, h);
	return ret;
}

static int set_owner(struct fs_place *pl, const struct fuse_setattr_in *in)
{
	uid_t uid = in->valid & FATTR_UID ? in->uid : (uid_t)-1;
	gid_t gid = in->valid & FATTR_GID ? in->gid : (gid_t)-1;

	/* Takes setuid and setgid off by itself, which is what KILL_SUIDGID says. */
	return fchownat(pl->fd, pl->name, uid, gid, pl->at_flags) < 0 ? fs_place_error(pl)
								      : 0;
}

static struct timespec one_time(const struct fuse_setattr_in *in, uint32_t set,
				uint32_t now, uint64_t s, uint32_t ns)
{
	struct timespec ts = { .tv_nsec = UTIME_OMIT };

	if (in->valid & now)
		ts.tv_nsec = UTIME_NOW;
	else if (in->valid & set)
		ts = (struct timespec){ .tv_sec = (time_t)s, .tv_nsec = ns };
	return ts;
}

static int set_times(struct fs_place *pl, const struct fuse_setattr_in *in)
{
	struct timespec ts[2] = {
		one_time(in, FATTR_ATIME, FATTR_ATIME_NOW, in->atime, in->atimensec),
		one_time(in, FATTR_MTIME, FATTR_MTIME_NOW, in->mtime, in->mtimensec),
	};
	int ret;

	if (pl->real)
		ret = futimens(pl->fd, ts);
	else
		ret = utimensat(pl->fd, pl->name, ts, pl->at_flags);
	return ret < 0 ? fs_place_error(pl) : 0;
}

static int set_rest(struct fs_req *r, struct fs_inode *inode,
		    const struct fuse_setattr_in *in, struct fs_place *pl)
{
	int ret = 0;

	if (in->valid & (FATTR_UID | FATTR_GID))
		ret = set_owner(pl, in);
	if (ret == 0 && (in->valid & FATTR_MODE))
		ret = fs_place_chmod(r->fs, inode, pl, in->mode);
	if (ret == 0 &&
	    (in->valid & (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW)))
		ret = set_times(pl, in);
	return ret;
}

/* touched() - the events that the guest's kernel raises for it (Linux's fsnotify_change()) */
static uint32_t touched(const struct fuse_setattr_in *in)
{
	bool atime = in->valid & (FATTR_ATIME | FATTR_ATIME_NOW);
	bool mtime = in->valid & (FATTR_MTIME | FATTR_MTIME_NOW);
	uint32_t mask = 0;

	if (in->valid & FATTR_SIZE)
		mask |= IN_MODIFY | IN_CLOSE_WRITE; /* it is opened for that */
	else if (mtime && !atime)
		mask |= IN_MODIFY;
	if (in->valid & (FATTR_UID | FATTR_GID | FATTR_MODE) || (atime && mtime))
		mask |= IN_ATTRIB;
	return mask;
}

int fs_op_setattr(struct fs_req *r, struct fs_inode *inode)
{
	uint64_t ns = r->fs->policy.attr_ns;
	struct fuse_attr_out out = {
		.attr_valid = ns / NS_PER_S,
		.attr_valid_nsec = (uint32_t)(ns % NS_PER_S),
	};
	struct fuse_setattr_in in;
	struct fs_place pl;
	struct stat st;
	int ret;

	ret = fs_req_get(r, &in, sizeof(in));
	if (ret < 0)
		return ret;
	fs_touch_inode(r, inode, touched(&in));
	if (in.valid & FATTR_SIZE) {
		ret = set_size(r, inode, &in);
		if (ret < 0)
			return ret;
	}
	ret = fs_place_get(r->fs, inode, FS_PLACE_ANY, &pl);
	if (ret < 0)
		return ret;
	ret = fs_place_stat(r->fs, inode, &pl, false, &st);
	if (ret == 0)
		ret = set_rest(r, inode, &in, &pl);
	if (ret == 0)
		ret = fs_place_stat(r->fs, inode, &pl, true, &st);
	fs_place_put(r->fs, &pl);
	if (ret < 0)
		return ret;
	fs_attr_fill(r->fs, inode, &st, &out.attr);
	return fs_req_put(r, &out, sizeof(out));
}
