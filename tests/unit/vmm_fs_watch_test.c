/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest watches: which changes of the host's it is told of, that its own are
 * left out, and the bounds - request by request, in the jail, and in a device with its
 * threads.
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "lib/buf.h"
#include "tests/unit/fs_jail.h"
#include "tests/unit/fs_rig.h"
#include "vmm/agent_proto.h"

static struct fuse_client c;
static int told_fd; /* an eventfd */

static void told(void *arg)
{
	(void)arg;
	fc_check(eventfd_write(told_fd, 1) == 0);
}

static const struct fs_params params = { .shared = true, .on_notices = told };

/* ---- what the agent would be told ---------------------------------------------------- */

#define MAX_NOTICES 64u

static struct {
	struct agent_notice n;
	char name[FS_NAME_SIZE];
} got[MAX_NOTICES];
static unsigned int n_got;

static void parse(const struct buf *b)
{
	size_t at = 0;

	n_got = 0;
	while (at < b->len) {
		fc_check(n_got < MAX_NOTICES && b->len - at >= sizeof(got[0].n));
		memcpy(&got[n_got].n, b->data + at, sizeof(got[0].n));
		(void)snprintf(got[n_got].name, FS_NAME_SIZE, "%.*s",
			       (int)got[n_got].n.name_len,
			       b->data + at + sizeof(got[0].n));
		at += agent_notice_size(got[n_got].n.name_len);
		n_got++;
	}
	fc_check(at == b->len);
}

/* take() - as hull-vmm does for the next AGENT_NOTICES. */
static void take(void)
{
	auto_buf struct buf b = BUF_INIT;

	fs_watch_work(c.fs);
	fc_check(fs_watch_take(c.fs, &b) == 0);
	parse(&b);
}

static void is_notice(unsigned int i, uint64_t node, uint32_t mask, const char *name,
		      const char *what)
{
	ok(i < n_got && got[i].n.node == node && got[i].n.mask == mask &&
		   strcmp(got[i].name, name) == 0,
	   "%s", what);
	if (i < n_got)
		(void)printf("#   node %llu, mask 0x%x, name '%s'\n",
			     (unsigned long long)got[i].n.node, got[i].n.mask,
			     got[i].name);
}

/* is_one() - exactly that was told. */
static void is_one(uint64_t node, uint32_t mask, const char *name, const char *what)
{
	take();
	is_int(n_got, 1, "%s: one notice", what);
	is_notice(0, node, mask, name, what);
}

static void is_none(const char *what)
{
	take();
	is_int(n_got, 0, "%s", what);
}

static int watch_node(uint64_t node)
{
	return fc_call(&c, FUSE_WATCH, node, FC_ARGS());
}

static void begin(void)
{
	fc_new_with(&c, &host, 1, false, params);
	fc_check(fc_init(&c) == 0);
}

/* ---- the host's changes --------------------------------------------------------------- */

static void test_host(void)
{
	struct stat st;
	uint64_t root, file;
	int fd;

	begin();
	root = fc_root(&c, 0);
	host_write(host, "f", "one");
	is_none("nothing is watched: nothing is told");
	is_int(watch_node(root), 0, "WATCH of a folder");
	fc_check(mkdirat(host, "d", 0755) == 0);
	is_one(root, IN_CREATE | IN_ISDIR, "d", "a folder made in it");
	fc_check(fstatat(host, "f", &st, 0) == 0 && fchmodat(host, "f", 0600, 0) == 0);
	is_one(root, IN_ATTRIB, "f", "a file's mode");
	fd = openat(host, "f", O_WRONLY | O_CLOEXEC);
	fc_check(fd >= 0 && write(fd, "x", 1) == 1);
	is_one(root, IN_MODIFY, "f", "a file written to");
	fc_check(close(fd) == 0);
	is_one(root, IN_CLOSE_WRITE, "f", "and closed");
	fc_check(renameat(host, "f", host, "g") == 0);
	take();
	is_int(n_got, 2, "a rename is two");
	is_notice(0, root, IN_MOVED_FROM, "f", "moved from");
	is_notice(1, root, IN_MOVED_TO, "g", "moved to");
	ok(got[0].n.cookie && got[0].n.cookie == got[1].n.cookie, "with one cookie");
	file = fc_node(&c, root, "g");
	is_int(watch_node(file), 0, "WATCH of a file");
	fc_check(fchmodat(host, "g", 0640, 0) == 0);
	take();
	is_int(n_got, 2, "its mode is told to both");
	is_notice(0, root, IN_ATTRIB, "g", "to the folder, with its name");
	is_notice(1, file, IN_ATTRIB, "", "to itself");
	fc_check(unlinkat(host, "g", 0) == 0);
	take();
	is_int(n_got, 3, "its end, too");
	is_notice(0, file, IN_ATTRIB, "", "it has lost a name");
	is_notice(1, file, IN_DELETE_SELF, "", "it is gone");
	is_notice(2, root, IN_DELETE, "g", "from its folder");
	fc_check(unlinkat(host, "d", AT_REMOVEDIR) == 0);
	is_one(root, IN_DELETE | IN_ISDIR, "d", "a folder removed");
	fc_free(&c);
}

/* What is written twice before anybody reads is one event, as in inotify. */
static void test_merged(void)
{
	uint64_t root;
	int fd;

	begin();
	root = fc_root(&c, 0);
	fc_check(watch_node(root) == 0);
	fd = openat(host, "m", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	is_one(root, IN_CREATE, "m", "a file made");
	for (int i = 0; i < 100; i++) {
		fc_check(write(fd, "x", 1) == 1);
		fs_watch_work(c.fs);
	}
	is_one(root, IN_MODIFY, "m", "a hundred writes, read one by one");
	(void)close(fd);
	fc_check(unlinkat(host, "m", 0) == 0);
	fc_free(&c);
}

/* A folder that is watched is not kept open: else its removal is told to nobody. */
static void test_removed(void)
{
	uint64_t root, d, sub;
	struct fuse_entry_out e;

	begin();
	root = fc_root(&c, 0);
	fc_check(mkdirat(host, "d", 0755) == 0 && mkdirat(host, "d/sub", 0755) == 0);
	d = fc_node(&c, root, "d");
	sub = fc_node(&c, d, "sub");
	fc_check(fc_lookup(&c, sub, "none", &e) == -ENOENT); /* open by now, both */
	is_int(watch_node(d), 0, "WATCH of a folder that is open here");
	fc_check(unlinkat(host, "d/sub", AT_REMOVEDIR) == 0);
	is_one(d, IN_DELETE | IN_ISDIR, "sub", "what is in it is removed");
	fc_check(unlinkat(host, "d", AT_REMOVEDIR) == 0);
	is_one(d, IN_DELETE_SELF, "", "and so is the folder");
	is_int(watch_node(d), -ESTALE, "which cannot be watched any more");
	fc_free(&c);
}

/* ---- the guest's own ------------------------------------------------------------------- */

static void own_names(uint64_t root, uint64_t d)
{
	struct fuse_entry_out e;
	uint64_t fh;

	fc_check(fc_mkdir(&c, root, "sub", 0755, 0, &e) == 0);
	is_none("MKDIR");
	fc_check(fc_mknod(&c, root, "node", S_IFREG | 0644, 0, &e) == 0);
	is_none("MKNOD");
	fc_check(fc_symlink(&c, root, "sym", "node", &e) == 0);
	is_none("SYMLINK");
	fc_check(watch_node(e.nodeid) == 0);
	fc_check(fc_create(&c, root, "made", 0644, 0, O_RDWR, &e, &fh) == 0);
	is_none("CREATE");
	fc_check(fc_write(&c, fh, 0, "abc", 3) == 3);
	is_none("WRITE");
	fc_check(watch_node(e.nodeid) == 0);
	fc_check(fc_write(&c, fh, 0, "abc", 3) == 3);
	is_none("WRITE of a file that is watched itself");
	fc_check(fc_release(&c, FUSE_RELEASE, fh) == 0);
	is_none("RELEASE of a file that could be written to");
	fc_check(fc_link(&c, e.nodeid, d, "link", NULL) == 0);
	is_none("LINK");
	fc_check(fc_rename(&c, root, "made", d, "moved", 0) == 0);
	is_none("RENAME");
	fc_check(fc_rename(&c, d, "moved", root, "node", RENAME_EXCHANGE) == 0);
	is_none("RENAME of two with each other");
	fc_check(fc_rename(&c, d, "moved", root, "sym", 0) == 0);
	is_none("RENAME over another");
	fc_check(fc_name_op(&c, FUSE_UNLINK, root, "node") == 0);
	is_none("UNLINK of a file with another name");
	fc_check(fc_name_op(&c, FUSE_RMDIR, root, "sub") == 0);
	is_none("RMDIR");
}

static void own_attributes(uint64_t root)
{
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = 0600 };
	uint64_t file, fh;

	host_write(host, "attr", "text");
	take();
	file = fc_node(&c, root, "attr");
	fc_check(watch_node(file) == 0);
	fc_check(fc_setattr(&c, file, &in, NULL) == 0);
	is_none("SETATTR of the mode");
	in = (struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = 2 };
	fc_check(fc_setattr(&c, file, &in, NULL) == 0);
	is_none("SETATTR of the size");
	in = (struct fuse_setattr_in){ .valid = FATTR_MTIME, .mtime = 5 };
	fc_check(fc_setattr(&c, file, &in, NULL) == 0);
	is_none("SETATTR of one time");
	in.valid = FATTR_MTIME | FATTR_ATIME;
	fc_check(fc_setattr(&c, file, &in, NULL) == 0);
	is_none("SETATTR of both times");
	fc_check(fc_setxattr(&c, file, "user.a", "b", 1, 0) == 0);
	is_none("SETXATTR");
	fc_check(fc_name_op(&c, FUSE_REMOVEXATTR, file, "user.a") == 0);
	is_none("REMOVEXATTR");
	fc_check(fc_open(&c, file, O_WRONLY | O_TRUNC, &fh) == 0);
	is_none("OPEN that truncates");
	fc_check(fc_write_as(&c, fh, 0, "abc", 3, FUSE_WRITE_CACHE, O_RDWR) == 3);
	take();
	is_int(n_got, 2, "what was stored in a mapping is told, to file and folder");
	fc_check(fc_release(&c, FUSE_RELEASE, fh) == 0);
	is_none("RELEASE");
}

static void test_own(void)
{
	uint64_t root, d;

	begin();
	root = fc_root(&c, 0);
	fc_check(mkdirat(host, "d", 0755) == 0);
	d = fc_node(&c, root, "d");
	is_int(watch_node(root) | watch_node(d), 0, "two folders are watched");
	own_names(root, d);
	own_attributes(root);
	fc_free(&c);
}

/* What a request would have done, and somebody else has. */
static void test_failed(void)
{
	struct fuse_entry_out e;
	uint64_t root;

	begin();
	root = fc_root(&c, 0);
	fc_check(watch_node(root) == 0);
	host_write(host, "same", "");
	is_int(fc_mknod(&c, root, "same", S_IFREG | 0644, 0, &e), -EEXIST,
	       "MKNOD of what the host has made just now");
	take();
	ok(n_got >= 1 && got[n_got - 1].n.node == root, "is told after all");
	ok(n_got >= 2 && got[0].n.mask == IN_CLOSE_WRITE, "with what else there was");
	is_notice(1, root, IN_CREATE, "same", "it was made");
	is_int(got[1].n.asked, 0, "a notice that cannot end the watch");
	fc_free(&c);
}

/* Two roots that show one folder: each is told of what is done through the other. */
static void test_two_roots(void)
{
	const int fds[] = { host, host };
	struct fuse_entry_out e;
	uint64_t a, b;

	fc_new_with(&c, fds, 2, false, params);
	fc_check(fc_init(&c) == 0);
	a = fc_root(&c, 0);
	b = fc_root(&c, 1);
	is_int(watch_node(a) | watch_node(b), 0, "one folder, watched in two roots");
	fc_check(fc_mknod(&c, a, "through", S_IFREG | 0644, 0, &e) == 0);
	is_one(b, IN_CREATE, "through", "made through the one, told in the other");
	fc_check(unlinkat(host, "through", 0) == 0);
	take();
	is_int(n_got, 2, "the host's changes are told in both");
	fc_free(&c);
}

/* ---- the end of a watch ------------------------------------------------------------------ */

static unsigned int n_records(void)
{
	return atomic_load(&c.fs->watches.n);
}

static void ended(uint64_t node, uint32_t asked)
{
	const struct agent_unwatched u = { .node = node, .asked = asked };

	fs_watch_ended(c.fs, &u, 1);
}

static void test_ended(void)
{
	uint64_t root, file;
	uint32_t asked;

	begin();
	root = fc_root(&c, 0);
	fc_check(watch_node(root) == 0);
	host_write(host, "one", "");
	take();
	asked = got[0].n.asked;
	fc_check(watch_node(root) == 0);
	ended(root, asked);
	host_write(host, "two", "");
	take();
	ok(n_got > 0, "asked for again before the answer: it stays");
	ended(root, 0);
	ended(12345, 1);
	ended(root, got[0].n.asked);
	host_write(host, "three", "");
	is_none("nobody watches it any more");
	is_int(n_records(), 0, "and it is not on the host");
	fc_check(watch_node(root) == 0);
	host_write(host, "four", "");
	take();
	ok(n_got > 0, "until it is watched again");

	file = fc_node(&c, root, "four");
	fc_check(watch_node(file) == 0);
	is_int(n_records(), 2, "a file is watched");
	fc_forget(&c, file, 1);
	fs_watch_work(c.fs);
	is_int(n_records(), 1, "until it is forgotten");
	fs_server_reset(c.fs);
	is_int(n_records(), 0, "a reset ends all");
	fc_free(&c);
}

/* ---- bounds ----------------------------------------------------------------------------- */

static void test_overflow(void)
{
	char name[FS_NAME_SIZE];
	uint64_t root, d;

	begin();
	root = fc_root(&c, 0);
	fc_check(mkdirat(host, "over", 0755) == 0);
	d = fc_node(&c, root, "over");
	is_int(watch_node(root) | watch_node(d), 0, "two folders are watched");
	memset(name, 'n', sizeof(name));
	for (unsigned int i = 0; i < 4096; i++) {
		(void)snprintf(name + 200, 32, "%u", i);
		fc_check(mknodat(host, name, S_IFREG | 0644, 0) == 0);
		fc_check(unlinkat(host, name, 0) == 0);
	}
	/* Requests have to read all that there is: the agent does not come for it. */
	for (unsigned int i = 0; i < 3; i++) {
		struct fuse_entry_out e;

		fc_check(fc_mknod(&c, root, "own", S_IFREG | 0644, 0, &e) == 0 &&
			 fc_name_op(&c, FUSE_UNLINK, root, "own") == 0);
	}
	ok(c.fs->watches.notices.len <= FS_MAX_NOTICES, "what waits is bounded");
	{
		auto_buf struct buf b = BUF_INIT;
		struct agent_notice last[2];

		fc_check(fs_watch_take(c.fs, &b) == 0 && b.len > sizeof(last));
		memcpy(last, b.data + b.len - sizeof(last), sizeof(last));
		ok(last[0].mask == IN_Q_OVERFLOW && last[1].mask == IN_Q_OVERFLOW,
		   "all who watch are told that something is missing");
		is_int((long)(last[0].node + last[1].node), (long)(root + d),
		       "each of them");
	}
	is_none("once");
	fc_check(unlinkat(host, "over", AT_REMOVEDIR) == 0);
	fc_free(&c);
}

static void test_many(void)
{
	struct fuse_entry_out e;
	uint64_t root;
	char name[32];
	int ret = 0;

	begin();
	root = fc_root(&c, 0);
	fc_check(mkdirat(host, "many", 0755) == 0);
	for (unsigned int i = 0; ret == 0 && i <= FS_MAX_WATCHES; i++) {
		(void)snprintf(name, sizeof(name), "%u", i);
		fc_check(fc_mknod(&c, root, name, S_IFREG | 0644, 0, &e) == 0);
		ret = watch_node(e.nodeid);
		if (ret == 0)
			fc_check(watch_node(e.nodeid) == 0); /* again: the same one */
	}
	is_int(ret, -ENOSPC, "there is a last watch");
	ok(n_records() <= FS_MAX_WATCHES, "at the limit");
	(void)printf("# %u watches\n", n_records());
	fc_forget(&c, e.nodeid - 0, 1);
	fc_check(fc_lookup(&c, root, "0", &e) == 0);
	fc_forget(&c, e.nodeid, 2);
	fc_check(fc_lookup(&c, root, name, &e) == 0);
	is_int(watch_node(e.nodeid), 0, "one that ends makes room");
	fc_free(&c);
}

/* ---- what cannot be watched ------------------------------------------------------------- */

static void test_odd(void)
{
	const struct fs_params none = { .shared = true };
	struct fuse_entry_out e;
	uint64_t root;

	fc_new_with(&c, &host, 1, false, none);
	fc_check(fc_init(&c) == 0);
	is_int(watch_node(fc_root(&c, 0)), -ENOSYS,
	       "nobody to tell: the guest never asks");
	fc_free(&c);

	begin();
	is_int(watch_node(FUSE_ROOT_ID), 0, "the device's own root is watched in vain");
	is_int(watch_node(12345), -ESTALE, "no such node");
	is_int(n_records(), 0, "nothing of it is on the host");
	root = fc_root(&c, 0);
	host_write(host, "swapped", "one");
	fc_check(fc_lookup(&c, root, "swapped", &e) == 0);
	fc_check(renameat(host, "swapped", host, "elsewhere") == 0);
	host_write(host, "swapped", "two");
	is_int(watch_node(e.nodeid), -ESTALE, "a name that is another file's by now");
	fc_check(unlinkat(host, "swapped", 0) == 0 &&
		 symlinkat("elsewhere", host, "swapped") == 0);
	is_int(watch_node(e.nodeid), -ESTALE, "or a symlink's");
	is_int(n_records(), 0, "nothing of it is on the host");
	fc_check(fc_lookup(&c, root, "swapped", &e) == 0);
	is_int(watch_node(e.nodeid), 0, "a symlink itself");
	fc_check(fchmodat(host, "elsewhere", 0600, 0) == 0);
	is_none("is watched, not what it leads to");
	fc_free(&c);
}

/* A root that is a file has a path in the jail. */
static void test_file_root(void)
{
	struct fs_root_params root = { .index = 2, .data_fd = -1, .place = "itself" };
	uint64_t node;

	host_write(host, "itself", "");
	root.fd = openat(host, "itself", O_PATH | O_CLOEXEC);
	fc_new_with(&c, NULL, 0, false, params);
	is_int(fs_server_add_root(c.fs, &root, NULL), 0, "a root that is a file");
	fc_check(fc_init(&c) == 0);
	node = fc_root(&c, 2);
	/* The test's folder stands for the jail's. */
	fc_check(fchdir(host) == 0);
	is_int(watch_node(node), 0, "is watched");
	host_write(host, "itself", "text");
	take();
	ok(n_got >= 1 && got[0].n.node == node && got[0].n.mask == IN_MODIFY,
	   "and told of");
	fc_free(&c);
}

/* ---- in the jail ------------------------------------------------------------------------ */

static void in_the_jail(void)
{
	uint64_t root;

	begin();
	root = fc_root(&c, 0);
	is_int(watch_node(root), 0, "WATCH in the jail");
	fc_check(mkdirat(host, "jailed", 0755) == 0);
	is_one(root, IN_CREATE | IN_ISDIR, "jailed", "what is made there");
	fc_free(&c);
}

/* ---- a device with its threads ----------------------------------------------------------- */

static void wait_told(void)
{
	struct pollfd p = { .fd = told_fd, .events = POLLIN };

	is_int(poll(&p, 1, DEADLINE_MS), 1, "a worker heard of it");
}

static void test_device(void)
{
	static struct rig r;
	struct fs_root_params root = { .fd = fcntl(host, F_DUPFD_CLOEXEC, 0),
				       .data_fd = -1 };
	auto_buf struct buf b = BUF_INIT;
	uint64_t node;
	eventfd_t n;

	rig_begin_with(&r, &params, &root);
	node = ask_lookup(&r, FUSE_ROOT_ID, "0");
	is_int(ask(&r, FUSE_WATCH, node, NULL, 0, NULL, 0), 0, "WATCH in a device");
	(void)eventfd_read(told_fd, &n); /* of what came before */
	fc_check(mkdirat(host, "threads", 0755) == 0);
	wait_told();
	fc_check(fs_take_notices(r.dev, &b) == 0);
	parse(&b);
	is_int(n_got, 1, "one notice");
	is_notice(0, node, IN_CREATE | IN_ISDIR, "threads", "of what was made");
	fake_device_reset(&r.fd);
	fake_queue_release(&r.hi);
	fake_queue_release(&r.rq);
	r.dev->ops->free(r.dev);
	fake_memory_release(&r.fm);
}

int main(void)
{
	char empty[300];

	told_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	fc_check(told_fd >= 0);
	host = fc_tmp(tmp, sizeof(tmp));
	test_host();
	test_merged();
	test_removed();
	test_own();
	test_failed();
	test_two_roots();
	test_ended();
	test_overflow();
	test_odd();
	test_file_root();
	test_device();
	test_many();
	(void)snprintf(empty, sizeof(empty), "%s/empty", tmp);
	fc_check(mkdir(empty, 0755) == 0);
	if (fs_jail_possible())
		fs_jail_run(in_the_jail, empty, false);
	fc_rm_tree(tmp);
	return tap_done();
}
