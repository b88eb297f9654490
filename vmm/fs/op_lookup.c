/* SPDX-License-Identifier: Apache-2.0 */
/* LOOKUP and FORGET; reading attributes and links. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/agent_proto.h"
#include "vmm/fs/ops.h"
#include "vmm/fs/whiteout.h"

#define NS_PER_S 1000000000u

/* no_entry() - "there is none", for as long as the guest may believe it. */
static int no_entry(struct fs_req *r)
{
	uint64_t ns = r->fs->policy.negative_ns;
	struct fuse_entry_out out = {
		.entry_valid = ns / NS_PER_S,
		.entry_valid_nsec = (uint32_t)(ns % NS_PER_S),
	};

	return ns ? fs_req_put(r, &out, sizeof(out)) : -ENOENT;
}

/* root_index() - the name of a root: a number as printf("%u") writes it, or -1. */
static int root_index(const char *name)
{
	unsigned int n = 0;

	if (name[0] == '0' && name[1])
		return -1;
	for (const char *p = name; *p; p++) {
		if (*p < '0' || *p > '9')
			return -1;
		n = n * 10 + (unsigned int)(*p - '0');
		if (n >= VM_MAX_ROOTS)
			return -1;
	}
	return (int)n;
}

static int lookup_root(struct fs_req *r, const char *name)
{
	int index = root_index(name);
	struct fs_root *root = index < 0 ? NULL : atomic_load(&r->fs->roots[index]);
	struct fuse_entry_out out;
	struct stat st;
	int fd, ret;

	if (!root)
		return -ENOENT; /* it may be added at any moment: not to be cached */
	fd = root->data_fd >= 0 ? root->data_fd : root->fd;
	if (fstatat(fd, "", &st, AT_EMPTY_PATH) < 0)
		return -errno;
	fs_entry_fill(r->fs, root->inode, &st, &out);
	if (S_ISSOCK(st.st_mode)) {
		ret = fs_offer_pass(r, root->inode);
		return ret < 0 ? ret : fs_req_put(r, &out, sizeof(out));
	}
	/*
	 * A root stays where it is for the whole life of the device: it need not be
	 * looked up again, whatever may change below it.
	 */
	out.entry_valid = UINT32_MAX;
	if (S_ISDIR(st.st_mode) && atomic_load(&r->fs->submounts))
		out.attr.flags |= FUSE_ATTR_SUBMOUNT;
	atomic_store(&r->fs->root_known, true);
	return fs_req_put(r, &out, sizeof(out));
}

int fs_op_lookup(struct fs_req *r, struct fs_inode *dir)
{
	struct fs_server *fs = r->fs;
	struct fs_inode *found = NULL;
	struct fuse_entry_out out;
	char name[FS_NAME_SIZE];
	struct fs_dir d;
	struct stat st;
	int ret;

	ret = fs_req_name(r, name);
	if (ret < 0)
		return ret;
	if (strcmp(name, AGENT_SOCKET_DIR) == 0 && fs_offer_lookup(r, dir) == 0)
		return 0;
	if (!dir->root)
		return lookup_root(r, name);
	ret = fs_dir_open(fs, dir, &d);
	if (ret < 0)
		return ret;
	ret = fs_stat_name(dir->root, d.fd, name, AT_SYMLINK_NOFOLLOW, &st);
	fs_dir_close(fs, &d);
	if (ret == -ENOENT)
		return no_entry(r);
	if (ret < 0)
		return ret;
	ret = fs_inode_found(fs, dir->root, dir, name, &st, &found);
	if (ret < 0)
		return ret;
	fs_entry_fill(fs, found, &st, &out);
	ret = fs_offer_pass(r, found);
	if (ret < 0)
		fs_inode_forget(fs, found->id, 1); /* it will be found again */
	fs_inode_put(fs, found);
	return ret < 0 ? ret : fs_req_put(r, &out, sizeof(out)); /* see dispatch.c */
}

int fs_op_forget(struct fs_req *r, struct fs_inode *inode)
{
	struct fuse_forget_in in;

	(void)inode;
	if (fs_req_get(r, &in, sizeof(in)) == 0)
		fs_inode_forget(r->fs, r->h.nodeid, in.nlookup);
	return 0;
}

int fs_op_batch_forget(struct fs_req *r, struct fs_inode *inode)
{
	struct fuse_batch_forget_in in;

	(void)inode;
	if (fs_req_get(r, &in, sizeof(in)) < 0)
		return 0;
	/* Bounded by the length of the request, whatever the count says. */
	for (uint32_t i = 0; i < in.count; i++) {
		struct fuse_forget_one one;

		if (fs_req_get(r, &one, sizeof(one)) < 0)
			break;
		fs_inode_forget(r->fs, one.nodeid, one.nlookup);
	}
	return 0;
}

int fs_op_getattr(struct fs_req *r, struct fs_inode *inode)
{
	uint64_t ns = r->fs->policy.attr_ns;
	struct fuse_attr_out out = {
		.attr_valid = ns / NS_PER_S,
		.attr_valid_nsec = (uint32_t)(ns % NS_PER_S),
	};
	struct fuse_getattr_in in;
	struct fs_place pl;
	struct stat st;
	int ret;

	ret = fs_req_get(r, &in, sizeof(in)); /* a handle leads to the same file */
	if (ret < 0)
		return ret;
	if (!inode->root) {
		fs_attr_top(&out.attr);
		return fs_req_put(r, &out, sizeof(out));
	}
	ret = fs_place_get(r->fs, inode, FS_PLACE_ANY, &pl);
	if (ret < 0)
		return ret;
	ret = fs_place_stat(r->fs, inode, &pl, false, &st);
	fs_place_put(r->fs, &pl);
	if (ret < 0)
		return ret;
	fs_attr_fill(r->fs, inode, &st, &out.attr);
	return fs_req_put(r, &out, sizeof(out));
}

int fs_op_readlink(struct fs_req *r, struct fs_inode *inode)
{
	char target[PATH_MAX];
	struct fs_place pl;
	struct stat st;
	ssize_t len;
	int ret;

	if (!S_ISLNK(inode->type))
		return -EINVAL;
	ret = fs_place_get(r->fs, inode, FS_PLACE_ANY, &pl);
	if (ret < 0)
		return ret;
	ret = fs_place_stat(r->fs, inode, &pl, false, &st);
	if (ret == 0) {
		/* With an empty name the descriptor itself is the link. */
		len = readlinkat(pl.fd, pl.name, target, sizeof(target));
		if (len < 0)
			ret = errno == EINVAL || errno == ENOENT ? -ESTALE : -errno;
		else if ((size_t)len > r->reply.left)
			ret = -ENAMETOOLONG;
		else
			ret = fs_req_put(r, target, (size_t)len);
	}
	fs_place_put(r->fs, &pl);
	return ret;
}
