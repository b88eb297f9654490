/* SPDX-License-Identifier: Apache-2.0 */
/* INIT and DESTROY, and what concerns a whole file system. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/fs/ops.h"

#define OLDEST_MINOR 31u /* the first with virtio-fs (Linux 5.4) */
/*
 * (requests) in flight that nobody waits for: pages written back, readahead.  Beyond
 * the first number the guest's kernel makes fewer of them; at the second it waits, and
 * what waits at a closed gate must leave readahead its place.
 */
#define CONGESTED 48
#define MAX_BACKGROUND 512

/*
 * Not asked for: EXPORT_SUPPORT, NO_OPEN_SUPPORT, SECURITY_CTX.  WRITEBACK_CACHE: not yet.
 */
#define WANTED                                                                           \
	(FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ATOMIC_O_TRUNC | FUSE_DONT_MASK |      \
	 FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |            \
	 FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_POSIX_ACL | FUSE_MAX_PAGES |       \
	 FUSE_SUBMOUNTS | FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT | FUSE_INIT_EXT)

#define LOCKS (FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS)

/* What is above the first 32 flags, as it stands in flags2. */
#define FLAGS2(flag) ((uint32_t)((flag) >> 32))

int fs_op_init(struct fs_req *r, struct fs_inode *inode)
{
	struct fs_server *fs = r->fs;
	struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION };
	struct fuse_init_in in = { 0 };
	uint32_t wanted = WANTED;
	int ret;

	(void)inode;
	if (r->args.left < sizeof(in))
		ret = fs_req_get(r, &in, offsetof(struct fuse_init_in, flags2));
	else
		ret = fs_req_get(r, &in, sizeof(in));
	if (ret < 0)
		return ret;
	out.minor = FUSE_KERNEL_MINOR_VERSION;
	if (in.major > FUSE_KERNEL_VERSION)
		return fs_req_put(r, &out, sizeof(out)); /* the guest tries again */
	if (in.major < FUSE_KERNEL_VERSION || in.minor < OLDEST_MINOR)
		return -EPROTO;
	if (in.minor < out.minor)
		out.minor = in.minor;

	if (fs_dax_holds(fs, NULL))
		return -FS_PARK;
	fs_server_reset(fs); /* a new mount knows no node ids */
	if (!fs->policy.submounts)
		wanted &= ~(uint32_t)FUSE_SUBMOUNTS;
	if (fs->policy.cache_symlinks)
		wanted |= FUSE_CACHE_SYMLINKS;
	if (fs->policy.locks)
		wanted |= LOCKS;
	if (fs->dax.size)
		wanted |= FUSE_MAP_ALIGNMENT;
	out.flags = in.flags & wanted;
	if (out.flags & FUSE_MAP_ALIGNMENT && out.flags & FUSE_INIT_EXT)
		out.flags2 = in.flags2 & FLAGS2(FUSE_HAS_INODE_DAX);
	out.max_readahead = in.max_readahead;
	out.max_background = MAX_BACKGROUND;
	out.congestion_threshold = CONGESTED;
	out.max_write = FS_MAX_WRITE;
	out.max_pages = FS_MAX_WRITE / 4096;
	out.time_gran = 1;
	if (out.flags & FUSE_MAP_ALIGNMENT)
		out.map_alignment = FS_DAX_SHIFT;
	atomic_store(&fs->inode_dax, out.flags2 & FLAGS2(FUSE_HAS_INODE_DAX));
	atomic_store(&fs->submounts, out.flags & FUSE_SUBMOUNTS);
	atomic_store(&fs->setxattr_ext, out.flags & FUSE_SETXATTR_EXT);
	atomic_store(&fs->locks_shared, out.flags & LOCKS);
	atomic_store(&fs->initialised, true);
	return fs_req_put(r, &out, sizeof(out));
}

int fs_op_destroy(struct fs_req *r, struct fs_inode *inode)
{
	(void)inode;
	if (fs_dax_holds(r->fs, NULL))
		return -FS_PARK;
	fs_server_reset(r->fs);
	return 0;
}

/*
 * File I/O does not stop half way for a signal on the host either: a request that
 * is being served is finished, and INTERRUPT has no reply.
 */
int fs_op_interrupt(struct fs_req *r, struct fs_inode *inode)
{
	(void)r;
	(void)inode;
	return 0;
}

int fs_op_statfs(struct fs_req *r, struct fs_inode *inode)
{
	struct fuse_statfs_out out = {
		.st = { .bsize = 4096, .frsize = 4096, .namelen = 255 }
	};
	struct statfs s;

	if (!inode->root)
		return fs_req_put(r, &out, sizeof(out));
	/* Mounts below a root have figures of their own: rare, and not worth a walk. */
	if (fstatfs(inode->root->fd, &s) < 0)
		return -errno;
	out.st.blocks = s.f_blocks;
	out.st.bfree = s.f_bfree;
	out.st.bavail = s.f_bavail;
	out.st.files = s.f_files;
	out.st.ffree = s.f_ffree;
	out.st.bsize = (uint32_t)s.f_bsize;
	out.st.namelen = (uint32_t)s.f_namelen;
	out.st.frsize = (uint32_t)s.f_frsize;
	return fs_req_put(r, &out, sizeof(out));
}

static int sync_root(const struct fs_root *root)
{
	auto_fd int fd = -1;

	if (root->readonly)
		return 0;
	if (root->data_fd >= 0)
		return fsync(root->data_fd) < 0 ? -errno : 0;
	fd = openat(root->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOTDIR ? 0 : -errno; /* a socket has nothing to sync */
	return syncfs(fd) < 0 ? -errno : 0;
}

int fs_op_syncfs(struct fs_req *r, struct fs_inode *inode)
{
	struct fs_server *fs = r->fs;
	int ret = 0;

	if (fs_dax_holds(fs, NULL))
		return -FS_PARK;
	if (atomic_load(&fs->relaxed))
		return 0;
	if (inode->root)
		return sync_root(inode->root);
	for (unsigned int i = 0; i < VM_MAX_ROOTS; i++) {
		const struct fs_root *root = atomic_load(&fs->roots[i]);
		int one = root ? sync_root(root) : 0;

		if (one < 0)
			ret = one;
	}
	return ret;
}
