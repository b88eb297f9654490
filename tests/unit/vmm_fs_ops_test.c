/* SPDX-License-Identifier: Apache-2.0 */
/* Each operation once as the guest's kernel uses it, in whole and cut buffers. */
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/xattr.h>

#include "tests/unit/fuse_client.h"

static char tmp[256];
static int host; /* O_PATH of tmp */

static void test_init(struct fuse_client *c)
{
	struct fuse_init_in in = { .major = 8, .minor = 1 };
	struct fuse_init_out out;
	struct fuse_getattr_in ga = { 0 };

	is_int(fc_call(c, FUSE_GETATTR, 1, FC_ARGS(FC_VAR(ga))), -EIO,
	       "nothing works before INIT");
	is_int(fc_call(c, FUSE_INIT, 0, FC_ARGS(FC_VAR(in))), 0,
	       "INIT of a future major");
	fc_take(c, &out, sizeof(out));
	is_int(out.major, 7, "is answered with ours");
	in = (struct fuse_init_in){ .major = 7, .minor = 12 };
	is_int(fc_call(c, FUSE_INIT, 0, FC_ARGS(FC_VAR(in))), -EPROTO,
	       "a minor from before virtio-fs is refused");
	in = (struct fuse_init_in){
		.major = 7, .minor = 36, .flags = ~0u, .max_readahead = 4096
	};
	is_int(fc_call(c, FUSE_INIT, 0, FC_ARGS(FC_VAR(in))), 0, "INIT");
	fc_take(c, &out, sizeof(out));
	is_int(out.minor, 36, "the smaller minor");
	is_int(out.max_pages, 256, "requests of 1 MiB");
	is_int(out.max_write, 1 << 20, "writes of 1 MiB");
	ok(!(out.flags & FUSE_SUBMOUNTS) && out.flags & FUSE_DONT_MASK &&
		   out.flags & FUSE_POSIX_ACL && out.flags & FUSE_HANDLE_KILLPRIV_V2,
	   "what is needed was asked for");
	ok(!(out.flags & (FUSE_EXPORT_SUPPORT | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS |
			  FUSE_WRITEBACK_CACHE | FUSE_NO_OPEN_SUPPORT)),
	   "and nothing that is not there");
	in.flags = FUSE_ASYNC_READ;
	is_int(fc_call(c, FUSE_INIT, 0, FC_ARGS(FC_VAR(in))), 0, "INIT again");
	fc_take(c, &out, sizeof(out));
	is_int(out.flags, FUSE_ASYNC_READ, "only what was offered");
	is_int(fc_init(c), 0, "INIT");
}

static void test_top(struct fuse_client *c)
{
	struct fuse_entry_out e = { 0 };
	struct fuse_attr a = { 0 };
	uint64_t fh = 0;
	const struct fuse_dirent *d;

	is_int(fc_getattr(c, 1, &a), 0, "GETATTR of the device's root");
	is_int(a.mode, S_IFDIR | 0555, "a read-only directory");
	is_int(fc_lookup(c, 1, "0", &e), 0, "LOOKUP of root 0");
	ok(!(e.attr.flags & FUSE_ATTR_SUBMOUNT), "is a directory of a private device");
	is_int(fc_lookup(c, 1, "1", &e), 0, "LOOKUP of root 1, a file");
	ok(S_ISREG(e.attr.mode) && !(e.attr.flags & FUSE_ATTR_SUBMOUNT),
	   "is a plain file");
	is_int(fc_lookup(c, 1, "2", &e), -ENOENT, "there is no root 2");
	is_int(fc_lookup(c, 1, "00", &e), -ENOENT, "00 is not 0");
	is_int(fc_lookup(c, 1, "99999999999", &e), -ENOENT, "nor is a huge number");
	is_int(fc_lookup(c, 1, "-1", &e), -ENOENT, "nor a negative one");
	is_int(fc_mkdir(c, 1, "x", 0755, 0, &e), -EROFS, "MKDIR there");
	is_int(fc_name_op(c, FUSE_UNLINK, 1, "1"), -EROFS, "UNLINK there");
	is_int(fc_rename(c, 1, "0", 1, "3", 0), -EROFS, "RENAME there");
	is_int(fc_getxattr(c, 1, "user.x", 0), -ENODATA, "GETXATTR there");
	is_int(fc_open_as(c, FUSE_OPENDIR, 1, O_RDONLY, &fh), 0, "OPENDIR there");
	is_int(fc_read_as(c, FUSE_READDIR, fh, 0, 4096), 4 * 32, "four entries");
	d = (const void *)(c->reply + 64);
	ok(d->name[0] == '0' && d->type == DT_DIR && d->off == 3, "0 is a directory");
	d = (const void *)(c->reply + 96);
	ok(d->name[0] == '1' && d->type == DT_REG, "1 is a file");
	is_int(fc_read_as(c, FUSE_READDIR, fh, 4, 4096), 0, "and that is the end");
	is_int(fc_read_as(c, FUSE_READDIRPLUS, fh, 2, 4096), 2 * (128 + 32),
	       "READDIRPLUS from entry 2");
	is_int(fc_release(c, FUSE_RELEASEDIR, fh), 0, "RELEASEDIR");
	is_int(fc_release(c, FUSE_RELEASEDIR, fh), -EBADF, "only once");
}

static void test_file_root(struct fuse_client *c)
{
	uint64_t node = fc_root(c, 1), fh = 0, fh2 = 0;
	struct fuse_setattr_in in = { .valid = FATTR_MODE | FATTR_SIZE, .mode = 0600 };
	struct fuse_attr a = { 0 };

	is_int(fc_open(c, node, O_RDWR, &fh), 0, "a root that is a file opens");
	is_int(fc_write(c, fh, 0, "hosts", 5), 5, "WRITE to it");
	is_int(fc_open(c, node, O_RDONLY, &fh2), 0, "opens a second time");
	is_int(fc_read(c, fh2, 1, 100), 4, "READ from it");
	ok(memcmp(c->reply, "osts", 4) == 0, "what was written");
	is_int(fc_write_as(c, fh, 0, "+", 1, 0, O_RDWR | O_APPEND), 1, "appending");
	is_str(host_read(host, "../file-root"), "hosts+", "the host sees it");
	is_int(fc_setattr(c, node, &in, &a), 0, "SETATTR of it");
	ok(a.size == 0 && (a.mode & 07777) == 0600, "truncated, mode set");
	is_int(fc_setxattr(c, node, "user.a", "b", 1, 0), 0, "SETXATTR of it");
	is_int(fc_getxattr(c, node, "user.a", 10), 1, "GETXATTR of it");
	is_int(fc_open(c, node, O_WRONLY | O_TRUNC, &fh), 0, "O_TRUNC of it");
	fc_forget(c, node, 1000);
	is_int(fc_getattr(c, node, &a), 0, "it is never forgotten");
}

static void test_lookup(struct fuse_client *c, uint64_t root)
{
	struct fuse_entry_out e = { 0 }, again = { 0 };
	struct fuse_attr a = { 0 };
	char longest[256], longer[257];

	host_write(host, "a", "hello");
	is_int(fc_lookup(c, root, "a", &e), 0, "LOOKUP");
	ok(e.attr.size == 5 && S_ISREG(e.attr.mode) && e.attr.nlink == 1, "attributes");
	is_int(e.generation, 0, "no generation: node ids are never used again");
	is_int(fc_lookup(c, root, "a", &again), 0, "LOOKUP again");
	ok(again.nodeid == e.nodeid, "the same node");
	is_int(fc_getattr(c, e.nodeid, &a), 0, "GETATTR");
	ok(a.ino == e.attr.ino && a.size == 5, "says the same");
	is_int(fc_lookup(c, root, "none", &again), -ENOENT, "no such file");
	is_int(fc_lookup(c, e.nodeid, "x", &again), -ENOTDIR, "LOOKUP in a file");
	is_int(fc_lookup(c, root, "", &again), -EINVAL, "no name");
	is_int(fc_lookup(c, root, ".", &again), -EINVAL, "dot");
	is_int(fc_lookup(c, root, "..", &again), -EINVAL, "dot dot");
	is_int(fc_lookup(c, root, "a/b", &again), -EINVAL, "slash");
	is_int(fc_lookup(c, root, "/etc", &again), -EINVAL, "a path");
	memset(longest, 'n', 255);
	longest[255] = '\0';
	memset(longer, 'n', 256);
	longer[256] = '\0';
	is_int(fc_lookup(c, root, longer, &again), -ENAMETOOLONG, "256 bytes");
	host_write(host, longest, "x");
	is_int(fc_lookup(c, root, longest, &again), 0, "255 bytes");
	fc_forget(c, e.nodeid, 1);
	is_int(fc_getattr(c, e.nodeid, &a), 0, "still known after one FORGET of two");
	fc_forget(c, e.nodeid, 1);
	ok(c->no_reply, "FORGET has no reply");
	is_int(fc_getattr(c, e.nodeid, &a), -ESTALE, "forgotten after two");
	is_int(fc_getattr(c, 12345678, &a), -ESTALE, "a node id of nobody");
	(void)unlinkat(host, longest, 0);
}

static void test_io(struct fuse_client *c, uint64_t root)
{
	static char big[300000];
	struct fuse_lseek_in seek = { .whence = SEEK_DATA };
	struct fuse_lseek_out at;
	struct fuse_fallocate_in fall = { .length = 4096, .offset = 1 << 20 };
	struct fuse_copy_file_range_in copy = { .len = 6 };
	struct fuse_fsync_in sync = { 0 };
	struct fuse_flush_in flush = { 0 };
	struct fuse_write_out done;
	struct fuse_entry_out e = { 0 }, e2 = { 0 };
	uint64_t fh = 0, ro = 0, fh2 = 0;
	struct stat st;

	is_int(fc_create(c, root, "io", 0640, 022, O_RDWR, &e, &fh), 0, "CREATE");
	is_int(e.attr.mode, S_IFREG | 0640, "mode");
	is_int(fc_create(c, root, "io", 0640, 022, O_RDWR | O_EXCL, &e2, &fh2), -EEXIST,
	       "CREATE with O_EXCL of what is there");
	is_int(fc_create(c, root, "io", 0640, 022, O_RDWR, &e2, &fh2), -ESTALE,
	       "without: the guest must look it up");
	is_int(fc_write(c, fh, 0, "abcdef", 6), 6, "WRITE");
	is_int(fc_read(c, fh, 2, 100), 4, "READ to the end");
	ok(memcmp(c->reply, "cdef", 4) == 0, "what was written");
	is_int(fc_read(c, fh, 6, 100), 0, "READ at the end");
	is_int(fc_open(c, e.nodeid, O_RDONLY, &ro), 0, "OPEN");
	is_int(fc_write(c, ro, 0, "x", 1), -EBADF, "WRITE to what is open for reading");
	is_int(fc_write_as(c, fh, 0, "+", 1, 0, O_RDWR | O_APPEND), 1, "O_APPEND");
	is_int(fc_write_as(c, fh, 0, "A", 1, FUSE_WRITE_CACHE, O_RDWR | O_APPEND), 1,
	       "a page written back goes to its place");
	is_int(fc_write_as(c, fh, 1, "B", 1, 0, O_RDWR | O_SYNC), 1, "O_SYNC");
	is_str(host_read(host, "io"), "ABcdef+", "the host sees it");
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 >> 3);
	is_int(fc_write(c, fh, 5ull << 30, big, sizeof(big)), sizeof(big),
	       "WRITE behind 4 GiB");
	is_int(fc_read(c, ro, (5ull << 30) + 1, sizeof(big)), sizeof(big) - 1,
	       "READ there");
	ok(memcmp(c->reply, big + 1, sizeof(big) - 1) == 0, "byte for byte");
	seek.fh = fh;
	seek.offset = 1 << 20;
	is_int(fc_call(c, FUSE_LSEEK, e.nodeid, FC_ARGS(FC_VAR(seek))), 0, "LSEEK");
	fc_take(c, &at, sizeof(at));
	is_int(at.offset, 5ll << 30, "finds the data behind the hole");
	seek.whence = SEEK_SET;
	is_int(fc_call(c, FUSE_LSEEK, e.nodeid, FC_ARGS(FC_VAR(seek))), -EINVAL,
	       "SEEK_SET is the guest's own");
	fall.fh = fh;
	is_int(fc_call(c, FUSE_FALLOCATE, e.nodeid, FC_ARGS(FC_VAR(fall))), 0,
	       "FALLOCATE");
	fall.mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	fall.offset = 5ull << 30;
	is_int(fc_call(c, FUSE_FALLOCATE, e.nodeid, FC_ARGS(FC_VAR(fall))), 0, "a hole");
	is_int(fc_read(c, fh, 5ull << 30, 10), 10, "READ of it");
	ok(memcmp(c->reply, "\0\0\0\0\0\0\0\0\0\0", 10) == 0, "zeros");
	fall.fh = ro;
	is_int(fc_call(c, FUSE_FALLOCATE, e.nodeid, FC_ARGS(FC_VAR(fall))), -EBADF,
	       "not for what is open for reading");
	is_int(fc_create(c, root, "io2", 0600, 0, O_RDWR, &e2, &fh2), 0,
	       "CREATE another");
	copy.fh_in = ro;
	copy.fh_out = fh2;
	is_int(fc_call(c, FUSE_COPY_FILE_RANGE, e.nodeid, FC_ARGS(FC_VAR(copy))), 0,
	       "COPY_FILE_RANGE");
	fc_take(c, &done, sizeof(done));
	is_int(done.size, 6, "all of it");
	is_str(host_read(host, "io2"), "ABcdef", "the host sees it");
	sync.fh = fh;
	is_int(fc_call(c, FUSE_FSYNC, e.nodeid, FC_ARGS(FC_VAR(sync))), 0, "FSYNC");
	sync.fsync_flags = FUSE_FSYNC_FDATASYNC;
	is_int(fc_call(c, FUSE_FSYNC, e.nodeid, FC_ARGS(FC_VAR(sync))), 0, "FDATASYNC");
	flush.fh = fh;
	is_int(fc_call(c, FUSE_FLUSH, e.nodeid, FC_ARGS(FC_VAR(flush))), -ENOSYS,
	       "FLUSH is not worth a request on a local file system");
	is_int(fc_release(c, FUSE_RELEASE, fh), 0, "RELEASE");
	is_int(fc_read(c, fh, 0, 10), -EBADF, "the handle is gone");
	is_int(fc_release(c, FUSE_RELEASEDIR, ro), -EBADF, "RELEASEDIR of a file");
	is_int(fc_open(c, e.nodeid, O_WRONLY | O_TRUNC, &fh), 0, "OPEN with O_TRUNC");
	ok(fstatat(host, "io", &st, 0) == 0 && st.st_size == 0, "truncates");
	is_int(fc_open(c, root, O_RDONLY, &fh), -EISDIR, "OPEN of a directory");
	is_int(fc_open(c, e.nodeid, O_ACCMODE, &fh), 0, "OPEN with access mode 3");
	is_int(fc_read(c, fh, 0, 10), -EBADF, "is not for reading");
	is_int(fc_write(c, fh, 0, "x", 1), -EBADF, "nor for writing");
	is_int(fc_release(c, FUSE_RELEASE, fh), 0, "RELEASE");
}

static void test_make(struct fuse_client *c, uint64_t root)
{
	struct fuse_entry_out e = { 0 }, e2 = { 0 };
	struct fuse_attr a = { 0 };
	uint64_t fh = 0;

	is_int(fc_mkdir(c, root, "d", 0777, 027, &e), 0, "MKDIR");
	is_int(e.attr.mode, S_IFDIR | 0750, "with the umask");
	is_int(fc_mkdir(c, root, "d", 0777, 0, &e2), -EEXIST, "not twice");
	is_int(fc_symlink(c, e.nodeid, "l", "/etc/../passwd", &e2), 0, "SYMLINK");
	is_int(fc_call(c, FUSE_READLINK, e2.nodeid, NULL, 0), 0, "READLINK");
	ok(c->reply_len == 14 && memcmp(c->reply, "/etc/../passwd", 14) == 0,
	   "as it was");
	is_int(fc_call(c, FUSE_READLINK, e.nodeid, NULL, 0), -EINVAL,
	       "not of a directory");
	is_int(fc_open(c, e2.nodeid, O_RDONLY, &fh), -ENXIO, "OPEN of a link");
	is_int(fc_mknod(c, e.nodeid, "f", S_IFIFO | 0600, 0, &e2), 0, "MKNOD of a fifo");
	is_int(fc_open(c, e2.nodeid, O_RDONLY, &fh), -ENXIO, "OPEN of a fifo");
	is_int(fc_mknod(c, e.nodeid, "s", S_IFSOCK | 0600, 0, &e2), 0, "of a socket");
	is_int(fc_mknod(c, e.nodeid, "r", S_IFREG | 0600, 0, &e2), 0, "of a file");
	is_int(fc_mknod(c, e.nodeid, "c", S_IFCHR | 0600, 0x103, &e2), -EPERM,
	       "of a device");
	is_int(fc_mknod(c, e.nodeid, "b", S_IFBLK | 0600, 0, &e2), -EPERM, "of a disk");
	is_int(fc_link(c, fc_node(c, e.nodeid, "r"), root, "r2", &e2), 0, "LINK");
	is_int(e2.attr.nlink, 2, "two links");
	ok(e2.nodeid == fc_node(c, e.nodeid, "r"), "of one node");
	is_int(fc_link(c, e.nodeid, root, "d2", &e2), -EPERM, "LINK of a directory");
	is_int(fc_name_op(c, FUSE_RMDIR, root, "d"), -ENOTEMPTY,
	       "RMDIR of a full directory");
	is_int(fc_name_op(c, FUSE_UNLINK, root, "d"), -EISDIR, "UNLINK of a directory");
	is_int(fc_name_op(c, FUSE_RMDIR, root, "r2"), -ENOTDIR, "RMDIR of a file");
	is_int(fc_name_op(c, FUSE_UNLINK, root, "r2"), 0, "UNLINK");
	is_int(fc_name_op(c, FUSE_UNLINK, root, "r2"), -ENOENT, "not twice");
	for (const char *p = "lfsr"; *p; p++) {
		const char name[2] = { *p, '\0' };

		is_int(fc_name_op(c, FUSE_UNLINK, e.nodeid, name), 0, "UNLINK of %s",
		       name);
	}
	is_int(fc_name_op(c, FUSE_RMDIR, root, "d"), 0, "RMDIR of an empty one");
	is_int(fc_getattr(c, e.nodeid, &a), 0, "its node lives until it is forgotten");
	is_int(fc_mkdir(c, e.nodeid, "x", 0777, 0, &e2), -ENOENT, "but takes no more");
}

static void test_setattr(struct fuse_client *c, uint64_t root)
{
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = 0751 };
	struct fuse_entry_out e = { 0 };
	struct fuse_attr a = { 0 };
	uint64_t node, fh = 0;

	host_write(host, "sa", "12345678");
	node = fc_node(c, root, "sa");
	is_int(fc_setattr(c, node, &in, &a), 0, "SETATTR mode");
	is_int(a.mode, S_IFREG | 0751, "set");
	in = (struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = 3 };
	is_int(fc_setattr(c, node, &in, &a), 0, "size");
	is_int(a.size, 3, "set");
	in.size = -1ull;
	is_int(fc_setattr(c, node, &in, &a), -EFBIG, "an impossible one");
	is_int(fc_open(c, node, O_RDWR, &fh), 0, "with a handle");
	in = (struct fuse_setattr_in){ .valid = FATTR_SIZE | FATTR_FH,
				       .size = 6,
				       .fh = fh };
	is_int(fc_setattr(c, node, &in, &a), 0, "size");
	is_int(a.size, 6, "set");
	is_int(fc_release(c, FUSE_RELEASE, fh), 0, "RELEASE");
	in = (struct fuse_setattr_in){
		.valid = FATTR_ATIME | FATTR_MTIME,
		.atime = 1000,
		.atimensec = 5,
		.mtime = (uint64_t)-7,
		.mtimensec = 9,
	};
	is_int(fc_setattr(c, node, &in, &a), 0, "times");
	ok(a.atime == 1000 && a.atimensec == 5 && a.mtime == (uint64_t)-7 &&
		   a.mtimensec == 9,
	   "also before 1970");
	in = (struct fuse_setattr_in){ .valid = FATTR_MTIME | FATTR_MTIME_NOW };
	is_int(fc_setattr(c, node, &in, &a), 0, "mtime now");
	ok(a.mtime > 1000000000 && a.atime == 1000, "set, the other one left");
	is_int(fc_symlink(c, root, "sl", "sa", &e), 0, "SYMLINK");
	in = (struct fuse_setattr_in){ .valid = FATTR_MTIME, .mtime = 77 };
	is_int(fc_setattr(c, e.nodeid, &in, &a), 0, "times of a link");
	ok(a.mtime == 77 && S_ISLNK(a.mode), "not followed");
	in = (struct fuse_setattr_in){ .valid = FATTR_MODE, .mode = 0600 };
	is_int(fc_setattr(c, e.nodeid, &in, &a), -EOPNOTSUPP, "mode of a link");
	is_int(fc_setattr(c, root, &in, &a), 0, "mode of a directory");
	is_int(fc_mknod(c, root, "sf", S_IFIFO | 0600, 0, &e), 0, "a fifo");
	in.mode = 0644;
	is_int(fc_setattr(c, e.nodeid, &in, &a), 0, "mode of a fifo");
	is_int(a.mode, S_IFIFO | 0644, "set");
	in = (struct fuse_setattr_in){ .valid = FATTR_MODE, .mode = 0755 };
	is_int(fc_setattr(c, root, &in, &a), 0, "and back");
}

static void test_rename(struct fuse_client *c, uint64_t root)
{
	struct fuse_entry_out d = { 0 }, x = { 0 };
	struct fuse_rename_in in;
	struct fuse_attr a = { 0 };
	uint64_t na, nb;

	host_write(host, "ra", "A");
	host_write(host, "rb", "BB");
	na = fc_node(c, root, "ra");
	nb = fc_node(c, root, "rb");
	is_int(fc_mkdir(c, root, "rd", 0755, 0, &d), 0, "MKDIR");
	in.newdir = d.nodeid;
	is_int(fc_call(c, FUSE_RENAME, root,
		       FC_ARGS(FC_VAR(in), FC_STR("ra"), FC_STR("rc"))),
	       0, "RENAME into another directory");
	is_int(fc_getattr(c, na, &a), 0, "the node follows");
	is_int(fc_rename(c, d.nodeid, "rc", root, "rb", RENAME_NOREPLACE), -EEXIST,
	       "NOREPLACE");
	is_int(fc_rename(c, d.nodeid, "rc", root, "rb", RENAME_EXCHANGE), 0, "EXCHANGE");
	ok(fc_getattr(c, na, &a) == 0 && a.size == 1 && fc_node(c, root, "rb") == na,
	   "one way");
	ok(fc_getattr(c, nb, &a) == 0 && a.size == 2 && fc_node(c, d.nodeid, "rc") == nb,
	   "and the other");
	is_int(fc_rename(c, root, "rb", d.nodeid, "rc", 0), 0, "over another file");
	ok(fc_getattr(c, na, &a) == 0 && a.nlink == 1, "takes its place");
	ok(fc_getattr(c, nb, &a) == 0 && a.nlink == 0, "which lives on without a name");
	is_int(fc_rename(c, root, "none", root, "x", 0), -ENOENT, "of nothing");
	is_int(fc_rename(c, root, "rd", d.nodeid, "in", 0), -EINVAL, "into itself");
	is_int(fc_rename(c, root, "rd", root, "x", 1u << 7), -EINVAL, "an unknown flag");
	is_int(fc_mkdir(c, d.nodeid, "sub", 0755, 0, &x), 0, "MKDIR below");
	is_int(fc_rename(c, root, "rd", root, "rd2", 0), 0, "of a directory");
	is_int(fc_getattr(c, x.nodeid, &a), 0, "what is below follows");
	is_int(fc_link(c, na, root, "rl", &x), 0, "LINK");
	is_int(fc_rename(c, root, "rl", d.nodeid, "rc", 0), 0,
	       "of one link over the other");
	ok(fc_getattr(c, na, &a) == 0 && a.nlink == 2, "changes nothing");
}

static void test_xattr(struct fuse_client *c, uint64_t root)
{
	struct fuse_getxattr_in list = { .size = 4096 };
	static char value[65536];
	struct fuse_entry_out e = { 0 };
	uint64_t node, fh = 0;
	char name[300];

	host_write(host, "xa", "x");
	node = fc_node(c, root, "xa");
	is_int(fc_setxattr(c, node, "user.one", "value", 5, 0), 0, "SETXATTR");
	is_int(fc_getxattr(c, node, "user.one", 0), 5, "length");
	is_int(fc_getxattr(c, node, "user.one", 100), 5, "GETXATTR");
	ok(memcmp(c->reply, "value", 5) == 0, "the value");
	is_int(fc_getxattr(c, node, "user.one", 4), -ERANGE, "too little room");
	is_int(fc_getxattr(c, node, "user.two", 100), -ENODATA, "none");
	is_int(fc_setxattr(c, root, "user.dir", "", 0, 0), 0, "of a directory, empty");
	is_int(fc_getxattr(c, root, "user.dir", 10), 0, "is there");
	is_int(fc_call(c, FUSE_LISTXATTR, node, FC_ARGS(FC_VAR(list))), 0, "LISTXATTR");
	ok(c->reply_len == 9 && strcmp(c->reply, "user.one") == 0, "the name");
	list.size = 0;
	is_int(fc_call(c, FUSE_LISTXATTR, node, FC_ARGS(FC_VAR(list))), 0, "its length");
	is_int(fc_open(c, node, O_RDONLY, &fh), 0, "also while open");
	is_int(fc_getxattr(c, node, "user.one", 100), 5, "GETXATTR");
	is_int(fc_name_op(c, FUSE_REMOVEXATTR, node, "user.one"), 0, "REMOVEXATTR");
	is_int(fc_name_op(c, FUSE_REMOVEXATTR, node, "user.one"), -ENODATA, "not twice");
	is_int(fc_release(c, FUSE_RELEASE, fh), 0, "RELEASE");
	is_int(fc_getxattr(c, node, "system.posix_acl_access", 100), -ENODATA, "no ACL");
	is_int(fc_symlink(c, root, "xl", "xa", &e), 0, "SYMLINK");
	is_int(fc_setxattr(c, e.nodeid, "user.x", "1", 1, 0), -EPERM, "user.* of a link");
	is_int(fc_getxattr(c, e.nodeid, "security.selinux", 10), -ENODATA,
	       "not followed");
	memset(name, 'n', sizeof(name));
	memcpy(name, "user.", 5);
	name[299] = '\0';
	is_int(fc_setxattr(c, node, name, "1", 1, 0), -ERANGE, "a name too long");
	is_int(fc_setxattr(c, node, "", "1", 1, 0), -ERANGE, "no name");
	is_int(fc_setxattr(c, node, "user.big", value, 2000, 0), 0, "2000 bytes");
	is_int(fc_getxattr(c, node, "user.big", 65536), 2000, "come back");
}

/* list_all() - names seen in pages of @size bytes; each must look up. */
static unsigned int list_all(struct fuse_client *c, uint64_t fh, bool plus, uint32_t size,
			     unsigned char *seen, unsigned int max)
{
	uint32_t opcode = plus ? FUSE_READDIRPLUS : FUSE_READDIR;
	unsigned int n = 0;
	uint64_t off = 0;
	int len;

	while ((len = fc_read_as(c, opcode, fh, off, size)) > 0) {
		for (int at = 0; at < len;) {
			const char *p = c->reply + at;
			const struct fuse_direntplus *dp = (const void *)p;
			const struct fuse_dirent *d =
				plus ? &dp->dirent : (const void *)p;
			unsigned int i;

			if (sscanf(d->name, "f%u", &i) == 1 && i < max) {
				seen[i]++;
				n++;
				if (plus && (!dp->entry_out.nodeid ||
					     !S_ISREG(dp->entry_out.attr.mode)))
					return 0;
			}
			off = d->off;
			if (plus && sscanf(d->name, "f%u", &i) == 1)
				break; /* take one entry per page: off lies inside the buffer */
			at += (int)(plus ? FUSE_DIRENTPLUS_SIZE(dp)
					 : FUSE_DIRENT_SIZE(d));
		}
	}
	return len < 0 ? 0 : n;
}

static void test_readdir(struct fuse_client *c, uint64_t root)
{
	enum {
		MANY = 2000
	};
	static unsigned char seen[MANY];
	struct fuse_entry_out d = { 0 };
	uint64_t fh = 0;
	char name[32];
	bool once = true;
	int dir;

	memset(seen, 0, sizeof(seen));
	is_int(fc_mkdir(c, root, "many", 0755, 0, &d), 0, "MKDIR");
	dir = openat(host, "many", O_PATH | O_CLOEXEC);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		host_write(dir, name, "");
	}
	is_int(fc_open_as(c, FUSE_OPENDIR, d.nodeid, O_RDONLY, &fh), 0, "OPENDIR");
	is_int(list_all(c, fh, false, 4096, seen, MANY), MANY, "READDIR of %d files",
	       MANY);
	is_int(list_all(c, fh, true, 4096, seen, MANY), MANY, "READDIRPLUS, one by one");
	for (int i = 0; i < MANY; i++)
		once = once && seen[i] == 2;
	ok(once, "each once in each");
	is_int(fc_read_as(c, FUSE_READDIR, fh, 0, 10), 0, "no room for an entry");
	is_int(fc_read_as(c, FUSE_READDIR, fh, -1ull, 4096), -EINVAL,
	       "an impossible offset");
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		(void)unlinkat(dir, name, 0);
	}
	is_int(list_all(c, fh, false, 4096, seen, MANY), 0, "a rewound listing is fresh");
	is_int(fc_release(c, FUSE_RELEASEDIR, fh), 0, "RELEASEDIR");
	is_int(fc_open_as(c, FUSE_OPENDIR, fc_root(c, 1), O_RDONLY, &fh), -ENOTDIR,
	       "OPENDIR of a file");
	(void)close(dir);
}

static void test_rest(struct fuse_client *c, uint64_t root)
{
	static const uint32_t absent[] = { FUSE_GETLK,  FUSE_SETLK, FUSE_SETLKW,
					   FUSE_ACCESS, FUSE_BMAP,  FUSE_POLL,
					   63,          5000,       0 };
	struct fuse_ioctl_in ioctl_in = { 0 };
	struct fuse_statfs_out sf;
	struct fuse_syncfs_in sync = { 0 };
	struct fuse_interrupt_in intr = { .unique = 1 };
	struct fuse_batch_forget_in batch = { .count = 2 };
	struct fuse_forget_one two[2];

	is_int(fc_call(c, FUSE_STATFS, root, NULL, 0), 0, "STATFS");
	fc_take(c, &sf, sizeof(sf));
	ok(sf.st.blocks && sf.st.bsize && sf.st.namelen == 255, "has figures");
	is_int(fc_call(c, FUSE_STATFS, 1, NULL, 0), 0, "STATFS of the device's root");
	is_int(fc_call(c, FUSE_SYNCFS, 1, FC_ARGS(FC_VAR(sync))), 0, "SYNCFS");
	is_int(fc_call(c, FUSE_SYNCFS, root, FC_ARGS(FC_VAR(sync))), 0,
	       "SYNCFS of one root");
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		is_int(fc_call(c, absent[i], root, NULL, 0), -ENOSYS, "opcode %u",
		       absent[i]);
	is_int(fc_call(c, FUSE_IOCTL, root, FC_ARGS(FC_VAR(ioctl_in))), -ENOTTY, "IOCTL");
	is_int(fc_call(c, FUSE_INTERRUPT, 0, FC_ARGS(FC_VAR(intr))), 0, "INTERRUPT");
	ok(c->no_reply, "has no reply");
	host_write(host, "f1", "");
	host_write(host, "f2", "");
	/* More than ever were looked up: inode numbers of files gone may come back. */
	two[0] = (struct fuse_forget_one){ fc_node(c, root, "f1"), 100 };
	two[1] = (struct fuse_forget_one){ fc_node(c, root, "f2"), 100 };
	(void)fc_call(c, FUSE_BATCH_FORGET, 0, FC_ARGS(FC_VAR(batch), FC_VAR(two)));
	ok(c->no_reply, "BATCH_FORGET");
	ok(fc_getattr(c, two[0].nodeid, NULL) == -ESTALE &&
		   fc_getattr(c, two[1].nodeid, NULL) == -ESTALE,
	   "both forgotten");
	is_int(fc_call(c, FUSE_DESTROY, 0, NULL, 0), 0, "DESTROY");
	is_int(fc_getattr(c, root, NULL), -EIO, "nothing works afterwards");
	is_int(fc_init(c), 0, "INIT");
}

static void test_readonly(void)
{
	struct fuse_setattr_in sa = { .valid = FATTR_MODE, .mode = 0777 };
	struct fuse_client c;
	struct fuse_entry_out e = { 0 };
	uint64_t root, node, fh = 0;

	host_write(host, "ro", "r");
	fc_new(&c, &host, 1, true, false, 0);
	is_int(fc_init(&c), 0, "INIT of a read-only root");
	root = fc_root(&c, 0);
	node = fc_node(&c, root, "ro");
	is_int(fc_open(&c, node, O_RDONLY, &fh), 0, "OPEN");
	is_int(fc_read(&c, fh, 0, 10), 1, "READ");
	is_int(fc_write(&c, fh, 0, "w", 1), -EBADF, "WRITE");
	is_int(fc_open(&c, node, O_RDWR, &fh), -EROFS, "OPEN for writing");
	is_int(fc_open(&c, node, O_RDONLY | O_TRUNC, &fh), -EROFS, "OPEN with O_TRUNC");
	is_int(fc_create(&c, root, "n", 0600, 0, O_RDWR, &e, &fh), -EROFS, "CREATE");
	is_int(fc_mkdir(&c, root, "n", 0700, 0, &e), -EROFS, "MKDIR");
	is_int(fc_mknod(&c, root, "n", S_IFREG, 0, &e), -EROFS, "MKNOD");
	is_int(fc_symlink(&c, root, "n", "t", &e), -EROFS, "SYMLINK");
	is_int(fc_link(&c, node, root, "n", &e), -EROFS, "LINK");
	is_int(fc_name_op(&c, FUSE_UNLINK, root, "ro"), -EROFS, "UNLINK");
	is_int(fc_name_op(&c, FUSE_RMDIR, root, "many"), -EROFS, "RMDIR");
	is_int(fc_rename(&c, root, "ro", root, "n", 0), -EROFS, "RENAME");
	is_int(fc_setattr(&c, node, &sa, NULL), -EROFS, "SETATTR");
	is_int(fc_setxattr(&c, node, "user.a", "", 0, 0), -EROFS, "SETXATTR");
	is_int(fc_name_op(&c, FUSE_REMOVEXATTR, node, "user.a"), -EROFS, "REMOVEXATTR");
	fc_free(&c);
}

/* Two roots on one device of each kind: no two files look like one. */
static void test_two_roots(void)
{
	for (int shared = 0; shared < 2; shared++) {
		int fds[2] = { host, host };
		struct fuse_init_out out;
		struct fuse_entry_out e = { 0 };
		struct fuse_attr a = { 0 }, b = { 0 };
		struct fuse_client c;

		host_write(host, "same", "x");
		fc_new(&c, fds, 2, false, shared, 0);
		is_int(fc_init(&c), 0, "INIT of a %s device",
		       shared ? "shared" : "private");
		fc_take(&c, &out, sizeof(out));
		is_int(!!(out.flags & FUSE_SUBMOUNTS), shared, "submounts");
		is_int(fc_lookup(&c, 1, "1", &e), 0, "LOOKUP of root 1");
		is_int(!!(e.attr.flags & FUSE_ATTR_SUBMOUNT), shared, "is one");
		is_int(fc_getattr(&c, fc_node(&c, fc_root(&c, 0), "same"), &a), 0,
		       "GETATTR");
		is_int(fc_getattr(&c, fc_node(&c, e.nodeid, "same"), &b), 0, "GETATTR");
		is_int(a.ino == b.ino, shared, "inode numbers in the one and the other");
		is_int(fc_rename(&c, fc_root(&c, 0), "same", e.nodeid, "x", 0), -EXDEV,
		       "RENAME from root to root");
		is_int(fc_link(&c, fc_node(&c, e.nodeid, "same"), fc_root(&c, 0), "x",
			       &e),
		       -EXDEV, "LINK from root to root");
		fc_free(&c);
	}
}

int main(void)
{
	static const size_t splits[] = { 0, 13, 4096 };
	int fds[2];

	for (size_t i = 0; i < ARRAY_SIZE(splits); i++) {
		struct fuse_client c;
		char file[300];
		uint64_t root;
		unsigned int before;

		before = fc_count_fds();
		host = fds[0] = fc_tmp(tmp, sizeof(tmp));
		host_write(host, "../file-root", "");
		(void)snprintf(file, sizeof(file), "%s/../file-root", tmp);
		fds[1] = open(file, O_PATH | O_CLOEXEC);
		fc_new(&c, fds, 2, false, false, 0);
		c.split = splits[i];
		(void)printf("# buffers of %zu bytes\n", splits[i]);
		test_init(&c);
		test_top(&c);
		root = fc_root(&c, 0);
		test_file_root(&c);
		test_lookup(&c, root);
		test_io(&c, root);
		test_make(&c, root);
		test_setattr(&c, root);
		test_rename(&c, root);
		test_xattr(&c, root);
		test_readdir(&c, root);
		test_rest(&c, root);
		fc_free(&c);
		(void)close(fds[1]);
		(void)unlink(file);
		test_readonly();
		test_two_roots();
		fc_rm_tree(tmp);
		(void)close(host);
		is_int(fc_count_fds(), before, "no descriptor is left");
	}
	return tap_done();
}
