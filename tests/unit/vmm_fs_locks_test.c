/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm/fs/locks.c: locks of the guest's processes, seen by the host's and the other way
 * round.  The host is this program, with descriptors of its own.
 */
#include <pthread.h>
#include <sys/file.h>
#include <sys/resource.h>

#include "tests/unit/fuse_client.h"

#define END INT64_MAX /* the last byte */
#define MAX_OFFSET ((uint64_t)END)

static char tmp[256];
static int host;

/* begin() - a shared device of the folder, "file" in it looked up. */
static uint64_t begin(struct fuse_client *c)
{
	const struct fs_params params = { .shared = true, .locks = true };

	host_write(host, "file", "text");
	fc_new_with(c, &host, 1, false, params);
	fc_check(fc_init(c) == 0);
	return fc_node(c, fc_root(c, 0), "file");
}

static uint64_t opened(struct fuse_client *c, uint64_t node, int flags)
{
	uint64_t fh;

	fc_check(fc_open(c, node, flags, &fh) == 0);
	return fh;
}

static int set_as(struct fuse_client *c, uint32_t opcode, struct fuse_lk_in in)
{
	return fc_call(c, opcode, 0, FC_ARGS(FC_VAR(in)));
}

/* lock() - bytes from @start to @end of the file open as @fh. */
static int lock(struct fuse_client *c, uint64_t fh, uint64_t owner, uint32_t type,
		uint64_t start, uint64_t end)
{
	return set_as(c, FUSE_SETLK,
		      (struct fuse_lk_in){ .fh = fh,
					   .owner = owner,
					   .lk = { start, end, type, 4711 } });
}

static int lock_file(struct fuse_client *c, uint64_t fh, uint32_t type)
{
	return set_as(c, FUSE_SETLK,
		      (struct fuse_lk_in){ .fh = fh,
					   .owner = fh,
					   .lk = { 0, MAX_OFFSET, type, 0 },
					   .lk_flags = FUSE_LK_FLOCK });
}

static struct fuse_file_lock test(struct fuse_client *c, uint64_t fh, uint64_t owner,
				  uint32_t type, uint64_t start, uint64_t end)
{
	const struct fuse_lk_in in = { .fh = fh,
				       .owner = owner,
				       .lk = { start, end, type, 0 } };
	struct fuse_lk_out out = { 0 };

	fc_check(set_as(c, FUSE_GETLK, in) == 0);
	fc_take(c, &out, sizeof(out));
	return out.lk;
}

static int flush(struct fuse_client *c, uint64_t fh, uint64_t owner)
{
	const struct fuse_flush_in in = { .fh = fh, .lock_owner = owner };

	return fc_call(c, FUSE_FLUSH, 0, FC_ARGS(FC_VAR(in)));
}

/* ---- somebody on the host ------------------------------------------------------------ */

static int host_open(const char *name)
{
	int fd = openat(host, name, O_RDWR | O_CLOEXEC);

	fc_check(fd >= 0);
	return fd;
}

static int host_lock(int fd, int type, off_t start, off_t len)
{
	struct flock l = { .l_type = (short)type, .l_start = start, .l_len = len };

	return fcntl(fd, F_OFD_SETLK, &l) < 0 ? -errno : 0;
}

/* host_sees() - the type of a lock that keeps @fd from writing that byte. */
static int host_sees(int fd, off_t byte)
{
	struct flock l = { .l_type = F_WRLCK, .l_start = byte, .l_len = 1 };

	fc_check(fcntl(fd, F_OFD_GETLK, &l) == 0);
	return l.l_type;
}

static int host_flock(int fd, int operation)
{
	return flock(fd, operation | LOCK_NB) < 0 ? -errno : 0;
}

/* ended() - nothing is locked any more, and no descriptor left. */
static void ended(struct fuse_client *c, const char *what)
{
	is_int(atomic_load(&c->fs->locks.n), 0, "%s: nothing is locked", what);
	is_int(c->fs->locks.n_files, 0, "no file");
}

/* ---- bytes ------------------------------------------------------------------------------ */

static void test_bytes(void)
{
	struct fuse_file_lock l;
	struct fuse_client c;
	uint64_t file = begin(&c), a = opened(&c, file, O_RDWR),
		 b = opened(&c, file, O_RDONLY);
	int fd = host_open("file");

	is_int(lock(&c, a, 1, F_WRLCK, 10, 19), 0, "bytes are locked");
	is_int(host_lock(fd, F_WRLCK, 19, 1), -EAGAIN, "the host cannot have the last");
	is_int(host_lock(fd, F_WRLCK, 20, 1), 0, "but the one behind it");
	is_int(lock(&c, b, 2, F_RDLCK, 15, 15), -EAGAIN, "nor can another owner");
	is_int(lock(&c, b, 1, F_RDLCK, 15, 15), 0, "the same one, by another handle");
	is_int(host_sees(fd, 14), F_WRLCK, "what lies around");
	is_int(host_sees(fd, 15), F_RDLCK, "is as it was");
	is_int(lock(&c, a, 2, F_WRLCK, 20, MAX_OFFSET), -EAGAIN, "the host's is seen");
	l = test(&c, a, 2, F_WRLCK, 20, MAX_OFFSET);
	ok(l.type == F_WRLCK && l.start == 20 && l.end == 20 && l.pid == 0,
	   "GETLK says which it is");
	l = test(&c, a, 2, F_RDLCK, 0, 14);
	ok(l.type == F_WRLCK && l.start == 10 && l.end == 14, "and which of the guest's");
	is_int((int)test(&c, a, 1, F_WRLCK, 0, 19).type, F_UNLCK, "one's own is none");
	is_int(host_lock(fd, F_UNLCK, 0, 0), 0, "the host lets go");
	is_int(lock(&c, a, 2, F_WRLCK, 20, MAX_OFFSET), 0, "and another gets it");
	is_int(lock(&c, a, 1, F_UNLCK, 0, MAX_OFFSET), 0, "all is given back");
	is_int(host_sees(fd, 14), F_UNLCK, "by one");
	is_int(host_sees(fd, END), F_WRLCK, "and not by the other");
	is_int(lock(&c, a, 2, F_UNLCK, 0, MAX_OFFSET), 0, "until it does");
	ended(&c, "given back");
	l = test(&c, a, 1, F_WRLCK, 0, MAX_OFFSET);
	is_int((int)l.type, F_UNLCK, "GETLK of what nobody has");
	fc_check(host_lock(fd, F_RDLCK, 3, 0) == 0);
	l = test(&c, b, 1, F_WRLCK, 0, MAX_OFFSET);
	ok(l.type == F_RDLCK && l.start == 3 && l.end == MAX_OFFSET,
	   "of what only the host has, without end");
	ended(&c, "looked at");
	(void)close(fd);
	fc_free(&c);
}

/* What two have locked for reading stays locked until both let go. */
static void test_readers(void)
{
	struct fuse_client c;
	uint64_t file = begin(&c), r = opened(&c, file, O_RDONLY),
		 w = opened(&c, file, O_RDWR);
	int fd = host_open("file");

	is_int(lock(&c, r, 1, F_RDLCK, 0, 9), 0, "one reads");
	is_int(lock(&c, r, 2, F_RDLCK, 4, 5), 0, "another, in the middle");
	is_int(host_lock(fd, F_RDLCK, 0, 0), 0, "and the host");
	is_int(lock(&c, w, 1, F_WRLCK, 0, 0), -EAGAIN, "nobody writes");
	is_int(host_lock(fd, F_UNLCK, 0, 0), 0, "the host ends");
	is_int(lock(&c, w, 1, F_WRLCK, 0, 0), 0, "one writes, outside of the other's");
	is_int(host_sees(fd, 9), F_RDLCK, "and reads what he read");
	is_int(lock(&c, r, 1, F_UNLCK, 0, MAX_OFFSET), 0, "he ends");
	is_int(host_sees(fd, 3), F_UNLCK, "what only he had is free");
	is_int(host_sees(fd, 6), F_UNLCK, "on both sides");
	is_int(host_sees(fd, 4), F_RDLCK, "of what the other has");
	is_int(host_sees(fd, 5), F_RDLCK, "all of it");
	is_int(lock(&c, w, 3, F_WRLCK, 5, 5), -EAGAIN, "in the guest, too");
	is_int(flush(&c, r, 2), 0, "and he closes the file");
	ended(&c, "closed");
	is_int(host_sees(fd, 4), F_UNLCK, "free");
	(void)close(fd);
	fc_free(&c);
}

#define BYTES 12
#define OWNERS 3u

/* Any sequence: the host sees of each byte the strongest lock. */
static void test_model(void)
{
	uint8_t has[OWNERS][BYTES];
	struct fuse_client c;
	uint64_t file = begin(&c),
		 fhs[] = { opened(&c, file, O_RDWR), opened(&c, file, O_RDWR) };
	int fd = host_open("file");
	unsigned int wrong = 0, refused = 0;

	memset(has, F_UNLCK, sizeof(has));
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		uint64_t owner = (uint64_t)random() % OWNERS;
		uint64_t start = (uint64_t)random() % BYTES;
		uint64_t end = start + (uint64_t)random() % (BYTES - start);
		uint8_t type = (uint8_t)(random() % 3);
		int want = 0, ret;

		for (uint64_t o = 0; o < OWNERS; o++)
			for (uint64_t b = start; b <= end && o != owner; b++)
				if (type != F_UNLCK && has[o][b] != F_UNLCK &&
				    (type == F_WRLCK || has[o][b] == F_WRLCK))
					want = -EAGAIN;
		ret = lock(&c, fhs[random() % 2], owner, type, start, end);
		wrong += ret != want;
		refused += ret != 0;
		if (ret == 0)
			memset(&has[owner][start], type, end - start + 1);
		for (int b = 0; b < BYTES; b++) {
			int most = F_UNLCK;

			for (uint64_t o = 0; o < OWNERS; o++)
				if (has[o][b] != F_UNLCK && most != F_WRLCK)
					most = has[o][b];
			wrong += host_sees(fd, b) != most;
		}
	}
	is_int(wrong, 0, "20000 locks: right for the guest and on the host");
	ok(refused > 1000 && refused < 19000, "%u of them were refused", refused);
	fc_release(&c, FUSE_RELEASE, fhs[0]);
	fc_release(&c, FUSE_RELEASE, fhs[1]);
	ended(&c, "released");
	(void)close(fd);
	fc_free(&c);
}

/* ---- the whole file ----------------------------------------------------------------------- */

static void test_flock(void)
{
	struct fuse_client c;
	uint64_t file = begin(&c), a = opened(&c, file, O_RDONLY),
		 b = opened(&c, file, O_RDONLY);
	int fd = host_open("file");

	is_int(lock_file(&c, a, F_WRLCK), 0, "a file that is open for reading is locked");
	is_int(lock_file(&c, a, F_WRLCK), 0, "twice is once");
	is_int(host_flock(fd, LOCK_SH), -EAGAIN, "the host cannot have it");
	is_int(host_lock(fd, F_WRLCK, 0, 0), 0, "its bytes are another thing");
	is_int(lock_file(&c, b, F_RDLCK), -EAGAIN, "nor can another open file");
	is_int(lock_file(&c, a, F_RDLCK), 0, "now it is for reading");
	is_int(lock_file(&c, b, F_RDLCK), 0, "of which there may be two");
	is_int(host_flock(fd, LOCK_SH), 0, "and the host");
	is_int(lock_file(&c, a, F_UNLCK), 0, "one gives it back");
	is_int(host_flock(fd, LOCK_EX), -EAGAIN, "the other still has it");
	/* Linux: the host has lost what it had. */
	is_int(lock_file(&c, a, F_WRLCK), -EAGAIN, "as the first finds");
	is_int(lock_file(&c, a, F_RDLCK), 0, "who comes again");
	is_int(lock_file(&c, a, F_WRLCK), -EAGAIN, "and cannot have more");
	is_int(fc_release(&c, FUSE_RELEASE, b), 0, "the second is closed");
	is_int(host_flock(fd, LOCK_EX), 0, "and the first has lost his by asking");
	is_int(lock_file(&c, a, F_RDLCK), -EAGAIN, "the host's is seen");
	is_int(host_flock(fd, LOCK_SH), 0, "it reads");
	is_int(lock_file(&c, a, F_RDLCK), 0, "and so does he");
	is_int(lock_file(&c, a, F_WRLCK), -EAGAIN, "what the host keeps him from");
	is_int(host_flock(fd, LOCK_EX), 0, "takes away what he had, too");
	ended(&c, "lost");
	(void)close(fd);
	fc_free(&c);
}

/* ---- when they end --------------------------------------------------------------------- */

static void test_ends(void)
{
	struct fuse_client c;
	uint64_t file = begin(&c), a = opened(&c, file, O_RDWR),
		 b = opened(&c, file, O_RDWR);
	unsigned int fds = fc_count_fds();
	int fd;

	is_int(flush(&c, a, 1), -ENOSYS, "a close without locks needs no request");
	is_int(lock(&c, a, 1, F_WRLCK, 0, 0), 0, "a process locks something");
	is_int(flush(&c, a, 2), -ENOSYS, "another one closes the file");
	is_int(lock(&c, a, a, F_WRLCK, 1, 1), 0, "an open file has a lock, too");
	is_int(lock_file(&c, a, F_WRLCK), 0, "and another");
	is_int(fc_count_fds(), fds + 2, "all that is two descriptors");
	fd = host_open("file");
	is_int(flush(&c, b, 1), 0, "the process closes it, opened otherwise");
	is_int(host_sees(fd, 0), F_UNLCK, "its locks are gone");
	is_int(host_sees(fd, 1), F_WRLCK, "those of the open file are not");
	is_int(host_flock(fd, LOCK_SH), -EAGAIN, "neither");
	is_int(fc_release(&c, FUSE_RELEASE, a), 0, "it is closed");
	is_int(host_sees(fd, 1), F_UNLCK, "now they are");
	is_int(host_flock(fd, LOCK_EX), 0, "both");
	ended(&c, "closed");
	is_int(lock(&c, b, 1, F_WRLCK, 0, 0), 0, "once more");
	fc_forget(&c, file, 1);
	is_int(host_sees(fd, 0), F_WRLCK, "a file that is forgotten, and open");
	is_int(fc_init(&c), 0, "a new mount");
	is_int(host_sees(fd, 0), F_UNLCK, "begins without");
	ended(&c, "mounted anew");
	(void)close(fd);
	is_int(fc_count_fds(), fds - 2, "no descriptor is left");
	fc_free(&c);
}

/* ---- files that cannot be opened again -------------------------------------------------- */

static void test_without_name(void)
{
	struct fuse_client c;
	uint64_t file = begin(&c), a = opened(&c, file, O_RDWR),
		 b = opened(&c, file, O_RDONLY);
	int fd = host_open("file");

	is_int(fc_name_op(&c, FUSE_UNLINK, fc_root(&c, 0), "file"), 0, "deleted");
	is_int(lock(&c, b, 1, F_RDLCK, 0, 9), 0, "it is locked by who reads");
	is_int(lock(&c, a, 2, F_WRLCK, 5, 5), -EAGAIN, "not by who writes");
	is_int(host_sees(fd, 0), F_RDLCK, "the host has it open and sees it");
	is_int(lock(&c, a, 2, F_WRLCK, 10, 10), 0, "the writer has what is free");
	is_int(host_sees(fd, 10), F_WRLCK, "seen");
	is_int(host_sees(fd, 9), F_RDLCK, "and the other's, still");
	is_int(lock_file(&c, b, F_WRLCK), 0, "it is locked as a whole");
	is_int(fc_release(&c, FUSE_RELEASE, b), 0, "the reader closes");
	is_int(host_sees(fd, 9), F_UNLCK, "and is gone");
	is_int(host_flock(fd, LOCK_EX), 0, "twice");
	is_int(host_sees(fd, 10), F_WRLCK, "the writer is not");
	is_int(lock(&c, a, 2, F_UNLCK, 10, 10), 0, "until it lets go");
	is_int(host_sees(fd, 10), F_UNLCK, "free, though the file is open");
	ended(&c, "deleted");
	(void)close(fd);
	fc_free(&c);
}

/* One that is open for writing only cannot be locked for reading by it. */
static void test_write_only(void)
{
	struct fuse_client c;
	uint64_t file = begin(&c), w = opened(&c, file, O_WRONLY),
		 r = opened(&c, file, O_RDONLY);
	int fd = host_open("file");

	is_int(fc_name_op(&c, FUSE_UNLINK, fc_root(&c, 0), "file"), 0, "deleted");
	is_int(lock(&c, w, 1, F_WRLCK, 0, 0), 0, "locked by who only writes");
	is_int(lock(&c, r, 2, F_RDLCK, 1, 1), -ENOLCK, "nobody else can read then");
	is_int(host_sees(fd, 1), F_UNLCK, "and has nothing");
	is_int(host_sees(fd, 0), F_WRLCK, "the writer has");
	is_int(flush(&c, w, 1), 0, "he ends");
	is_int(lock(&c, r, 2, F_RDLCK, 1, 1), 0, "now it goes");
	is_int(flush(&c, r, 2), 0, "and ends");
	ended(&c, "deleted");
	(void)close(fd);
	fc_free(&c);
}

/* The host has put another file there: what is open is the old one. */
static void test_replaced(void)
{
	struct fuse_client c;
	uint64_t file = begin(&c), a = opened(&c, file, O_RDWR);
	int fd = host_open("file"), other;

	host_write(host, "new", "new");
	fc_check(renameat(host, "new", host, "file") == 0);
	other = host_open("file");
	is_int(lock(&c, a, 1, F_WRLCK, 0, 9), 0, "a file that lost its name to another");
	is_int(host_sees(fd, 0), F_WRLCK, "is what is locked");
	is_int(host_sees(other, 0), F_UNLCK, "and not the other");
	is_int(fc_release(&c, FUSE_RELEASE, a), 0, "closed");
	is_int(host_sees(fd, 0), F_UNLCK, "free");
	ended(&c, "replaced");
	(void)close(fd);
	(void)close(other);
	fc_free(&c);
}

static void test_root_file(void)
{
	const struct fs_params params = { .shared = true, .locks = true };
	struct fuse_client c;
	uint64_t node, a, b;
	int path, fd;

	host_write(host, "file", "text");
	path = openat(host, "file", O_PATH | O_CLOEXEC);
	fd = host_open("file");
	fc_new_with(&c, &path, 1, false, params);
	fc_check(fc_init(&c) == 0);
	node = fc_root(&c, 0);
	a = opened(&c, node, O_RDWR);
	b = opened(&c, node, O_RDONLY);
	is_int(lock(&c, a, 1, F_WRLCK, 0, 9), 0, "a root that is a file is locked");
	is_int(lock(&c, b, 2, F_RDLCK, 0, 0), -EAGAIN, "others are kept out");
	is_int(host_sees(fd, 0), F_WRLCK, "and the host");
	is_int(lock_file(&c, b, F_WRLCK), 0, "as a whole");
	is_int(fc_release(&c, FUSE_RELEASE, b), 0, "closed");
	is_int(host_flock(fd, LOCK_EX), 0, "free");
	is_int(flush(&c, a, 1), 0, "closed by the other");
	is_int(host_sees(fd, 0), F_UNLCK, "free, though the root stays open");
	ended(&c, "a root");
	(void)close(fd);
	(void)close(path);
	fc_free(&c);
}

/* ---- hostile ----------------------------------------------------------------------------- */

static void test_hostile(void)
{
	struct fuse_client c;
	uint64_t file = begin(&c), r = opened(&c, file, O_RDONLY), dir = 0;
	static const struct {
		const char *what;
		struct fuse_lk_in in;
		int ret;
	} cases[] = {
		{ "a type that is none", { .lk = { 0, 0, 3, 0 } }, -EINVAL },
		{ "a large one", { .lk = { 0, 0, 256, 0 } }, -EINVAL },
		{ "an end before the start", { .lk = { 2, 1, F_RDLCK, 0 } }, -EINVAL },
		{ "an end that no file has",
		  { .lk = { 0, MAX_OFFSET + 1, F_RDLCK, 0 } },
		  -EINVAL },
		{ "the largest numbers",
		  { .lk = { UINT64_MAX, UINT64_MAX, F_RDLCK, 0 } },
		  -EINVAL },
		{ "flags that are none",
		  { .lk = { 0, 0, F_RDLCK, 0 }, .lk_flags = 2 },
		  -EINVAL },
		{ "writing of what is open for reading",
		  { .lk = { 0, 0, F_WRLCK, 0 } },
		  -EBADF },
		{ "giving back what nobody has",
		  { .lk = { 0, MAX_OFFSET, F_UNLCK, 0 } },
		  0 },
		{ "likewise, a file",
		  { .lk = { 0, 0, F_UNLCK, 0 }, .lk_flags = FUSE_LK_FLOCK },
		  0 },
	};
	struct fuse_lk_in in = { .lk = { 0, 0, F_RDLCK, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		in = cases[i].in;
		in.fh = r;
		is_int(set_as(&c, FUSE_SETLK, in), cases[i].ret, "%s", cases[i].what);
	}
	in = (struct fuse_lk_in){ .fh = r, .lk = { 0, 0, F_RDLCK, 0 } };
	is_int(set_as(&c, FUSE_SETLKW, in), -ENOSYS, "nothing waits here");
	is_int(fc_call(&c, FUSE_SETLK, 0, FC_ARGS({ &in, sizeof(in) - 8 })), -EIO,
	       "a short request");
	in.fh = r + 1;
	is_int(set_as(&c, FUSE_SETLK, in), -EBADF, "no handle");
	is_int(set_as(&c, FUSE_GETLK, in), -EBADF, "likewise");
	is_int(fc_open_as(&c, FUSE_OPENDIR, fc_root(&c, 0), O_DIRECTORY, &dir), 0,
	       "a folder is open");
	in.fh = dir;
	is_int(set_as(&c, FUSE_SETLK, in), -EBADF, "it is no file");
	is_int(flush(&c, dir, 0), -ENOSYS, "nor flushed");
	in.fh = r;
	in.lk.type = F_UNLCK;
	is_int(set_as(&c, FUSE_GETLK, in), -EINVAL, "GETLK of nothing");
	in.lk.type = F_RDLCK;
	in.lk_flags = FUSE_LK_FLOCK;
	is_int(set_as(&c, FUSE_GETLK, in), -EINVAL, "or of a whole file");
	c.room = sizeof(struct fuse_out_header) + 8;
	in.lk_flags = 0;
	is_int(set_as(&c, FUSE_GETLK, in), -EIO, "no room for the answer");
	c.room = 0;
	is_int(lock(&c, r, 0, F_RDLCK, MAX_OFFSET, MAX_OFFSET), 0, "the last byte");
	is_int(lock(&c, r, UINT64_MAX, F_RDLCK, 0, MAX_OFFSET), 0, "and all of them");
	fc_release(&c, FUSE_RELEASE, r);
	is_int(lock(&c, r, 0, F_RDLCK, 0, 0), -EBADF, "a handle of before");
	ended(&c, "hostile");
	fc_free(&c);
}

static void test_bounds(void)
{
	struct rlimit old, few;
	struct fuse_client c;
	uint64_t file = begin(&c), a = opened(&c, file, O_RDWR), i;
	int free_fd, ret = 0;

	for (i = 0; ret == 0 && i <= FS_MAX_LOCKS; i++)
		ret = lock(&c, a, 1, F_WRLCK, 2 * i, 2 * i);
	is_int(ret, -ENOLCK, "too many pieces");
	is_int((int64_t)i - 1, FS_MAX_LOCKS, "are as many as it says");
	is_int(lock(&c, a, 1, F_WRLCK, 1, 1), 0, "what makes fewer of them is allowed");
	is_int(lock(&c, a, 1, F_UNLCK, 10, MAX_OFFSET), 0, "and what gives back");
	is_int(lock(&c, a, 2, F_WRLCK, 100, 100), 0, "then there is room");
	is_int(flush(&c, a, 1), 0, "one ends");
	is_int(flush(&c, a, 2), 0, "and the other");
	ended(&c, "many");

	fc_check(getrlimit(RLIMIT_NOFILE, &old) == 0);
	few = old;
	free_fd = dup(host);
	fc_check(free_fd >= 0 && close(free_fd) == 0);
	few.rlim_cur = (rlim_t)free_fd;
	fc_check(setrlimit(RLIMIT_NOFILE, &few) == 0);
	is_int(lock(&c, a, 1, F_WRLCK, 0, 0), -ENOLCK, "no descriptor is left");
	is_int(lock_file(&c, a, F_WRLCK), -ENOLCK, "of either kind");
	fc_check(setrlimit(RLIMIT_NOFILE, &old) == 0);
	is_int(lock(&c, a, 1, F_WRLCK, 0, 0), 0, "now there is one");
	fc_free(&c);
}

static void test_files(void)
{
	struct fuse_client c;
	uint64_t root, fh = 0, first = 0;
	int ret = 0;
	unsigned int i;

	(void)begin(&c);
	root = fc_root(&c, 0);
	for (i = 0; ret == 0 && i <= FS_MAX_LOCKED_FILES; i++) {
		struct fuse_entry_out e;
		char name[16];

		(void)snprintf(name, sizeof(name), "n%u", i);
		fc_check(fc_create(&c, root, name, 0644, 0, O_RDWR, &e, &fh) == 0);
		ret = lock(&c, fh, 1, F_WRLCK, 0, 0);
		first = first ? first : fh;
		fc_check(unlinkat(host, name, 0) == 0);
	}
	is_int(ret, -ENOLCK, "too many files");
	is_int(i - 1, FS_MAX_LOCKED_FILES, "are as many as it says");
	is_int(fc_release(&c, FUSE_RELEASE, first), 0, "one is closed");
	is_int(lock(&c, fh, 1, F_WRLCK, 0, 0), 0, "then there is room");
	fc_free(&c);
}

/* Who does not ask for it has locks of its own. */
static void test_not_shared(void)
{
	static const struct fs_params of[] = { { .shared = true }, { .locks = true } };
	const struct fuse_lk_in in = { .lk = { 0, 0, F_RDLCK, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
		struct fuse_init_out out;
		struct fuse_client c;

		fc_new_with(&c, &host, 1, false, of[i]);
		fc_check(fc_init(&c) == 0);
		memcpy(&out, c.reply, sizeof(out));
		ok(!(out.flags & (FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS)),
		   "a device of only one container offers none");
		is_int(set_as(&c, FUSE_SETLK, in), -ENOSYS, "and has none");
		fc_free(&c);
	}
}

/* ---- at once --------------------------------------------------------------------------- */

struct racer {
	struct fs_server *fs;
	uint64_t node;
	unsigned int seed;
	unsigned int inside; /* times that it alone had the lock */
};

static atomic_int alone; /* who has the lock */
static atomic_uint together;

static int race(struct racer *r, struct fuse_client *c, uint64_t fh)
{
	uint64_t owner = r->seed;

	if (lock(c, fh, owner, F_WRLCK, 5, 5) == 0) {
		if (atomic_fetch_add(&alone, 1))
			atomic_fetch_add(&together, 1);
		r->inside++;
		atomic_fetch_sub(&alone, 1);
	}
	switch (rand_r(&r->seed) % 4) {
	case 0:
		(void)flush(c, fh, owner);
		break;
	case 1:
		(void)lock(c, fh, owner, F_UNLCK, 0, MAX_OFFSET);
		break;
	case 2:
		(void)lock_file(c, fh, F_RDLCK);
		break;
	default:
		(void)lock_file(c, fh, F_UNLCK);
	}
	return fc_release(c, FUSE_RELEASE, fh);
}

static void *racing(void *arg)
{
	struct racer *r = arg;
	struct fuse_client c = { .fs = r->fs,
				 .out = malloc(FC_MAX),
				 .in = malloc(FC_MAX) };

	fc_check(c.out && c.in && fs_worker_init(&c.w, c.fs, NULL) == 0);
	for (int i = 0; i < 2000; i++)
		fc_check(race(r, &c, opened(&c, r->node, O_RDWR)) == 0);
	fs_worker_release(&c.w);
	free(c.out);
	free(c.in);
	return NULL;
}

#define RACERS 4u

static void test_race(void)
{
	struct fuse_client c;
	uint64_t file = begin(&c);
	unsigned int fds = fc_count_fds();
	struct racer r[RACERS];
	pthread_t threads[RACERS];
	unsigned int inside = 0;

	for (unsigned int i = 0; i < RACERS; i++) {
		r[i] = (struct racer){ c.fs, file, i + 1, 0 };
		fc_check(pthread_create(&threads[i], NULL, racing, &r[i]) == 0);
	}
	for (unsigned int i = 0; i < RACERS; i++) {
		fc_check(pthread_join(threads[i], NULL) == 0);
		inside += r[i].inside;
	}
	is_int(atomic_load(&together), 0, "never two at once");
	ok(inside > 100, "and %u times one", inside);
	ended(&c, "raced");
	is_int(fc_count_fds(), fds, "no descriptor is left");
	fc_free(&c);
}

/*
 * RELEASE while somebody else still asks for a lock by that handle: no guest's kernel does,
 * but it may not be left.
 */
static void *locking(void *arg)
{
	struct racer *r = arg;
	struct fuse_client c = { .fs = r->fs,
				 .out = malloc(FC_MAX),
				 .in = malloc(FC_MAX) };

	fc_check(c.out && c.in && fs_worker_init(&c.w, c.fs, NULL) == 0);
	for (uint64_t i = 0; lock(&c, r->node, i % 7, F_RDLCK, i % 64, i % 64) != -EBADF;
	     i++)
		r->inside++;
	fs_worker_release(&c.w);
	free(c.out);
	free(c.in);
	return NULL;
}

static void test_release_race(void)
{
	struct fuse_client c;
	uint64_t file = begin(&c);

	for (int i = 0; i < 100; i++) {
		struct racer r = { c.fs, opened(&c, file, O_RDWR), 0, 0 };
		pthread_t thread;

		fc_check(pthread_create(&thread, NULL, locking, &r) == 0);
		for (int n = 0; n < 50; n++)
			(void)lock(&c, r.node, 100, F_RDLCK, 0, 0);
		fc_check(fc_release(&c, FUSE_RELEASE, r.node) == 0);
		fc_check(pthread_join(thread, NULL) == 0);
	}
	ended(&c, "released while it was locked");
	fc_free(&c);
}

int main(void)
{
	unsigned int before = fc_count_fds();

	host = fc_tmp(tmp, sizeof(tmp));
	test_bytes();
	test_readers();
	test_model();
	test_flock();
	test_ends();
	test_without_name();
	test_write_only();
	test_replaced();
	test_root_file();
	test_hostile();
	test_bounds();
	test_files();
	test_not_shared();
	test_race();
	test_release_race();
	fc_rm_tree(tmp);
	(void)close(host);
	is_int(fc_count_fds(), before, "no descriptor is left");
	return tap_done();
}
