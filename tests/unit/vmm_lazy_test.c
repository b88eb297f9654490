/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm/snapshot/lazy.c: memory that is read when somebody touches it, whoever that is; what was
 * asked for is noted and read first the next time; damage ends it.
 */
#include "vmm/snapshot/lazy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/saved_machine.h"
#include "tests/unit/tap.h"
#include "vmm/snapshot/uffd.h"
#include "vmm/snapshot/working_set.h"

#define PAGE IMAGE_PAGE
#define PIECE_PAGES (IMAGE_PIECE / IMAGE_PAGE)
#define CHUNK_PAGES (SNAPSHOT_CHUNK_SIZE / IMAGE_PAGE)
#define FAILED 9

static const uint8_t id[IMAGE_ID_SIZE] = { 1, 2, 3 };

/* A machine that has nothing but RAM: its first and last piece are saved. */
struct rig {
	struct lazy *lazy;
	char *ram;
	void *map;
};

static void on_failed(void *opaque, const struct err *err)
{
	FILE *f = opaque;

	(void)fputs(err->msg, f);
	(void)fflush(f);
	_exit(FAILED);
}

static void on_no_failure(void *opaque, const struct err *err)
{
	(void)opaque;
	(void)fprintf(stderr, "%s\n", err->msg);
	abort();
}

static void rig_new(struct rig *r, int fd, int set, FILE *failures)
{
	const struct lazy_params params = {
		.fds = &fd,
		.n_fds = 1,
		.ram_size = SAVED_SIZE,
		.id = { 1, 2, 3 },
		.working_set_fd = set,
		.on_failed = failures ? on_failed : on_no_failure,
		.opaque = failures,
	};
	uintptr_t at;

	r->map = mmap(NULL, SAVED_SIZE + IMAGE_PIECE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	saved_must(r->map != MAP_FAILED);
	at = ((uintptr_t)r->map + IMAGE_PIECE - 1) & ~(uintptr_t)(IMAGE_PIECE - 1);
	r->ram = (char *)at;
	saved_must(lazy_new(&params, &r->lazy, NULL) == 0);
	saved_must(lazy_add(r->lazy, r->ram, 0, IMAGE_PIECE, NULL) == 0);
	saved_must(lazy_add(r->lazy, r->ram + 2u * IMAGE_PIECE, 2u * IMAGE_PIECE,
			    IMAGE_PIECE, NULL) == 0);
	saved_must(lazy_start(r->lazy, NULL, NULL) == 0);
}

static void rig_free(struct rig *r)
{
	lazy_free(r->lazy);
	(void)munmap(r->map, SAVED_SIZE + IMAGE_PIECE);
}

/* is_page() - all of it is @byte */
static bool is_page(const struct rig *r, uint64_t page, uint8_t byte)
{
	const volatile uint8_t *p = (const uint8_t *)r->ram + page * PAGE;

	for (size_t i = 0; i < PAGE; i++)
		if (p[i] != byte)
			return false;
	return true;
}

static bool await_all(const struct rig *r)
{
	for (unsigned int i = 0; i < 10000 && !lazy_done(r->lazy); i++)
		(void)poll(NULL, 0, 1);
	return lazy_done(r->lazy);
}

/* image() - page n is full of n, for every third of the first piece; two of the last. */
static int image(void)
{
	int fd = saved_new();

	for (uint64_t i = 0; i < PIECE_PAGES; i += 3)
		saved_put(fd, i, (uint8_t)i);
	saved_put(fd, 2u * PIECE_PAGES + 1, 0x21);
	saved_put(fd, 2u * PIECE_PAGES + 400, 0x24);
	saved_sum(fd);
	return fd;
}

static void test_faults(void)
{
	auto_fd int fd = image();
	struct rig r;
	char buf[PAGE];
	int pipe_fds[2];

	rig_new(&r, fd, -1, NULL);
	ok(is_page(&r, 30, 30), "a page that is touched is there");
	ok(is_page(&r, 31, 0), "one that was zero is zero");
	r.ram[2 * IMAGE_PIECE + 400 * PAGE + 5] = 1;
	ok(r.ram[2 * IMAGE_PIECE + 400 * PAGE] == 0x24,
	   "written to first: the rest is too");
	saved_must(pipe(pipe_fds) == 0);
	is_int(write(pipe_fds[1], r.ram + 33 * PAGE, PAGE), PAGE,
	       "a system call reads what is not there yet");
	is_int(read(pipe_fds[0], buf, PAGE), PAGE, "and somebody gets it");
	ok(buf[0] == 33 && buf[PAGE - 1] == 33, "as it was saved");
	saved_must(write(pipe_fds[1], buf, 100) == 100);
	is_int(read(pipe_fds[0], r.ram + 60 * PAGE, 100), 100,
	       "another one writes there");
	ok(r.ram[60 * PAGE] == 33 && r.ram[60 * PAGE + 100] == 60,
	   "and what it has not written is there");
	close_fd(pipe_fds[0]);
	close_fd(pipe_fds[1]);

	r.ram[90 * PAGE] = 7;
	saved_must(madvise(r.ram + 90 * PAGE, PAGE, MADV_DONTNEED) == 0);
	ok(is_page(&r, 90, 90), "given back and touched again: the file's bytes");
	ok(!lazy_done(r.lazy), "nobody has read the rest");
	r.ram[31 * PAGE] = 9;
	lazy_stop(r.lazy);
	saved_must(lazy_start(r.lazy, NULL, NULL) == 0);
	lazy_all(r.lazy);
	ok(await_all(&r), "until it is to be read");
	for (uint64_t i = 0; i < PIECE_PAGES; i++)
		if (i != 31 && i != 60)
			saved_must(is_page(&r, i, i % 3 ? 0 : (uint8_t)i));
	ok(r.ram[31 * PAGE] == 9 && r.ram[60 * PAGE] == 33,
	   "all of it is there, and the guest's own bytes were left alone");
	ok(is_page(&r, 2u * PIECE_PAGES + 1, 0x21) && is_page(&r, PIECE_PAGES, 0),
	   "in both ranges, and between them are zeros");
	saved_must(madvise(r.ram + 90 * PAGE, PAGE, MADV_DONTNEED) == 0);
	ok(is_page(&r, 90, 0), "from then on it is memory as ever");
	rig_free(&r);
}

static void test_working_set(void)
{
	auto_free struct working_set *set = calloc(1, sizeof(*set));
	auto_fd int file = memfd_create("set", MFD_CLOEXEC);
	auto_fd int fd = image();
	struct rig r;
	uint8_t there;

	saved_must(set && file >= 0);
	rig_new(&r, fd, file, NULL);
	saved_must(is_page(&r, 2u * PIECE_PAGES + 1, 0x21) && is_page(&r, 33, 33) &&
		   is_page(&r, 36, 36));
	lazy_all(r.lazy);
	saved_must(await_all(&r));
	rig_free(&r);
	is_int(working_set_read(file, id, SAVED_CHUNKS, set, NULL), 0, "a list is left");
	ok(set->head.n == 2 && set->chunks[0] == 2u * PIECE_PAGES / CHUNK_PAGES &&
		   set->chunks[1] == 2,
	   "of the chunks that were asked for, in that order");

	rig_new(&r, fd, file, NULL);
	for (unsigned int i = 0; i < 10000; i++) {
		saved_must(mincore(r.ram + 33 * PAGE, PAGE, &there) == 0);
		if (there & 1)
			break;
		(void)poll(NULL, 0, 1);
	}
	ok(there & 1, "which are read without being asked for");
	saved_must(mincore(r.ram, PAGE, &there) == 0);
	ok(!(there & 1), "and no others");
	saved_must(is_page(&r, 480, (uint8_t)480));
	lazy_all(r.lazy);
	saved_must(await_all(&r));
	rig_free(&r);
	saved_must(working_set_read(file, id, SAVED_CHUNKS, set, NULL) == 0);
	ok(set->head.n == 3 && set->chunks[2] == 30, "what else was asked for is added");

	saved_must(pwrite(file, "x", 1, 60) == 1);
	rig_new(&r, fd, file, NULL);
	saved_must(is_page(&r, 480, (uint8_t)480));
	ok(true, "a damaged one does no harm");
	rig_free(&r);
}

/* dies() - a child that does @what with a machine of @fd; what it said, and whether it saw
 * anything is in @ret. */
static int dies(int fd, void (*what)(struct rig *r), char *text, size_t size)
{
	FILE *failures = tmpfile();
	int status = 0;
	struct rig r;
	pid_t pid;
	size_t n;

	saved_must(failures);
	pid = fork();
	saved_must(pid >= 0);
	if (pid == 0) {
		(void)alarm(60);
		rig_new(&r, fd, -1, failures);
		what(&r);
		_exit(0);
	}
	saved_must(waitpid(pid, &status, 0) == pid);
	rewind(failures);
	n = fread(text, 1, size - 1, failures);
	text[n] = 0;
	(void)fclose(failures);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void touch_one(struct rig *r)
{
	(void)*(volatile char *)(r->ram + 33 * PAGE);
}

static void read_all(struct rig *r)
{
	lazy_all(r->lazy);
	(void)await_all(r);
}

static void test_damage(void)
{
	auto_fd int fd = image();
	char text[256];

	is_int(dies(fd, touch_one, text, sizeof(text)), 0, "a whole image");
	is_int(dies(fd, read_all, text, sizeof(text)), 0, "and all of it");
	saved_flip(fd, 33);
	is_int(dies(fd, touch_one, text, sizeof(text)), FAILED, "a bit was flipped");
	is_str(text,
	       "'/memfd:saved (deleted)': it is damaged at byte 2228224 (CRC of 65536 "
	       "bytes)",
	       "which is said with file and chunk");
	is_int(dies(fd, read_all, text, sizeof(text)), FAILED, "nobody touches it");
	ok(strstr(text, "byte 2228224"), "it is found all the same");
	saved_flip(fd, 33);
	saved_put(fd, 2u * PIECE_PAGES + 100, 0x55);
	is_int(dies(fd, read_all, text, sizeof(text)), FAILED, "bytes where zeros were");
	saved_sum(fd);
	saved_must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			     IMAGE_RAM_AT + 32 * PAGE, SNAPSHOT_CHUNK_SIZE) == 0);
	is_int(dies(fd, touch_one, text, sizeof(text)), FAILED, "a chunk that was lost");
}

static void test_refused(void)
{
	auto_fd int fd = image();
	struct err err = ERR_INIT;
	struct lazy *lazy = NULL;
	struct lazy_params params = {
		.fds = &fd,
		.n_fds = 1,
		.ram_size = SAVED_SIZE + IMAGE_PIECE,
		.working_set_fd = -1,
	};
	char *ram = mmap(NULL, SAVED_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	is_int(lazy_new(&params, &lazy, &err), -EPROTO, "a file that is too short");
	ok(strstr(err.msg, "it is cut off"), "%s", err.msg);
	params.ram_size = SAVED_SIZE;
	saved_must(lazy_new(&params, &lazy, &err) == 0);
	is_int(lazy_add(lazy, ram, SAVED_SIZE, IMAGE_PIECE, &err), -EPROTO,
	       "RAM behind the machine's");
	is_int(lazy_add(lazy, ram, PAGE, IMAGE_PIECE, &err), -EPROTO, "not whole pieces");
	is_int(lazy_add(lazy, ram, IMAGE_PIECE, SAVED_SIZE, &err), -EPROTO,
	       "RAM that ends behind it");
	lazy_free(lazy);
	(void)munmap(ram, SAVED_SIZE);
}

int main(void)
{
	int uffd = uffd_open(NULL);

	if (uffd < 0)
		return TAP_SKIP;
	close_fd(uffd);
	test_faults();
	test_working_set();
	test_damage();
	test_refused();
	return tap_done();
}
