/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hand-made FUSE client, for unit tests: no kernel driver, no virtqueue between
 * it and fs_serve().  Requests may be cut into pieces (`split`) as a guest may do.
 *
 *	struct fuse_client c;
 *	fc_open_dir(&c, &dir, 1, false);	(a server with one root: a directory)
 *	fc_init(&c);
 *	root = fc_root(&c, 0);
 *	is_int(fc_lookup(&c, root, "a", &e), 0, ...);
 *	fc_release_all(&c);
 *
 * Calls return 0 or -errno as the reply's header says; its payload is in c.reply.
 * -FS_WAIT: the request was given back, to be served again.
 */
#ifndef HULL_TESTS_UNIT_FUSE_CLIENT_H
#define HULL_TESTS_UNIT_FUSE_CLIENT_H

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/tap.h"
#include "vmm/fs/server.h"

#define FC_MAX (FS_MAX_WRITE + 8192u)
#define FC_MAX_IOV 1024u

struct fuse_client {
	struct fs_server *fs;
	struct fs_worker w;
	uint32_t uid, gid, pid;
	uint64_t unique;
	size_t split; /* (bytes) longest piece of a buffer; 0: one piece */
	size_t room; /* (bytes) of the reply, with its header; 0: plenty */
	char *out; /* owned */
	char *reply; /* the reply's payload, in `in` */
	char *in; /* owned */
	size_t reply_len;
	bool no_reply; /* nothing came back */
};

static inline void fc_check(bool cond)
{
	if (!cond)
		abort();
}

/* fc_new_with() - @fds are borrowed; root i has index i; @params without roots. */
static inline void fc_new_with(struct fuse_client *c, const int *fds, unsigned int n,
			       bool readonly, struct fs_params params)
{
	struct fs_root_params roots[16];
	struct err err = ERR_INIT;

	params.roots = roots;
	params.n_roots = n;

	*c = (struct fuse_client){ 0 };
	for (unsigned int i = 0; i < n; i++)
		roots[i] = (struct fs_root_params){
			.fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0),
			.data_fd = -1,
			.index = i,
			.readonly = readonly,
		};
	c->out = malloc(FC_MAX);
	c->in = malloc(FC_MAX);
	fc_check(c->out && c->in);
	if (fs_server_new(&params, &c->fs, &err) < 0) {
		(void)printf("# %s\n", err.msg);
		abort();
	}
	fc_check(fs_worker_init(&c->w, c->fs, NULL) == 0);
}

static inline void fc_new(struct fuse_client *c, const int *fds, unsigned int n,
			  bool readonly, bool shared, unsigned int dir_fds)
{
	const struct fs_params params = { .shared = shared, .max_dir_fds = dir_fds };

	fc_new_with(c, fds, n, readonly, params);
}

static inline void fc_free(struct fuse_client *c)
{
	fs_worker_release(&c->w);
	fs_server_free(c->fs);
	free(c->out);
	free(c->in);
}

/* fc_cut() - @len bytes at @p as buffers of at most c->split bytes. */
static inline unsigned int fc_cut(const struct fuse_client *c, char *p, size_t len,
				  struct iovec *iov)
{
	unsigned int n = 0;

	while (len) {
		size_t one = c->split && c->split < len ? c->split : len;

		if (n == FC_MAX_IOV - 1)
			one = len;
		iov[n++] = (struct iovec){ p, one };
		p += one;
		len -= one;
	}
	return n;
}

/* fc_raw() - send @len bytes as they are; the reply with its header is in c->in. */
static inline uint32_t fc_raw(struct fuse_client *c, const void *data, size_t len)
{
	struct iovec out[FC_MAX_IOV], in[FC_MAX_IOV];
	size_t room = c->room ? c->room : FC_MAX;
	uint32_t written;

	memmove(c->out, data, len);
	memset(c->in, 0x5a, room < 4096 ? room : 4096);
	written = fs_serve(&c->w, out, fc_cut(c, c->out, len, out), in,
			   fc_cut(c, c->in, room, in));
	fc_check(written <= room || written == FS_PARKED || written == FS_WAITS);
	return written;
}

struct fc_arg {
	const void *p;
	size_t len;
};

static inline int fc_call(struct fuse_client *c, uint32_t opcode, uint64_t node,
			  const struct fc_arg *args, unsigned int n)
{
	struct fuse_in_header h = {
		.opcode = opcode,
		.unique = ++c->unique,
		.nodeid = node,
		.uid = c->uid,
		.gid = c->gid,
		.pid = c->pid,
		.len = sizeof(h),
	};
	struct fuse_out_header r;
	uint32_t written;

	for (unsigned int i = 0; i < n; i++) {
		fc_check(h.len + args[i].len <= FC_MAX);
		if (args[i].len)
			memcpy(c->out + h.len, args[i].p, args[i].len);
		h.len += (uint32_t)args[i].len;
	}
	memcpy(c->out, &h, sizeof(h));
	written = fc_raw(c, c->out, h.len);
	c->no_reply = written == 0;
	c->reply_len = 0;
	if (!written)
		return 0;
	if (written == FS_WAITS)
		return -FS_WAIT;
	fc_check(written >= sizeof(r));
	memcpy(&r, c->in, sizeof(r));
	fc_check(r.len == written && r.unique == h.unique && r.error <= 0);
	fc_check(!r.error || r.len == sizeof(r));
	c->reply = c->in + sizeof(r);
	c->reply_len = written - sizeof(r);
	return r.error;
}

#define FC_ARGS(...)                                                                     \
	(const struct fc_arg[]){ __VA_ARGS__ },                                          \
		(sizeof((const struct fc_arg[]){ __VA_ARGS__ }) / sizeof(struct fc_arg))
#define FC_STR(s)                                                                        \
	{                                                                                \
		(s), strlen(s) + 1                                                       \
	}
#define FC_VAR(v)                                                                        \
	{                                                                                \
		&(v), sizeof(v)                                                          \
	}

/* fc_take() - the reply's payload must be one @len bytes long struct. */
static inline void fc_take(const struct fuse_client *c, void *p, size_t len)
{
	fc_check(c->reply_len == len);
	memcpy(p, c->reply, len);
}

static inline int fc_init(struct fuse_client *c)
{
	struct fuse_init_in in = {
		.major = 7,
		.minor = 38,
		.max_readahead = 131072,
		.flags = ~0u,
		.flags2 = ~0u,
	};

	return fc_call(c, FUSE_INIT, 0, FC_ARGS(FC_VAR(in)));
}

static inline int fc_entry(struct fuse_client *c, int ret, struct fuse_entry_out *e)
{
	struct fuse_entry_out tmp;

	if (ret == 0) {
		fc_take(c, &tmp, sizeof(tmp));
		if (e)
			*e = tmp;
		if (!tmp.nodeid)
			ret = -ENOENT; /* a negative entry with a timeout */
	}
	return ret;
}

static inline int fc_lookup(struct fuse_client *c, uint64_t dir, const char *name,
			    struct fuse_entry_out *e)
{
	return fc_entry(c, fc_call(c, FUSE_LOOKUP, dir, FC_ARGS(FC_STR(name))), e);
}

/* fc_node() - look up a name that must be there. */
static inline uint64_t fc_node(struct fuse_client *c, uint64_t dir, const char *name)
{
	struct fuse_entry_out e;

	if (fc_lookup(c, dir, name, &e) != 0) {
		(void)printf("# lookup of %s failed\n", name);
		abort();
	}
	return e.nodeid;
}

static inline uint64_t fc_root(struct fuse_client *c, unsigned int index)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "%u", index);
	return fc_node(c, FUSE_ROOT_ID, name);
}

static inline void fc_forget(struct fuse_client *c, uint64_t node, uint64_t n)
{
	struct fuse_forget_in in = { .nlookup = n };

	(void)fc_call(c, FUSE_FORGET, node, FC_ARGS(FC_VAR(in)));
}

static inline int fc_getattr(struct fuse_client *c, uint64_t node, struct fuse_attr *a)
{
	struct fuse_getattr_in in = { 0 };
	struct fuse_attr_out out;
	int ret = fc_call(c, FUSE_GETATTR, node, FC_ARGS(FC_VAR(in)));

	if (ret == 0) {
		fc_take(c, &out, sizeof(out));
		if (a)
			*a = out.attr;
	}
	return ret;
}

static inline int fc_setattr(struct fuse_client *c, uint64_t node,
			     const struct fuse_setattr_in *in, struct fuse_attr *a)
{
	struct fuse_attr_out out;
	int ret = fc_call(c, FUSE_SETATTR, node, FC_ARGS({ in, sizeof(*in) }));

	if (ret == 0) {
		fc_take(c, &out, sizeof(out));
		if (a)
			*a = out.attr;
	}
	return ret;
}

static inline int fc_open_as(struct fuse_client *c, uint32_t opcode, uint64_t node,
			     int flags, uint64_t *fh)
{
	struct fuse_open_in in = { .flags = (uint32_t)flags };
	struct fuse_open_out out;
	int ret = fc_call(c, opcode, node, FC_ARGS(FC_VAR(in)));

	if (ret == 0) {
		fc_take(c, &out, sizeof(out));
		*fh = out.fh;
	}
	return ret;
}

static inline int fc_open(struct fuse_client *c, uint64_t node, int flags, uint64_t *fh)
{
	return fc_open_as(c, FUSE_OPEN, node, flags, fh);
}

static inline int fc_release(struct fuse_client *c, uint32_t opcode, uint64_t fh)
{
	struct fuse_release_in in = { .fh = fh };

	return fc_call(c, opcode, 0, FC_ARGS(FC_VAR(in)));
}

static inline int fc_create_as(struct fuse_client *c, uint32_t opcode, uint64_t dir,
			       const char *name, uint32_t mode, uint32_t umask, int flags,
			       struct fuse_entry_out *e, uint64_t *fh)
{
	struct fuse_create_in in = {
		.flags = (uint32_t)flags,
		.mode = S_IFREG | mode,
		.umask = umask,
	};
	struct {
		struct fuse_entry_out e;
		struct fuse_open_out o;
	} out;
	int ret = fc_call(c, opcode, dir, FC_ARGS(FC_VAR(in), FC_STR(name)));

	if (ret == 0) {
		fc_take(c, &out, sizeof(out));
		*e = out.e;
		*fh = out.o.fh;
	}
	return ret;
}

static inline int fc_create(struct fuse_client *c, uint64_t dir, const char *name,
			    uint32_t mode, uint32_t umask, int flags,
			    struct fuse_entry_out *e, uint64_t *fh)
{
	return fc_create_as(c, FUSE_CREATE, dir, name, mode, umask, flags, e, fh);
}

static inline int fc_mkdir(struct fuse_client *c, uint64_t dir, const char *name,
			   uint32_t mode, uint32_t umask, struct fuse_entry_out *e)
{
	struct fuse_mkdir_in in = { .mode = mode, .umask = umask };

	return fc_entry(c, fc_call(c, FUSE_MKDIR, dir, FC_ARGS(FC_VAR(in), FC_STR(name))),
			e);
}

static inline int fc_mknod(struct fuse_client *c, uint64_t dir, const char *name,
			   uint32_t mode, uint32_t rdev, struct fuse_entry_out *e)
{
	struct fuse_mknod_in in = { .mode = mode, .rdev = rdev };

	return fc_entry(c, fc_call(c, FUSE_MKNOD, dir, FC_ARGS(FC_VAR(in), FC_STR(name))),
			e);
}

static inline int fc_symlink(struct fuse_client *c, uint64_t dir, const char *name,
			     const char *target, struct fuse_entry_out *e)
{
	return fc_entry(
		c, fc_call(c, FUSE_SYMLINK, dir, FC_ARGS(FC_STR(name), FC_STR(target))),
		e);
}

static inline int fc_link(struct fuse_client *c, uint64_t node, uint64_t dir,
			  const char *name, struct fuse_entry_out *e)
{
	struct fuse_link_in in = { .oldnodeid = node };

	return fc_entry(c, fc_call(c, FUSE_LINK, dir, FC_ARGS(FC_VAR(in), FC_STR(name))),
			e);
}

static inline int fc_name_op(struct fuse_client *c, uint32_t opcode, uint64_t dir,
			     const char *name)
{
	return fc_call(c, opcode, dir, FC_ARGS(FC_STR(name)));
}

static inline int fc_rename(struct fuse_client *c, uint64_t from, const char *name,
			    uint64_t to, const char *newname, uint32_t flags)
{
	struct fuse_rename2_in in = { .newdir = to, .flags = flags };

	return fc_call(c, FUSE_RENAME2, from,
		       FC_ARGS(FC_VAR(in), FC_STR(name), FC_STR(newname)));
}

/* fc_read() - Return: (bytes) in c->reply; -errno */
static inline int fc_read_as(struct fuse_client *c, uint32_t opcode, uint64_t fh,
			     uint64_t offset, uint32_t size)
{
	struct fuse_read_in in = { .fh = fh, .offset = offset, .size = size };
	int ret = fc_call(c, opcode, 0, FC_ARGS(FC_VAR(in)));

	return ret < 0 ? ret : (int)c->reply_len;
}

static inline int fc_read(struct fuse_client *c, uint64_t fh, uint64_t offset,
			  uint32_t size)
{
	return fc_read_as(c, FUSE_READ, fh, offset, size);
}

/* fc_write() - Return: (bytes) written; -errno */
static inline int fc_write_as(struct fuse_client *c, uint64_t fh, uint64_t offset,
			      const void *data, uint32_t size, uint32_t write_flags,
			      int flags)
{
	struct fuse_write_in in = {
		.fh = fh,
		.offset = offset,
		.size = size,
		.write_flags = write_flags,
		.flags = (uint32_t)flags,
	};
	struct fuse_write_out out;
	int ret = fc_call(c, FUSE_WRITE, 0, FC_ARGS(FC_VAR(in), { data, size }));

	if (ret < 0)
		return ret;
	fc_take(c, &out, sizeof(out));
	return (int)out.size;
}

static inline int fc_write(struct fuse_client *c, uint64_t fh, uint64_t offset,
			   const void *data, uint32_t size)
{
	return fc_write_as(c, fh, offset, data, size, 0, O_RDWR);
}

static inline int fc_setxattr(struct fuse_client *c, uint64_t node, const char *name,
			      const void *value, uint32_t size, uint32_t setxattr_flags)
{
	struct fuse_setxattr_in in = { .size = size, .setxattr_flags = setxattr_flags };

	return fc_call(c, FUSE_SETXATTR, node,
		       FC_ARGS(FC_VAR(in), FC_STR(name), { value, size }));
}

/* fc_getxattr() - Return: (bytes) in c->reply, or the length for size 0; -errno */
static inline int fc_getxattr(struct fuse_client *c, uint64_t node, const char *name,
			      uint32_t size)
{
	struct fuse_getxattr_in in = { .size = size };
	struct fuse_getxattr_out out;
	int ret = fc_call(c, FUSE_GETXATTR, node, FC_ARGS(FC_VAR(in), FC_STR(name)));

	if (ret < 0 || size)
		return ret < 0 ? ret : (int)c->reply_len;
	fc_take(c, &out, sizeof(out));
	return (int)out.size;
}

/* fc_count_fds() - descriptors of this process. */
static inline unsigned int fc_count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	fc_check(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

/* ---- a directory of the host's for the test --------------------------------- */

/* fc_tmp_in() - -1: no such place, or one without user.* attributes (old tmpfs). */
static inline int fc_tmp_in(const char *base, char *path, size_t size)
{
	int fd;

	(void)snprintf(path, size, "%s/hull-fs-XXXXXX", base);
	if (!mkdtemp(path))
		return -1;
	if (setxattr(path, "user.test", "", 0, 0) < 0 ||
	    removexattr(path, "user.test") < 0) {
		(void)rmdir(path);
		return -1;
	}
	fc_check(chmod(path, 0755) == 0);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	fc_check(fd >= 0);
	return fd;
}

/* fc_tmp() - a new empty directory; its path goes to @path. */
static inline int fc_tmp(char *path, size_t size)
{
	const char *const places[] = { getenv("TMPDIR"), "/tmp", "/var/tmp", "/data",
				       "." };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int fd = places[i] ? fc_tmp_in(places[i], path, size) : -1;

		if (fd >= 0)
			return fd;
	}
	(void)printf("# no file system with user.* attributes\n");
	abort();
}

static inline void fc_rm_tree_at(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct dirent *e;
	DIR *d;

	if (fd < 0) {
		(void)unlinkat(dirfd, name, 0);
		return;
	}
	d = fdopendir(fd);
	fc_check(d);
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			fc_rm_tree_at(fd, e->d_name);
	(void)closedir(d);
	(void)unlinkat(dirfd, name, AT_REMOVEDIR);
}

static inline void fc_rm_tree(const char *path)
{
	fc_rm_tree_at(AT_FDCWD, path);
}

/* host_write() - what somebody on the host does. */
static inline void host_write(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	fc_check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
}

/* host_read() - up to 255 bytes of a file, or NULL. */
static inline const char *host_read(int dir, const char *name)
{
	static char text[256];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return NULL;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	fc_check(n >= 0);
	text[n] = '\0';
	return text;
}

#endif
