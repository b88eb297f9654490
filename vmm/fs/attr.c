/* SPDX-License-Identifier: Apache-2.0 */
/* What stat() says, as FUSE says it. */
#include "vmm/fs/server.h"

#define NS_PER_S 1000000000u

static void put_time(uint64_t ns, uint64_t *s, uint32_t *rest)
{
	*s = ns / NS_PER_S;
	*rest = (uint32_t)(ns % NS_PER_S);
}

void fs_attr_fill(struct fs_server *fs, struct fs_inode *inode, const struct stat *st,
		  struct fuse_attr *attr)
{
	fs_dax_heal(fs, inode);
	if (S_ISREG(st->st_mode) && (st->st_mode & (S_ISUID | S_ISGID)))
		atomic_store_explicit(&inode->special_mode, true, memory_order_relaxed);
	*attr = (struct fuse_attr){
		.ino = fs_root_ino(inode->root, st->st_dev, st->st_ino),
		.size = (uint64_t)st->st_size,
		.blocks = (uint64_t)st->st_blocks,
		.atime = (uint64_t)st->st_atim.tv_sec,
		.mtime = (uint64_t)st->st_mtim.tv_sec,
		.ctime = (uint64_t)st->st_ctim.tv_sec,
		.atimensec = (uint32_t)st->st_atim.tv_nsec,
		.mtimensec = (uint32_t)st->st_mtim.tv_nsec,
		.ctimensec = (uint32_t)st->st_ctim.tv_nsec,
		.mode = st->st_mode,
		.nlink = (uint32_t)st->st_nlink,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.rdev = (uint32_t)st->st_rdev, /* new_encode_dev(): the low 32 bits */
		.blksize = (uint32_t)st->st_blksize,
		.flags = inode->dax ? FUSE_ATTR_DAX : 0,
	};
}

void fs_attr_top(struct fuse_attr *attr)
{
	*attr = (struct fuse_attr){
		.ino = FUSE_ROOT_ID,
		.mode = S_IFDIR | 0555,
		.nlink = 2,
		.blksize = 4096,
	};
}

void fs_entry_fill(struct fs_server *fs, struct fs_inode *inode, const struct stat *st,
		   struct fuse_entry_out *out)
{
	*out = (struct fuse_entry_out){ .nodeid = inode->id };
	put_time(fs->policy.entry_ns, &out->entry_valid, &out->entry_valid_nsec);
	/* Each connect() is to ask whether somebody listens: see offer.h. */
	if (S_ISSOCK(inode->type) && fs->offers.ask)
		out->entry_valid = out->entry_valid_nsec = 0;
	put_time(fs->policy.attr_ns, &out->attr_valid, &out->attr_valid_nsec);
	fs_attr_fill(fs, inode, st, &out->attr);
}
