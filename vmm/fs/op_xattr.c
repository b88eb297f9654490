/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes.  There is no xattr call that takes a directory and a name
 * before Linux 6.13, and no /proc in the jail to name an O_PATH fd: each worker has
 * a current directory of its own, goes to the file's parent and names the file.
 *
 * trusted.* of the host is the host's (overlayfs keeps its own there) and nobody in
 * this user namespace may set it.  The guest's trusted.X is the host's
 * user.hull.trusted.X: an overlayfs of the guest needs it for its upper layer.  Who may
 * have it is decided by the guest's kernel (CAP_SYS_ADMIN); so that nobody gets around
 * it, the guest has no attributes user.hull.* of its own.
 *
 * On the host only files and folders have user.*, so trusted.* of a link, a
 * fifo, a socket or a whiteout fails with EPERM.  It must not be EOPNOTSUPP, at which
 * overlayfs gives up attributes for the whole mount; EPERM it expects there, as
 * of a mount with `userxattr`, and does without the origin of the file that it
 * copies up (fs/overlayfs/copy_up.c, ovl_set_origin()).
 */
#include <errno.h>
#include <limits.h>
#include <linux/xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "vmm/fs/ops.h"

#define XATTR_SIZE (XATTR_NAME_MAX + 1)
#define HIDDEN_PREFIX "user.hull."
#define HIDDEN_LEN (sizeof(HIDDEN_PREFIX) - 1)

enum xattr_what {
	XATTR_GET,
	XATTR_SET,
	XATTR_LIST,
	XATTR_REMOVE,
};

struct xattr {
	enum xattr_what what;
	const char *name;
	char *value;
	size_t size;
	int flags;
};

static bool is_trusted(const char *name)
{
	return strncmp(name, XATTR_TRUSTED_PREFIX, XATTR_TRUSTED_PREFIX_LEN) == 0;
}

/* is_hidden() - a name of the host's that the guest has no use for under that name. */
static bool is_hidden(const char *name)
{
	return strncmp(name, HIDDEN_PREFIX, HIDDEN_LEN) == 0;
}

static bool is_acl(const char *name)
{
	return strncmp(name, XATTR_NAME_POSIX_ACL_ACCESS, XATTR_SYSTEM_PREFIX_LEN + 9) ==
	       0;
}

static ssize_t call_fd(const struct xattr *x, int fd)
{
	switch (x->what) {
	case XATTR_GET:
		return fgetxattr(fd, x->name, x->value, x->size);
	case XATTR_SET:
		return fsetxattr(fd, x->name, x->value, x->size, x->flags);
	case XATTR_LIST:
		return flistxattr(fd, x->value, x->size);
	case XATTR_REMOVE:
		return fremovexattr(fd, x->name);
	}
	return -1;
}

static ssize_t call_path(const struct xattr *x, const char *path)
{
	switch (x->what) {
	case XATTR_GET:
		return lgetxattr(path, x->name, x->value, x->size);
	case XATTR_SET:
		return lsetxattr(path, x->name, x->value, x->size, x->flags);
	case XATTR_LIST:
		return llistxattr(path, x->value, x->size);
	case XATTR_REMOVE:
		return lremovexattr(path, x->name);
	}
	return -1;
}

static ssize_t call_place(const struct fs_server *fs, const struct xattr *x,
			  const struct fs_inode *inode, const struct fs_place *pl)
{
	ssize_t ret;

	if (pl->real)
		ret = call_fd(x, pl->fd);
	else if (!S_ISDIR(inode->type) && !pl->name[0])
		return -EOPNOTSUPP; /* unlinked and not open: nothing leads to it */
	else if (fchdir(pl->fd) < 0)
		return -errno;
	else
		ret = call_path(x, pl->name[0] ? pl->name : ".");
	if (ret < 0)
		ret = fs_place_error(pl);
	fs_leave_dir(fs, inode->root);
	return ret;
}

/* run() - Return: (bytes); -errno */
static ssize_t run(struct fs_req *r, struct fs_inode *inode, const struct xattr *x,
		   bool kill_sgid)
{
	bool change = x->what == XATTR_SET || x->what == XATTR_REMOVE;
	struct fs_server *fs = r->fs;
	struct fs_place pl;
	struct stat st;
	ssize_t ret;

	if (!inode->root)
		return x->what == XATTR_LIST ? 0 : -ENODATA;
	ret = fs_place_get(fs, inode, FS_PLACE_ANY, &pl);
	if (ret < 0)
		return ret;
	ret = fs_place_stat(fs, inode, &pl, false, &st);
	if (ret == 0 && change)
		fs_touch_inode(r, inode, IN_ATTRIB);
	if (ret == 0)
		ret = call_place(fs, x, inode, &pl);
	if (ret >= 0 && kill_sgid && (st.st_mode & S_ISGID)) {
		/* The ACL has changed the mode: take it as it is now. */
		if (fs_place_stat(fs, inode, &pl, true, &st) == 0)
			(void)fs_place_chmod(fs, inode, &pl,
					     st.st_mode & ~(mode_t)S_ISGID);
	}
	if (ret >= 0 && change && inode->root->overlay)
		(void)fs_place_stat(fs, inode, &pl, true, &st); /* copied up? */
	fs_place_put(fs, &pl);
	return ret;
}

/*
 * get_name() - the host's for the one in the request.
 * Return: 0; -ERANGE, as the kernel answers; -EPERM: the guest cannot have it
 */
static int get_name(struct fs_req *r, char name[XATTR_SIZE])
{
	char guest[XATTR_SIZE];
	int len = fs_req_string(r, guest, sizeof(guest));

	if (len == -ENAMETOOLONG || len == 0)
		return -ERANGE;
	if (len < 0)
		return len;
	if (is_hidden(guest))
		return -EPERM;
	len = snprintf(name, XATTR_SIZE, "%s%s", is_trusted(guest) ? HIDDEN_PREFIX : "",
		       guest);
	return len < 0 || (size_t)len >= XATTR_SIZE ? -ERANGE : 0;
}

/* put_result() - the length alone where the guest asked with size 0. */
static int put_result(struct fs_req *r, const struct xattr *x, uint32_t asked,
		      ssize_t len)
{
	struct fuse_getxattr_out out = { 0 };

	if (len < 0)
		return (int)len;
	if (asked)
		return fs_req_put(r, x->value, (size_t)len);
	out.size = (uint32_t)len;
	return fs_req_put(r, &out, sizeof(out));
}

/* room_for() - the largest value that may come back. */
static size_t room_for(const struct fs_req *r, uint32_t asked)
{
	size_t room = asked < r->reply.left ? asked : r->reply.left;

	return room < FS_SCRATCH_SIZE ? room : FS_SCRATCH_SIZE;
}

int fs_op_getxattr(struct fs_req *r, struct fs_inode *inode)
{
	struct xattr x = { .what = XATTR_GET };
	char name[XATTR_SIZE];
	struct fuse_getxattr_in in;
	ssize_t len;
	int ret;

	ret = fs_req_get(r, &in, sizeof(in));
	if (ret == 0)
		ret = get_name(r, name);
	if (ret < 0)
		return ret == -EPERM ? -ENODATA : ret;
	x.name = name;
	x.value = fs_scratch(r);
	x.size = room_for(r, in.size);
	if (!x.value)
		return -ENOMEM;
	/* With size 0 the kernel tells the length; a reply without room is no such question. */
	if (in.size && !x.size)
		return -ERANGE;
	len = run(r, inode, &x, false);
	/*
	 * The guest's kernel asks for ACLs of its own accord, and would pass this
	 * answer on as the result of a permission check.
	 */
	if (len == -EOPNOTSUPP && is_acl(name))
		len = -ENODATA;
	return put_result(r, &x, in.size, len);
}

/*
 * guest_name() - what the guest calls the host's attribute; NULL: nothing.
 *
 * The kernel asks CAP_SYS_ADMIN of who reads trusted.*, but FUSE's lists it shows to
 * everybody: other users than root are not to find names there that they cannot read.
 */
static const char *guest_name(const struct fs_req *r, const char *name)
{
	if (is_hidden(name)) {
		name += HIDDEN_LEN;
		return is_trusted(name) && r->h.uid == 0 ? name : NULL;
	}
	return is_trusted(name) ? NULL : name;
}

/* translate() - a list of the host's names, in place.  Return: (bytes) left */
static ssize_t translate(const struct fs_req *r, char *list, ssize_t len)
{
	char *to = list;

	for (char *p = list; p < list + len;) {
		size_t n = strnlen(p, (size_t)(list + len - p)) + 1;
		const char *name;

		if (p + n > list + len)
			break;
		name = guest_name(r, p);
		if (name) {
			size_t left = n - (size_t)(name - p);

			memmove(to, name, left);
			to += left;
		}
		p += n;
	}
	return to - list;
}

int fs_op_listxattr(struct fs_req *r, struct fs_inode *inode)
{
	/* All of it, whatever was asked for: the guest's list is the shorter one. */
	struct xattr x = { .what = XATTR_LIST, .size = FS_SCRATCH_SIZE };
	struct fuse_getxattr_in in;
	ssize_t len;
	int ret;

	ret = fs_req_get(r, &in, sizeof(in));
	if (ret < 0)
		return ret;
	x.value = fs_scratch(r);
	if (!x.value)
		return -ENOMEM;
	len = run(r, inode, &x, false);
	if (len > 0)
		len = translate(r, x.value, len);
	if (in.size && len > 0 && (size_t)len > room_for(r, in.size))
		return -ERANGE;
	return put_result(r, &x, in.size, len);
}

int fs_op_setxattr(struct fs_req *r, struct fs_inode *inode)
{
	bool ext = atomic_load(&r->fs->setxattr_ext);
	struct xattr x = { .what = XATTR_SET };
	struct fuse_setxattr_in in = { 0 };
	char name[XATTR_SIZE];
	bool kill_sgid;
	int ret;

	ret = fs_req_get(r, &in, ext ? sizeof(in) : FUSE_COMPAT_SETXATTR_IN_SIZE);
	if (ret == 0)
		ret = get_name(r, name);
	if (ret < 0)
		return ret;
	if (in.size > XATTR_SIZE_MAX)
		return -E2BIG;
	x.name = name;
	x.flags = (int)in.flags;
	x.size = in.size;
	x.value = fs_scratch(r);
	if (!x.value)
		return -ENOMEM;
	ret = fs_req_get(r, x.value, x.size);
	if (ret < 0)
		return ret;
	kill_sgid = (in.setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID) &&
		    strcmp(name, XATTR_NAME_POSIX_ACL_ACCESS) == 0;
	return (int)run(r, inode, &x, kill_sgid);
}

int fs_op_removexattr(struct fs_req *r, struct fs_inode *inode)
{
	struct xattr x = { .what = XATTR_REMOVE };
	char name[XATTR_SIZE];
	int ret;

	ret = get_name(r, name);
	if (ret < 0)
		return ret;
	x.name = name;
	return (int)run(r, inode, &x, false);
}
