/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The DAX window: what it shows, what it refuses, and what becomes of it when files
 * change below it - on a plain file system, and on overlayfs, whose copy-up leaves a
 * mapping behind.
 */
#include <sched.h>
#include <sys/mount.h>

#include "tests/unit/fuse_client.h"

#define WINDOW (8ull << 20)
#define SLOT FS_DAX_SLOT
#define BIG (FS_DAX_MIN + (1u << 20))

static char tmp[256];
static int host; /* O_PATH of tmp */
static struct fuse_client c;
static uint64_t root;

static void fill(int dir, const char *name, size_t size, char with)
{
	char *data = malloc(size);
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	fc_check(data && fd >= 0);
	memset(data, with, size);
	fc_check(write(fd, data, size) == (ssize_t)size);
	free(data);
	(void)close(fd);
}

static int map(uint64_t node, uint64_t offset, uint64_t len, uint64_t at, uint64_t flags)
{
	struct fuse_setupmapping_in in = {
		.fh = UINT64_MAX, /* as Linux says it */
		.foffset = offset,
		.len = len,
		.flags = flags,
		.moffset = at,
	};

	return fc_call(&c, FUSE_SETUPMAPPING, node, FC_ARGS(FC_VAR(in)));
}

static int map_ro(uint64_t node, uint64_t offset, uint64_t at)
{
	return map(node, offset, SLOT, at, FUSE_SETUPMAPPING_FLAG_READ);
}

static int map_rw(uint64_t node, uint64_t offset, uint64_t at)
{
	return map(node, offset, SLOT, at,
		   FUSE_SETUPMAPPING_FLAG_READ | FUSE_SETUPMAPPING_FLAG_WRITE);
}

static int unmap(uint64_t node, uint64_t at, uint64_t len)
{
	struct fuse_removemapping_in in = { .count = 1 };
	struct fuse_removemapping_one one = { .moffset = at, .len = len };

	return fc_call(&c, FUSE_REMOVEMAPPING, node, FC_ARGS(FC_VAR(in), FC_VAR(one)));
}

/* peek() - the byte at @at in the window; -EFAULT: to touch it is a SIGBUS. */
static int peek(uint64_t at)
{
	char byte;
	int fds[2], ret;

	fc_check(pipe(fds) == 0);
	ret = write(fds[1], c.fs->dax.window + at, 1) == 1 ? 0 : -errno;
	if (ret == 0)
		ret = read(fds[0], &byte, 1) == 1 ? byte : -EIO;
	(void)close(fds[0]);
	(void)close(fds[1]);
	return ret;
}

static void test_which(void)
{
	struct fuse_entry_out e = { 0 };

	is_int(fc_lookup(&c, root, "small", &e), 0, "LOOKUP of a small file");
	ok(!(e.attr.flags & FUSE_ATTR_DAX), "it is read, not mapped");
	is_int(fc_lookup(&c, root, "big", &e), 0, "LOOKUP of a big one");
	ok(e.attr.flags & FUSE_ATTR_DAX, "it is mapped");
	fill(host, "big", 10, 'b');
	is_int(fc_lookup(&c, root, "big", &e), 0, "LOOKUP when it is small");
	ok(e.attr.flags & FUSE_ATTR_DAX, "stays mapped as long as the guest knows it");
	fill(host, "big", BIG, 'b');
	is_int(fc_lookup(&c, root, "dir", &e), 0, "LOOKUP of a directory");
	ok(!(e.attr.flags & FUSE_ATTR_DAX), "is not mapped");
}

static void test_show(void)
{
	uint64_t big = fc_node(&c, root, "big");
	unsigned int fds;

	is_int(peek(0), 0, "an empty window reads as zeros");
	is_int(map_ro(big, 0, SLOT), 0, "SETUPMAPPING");
	is_int(peek(SLOT), 'b', "shows the file");
	is_int(peek(0), 0, "in its own slot");
	is_int(map_ro(big, SLOT, 0), 0, "SETUPMAPPING of its end");
	is_int(peek((1 << 20) - 1), 'b', "is there");
	fill(host, "big", BIG, 'B');
	is_int(peek(SLOT), 'B', "what the host writes is seen at once");
	c.fs->dax.window[SLOT] = 'x';
	is_int(host_read(host, "big")[0], 'B',
	       "a store to what is for reading stays here");
	fds = fc_count_fds();
	is_int(map_rw(big, 0, SLOT), 0, "SETUPMAPPING for writing");
	is_int(peek(SLOT), 'B', "takes its place");
	c.fs->dax.window[SLOT] = 'x';
	is_int(host_read(host, "big")[0], 'x', "a store reaches the file");
	is_int(fc_count_fds(), fds, "one descriptor for one slot");
	is_int(unmap(big, SLOT, SLOT), 0, "REMOVEMAPPING");
	is_int(peek(SLOT), 0, "shows nothing");
	is_int(fc_count_fds(), fds - 1, "and keeps no descriptor");
	is_int(map(big, 0, 2 * SLOT, 0, FUSE_SETUPMAPPING_FLAG_READ), 0,
	       "two slots at once");
	is_int(peek(SLOT), 'B', "show both pieces");
	is_int(unmap(big, 0, 2 * SLOT), 0, "and go at once");
	is_int(unmap(big, 0, WINDOW), 0, "REMOVEMAPPING of what is not there");
}

static void test_refused(void)
{
	uint64_t big = fc_node(&c, root, "big"), dir = fc_node(&c, root, "dir");
	struct fuse_removemapping_in many = { .count = UINT32_MAX };
	struct fuse_removemapping_in one = { .count = 1 };

	is_int(map(big, 0, SLOT, 4096, 0), -EINVAL, "not aligned in the window");
	is_int(map(big, 4096, SLOT, 0, 0), -EINVAL, "not aligned in the file");
	is_int(map(big, 0, 4096, 0, 0), -EINVAL, "less than a slot");
	is_int(map(big, 0, 0, 0, 0), -EINVAL, "nothing");
	is_int(map(big, 0, SLOT, WINDOW, 0), -EINVAL, "behind the window");
	is_int(map(big, 0, WINDOW + SLOT, 0, 0), -EINVAL, "longer than the window");
	is_int(map(big, 0, WINDOW, SLOT, 0), -EINVAL, "beyond its end");
	is_int(map(big, 0, UINT64_MAX - SLOT + 1, SLOT, 0), -EINVAL,
	       "around the end of all");
	is_int(map(big, UINT64_MAX - SLOT + 1, SLOT, 0, 0), -EINVAL, "no such offset");
	is_int(map(big, INT64_MAX - SLOT + 1, SLOT, 0, 0), -EINVAL, "the last offsets");
	is_int(map_ro(dir, 0, 0), -ENXIO, "a directory");
	is_int(map_ro(12345, 0, 0), -ESTALE, "a file of nobody");
	is_int(unmap(big, 1, SLOT), -EINVAL, "REMOVEMAPPING, not aligned");
	is_int(unmap(big, 0, WINDOW + SLOT), -EINVAL, "REMOVEMAPPING, too long");
	is_int(fc_call(&c, FUSE_REMOVEMAPPING, big, FC_ARGS(FC_VAR(many))), -EINVAL,
	       "REMOVEMAPPING of too many");
	is_int(fc_call(&c, FUSE_REMOVEMAPPING, big, FC_ARGS(FC_VAR(one))), -EIO,
	       "REMOVEMAPPING of more than it says");
	is_int(peek(0), 0, "the window shows nothing");
}

/* The guest may still have pages of a file that the host has made shorter. */
static void test_shortened(void)
{
	uint64_t big = fc_node(&c, root, "big");
	struct fuse_attr a = { 0 };

	fill(host, "big", BIG, 'b');
	is_int(map_ro(big, 0, 0), 0, "SETUPMAPPING");
	is_int(map_rw(big, SLOT, SLOT), 0, "of all of it");
	ok(!fs_dax_mend(&c.fs->dax) || peek(0) == 'b', "nothing to mend that is in use");
	fill(host, "big", 5000, 's');
	is_int(peek(8191), 0, "the page with the new end is there");
	is_int(peek(8192), -EFAULT, "a page behind it is a SIGBUS");
	is_int(peek(SLOT), -EFAULT, "and so is the second piece");
	ok(fs_dax_mend(&c.fs->dax), "mend: something to do");
	is_int(peek(4096), 's', "what is left of it stays");
	is_int(peek(8192), 0, "then come zeros");
	is_int(peek(SLOT), 0, "also in the second piece");
	ok(!fs_dax_mend(&c.fs->dax), "mend again: nothing to do");
	fill(host, "big", BIG, 'g');
	is_int(fc_getattr(&c, big, &a), 0, "GETATTR after it has grown");
	is_int(peek(8192), 'g', "it is shown again");
	is_int(peek(SLOT), 'g', "all of it");
	is_int(unmap(big, 0, 2 * SLOT), 0, "REMOVEMAPPING");
}

/* A guest may have us read where a file has become shorter: a request, a queue. */
static void test_bus(void)
{
	uint64_t big = fc_node(&c, root, "big");
	volatile char *window = c.fs->dax.window;
	struct fuse_in_header h = { .opcode = FUSE_STATFS, .len = sizeof(h) };
	struct fuse_out_header *reply;
	struct iovec out, in;
	int code;

	is_int(map_rw(big, 0, 0), 0, "SETUPMAPPING for writing");
	fill(host, "big", 4096, 'B');
	is_int(peek(4096), -EFAULT, "behind the file's new end there is nothing");
	errno = 1234;
	is_int(window[4096], 0, "but we read zeros there");
	code = errno;
	is_int(code, 1234, "and errno stays");
	is_int(window[0], 'B', "before it the file");
	window[8192] = 'x';
	is_int(window[8192], 'x', "a store finds a page");
	is_int(host_read(host, "big")[0], 'B', "the file is as it was");

	out = (struct iovec){ (void *)(c.fs->dax.window + (1 << 20)), sizeof(h) };
	in = (struct iovec){ (void *)(c.fs->dax.window + (1 << 20) + 8192), 4096 };
	is_int(fs_serve(&c.w, &(struct iovec){ out.iov_base, out.iov_len }, 1,
			&(struct iovec){ in.iov_base, in.iov_len }, 1),
	       sizeof(*reply), "a request of zeros is answered");
	reply = in.iov_base;
	is_int(reply->error, -EIO, "with an error");

	fill(host, "big", BIG, 'g');
	is_int(window[4096], 0, "the file grows: not seen yet");
	ok(fs_dax_mend(&c.fs->dax), "fs_dax_mend() sees to it");
	is_int(window[4096], 'g', "seen");
	window[0] = 'G';
	is_int(host_read(host, "big")[0], 'G', "and written");
	ok(!fs_dax_mend(&c.fs->dax), "once");
	is_int(unmap(big, 0, SLOT), 0, "REMOVEMAPPING");
	fill(host, "big", BIG, 'B');
}

static void test_unlinked(void)
{
	struct fuse_entry_out e = { 0 };
	uint64_t fh = 0;

	fill(host, "gone", BIG, 'u');
	is_int(fc_lookup(&c, root, "gone", &e), 0, "LOOKUP");
	is_int(fc_open(&c, e.nodeid, O_WRONLY, &fh), 0, "OPEN for writing only");
	is_int(fc_name_op(&c, FUSE_UNLINK, root, "gone"), 0, "UNLINK");
	is_int(map_rw(e.nodeid, 0, 0), 0, "SETUPMAPPING of what has no name any more");
	is_int(peek(0), 'u', "shows it");
	is_int(fc_release(&c, FUSE_RELEASE, fh), 0, "RELEASE");
	fc_forget(&c, e.nodeid, e.nodeid ? 1 : 0);
	is_int(peek(1), 'u', "what is shown stays, also when the guest has forgotten it");
	is_int(unmap(1, 0, SLOT), 0, "REMOVEMAPPING");
}

static void test_holes(void)
{
	int fd = openat(host, "sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	struct stat st;

	fc_check(fd >= 0 && ftruncate(fd, BIG) == 0);
	is_int(map_rw(fc_node(&c, root, "sparse"), SLOT, 0), 0, "a file that is a hole");
	fc_check(fstat(fd, &st) == 0);
	ok(st.st_size == BIG && st.st_blocks * 512 >= 1 << 20,
	   "has blocks for what can be written, and its size");
	is_int(unmap(1, 0, SLOT), 0, "REMOVEMAPPING");
	(void)close(fd);
}

static void test_reset(void)
{
	uint64_t big = fc_node(&c, root, "big");
	unsigned int fds;

	is_int(map_ro(big, 0, 0), 0, "SETUPMAPPING");
	fds = fc_count_fds();
	is_int(fc_init(&c), 0, "INIT of a new mount");
	root = fc_root(&c, 0);
	is_int(peek(0), 0, "the window shows nothing");
	ok(fc_count_fds() < fds, "and keeps no descriptor");
}

static void test_readonly(void)
{
	const struct fs_params params = { .dax_size = WINDOW };
	struct fuse_client saved = c;

	fc_new_with(&c, &host, 1, true, params);
	is_int(fc_init(&c), 0, "a read-only root");
	is_int(map_rw(fc_node(&c, fc_root(&c, 0), "big"), 0, 0), -EROFS,
	       "is not mapped for writing");
	is_int(map_ro(fc_node(&c, fc_root(&c, 0), "big"), 0, 0), 0, "but for reading");
	fc_free(&c);
	c = saved;
}

static void test_none(void)
{
	struct fuse_client saved = c;
	struct fuse_entry_out e = { 0 };

	fc_new(&c, &host, 1, false, false, 0);
	is_int(fc_init(&c), 0, "a device without a window");
	is_int(fc_lookup(&c, fc_root(&c, 0), "big", &e), 0, "LOOKUP");
	ok(!(e.attr.flags & FUSE_ATTR_DAX), "maps no file");
	is_int(map_ro(e.nodeid, 0, 0), -ENOSYS, "SETUPMAPPING");
	is_int(unmap(e.nodeid, 0, SLOT), -ENOSYS, "REMOVEMAPPING");
	fc_free(&c);
	c = saved;
}

/* A file read through the window while it is in the lower layer, then written to. */
static void test_copy_up(void)
{
	static const char *const names[] = { "l", "u", "w", "m" };
	struct fuse_client saved = c;
	const struct fs_params params = { .dax_size = WINDOW };
	char paths[4][300], options[1200];
	uint64_t node, fh = 0;
	int lower, over;

	if (geteuid() != 0) {
		(void)printf("# overlayfs: needs root\n");
		return;
	}
	/* On a tmpfs, as an overlay cannot be the upper layer of another one. */
	fc_check(unshare(CLONE_NEWNS) == 0 &&
		 mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		 mount("tmpfs", tmp, "tmpfs", 0, NULL) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(paths[i], sizeof(paths[i]), "%s/%s", tmp, names[i]);
		fc_check(mkdir(paths[i], 0755) == 0);
	}
	lower = open(paths[0], O_PATH | O_CLOEXEC);
	fill(lower, "file", BIG, 'l');
	(void)snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s",
		       paths[0], paths[1], paths[2]);
	fc_check(mount("overlay", paths[3], "overlay", 0, options) == 0);
	over = open(paths[3], O_PATH | O_CLOEXEC);
	fc_new_with(&c, &over, 1, false, params);
	is_int(fc_init(&c), 0, "overlayfs");
	node = fc_node(&c, fc_root(&c, 0), "file");
	is_int(map_ro(node, 0, 0), 0, "SETUPMAPPING of a file of the lower layer");
	is_int(peek(0), 'l', "shows it");
	is_int(fc_open(&c, node, O_WRONLY, &fh), 0, "OPEN for writing: copy-up");
	is_int(fc_write(&c, fh, 0, "upper", 5), 5, "WRITE");
	is_int(peek(0), 'u', "the window shows what was written");
	is_int(fc_release(&c, FUSE_RELEASE, fh), 0, "RELEASE");
	fc_free(&c);
	c = saved;
	(void)close(over);
	(void)close(lower);
	(void)umount2(paths[3], MNT_DETACH);
	(void)umount2(tmp, MNT_DETACH);
}

int main(void)
{
	const struct fs_params params = { .dax_size = WINDOW };

	host = fc_tmp(tmp, sizeof(tmp));
	host_write(host, "small", "small");
	fill(host, "big", BIG, 'b');
	fc_check(mkdirat(host, "dir", 0755) == 0);
	fc_new_with(&c, &host, 1, false, params);
	is_int(fc_init(&c), 0, "INIT");
	root = fc_root(&c, 0);
	test_which();
	test_show();
	test_refused();
	test_shortened();
	test_bus();
	test_unlinked();
	test_holes();
	test_readonly();
	test_none();
	test_reset();
	test_copy_up();
	fc_free(&c);
	(void)close(host);
	fc_rm_tree(tmp);
	return tap_done();
}
