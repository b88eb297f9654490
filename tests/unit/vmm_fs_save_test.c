/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm/fs/save.c and load.c: a file system is saved, and its driver goes on with the device
 * of a new machine: with the same node ids, open files, deleted ones too, and locks, unless
 * they are not what they were.
 */
#include <sys/file.h>

#include "lib/buf.h"
#include "tests/unit/fs_rig.h"
#include "vmm/snapshot/sections.h"

static int save(struct rig *r, struct buf *out, struct err *err)
{
	return r->dev->ops->save(r->dev, out, err);
}

static void run(struct rig *r)
{
	fake_device_init(&r->fd, r->dev);
	fake_check(fs_start(r->dev, NULL) == 0);
	fake_check(fake_device_activate(&r->fd, NULL) == 0);
}

#define MAX_ROOTS 3u

static unsigned int n_roots = 1; /* of the next device */
static bool host_shared; /* likewise: locks are taken on the host */

/* device() - a new one, with the roots `host`; @shared: submounts are offered. */
static void device(struct rig *r, bool shared)
{
	struct fs_root_params roots[MAX_ROOTS];
	struct fs_params params = {
		.mem = &r->fm.mem,
		.tag = "tag",
		.roots = roots,
		.n_roots = n_roots,
		.max_workers = 2,
		.on_thread = on_thread,
		.shared = shared,
		.locks = host_shared,
	};

	for (unsigned int i = 0; i < n_roots; i++)
		roots[i] = (struct fs_root_params){
			.fd = fcntl(host, F_DUPFD_CLOEXEC, 0),
			.data_fd = -1,
			.index = i,
		};
	fake_check(fs_new(&params, &r->dev, NULL) == 0);
}

static void rig_begin(struct rig *r, bool shared)
{
	memset(r, 0, sizeof(*r));
	fake_memory_init(&r->fm, 16 << 20);
	device(r, shared);
	rig_queues(r);
	run(r);
}

static void device_end(struct rig *r)
{
	fake_device_reset(&r->fd);
	r->dev->ops->free(r->dev);
}

static void rig_end(struct rig *r)
{
	int hi = r->hi.call_fd, rq = r->rq.call_fd;

	device_end(r);
	(void)close(hi);
	(void)close(rq);
	fake_memory_release(&r->fm);
}

static void move_queue(struct fake_queue *fq, struct vq *to, struct buf *state)
{
	struct sections in = { .data = state->data, .len = state->len };

	fake_check(vq_load(to, &in, NULL) == 0);
	vq_set_call_fd(to, fq->call_fd);
	fq->vq = to;
}

/* move() - @r goes on with a device of a new machine, in which @state was loaded. */
static int move(struct rig *r, bool shared, const struct buf *state, struct err *err)
{
	struct sections in = { .data = state->data, .len = state->len };
	auto_buf struct buf hi = BUF_INIT;
	auto_buf struct buf rq = BUF_INIT;
	int ret;

	fake_check(vq_save(r->hi.vq, &hi, NULL) == 0);
	fake_check(vq_save(r->rq.vq, &rq, NULL) == 0);
	device_end(r);
	device(r, shared);
	move_queue(&r->hi, &r->dev->queues[0], &hi);
	move_queue(&r->rq, &r->dev->queues[1], &rq);
	ret = r->dev->ops->load(r->dev, &in, err);
	run(r);
	return ret;
}

static void init_with(struct rig *r, uint32_t flags)
{
	struct fuse_init_in in = { .major = 7, .minor = 38, .flags = flags };
	struct fuse_init_out out;

	fake_check(ask(r, FUSE_INIT, 0, &in, sizeof(in), &out, sizeof(out)) == 0);
}

/* saved_and_moved() - Return: is the root directory a submount afterwards? */
static bool saved_and_moved(struct rig *r)
{
	auto_buf struct buf state = BUF_INIT;
	struct fuse_entry_out e = { 0 };
	struct err err = ERR_INIT;

	is_int(save(r, &state, &err), 0, "mounted, and not looked into: saved");
	is_int(move(r, true, &state, &err), 0, "loaded");
	is_int(ask(r, FUSE_LOOKUP, 1, "0", 2, &e, sizeof(e)), 0,
	       "without another INIT requests are served");
	(void)ask_lookup(r, e.nodeid, "file");
	return e.attr.flags & FUSE_ATTR_SUBMOUNT;
}

static void test_mounted(void)
{
	struct rig r;

	rig_begin(&r, true);
	init_with(&r, ~0u);
	ok(saved_and_moved(&r), "with what INIT had agreed on: submounts");
	rig_end(&r);
	rig_begin(&r, true);
	init_with(&r, ~(uint32_t)FUSE_SUBMOUNTS);
	ok(!saved_and_moved(&r), "or none of them");
	rig_end(&r);
}

/* A template is used by machines that have other roots. */
static void test_other_roots(void)
{
	static const unsigned int from_to[][2] = { { 1, 3 }, { 3, 1 }, { 0, 2 } };
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;
	struct rig r;

	for (size_t i = 0; i < sizeof(from_to) / sizeof(from_to[0]); i++) {
		buf_release(&state);
		n_roots = from_to[i][0];
		rig_begin(&r, true);
		ask_init(&r);
		is_int(save(&r, &state, &err), 0, "saved with %u roots", n_roots);
		n_roots = from_to[i][1];
		is_int(move(&r, true, &state, &err), 0, "loaded with %u", n_roots);
		(void)ask_lookup(&r, ask_lookup(&r, 1, n_roots == 1 ? "0" : "1"), "file");
		rig_end(&r);
	}
	n_roots = 1;
}

static void test_not_mounted(void)
{
	auto_buf struct buf state = BUF_INIT;
	struct fuse_entry_out e = { 0 };
	struct err err = ERR_INIT;
	struct rig r;

	rig_begin(&r, false);
	is_int(save(&r, &state, &err), 0, "nobody has mounted it: saved");
	is_int(move(&r, false, &state, &err), 0, "loaded");
	ok(ask(&r, FUSE_LOOKUP, 1, "0", 2, &e, sizeof(e)) < 0,
	   "before INIT no request is served");
	ask_init(&r);
	(void)ask_lookup(&r, 1, "0");
	rig_end(&r);
}

/* A directory that is open, then what is looked up: known to the guest or not. */
static void test_untouched(void)
{
	struct fuse_open_in open = { .flags = O_RDONLY | O_DIRECTORY };
	struct fuse_release_in release = { 0 };
	struct fuse_open_out out;
	struct rig r;

	rig_begin(&r, false);
	ask_init(&r);
	ok(fs_untouched(r.dev), "mounted: untouched");
	is_int(ask(&r, FUSE_OPENDIR, 1, &open, sizeof(open), &out, sizeof(out)), 0,
	       "OPENDIR");
	ok(!fs_untouched(r.dev), "a directory is open: not any more");
	release.fh = out.fh;
	is_int(ask(&r, FUSE_RELEASEDIR, 1, &release, sizeof(release), NULL, 0), 0,
	       "RELEASEDIR");
	ok(fs_untouched(r.dev), "closed: untouched");
	(void)ask_lookup(&r, 1, "0");
	ok(!fs_untouched(r.dev), "a root was looked up: not any more");
	ask_init(&r);
	ok(fs_untouched(r.dev), "a new mount knows nothing of that");
	rig_end(&r);
}

/* ---- files in use ------------------------------------------------------------------ */

/* A file that the guest has open. */
struct opened {
	uint64_t node;
	uint64_t fh;
};

static uint64_t rig_open(struct rig *r, uint64_t node, uint32_t flags)
{
	struct fuse_open_in in = { .flags = flags };
	struct fuse_open_out out = { 0 };

	is_int(ask(r, FUSE_OPEN, node, &in, sizeof(in), &out, sizeof(out)), 0, "OPEN");
	return out.fh;
}

static int rig_read(struct rig *r, const struct opened *f, char *text, uint32_t len)
{
	struct fuse_read_in in = { .fh = f->fh, .size = len };

	memset(text, 0, len);
	return ask(r, FUSE_READ, f->node, &in, sizeof(in), text, len);
}

static int rig_write(struct rig *r, const struct opened *f, uint64_t at, const char *text)
{
	size_t len = strlen(text);
	struct fuse_write_in in = { .fh = f->fh, .offset = at, .size = (uint32_t)len };
	struct fuse_write_out out;
	char arg[sizeof(in) + 64];

	fc_check(len <= 64);
	memcpy(arg, &in, sizeof(in));
	memcpy(arg + sizeof(in), text, len);
	return ask(r, FUSE_WRITE, f->node, arg, sizeof(in) + len, &out, sizeof(out));
}

/* begin_files() - "dir/log" is open for writing, "file" for reading. */
static void begin_files(struct rig *r, struct opened *log, struct opened *file)
{
	uint64_t root, dir;

	host_write(host, "file", "text");
	host_write(host, "dir/log", "one\n");
	rig_begin(r, host_shared);
	ask_init(r);
	root = ask_lookup(r, 1, "0");
	dir = ask_lookup(r, root, "dir");
	log->node = ask_lookup(r, dir, "log");
	log->fh = rig_open(r, log->node, O_RDWR);
	file->node = ask_lookup(r, root, "file");
	file->fh = rig_open(r, file->node, O_RDONLY);
}

static void test_open_files(void)
{
	auto_buf struct buf state = BUF_INIT;
	struct opened log, file, more;
	struct err err = ERR_INIT;
	char text[32];
	struct rig r;

	begin_files(&r, &log, &file);
	is_int(save(&r, &state, &err), 0, "files are open: saved");
	is_int(move(&r, false, &state, &err), 0, "and loaded");
	is_int(rig_read(&r, &file, text, sizeof(text)), 0, "what is open is read on");
	is_str(text, "text", "by its handle");
	is_int(rig_write(&r, &log, 4, "two\n"), 0, "and written on");
	is_int(rig_read(&r, &log, text, sizeof(text)), 0, "by that of a file");
	is_str(text, "one\ntwo\n", "in a folder");
	more = (struct opened){ file.node, rig_open(&r, file.node, O_RDONLY) };
	ok(more.fh != file.fh && more.fh != log.fh, "a new handle is a new one");
	is_int((int64_t)ask_lookup(&r, 1, "0") > 1, 1, "the root is looked up");
	is_int(rig_read(&r, &more, text, sizeof(text)), 0, "and works");
	rig_end(&r);
}

static void test_deleted(void)
{
	auto_buf struct buf state = BUF_INIT;
	struct opened log, file;
	struct err err = ERR_INIT;
	char text[32];
	uint64_t dir;
	struct rig r;

	begin_files(&r, &log, &file);
	dir = ask_lookup(&r, ask_lookup(&r, 1, "0"), "dir");
	is_int(ask(&r, FUSE_UNLINK, dir, "log", 4, NULL, 0), 0, "the guest deletes it");
	is_int(save(&r, &state, &err), 0, "a file without a name is saved");
	is_int(move(&r, false, &state, &err), 0, "and made again");
	is_int(rig_read(&r, &log, text, sizeof(text)), 0, "it is read");
	is_str(text, "one\n", "as it was");
	is_int(rig_write(&r, &log, 0, "two\n"), 0, "and written");
	ok(faccessat(host, "dir/log", F_OK, 0) < 0, "and has no name again");
	rig_end(&r);
}

/* refused() - @change is what the host does in between. */
static void refused(void (*change)(void), int code, const char *why)
{
	auto_buf struct buf state = BUF_INIT;
	struct opened log, file;
	struct err err = ERR_INIT;
	struct rig r;

	begin_files(&r, &log, &file);
	fc_check(save(&r, &state, NULL) == 0);
	change();
	is_int(move(&r, false, &state, &err), code, "it is not loaded");
	is_str(err.msg, why, "and the file is named");
	rig_end(&r);
}

static void longer(void)
{
	host_write(host, "dir/log", "one\ntwo\n");
}

static void gone(void)
{
	fc_check(unlinkat(host, "dir/log", 0) == 0);
}

static void touched(void)
{
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 2 } };

	fc_check(utimensat(host, "file", times, 0) == 0);
}

static void test_changed(void)
{
	refused(longer, -ESTALE,
		"'/dir/log', which is open, was changed since (8 bytes, then 4)");
	refused(gone, -ESTALE, "'/dir/log', which is open: Stale file handle");
	refused(touched, -ESTALE,
		"'/file', which is open, was changed since (4 bytes, then 4)");
}

/* What is only known, and not open, may change: the guest's kernel looks again. */
static void test_known(void)
{
	struct fuse_getattr_in in = { 0 };
	struct fuse_attr_out attr;
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;
	uint64_t root, file, other;
	struct rig r;

	host_write(host, "file", "text");
	host_write(host, "other", "text");
	rig_begin(&r, false);
	ask_init(&r);
	root = ask_lookup(&r, 1, "0");
	file = ask_lookup(&r, root, "file");
	other = ask_lookup(&r, root, "other");
	fc_check(save(&r, &state, NULL) == 0);
	host_write(host, "file", "longer text");
	fc_check(unlinkat(host, "other", 0) == 0);
	is_int(move(&r, false, &state, &err), 0, "files that are not open have changed");
	is_int(ask(&r, FUSE_GETATTR, file, &in, sizeof(in), &attr, sizeof(attr)), 0,
	       "one is asked about");
	is_int((int)attr.attr.size, 11, "and is as it is now");
	is_int(ask(&r, FUSE_GETATTR, other, &in, sizeof(in), &attr, sizeof(attr)),
	       -ESTALE, "one that is gone is stale");
	is_int((int64_t)(ask_lookup(&r, root, "file") - file), 0,
	       "a file that is there keeps its number");
	rig_end(&r);
}

/* ---- locks ---------------------------------------------------------------------------- */

static int rig_lock(struct rig *r, uint64_t fh, uint32_t type, uint64_t start,
		    uint64_t end, uint32_t flags)
{
	const struct fuse_lk_in in = {
		.fh = fh, .owner = 1, .lk = { start, end, type, 0 }, .lk_flags = flags
	};

	return ask(r, FUSE_SETLK, 0, &in, sizeof(in), NULL, 0);
}

/* host_may() - may somebody on the host write that byte of "dir/log"? */
static bool host_may(off_t byte)
{
	struct flock l = { .l_type = F_WRLCK, .l_start = byte, .l_len = 1 };
	int fd = openat(host, "dir/log", O_RDWR | O_CLOEXEC);

	fc_check(fd >= 0 && fcntl(fd, F_OFD_GETLK, &l) == 0);
	(void)close(fd);
	return l.l_type == F_UNLCK;
}

/* begin_locked() - the guest has two pieces of "dir/log", and a flock() of "file". */
static void begin_locked(struct rig *r, struct opened *log, struct opened *file)
{
	host_shared = true;
	begin_files(r, log, file);
	is_int(rig_lock(r, log->fh, F_WRLCK, 2, 3, 0), 0, "bytes are locked");
	is_int(rig_lock(r, log->fh, F_RDLCK, 7, INT64_MAX, 0), 0, "and others");
	is_int(rig_lock(r, file->fh, F_WRLCK, 0, INT64_MAX, FUSE_LK_FLOCK), 0,
	       "and a file");
}

static void test_locks(void)
{
	auto_buf struct buf state = BUF_INIT;
	struct opened log, file;
	struct err err = ERR_INIT;
	struct rig r;
	int fd;

	begin_locked(&r, &log, &file);
	is_int(save(&r, &state, &err), 0, "saved");
	is_int(move(&r, true, &state, &err), 0, "and loaded");
	ok(host_may(1) && !host_may(2) && !host_may(3) && host_may(4) && host_may(6) &&
		   !host_may(7) && !host_may(INT64_MAX),
	   "what was locked is locked again, and nothing else");
	fd = openat(host, "file", O_RDONLY | O_CLOEXEC);
	ok(fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0, "the file, too");
	(void)close(fd);
	is_int(rig_lock(&r, log.fh, F_UNLCK, 0, INT64_MAX, 0), 0, "it is given back");
	ok(host_may(2) && host_may(7), "and free");
	rig_end(&r);
	host_shared = false;
}

/* What somebody has locked by then is not had again. */
static void test_locks_taken(void)
{
	struct flock l = { .l_type = F_RDLCK, .l_start = 3, .l_len = 1 };
	auto_buf struct buf state = BUF_INIT;
	struct opened log, file;
	struct err err = ERR_INIT;
	struct rig r;
	int fd;

	begin_locked(&r, &log, &file);
	fc_check(save(&r, &state, NULL) == 0);
	/* Its machine is gone when another is made of it. */
	is_int(rig_lock(&r, log.fh, F_UNLCK, 0, INT64_MAX, 0), 0, "it is given back");
	fd = openat(host, "dir/log", O_RDWR | O_CLOEXEC);
	fc_check(fd >= 0 && fcntl(fd, F_OFD_SETLK, &l) == 0);
	is_int(move(&r, true, &state, &err), -EAGAIN, "a byte that the host reads");
	is_str(err.msg, "'/dir/log', of which it had a lock, is locked by another",
	       "the file is named");
	(void)close(fd);
	is_int(move(&r, true, &state, &err), 0, "and once that ends it is loaded");
	rig_end(&r);
	host_shared = false;
}

/* Locks that no guest could have. */
static void test_locks_damaged(void)
{
	static const struct {
		size_t at; /* in struct fs_saved_lock */
		uint64_t value;
		const char *why;
	} cases[] = {
		{ 0, 1, "its saved files are damaged: a lock of no open file" },
		{ 16, UINT64_MAX, "its saved files are damaged: a lock that cannot be" },
		{ 24, UINT64_MAX, "its saved files are damaged: a lock that cannot be" },
		{ 32, 2, "its saved files are damaged: a lock that cannot be" },
		{ 32, UINT64_C(2) << 32,
		  "its saved files are damaged: a lock that cannot be" },
	};
	auto_buf struct buf state = BUF_INIT;
	struct opened log, file;
	struct rig r;

	begin_locked(&r, &log, &file);
	fc_check(save(&r, &state, NULL) == 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_buf struct buf bad = BUF_INIT;
		struct err err = ERR_INIT;

		fc_check(buf_append(&bad, state.data, state.len) == 0);
		memcpy(bad.data + bad.len - 40 + cases[i].at, &cases[i].value, 8);
		is_int(move(&r, true, &bad, &err), -EPROTO, "damage %zu", i);
		is_str(err.msg, cases[i].why, "is named");
	}
	rig_end(&r);
	host_shared = false;
}

/* Sections that no hull-vmm writes: none is believed. */
static void test_damaged(void)
{
	auto_buf struct buf state = BUF_INIT;
	struct opened log, file;
	struct rig r;
	unsigned int loaded = 0;

	begin_files(&r, &log, &file);
	fc_check(save(&r, &state, NULL) == 0);
	for (size_t i = 0; i < state.len; i += 3) {
		auto_buf struct buf bad = BUF_INIT;
		struct err err = ERR_INIT;

		fc_check(buf_append(&bad, state.data, state.len) == 0);
		bad.data[i] = (char)(bad.data[i] ^ 0x55);
		loaded += move(&r, false, &bad, &err) == 0;
		move(&r, false, &state, NULL);
	}
	ok(loaded < state.len / 3, "most damage is noticed, and none does harm");
	rig_end(&r);
}

static void test_of_another(void)
{
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;
	struct fuse_entry_out e;
	struct rig r;

	rig_begin(&r, false);
	section_put(&state, SECTION_TAG('f', 'u', 's', 'e'), "1234", 4);
	is_int(move(&r, false, &state, &err), -EPROTO, "a state of another length");
	is_str(err.msg, "section 'fuse' has 4 bytes, not 16", "is refused by name");
	ok(ask(&r, FUSE_LOOKUP, 1, "0", 2, &e, sizeof(e)) < 0, "and changes nothing");
	rig_end(&r);
}

int main(void)
{
	unsigned int before = fc_count_fds();

	host = fc_tmp(tmp, sizeof(tmp));
	host_write(host, "file", "text");
	fc_check(mkdirat(host, "dir", 0755) == 0);
	test_mounted();
	test_other_roots();
	test_not_mounted();
	test_untouched();
	test_open_files();
	test_deleted();
	test_changed();
	test_known();
	test_locks();
	test_locks_taken();
	test_locks_damaged();
	test_damaged();
	test_of_another();
	fc_rm_tree(tmp);
	(void)close(host);
	is_int(fc_count_fds(), before, "no descriptor is left");
	return tap_done();
}
