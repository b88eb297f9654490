/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The write gate: what waits, what goes on, in which order it is served afterwards -
 * request by request, and in a device with its threads; and what becomes of stores to
 * the DAX window meanwhile.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "tests/unit/fs_rig.h"

#define WINDOW (8ull << 20)
#define SLOT FS_DAX_SLOT
#define BIG (FS_DAX_MIN + (1u << 20))

/* ---- by opcode ---------------------------------------------------------------------- */

static struct fuse_client c;

/* parks() - a request with a closed gate: was it given back? */
static bool parks(uint32_t opcode, uint64_t node, const struct fc_arg *args,
		  unsigned int n)
{
	struct fuse_in_header h = {
		.opcode = opcode, .nodeid = node, .unique = 7, .len = sizeof(h)
	};
	char data[1024];

	for (unsigned int i = 0; i < n; i++) {
		fc_check(h.len + args[i].len <= sizeof(data));
		memcpy(data + h.len, args[i].p, args[i].len);
		h.len += (uint32_t)args[i].len;
	}
	memcpy(data, &h, sizeof(h));
	return fc_raw(&c, data, h.len) == FS_PARKED;
}

static bool open_parks(uint64_t node, int flags)
{
	struct fuse_open_in in = { .flags = (uint32_t)flags };

	return parks(FUSE_OPEN, node, FC_ARGS(FC_VAR(in)));
}

static void test_changes(uint64_t root, uint64_t node, uint64_t fh)
{
	struct fuse_setattr_in setattr = { .valid = FATTR_SIZE };
	struct fuse_mknod_in mknod_in = { .mode = S_IFREG | 0600 };
	struct fuse_mkdir_in mkdir_in = { .mode = 0700 };
	struct fuse_rename_in rename_in = { .newdir = root };
	struct fuse_rename2_in rename2 = { .newdir = root };
	struct fuse_link_in link_in = { .oldnodeid = node };
	struct fuse_write_in write_in = { .fh = fh, .size = 1, .flags = O_RDWR };
	struct fuse_setxattr_in setxattr_in = { .size = 1 };
	struct fuse_create_in create = { .flags = O_RDWR, .mode = S_IFREG | 0600 };
	struct fuse_fallocate_in fallocate_in = { .fh = fh, .length = 4096 };
	struct fuse_copy_file_range_in copy = { .fh_in = fh, .fh_out = fh, .len = 1 };
	uint64_t other;

	ok(parks(FUSE_SETATTR, node, FC_ARGS(FC_VAR(setattr))), "SETATTR waits");
	ok(parks(FUSE_SYMLINK, root, FC_ARGS(FC_STR("l"), FC_STR("x"))), "SYMLINK waits");
	ok(parks(FUSE_MKNOD, root, FC_ARGS(FC_VAR(mknod_in), FC_STR("n"))),
	   "MKNOD waits");
	ok(parks(FUSE_MKDIR, root, FC_ARGS(FC_VAR(mkdir_in), FC_STR("d"))),
	   "MKDIR waits");
	ok(parks(FUSE_UNLINK, root, FC_ARGS(FC_STR("file"))), "UNLINK waits");
	ok(parks(FUSE_RMDIR, root, FC_ARGS(FC_STR("dir"))), "RMDIR waits");
	ok(parks(FUSE_RENAME, root,
		 FC_ARGS(FC_VAR(rename_in), FC_STR("file"), FC_STR("to"))),
	   "RENAME waits");
	ok(parks(FUSE_RENAME2, root,
		 FC_ARGS(FC_VAR(rename2), FC_STR("file"), FC_STR("to"))),
	   "RENAME2 waits");
	ok(parks(FUSE_LINK, root, FC_ARGS(FC_VAR(link_in), FC_STR("hard"))),
	   "LINK waits");
	ok(parks(FUSE_WRITE, 0, FC_ARGS(FC_VAR(write_in), { "y", 1 })), "WRITE waits");
	ok(parks(FUSE_SETXATTR, node,
		 FC_ARGS(FC_VAR(setxattr_in), FC_STR("user.a"), { "v", 1 })),
	   "SETXATTR waits");
	ok(parks(FUSE_REMOVEXATTR, node, FC_ARGS(FC_STR("user.test"))),
	   "REMOVEXATTR waits");
	ok(parks(FUSE_CREATE, root, FC_ARGS(FC_VAR(create), FC_STR("new"))),
	   "CREATE waits");
	ok(parks(FUSE_FALLOCATE, 0, FC_ARGS(FC_VAR(fallocate_in))), "FALLOCATE waits");
	ok(parks(FUSE_COPY_FILE_RANGE, 0, FC_ARGS(FC_VAR(copy))),
	   "COPY_FILE_RANGE waits");
	ok(open_parks(node, O_WRONLY | O_TRUNC), "OPEN with O_TRUNC waits");
	ok(open_parks(node, O_RDONLY | O_TRUNC), "also for reading");
	atomic_load(&c.fs->roots[0])->overlay = true;
	ok(open_parks(node, O_RDWR), "OPEN for writing waits on overlayfs: a copy-up");
	is_int(fc_open(&c, node, O_RDONLY, &other), 0, "for reading it does not");
	atomic_load(&c.fs->roots[0])->overlay = false;
	is_str(host_read(host, "file"), "data", "the file is as it was");
	ok(faccessat(host, "new", F_OK, 0) < 0 && faccessat(host, "to", F_OK, 0) < 0 &&
		   faccessat(host, "dir", F_OK, 0) == 0,
	   "and the folder");
}

static void test_reads(uint64_t root, uint64_t node, uint64_t fh)
{
	struct fuse_fsync_in sync = { .fh = fh };
	struct fuse_syncfs_in syncfs_in = { 0 };
	uint64_t other;

	is_int(fc_read(&c, fh, 0, 10), 4, "READ goes on");
	is_int(fc_getattr(&c, node, NULL), 0, "GETATTR");
	is_int(fc_lookup(&c, root, "dir", NULL), 0, "LOOKUP");
	is_int(fc_open(&c, node, O_RDONLY, &other), 0, "OPEN");
	is_int(fc_release(&c, FUSE_RELEASE, other), 0, "RELEASE");
	is_int(fc_open(&c, node, O_RDWR, &other), 0,
	       "OPEN for writing: it changes nothing here");
	is_int(fc_open_as(&c, FUSE_OPENDIR, root, 0, &other), 0, "OPENDIR");
	ok(fc_read_as(&c, FUSE_READDIR, other, 0, 4096) > 0, "READDIR");
	is_int(fc_call(&c, FUSE_STATFS, root, NULL, 0), 0, "STATFS");
	is_int(fc_call(&c, FUSE_FSYNC, 0, FC_ARGS(FC_VAR(sync))), 0, "FSYNC");
	is_int(fc_call(&c, FUSE_SYNCFS, root, FC_ARGS(FC_VAR(syncfs_in))), 0, "SYNCFS");
	is_int(fc_name_op(&c, FUSE_UNLINK, FUSE_ROOT_ID, "x"), -EROFS,
	       "what fails anyway need not wait");
}

static void test_opcodes(void)
{
	uint64_t root, node, fh;

	fc_new(&c, &host, 1, false, false, 0);
	is_int(fc_init(&c), 0, "INIT");
	root = fc_root(&c, 0);
	host_write(host, "file", "data");
	node = fc_node(&c, root, "file");
	is_int(fc_open(&c, node, O_RDWR, &fh), 0, "OPEN");
	fs_gate_close(c.fs);
	is_int(fs_gate_state(&c.fs->gate), FS_GATE_CLOSED, "the gate closes at once");
	test_changes(root, node, fh);
	test_reads(root, node, fh);
	fs_gate_open(c.fs);
	is_int(fs_gate_state(&c.fs->gate), FS_GATE_OPEN, "and opens at once");
	is_int(fc_write(&c, fh, 0, "D", 1), 1, "WRITE");
	is_str(host_read(host, "file"), "Data", "is done");
	fc_free(&c);
}

/* A change under way: the gate waits for it, others wait already. */
static void test_closing(void)
{
	uint64_t root;

	fc_new(&c, &host, 1, false, false, 0);
	is_int(fc_init(&c), 0, "INIT");
	root = fc_root(&c, 0);
	is_int(fs_gate_enter(c.fs, FS_GATE_CHANGE), 0, "a change is under way");
	fs_gate_close(c.fs);
	is_int(fs_gate_state(&c.fs->gate), FS_GATE_CLOSING, "the gate waits for it");
	ok(parks(FUSE_UNLINK, root, FC_ARGS(FC_STR("file"))), "the next one waits");
	is_int(fs_gate_state(&c.fs->gate), FS_GATE_CLOSING, "and changes nothing");
	fs_gate_leave(c.fs, FS_GATE_CHANGE);
	is_int(fs_gate_state(&c.fs->gate), FS_GATE_CLOSED, "closed with its end");
	fs_gate_open(c.fs);
	is_int(fs_gate_enter(c.fs, FS_GATE_CHANGE), 0, "another one");
	fs_gate_close(c.fs);
	fs_gate_open(c.fs);
	is_int(fs_gate_state(&c.fs->gate), FS_GATE_OPEN, "thawed before it was closed");
	fs_gate_leave(c.fs, FS_GATE_CHANGE);
	is_int(fs_gate_state(&c.fs->gate), FS_GATE_OPEN, "stays open");
	fc_free(&c);
}

/* ---- with threads ------------------------------------------------------------------- */

static atomic_uint moves;

static void on_gate(void *arg)
{
	(void)arg;
	atomic_fetch_add(&moves, 1);
}

static int make_gated(struct rig *r)
{
	struct fs_root_params root = { .fd = fcntl(host, F_DUPFD_CLOEXEC, 0),
				       .data_fd = -1 };
	const struct fs_params params = {
		.mem = &r->fm.mem,
		.tag = "t",
		.roots = &root,
		.n_roots = 1,
		.max_workers = 4,
		.on_gate = on_gate,
	};

	return fs_new(&params, &r->dev, NULL);
}

static void begin(struct rig *r)
{
	*r = (struct rig){ 0 };
	fake_memory_init(&r->fm, 16 << 20);
	fc_check(make_gated(r) == 0);
	fake_device_init(&r->fd, r->dev);
	rig_queues(r);
	fc_check(fs_start(r->dev, NULL) == 0);
	fc_check(fake_device_activate(&r->fd, NULL) == 0);
	ask_init(r);
}

static void end(struct rig *r)
{
	fake_device_reset(&r->fd);
	fake_queue_release(&r->hi);
	fake_queue_release(&r->rq);
	r->dev->ops->free(r->dev);
	fake_memory_release(&r->fm);
}

static uint64_t open_log(struct rig *r, uint64_t node)
{
	struct fuse_open_in open = { .flags = O_RDWR };
	struct fuse_open_out out;

	is_int(ask(r, FUSE_OPEN, node, &open, sizeof(open), &out, sizeof(out)), 0,
	       "OPEN");
	return out.fh;
}

/* append() - one digit, at the end of the file: the order of serving shows. */
static uint16_t append(struct rig *r, uint64_t fh, char digit)
{
	struct {
		struct fuse_write_in in;
		char data[8];
	} w = { .in = { .fh = fh, .size = 1, .flags = O_RDWR | O_APPEND },
		.data = { digit } };

	return rig_send(r, &r->rq, FUSE_WRITE, 0, &w, sizeof(w.in) + 1,
			16 + sizeof(struct fuse_write_out));
}

static void await_waiting(struct rig *r, unsigned int n)
{
	for (int i = 0; i < DEADLINE_MS && fs_waiting(r->dev) != n; i++)
		(void)poll(NULL, 0, 1);
	is_int(fs_waiting(r->dev), n, "%u requests wait", n);
}

static void test_order(void)
{
	enum {
		N = 200
	};
	char want[N + 1], got[N + 1] = "";
	struct rig r;
	uint64_t node, fh;
	unsigned int good = 0;
	int fd;

	host_write(host, "log", "");
	begin(&r);
	node = ask_lookup(&r, ask_lookup(&r, 1, "0"), "log");
	fh = open_log(&r, node);
	fs_freeze(r.dev);
	is_int(fs_gate(r.dev), FS_GATE_IS_CLOSED, "frozen");
	ok(atomic_load(&moves) > 0, "the owner was told");
	for (unsigned int i = 0; i < N; i++) {
		want[i] = (char)('0' + i % 10);
		(void)append(&r, fh, want[i]);
		if (i < 10) /* one by one, so that the order of coming is known */
			await_waiting(&r, i + 1);
		else
			while (fs_waiting(r.dev) != i + 1)
				(void)poll(NULL, 0, 0);
	}
	want[N] = '\0';
	for (int i = 0; i < 20; i++)
		fc_check(ask_lookup(&r, ask_lookup(&r, 1, "0"), "log") == node);
	is_str(host_read(host, "log"), "", "nothing was written, and reads went on");
	fs_thaw(r.dev);
	for (unsigned int i = 0; i < N; i++)
		good += error_of(&r, await(&r.rq)) == 0;
	is_int(good, N, "thawed: all are answered");
	fd = openat(host, "log", O_RDONLY | O_CLOEXEC);
	is_int(read(fd, got, sizeof(got)), N, "all is written");
	(void)close(fd);
	is_str(got, want, "in the order in which it came");
	is_int(fs_waiting(r.dev), 0, "nobody waits");
	end(&r);
}

/* The guest resets the device while requests wait. */
static void test_reset(void)
{
	struct rig r;
	uint64_t node, fh;

	host_write(host, "log", "");
	begin(&r);
	fs_freeze(r.dev);
	node = ask_lookup(&r, ask_lookup(&r, 1, "0"), "log");
	fh = open_log(&r, node);
	(void)append(&r, fh, '1');
	await_waiting(&r, 1);
	fake_device_reset(&r.fd);
	is_int(fs_waiting(r.dev), 0, "a reset forgets what waits");
	fake_queue_release(&r.hi);
	fake_queue_release(&r.rq);
	rig_queues(&r);
	fc_check(fake_device_activate(&r.fd, NULL) == 0);
	ask_init(&r);
	node = ask_lookup(&r, ask_lookup(&r, 1, "0"), "log");
	fh = open_log(&r, node);
	(void)append(&r, fh, '2');
	await_waiting(&r, 1);
	is_int(fs_gate(r.dev), FS_GATE_IS_CLOSED, "but leaves the gate closed");
	fs_thaw(r.dev);
	is_int(error_of(&r, await(&r.rq)), 0, "thawed");
	is_str(host_read(host, "log"), "2", "only the second was written");
	end(&r);
}

/* Freeze and thaw while four writers are at it: nothing is lost, nothing twice. */
static void test_flapping(void)
{
	enum {
		N = 2000,
		FLIGHT = 64
	};
	struct rig r;
	uint64_t node, fh;
	unsigned int sent = 0, came = 0;
	struct stat st;

	host_write(host, "log", "");
	begin(&r);
	node = ask_lookup(&r, ask_lookup(&r, 1, "0"), "log");
	fh = open_log(&r, node);
	while (came < N) {
		while (sent < N && sent - came < FLIGHT) {
			(void)append(&r, fh, 'x');
			sent++;
		}
		fs_freeze(r.dev);
		if (came % 3)
			(void)poll(NULL, 0, 1);
		fs_thaw(r.dev);
		if (await(&r.rq) < 0)
			break;
		came++;
	}
	is_int(came, N, "%d writes under %d freezes are answered", N, N);
	fc_check(fstatat(host, "log", &st, 0) == 0);
	is_int(st.st_size, N, "each was done once");
	end(&r);
}

/* ---- the DAX window ------------------------------------------------------------------- */

static void fill(const char *name, size_t size, char with)
{
	char *data = malloc(size);
	int fd = openat(host, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	fc_check(data && fd >= 0);
	memset(data, with, size);
	fc_check(write(fd, data, size) == (ssize_t)size);
	free(data);
	(void)close(fd);
}

static char on_disk(const char *name, off_t at)
{
	int fd = openat(host, name, O_RDONLY | O_CLOEXEC);
	char byte = 0;

	fc_check(fd >= 0 && pread(fd, &byte, 1, at) == 1);
	(void)close(fd);
	return byte;
}

static struct fuse_setupmapping_in mapping(uint64_t offset, uint64_t at, bool write)
{
	return (struct fuse_setupmapping_in){
		.foffset = offset,
		.len = SLOT,
		.flags = FUSE_SETUPMAPPING_FLAG_READ |
			 (write ? FUSE_SETUPMAPPING_FLAG_WRITE : 0),
		.moffset = at,
	};
}

static int map(uint64_t node, uint64_t offset, uint64_t at, bool write)
{
	struct fuse_setupmapping_in in = mapping(offset, at, write);

	return fc_call(&c, FUSE_SETUPMAPPING, node, FC_ARGS(FC_VAR(in)));
}

static void thaw_dax(void)
{
	fs_gate_open(c.fs);
	is_int(fs_gate_state(&c.fs->gate), FS_GATE_OPENING, "a worker is to write back");
	fs_gate_work(c.fs);
	is_int(fs_gate_state(&c.fs->gate), FS_GATE_OPEN, "and the gate opens");
}

static void test_dax_waits(uint64_t big, uint64_t fh)
{
	struct fuse_setupmapping_in rw = mapping(0, 2 * SLOT, true);
	struct fuse_setupmapping_in over = mapping(0, 0, false);
	struct fuse_removemapping_in rm = { .count = 1 };
	struct fuse_removemapping_one one = { .moffset = 0, .len = SLOT };
	struct fuse_fsync_in sync = { .fh = fh };
	struct fuse_syncfs_in syncfs_in = { 0 };
	struct fuse_read_in read_in = { .fh = fh, .size = 16 };

	is_int(map(big, 2 * SLOT, 2 * SLOT, false), 0, "SETUPMAPPING for reading");
	is_int(c.fs->dax.window[2 * SLOT], 'b', "shows the file");
	ok(parks(FUSE_SETUPMAPPING, big, FC_ARGS(FC_VAR(rw))), "for writing it waits");
	ok(parks(FUSE_SETUPMAPPING, big, FC_ARGS(FC_VAR(over))),
	   "and in the place of what is held");
	ok(parks(FUSE_REMOVEMAPPING, big, FC_ARGS(FC_VAR(rm), FC_VAR(one))),
	   "REMOVEMAPPING of it waits");
	ok(parks(FUSE_FSYNC, 0, FC_ARGS(FC_VAR(sync))), "so does FSYNC");
	ok(parks(FUSE_READ, 0, FC_ARGS(FC_VAR(read_in))),
	   "READ, as the file has not what the guest stored");
	ok(parks(FUSE_SYNCFS, FUSE_ROOT_ID, FC_ARGS(FC_VAR(syncfs_in))), "and SYNCFS");
	ok(parks(FUSE_DESTROY, 0, NULL, 0), "and DESTROY");
}

static void test_dax(void)
{
	const struct fs_params params = { .dax_size = WINDOW };
	char *window;
	uint64_t root, big, fh;
	struct stat before, after;

	fill("big", BIG, 'b');
	fc_new_with(&c, &host, 1, false, params);
	is_int(fc_init(&c), 0, "INIT");
	root = fc_root(&c, 0);
	big = fc_node(&c, root, "big");
	is_int(fc_open(&c, big, O_RDWR, &fh), 0, "OPEN");
	window = c.fs->dax.window;
	is_int(map(big, 0, 0, true), 0, "SETUPMAPPING for writing");
	is_int(map(big, 4 << 20, SLOT, true), 0, "SETUPMAPPING of the end");
	window[5] = '1';
	is_int(on_disk("big", 5), '1', "a store reaches the file");
	fs_gate_close(c.fs);
	is_int(fs_gate_state(&c.fs->gate), FS_GATE_CLOSED, "frozen");
	is_int(window[5], '1', "it reads as before");
	is_int(window[4096], 'b', "also where nothing was touched");
	fc_check(fstatat(host, "big", &before, 0) == 0);
	window[5] = '2';
	window[SLOT - 1] = '3';
	window[SLOT + (1 << 20) - 1] = '4'; /* the last byte of the file */
	is_int(on_disk("big", 5), '1', "a store does not reach the file");
	is_int(on_disk("big", BIG - 1), 'b', "none does");
	is_int(window[5], '2', "the guest sees it");
	test_dax_waits(big, fh);
	thaw_dax();
	is_int(on_disk("big", 5), '2', "thawed: the file has it");
	is_int(on_disk("big", (off_t)SLOT - 1), '3', "at the end of a slot");
	is_int(on_disk("big", BIG - 1), '4', "at the end of the file");
	fc_check(fstatat(host, "big", &after, 0) == 0);
	is_int(after.st_size, before.st_size, "which is as long as it was");
	window[5] = '5';
	is_int(on_disk("big", 5), '5', "and stores reach it again");
	ok(fs_dax_mend(&c.fs->dax), "a vCPU that met a page it might not write goes on");
	ok(!fs_dax_mend(&c.fs->dax), "that is told once");
	fc_free(&c);
}

/* The host changes pages that the guest has not touched: they are not undone. */
static void test_dax_host(void)
{
	const struct fs_params params = { .dax_size = WINDOW };
	char *window;
	uint64_t big;
	int fd;

	fill("big", BIG, 'b');
	fc_new_with(&c, &host, 1, false, params);
	is_int(fc_init(&c), 0, "INIT");
	big = fc_node(&c, fc_root(&c, 0), "big");
	window = c.fs->dax.window;
	is_int(map(big, 0, 0, true), 0, "SETUPMAPPING for writing");
	fs_gate_close(c.fs);
	is_int(window[8192], 'b', "a page that is only read");
	window[0] = 'w';
	fd = openat(host, "big", O_RDWR | O_CLOEXEC);
	fc_check(pwrite(fd, "H", 1, 8192) == 1 && pwrite(fd, "H", 1, 1 << 20) == 1);
	thaw_dax();
	is_int(on_disk("big", 0), 'w', "the guest's page was written");
	is_int(on_disk("big", 8192), 'H', "the host's was not");
	is_int(on_disk("big", 1 << 20), 'H', "nor one that nobody saw");
	fs_gate_close(c.fs);
	window[(1 << 20) + 1] = 'w';
	fc_check(ftruncate(fd, 4096) == 0);
	thaw_dax();
	(void)close(fd);
	fc_check((fd = openat(host, "big", O_RDONLY | O_CLOEXEC)) >= 0);
	is_int(lseek(fd, 0, SEEK_END), 4096, "a file that was cut meanwhile stays cut");
	(void)close(fd);
	fc_free(&c);
}

/* Without pagemap there is no way back from a private page: it fails by name. */
static void test_dax_refused(void)
{
	const struct fs_params params = { .dax_size = WINDOW };
	uint64_t big;

	fill("big", BIG, 'b');
	fc_new_with(&c, &host, 1, false, params);
	is_int(fc_init(&c), 0, "INIT");
	close_fd(c.fs->dax.pagemap);
	c.fs->dax.pagemap = -1;
	big = fc_node(&c, fc_root(&c, 0), "big");
	is_int(map(big, 0, 0, false), 0, "SETUPMAPPING for reading");
	fs_gate_close(c.fs);
	is_int(fs_gate_state(&c.fs->gate), FS_GATE_CLOSED, "can be frozen");
	fs_gate_open(c.fs);
	is_int(map(big, 0, 0, true), 0, "SETUPMAPPING for writing");
	fs_gate_close(c.fs);
	is_int(fs_gate_state(&c.fs->gate), FS_GATE_OPEN, "cannot");
	is_int(c.fs->gate.error, -EOPNOTSUPP, "and says why");
	c.fs->dax.window[0] = 'w';
	is_int(on_disk("big", 0), 'w', "stores reach the file");
	fc_free(&c);
}

/* READs may fill pages of the window: they wait while it is written back. */
static void test_fills(void)
{
	const struct fs_params params = { .dax_size = WINDOW };
	struct fuse_read_in in = { .size = 10 };
	uint64_t big;

	fill("big", BIG, 'b');
	fc_new_with(&c, &host, 1, false, params);
	is_int(fc_init(&c), 0, "INIT");
	big = fc_node(&c, fc_root(&c, 0), "big");
	is_int(fc_open(&c, big, O_RDONLY, &in.fh), 0, "OPEN");
	is_int(map(big, 0, 0, true), 0, "SETUPMAPPING for writing");
	fs_gate_close(c.fs);
	c.fs->dax.window[0] = 'w';
	is_int(fs_gate_enter(c.fs, FS_GATE_FILL), 0, "a READ is under way");
	fs_gate_open(c.fs);
	fs_gate_work(c.fs);
	is_int(on_disk("big", 0), 'b', "nothing is written back yet");
	ok(parks(FUSE_READ, 0, FC_ARGS(FC_VAR(in))), "the next READ waits");
	fs_gate_leave(c.fs, FS_GATE_FILL);
	fs_gate_work(c.fs);
	is_int(on_disk("big", 0), 'w', "when it has ended it is");
	is_int(fc_read(&c, in.fh, 0, 10), 10, "and READs go on");
	fc_free(&c);
}

int main(void)
{
	unsigned int before = fc_count_fds();

	host = fc_tmp(tmp, sizeof(tmp));
	fc_check(mkdirat(host, "dir", 0755) == 0);
	test_opcodes();
	test_closing();
	test_order();
	test_reset();
	test_flapping();
	test_dax();
	test_dax_host();
	test_dax_refused();
	test_fills();
	fc_rm_tree(tmp);
	(void)close(host);
	is_int(fc_count_fds(), before, "no descriptor is left");
	return tap_done();
}
