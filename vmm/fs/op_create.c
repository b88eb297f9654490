/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that makes a name: owner, group, mode, umask and default ACL are the
 * host file system's own rules, applied to the request's ids (cred.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/fs/ops.h"
#include "vmm/fs/whiteout.h"

/* put_entry() - the record of what was made; @st: NULL: not looked at yet */
static int put_entry(struct fs_req *r, struct fs_inode *dir, const struct fs_dir *d,
		     const char *name, mode_t type)
{
	struct fs_inode *found = NULL;
	struct fuse_entry_out out;
	struct stat st;
	int ret;

	ret = fs_stat_name(dir->root, d->fd, name, AT_SYMLINK_NOFOLLOW, &st);
	if (ret < 0)
		return ret;
	if ((st.st_mode & S_IFMT) != type)
		return -EIO; /* the host was faster: it is something else by now */
	ret = fs_inode_found(r->fs, dir->root, dir, name, &st, &found);
	if (ret < 0)
		return ret;
	fs_entry_fill(r->fs, found, &st, &out);
	fs_inode_put(r->fs, found);
	return fs_req_put(r, &out, sizeof(out));
}

/* The calls below differ in one line: what they do in the directory. */
enum make_what {
	MAKE_NODE,
	MAKE_DIR,
	MAKE_SYMLINK,
};

struct make {
	enum make_what what;
	mode_t mode; /* with the type */
	uint32_t umask;
	dev_t rdev;
	const char *target;
};

static int make_at(const struct fs_root *root, const struct make *m, int dir,
		   const char *name)
{
	int ret = -1;

	switch (m->what) {
	case MAKE_NODE:
		if (S_ISCHR(m->mode))
			return fs_whiteout_make(root, dir, name, m->mode);
		ret = mknodat(dir, name, m->mode, m->rdev);
		break;
	case MAKE_DIR:
		ret = mkdirat(dir, name, m->mode & 07777);
		break;
	case MAKE_SYMLINK:
		ret = symlinkat(m->target, dir, name);
		break;
	}
	return ret < 0 ? -errno : 0;
}

static int make(struct fs_req *r, struct fs_inode *dir, const char *name,
		const struct make *m)
{
	struct fs_dir d;
	int ret;

	ret = fs_dir_open(r->fs, dir, &d);
	if (ret < 0)
		return ret;
	fs_touch_name(r, dir, name, IN_CREATE);
	ret = fs_cred_enter(r, m->umask);
	if (ret == 0) {
		ret = make_at(dir->root, m, d.fd, name);
		fs_cred_leave(r);
	}
	if (ret == 0)
		ret = put_entry(r, dir, &d, name, m->mode & S_IFMT);
	fs_dir_close(r->fs, &d);
	return ret;
}

int fs_op_mknod(struct fs_req *r, struct fs_inode *dir)
{
	struct make m = { .what = MAKE_NODE };
	struct fuse_mknod_in in;
	char name[FS_NAME_SIZE];
	int ret;

	ret = fs_req_get(r, &in, sizeof(in));
	if (ret == 0)
		ret = fs_req_name(r, name);
	if (ret < 0)
		return ret;
	m.mode = in.mode & (S_IFMT | 07777);
	m.umask = in.umask;
	if ((m.mode & S_IFMT) == 0)
		m.mode |= S_IFREG;
	/*
	 * No device nodes: the jail could not make them anyway.  A character device
	 * 0:0 is none, it is overlayfs's whiteout, and anybody may make those.
	 */
	if (!S_ISREG(m.mode) && !S_ISFIFO(m.mode) && !S_ISSOCK(m.mode) &&
	    !(S_ISCHR(m.mode) && in.rdev == 0))
		return -EPERM;
	return make(r, dir, name, &m);
}

int fs_op_mkdir(struct fs_req *r, struct fs_inode *dir)
{
	struct make m = { .what = MAKE_DIR };
	struct fuse_mkdir_in in;
	char name[FS_NAME_SIZE];
	int ret;

	ret = fs_req_get(r, &in, sizeof(in));
	if (ret == 0)
		ret = fs_req_name(r, name);
	if (ret < 0)
		return ret;
	m.mode = S_IFDIR | (in.mode & 07777);
	m.umask = in.umask;
	return make(r, dir, name, &m);
}

int fs_op_symlink(struct fs_req *r, struct fs_inode *dir)
{
	struct make m = { .what = MAKE_SYMLINK, .mode = S_IFLNK };
	char name[FS_NAME_SIZE];
	char target[PATH_MAX];
	int ret;

	ret = fs_req_name(r, name);
	if (ret == 0)
		ret = fs_req_string(r, target, sizeof(target));
	if (ret < 0)
		return ret;
	/* It would be a whiteout: see whiteout.h. */
	if (dir->root && dir->root->overlay && fs_whiteout_is(target, strlen(target)))
		return -EPERM;
	m.target = target; /* any text: only the guest's kernel ever follows it */
	return make(r, dir, name, &m);
}

static int create_at(struct fs_req *r, const struct fs_dir *d, const char *name,
		     const struct fuse_create_in *in)
{
	int flags = (int)in->flags & O_ACCMODE;
	int fd, ret;

	ret = fs_cred_enter(r, in->umask);
	if (ret < 0)
		return ret;
	/*
	 * Always O_EXCL: the guest asks for CREATE when it knows of no such file,
	 * and has then checked no permission to open one.  If there is one after
	 * all, ESTALE makes its kernel look the name up and go on as with any file.
	 */
	fd = openat(d->fd, name,
		    flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC,
		    in->mode & 07777);
	ret = fd < 0 ? -errno : fd;
	fs_cred_leave(r);
	if (ret == -EEXIST && !(in->flags & O_EXCL))
		return -ESTALE;
	return ret;
}

/*
 * put_created() - the answer of CREATE and TMPFILE.
 * @name: NULL: it has none, and is kept by a descriptor of its own
 * @created: taken over in every case
 */
static int put_created(struct fs_req *r, struct fs_inode *dir, const char *name,
		       uint32_t flags, int created)
{
	struct fs_server *fs = r->fs;
	struct fs_inode *found = NULL;
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	auto_fd int fd = created;
	struct stat st;
	int ret;

	if (fstat(fd, &st) < 0)
		return -errno;
	ret = fs_inode_created(fs, dir->root, name ? dir : NULL, name, &st, &found);
	if (ret < 0)
		return ret;
	fs_entry_fill(fs, found, &st, &entry);
	if (!name)
		ret = fs_inode_pin(fs, found, fd);
	if (ret == 0)
		ret = fs_open_out(fs, found, take_fd(&fd),
				  (flags & O_ACCMODE) != O_RDONLY, &open);
	if (ret < 0)
		fs_inode_forget(fs, found->id, 1); /* the guest never hears of it */
	fs_inode_put(fs, found);
	if (ret < 0)
		return ret;
	(void)fs_req_put(r, &entry, sizeof(entry)); /* room for both: dispatch.c */
	return fs_req_put(r, &open, sizeof(open));
}

int fs_op_create(struct fs_req *r, struct fs_inode *dir)
{
	struct fuse_create_in in;
	char name[FS_NAME_SIZE];
	struct fs_dir d;
	int fd, ret;

	ret = fs_req_get(r, &in, sizeof(in));
	if (ret == 0)
		ret = fs_req_name(r, name);
	if (ret == 0)
		ret = fs_dir_open(r->fs, dir, &d);
	if (ret < 0)
		return ret;
	fs_touch_name(r, dir, name, IN_CREATE);
	fd = create_at(r, &d, name, &in);
	fs_dir_close(r->fs, &d);
	return fd < 0 ? fd : put_created(r, dir, name, in.flags, fd);
}

/*
 * tmpfile_at() - a file without a name.  Unless O_EXCL says that it stays so it is to be
 * given one by LINK, which Linux before 6.10 allows by descriptor to the host's own root
 * only, not to that of a user namespace: then better none than one that cannot be linked.
 * "." exists, so this linkat() fails in any case, and tells how far it came.
 */
static int tmpfile_at(struct fs_req *r, const struct fs_dir *d,
		      const struct fuse_create_in *in)
{
	int excl = (int)in->flags & O_EXCL;
	auto_fd int fd = -1;
	int ret;

	ret = fs_cred_enter(r, in->umask);
	if (ret < 0)
		return ret;
	fd = openat(d->fd, ".",
		    ((int)in->flags & O_ACCMODE) | excl | O_TMPFILE | O_CLOEXEC,
		    in->mode & 07777);
	ret = fd < 0 ? -errno : 0;
	fs_cred_leave(r);
	if (ret < 0)
		return ret;
	if (!excl && linkat(fd, "", d->fd, ".", AT_EMPTY_PATH) < 0 && errno != EEXIST)
		return -EOPNOTSUPP;
	return take_fd(&fd);
}

int fs_op_tmpfile(struct fs_req *r, struct fs_inode *dir)
{
	struct fuse_create_in in;
	struct fs_dir d;
	int fd, ret;

	ret = fs_req_get(r, &in, sizeof(in)); /* behind it a name that is none: "/" */
	if (ret == 0)
		ret = fs_dir_open(r->fs, dir, &d);
	if (ret < 0)
		return ret;
	fd = tmpfile_at(r, &d, &in);
	fs_dir_close(r->fs, &d);
	return fd < 0 ? fd : put_created(r, dir, NULL, in.flags, fd);
}

/* link_at() - Return: 0, the new name's attributes in @st */
static int link_at(struct fs_req *r, struct fs_inode *inode, const struct fs_dir *d,
		   const char *name)
{
	struct fs_server *fs = r->fs;
	struct fs_place pl;
	struct stat st;
	int ret;

	ret = fs_place_get(fs, inode, FS_PLACE_NAMED, &pl);
	if (ret < 0)
		return ret;
	ret = fs_place_stat(fs, inode, &pl, false, &st);
	/* Without a name: one of TMPFILE, or unlinked, which stays so (ENOENT). */
	if (ret == 0 &&
	    linkat(pl.fd, pl.name, d->fd, name, pl.name[0] ? 0 : AT_EMPTY_PATH) < 0) {
		ret = -errno;
		/* Which of the two has gone, file or directory? */
		if (ret == -ENOENT &&
		    fs_place_stat(fs, inode, &pl, false, &st) == -ESTALE)
			ret = -ESTALE;
	}
	if (ret == 0 && inode->root->overlay)
		(void)fs_place_stat(fs, inode, &pl, true,
				    &st); /* copied up: a new identity? */
	fs_place_put(fs, &pl);
	return ret;
}

int fs_op_link(struct fs_req *r, struct fs_inode *dir)
{
	struct fs_server *fs = r->fs;
	struct fs_inode *inode;
	struct fuse_link_in in;
	char name[FS_NAME_SIZE];
	struct fs_dir d;
	int ret;

	ret = fs_req_get(r, &in, sizeof(in));
	if (ret == 0)
		ret = fs_req_name(r, name);
	if (ret < 0)
		return ret;
	inode = fs_inode_get(fs, in.oldnodeid);
	if (!inode)
		return -ESTALE;
	if (inode->root != dir->root)
		ret = -EXDEV;
	else if (S_ISDIR(inode->type))
		ret = -EPERM;
	else
		ret = fs_dir_open(fs, dir, &d);
	if (ret == 0) {
		fs_touch_name(r, dir, name, IN_CREATE);
		fs_touch_self(r, inode, IN_ATTRIB);
		ret = link_at(r, inode, &d, name);
		if (ret == 0)
			ret = put_entry(r, dir, &d, name, inode->type);
		fs_dir_close(fs, &d);
	}
	fs_inode_put(fs, inode);
	return ret;
}
