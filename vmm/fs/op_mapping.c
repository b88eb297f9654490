/* SPDX-License-Identifier: Apache-2.0 */
/* SETUPMAPPING and REMOVEMAPPING: what the DAX window shows. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/fs/ops.h"

#define MAX_REMOVED 256u /* ranges in one request: a page of them, as Linux sends */

/*
 * reserve() - blocks for what is to be written through the window, where the file has
 * holes: a store for which there is no room would otherwise be a fault that nobody can
 * answer.  A file system without fallocate() goes without.
 */
static int reserve(int fd, uint64_t offset, uint64_t len)
{
	off_t hole = lseek(fd, (off_t)offset, SEEK_HOLE);
	off_t size = lseek(fd, 0, SEEK_END);

	if (hole < 0 || size < 0 || hole >= size || (uint64_t)hole >= offset + len)
		return 0;
	if ((uint64_t)size - offset < len)
		len = (uint64_t)size - offset;
	if (fallocate(fd, 0, (off_t)offset, (off_t)len) < 0 && errno != EOPNOTSUPP)
		return -errno;
	return 0;
}

int fs_op_setupmapping(struct fs_req *r, struct fs_inode *inode)
{
	struct fuse_setupmapping_in in;
	struct fs_dax_range range;
	auto_fd int fd = -1;
	int access;
	int ret = fs_req_get(r, &in, sizeof(in));

	if (ret < 0)
		return ret;
	range = (struct fs_dax_range){
		.at = in.moffset,
		.len = in.len,
		.offset = in.foffset,
		.writable = in.flags & FUSE_SETUPMAPPING_FLAG_WRITE,
	};
	if (!r->fs->dax.size)
		return -ENOSYS;
	if (!S_ISREG(inode->type))
		return -ENXIO;
	if (range.writable && inode->root->readonly)
		return -EROFS;
	ret = range.writable ? fs_pass_gate(r, FS_GATE_CHANGE) : 0;
	if (ret < 0)
		return ret;
	access = range.writable ? O_RDWR : O_RDONLY;
	fd = fs_inode_open(r->fs, inode, FS_PLACE_NAMED, access);
	/* The host has put another file there: the one that is open is meant. */
	if (fd == -ESTALE)
		fd = fs_inode_open(r->fs, inode, FS_PLACE_ANY, access);
	if (fd < 0)
		return fd;
	ret = range.writable ? reserve(fd, range.offset, range.len) : 0;
	return ret < 0 ? ret : fs_dax_map(r->fs, inode, fd, &range);
}

int fs_op_removemapping(struct fs_req *r, struct fs_inode *inode)
{
	struct fuse_removemapping_in in;
	struct fuse_removemapping_one one;
	int ret = fs_req_get(r, &in, sizeof(in));

	(void)inode;
	if (ret < 0)
		return ret;
	if (!r->fs->dax.size)
		return -ENOSYS;
	if (in.count > MAX_REMOVED)
		return -EINVAL;
	for (uint32_t i = 0; i < in.count; i++) {
		ret = fs_req_get(r, &one, sizeof(one));
		if (ret == 0)
			ret = fs_dax_unmap(r->fs, one.moffset, one.len);
		if (ret < 0)
			return ret;
	}
	return 0;
}
