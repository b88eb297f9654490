/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/snapshot/saved_ram.c and working_set.c: files that are read again, whole or not. */
#include "vmm/snapshot/saved_ram.h"

#include <errno.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/saved_machine.h"
#include "tests/unit/tap.h"
#include "vmm/snapshot/working_set.h"

#define CHUNK_PAGES (SNAPSHOT_CHUNK_SIZE / IMAGE_PAGE)

static uint8_t buf[SNAPSHOT_CHUNK_SIZE];

static bool page_is(uint64_t page, uint8_t byte)
{
	const uint8_t *p = buf + page % CHUNK_PAGES * IMAGE_PAGE;

	return p[0] == byte && !memcmp(p, p + 1, IMAGE_PAGE - 1);
}

static void test_one(void)
{
	auto_fd int fd = saved_new();
	struct saved_ram *r = NULL;
	struct err err = ERR_INIT;

	saved_put(fd, 20, 0x20);
	saved_put(fd, 600, 0x60);
	saved_sum(fd);
	is_int(saved_ram_open(&fd, 1, SAVED_SIZE, &r, &err), 0, "an image");
	is_int(saved_ram_read(r, 1, buf, &err), 0, "a chunk");
	ok(page_is(20, 0x20) && page_is(21, 0), "is what was saved");
	is_int(saved_ram_read(r, SAVED_CHUNKS - 1, buf, &err), 0, "the last one");
	ok(page_is(31, 0), "is zeros");
	ok(saved_ram_is_hole(r, 0) && !saved_ram_is_hole(r, 1) &&
		   saved_ram_is_hole(r, SAVED_CHUNKS - 1),
	   "holes are known");
	saved_flip(fd, 5);
	ok(!saved_ram_is_hole(r, 0), "bytes in a hole make it none");
	is_int(saved_ram_read(r, 0, buf, &err), -EPROTO, "and are damage");
	saved_flip(fd, 600);
	is_int(saved_ram_read(r, 600 / CHUNK_PAGES, buf, &err), -EPROTO, "a flipped bit");
	is_str(err.msg,
	       "'/memfd:saved (deleted)': it is damaged at byte 4521984 (CRC of "
	       "65536 bytes)",
	       "has a place");
	saved_must(ftruncate(fd, IMAGE_RAM_AT + 4096) == 0);
	is_int(saved_ram_read(r, 1, buf, &err), -EPROTO, "cut off while it is used");
	saved_ram_free(r);
	is_int(saved_ram_open(&fd, 1, SAVED_SIZE, &r, &err), -EPROTO, "or before");
	ok(strstr(err.msg, "it is cut off: 2101248 bytes"), "%s", err.msg);
	is_int(saved_ram_open(&fd, 0, SAVED_SIZE, &r, &err), -EINVAL, "no file");
	is_int(saved_ram_open(&fd, 1, SAVED_SIZE + 1, &r, &err), -EINVAL,
	       "no whole piece");
}

/* own() - the bits of @page and the next seven: which of them are in @fd. */
static void own(int fd, uint64_t page, uint8_t bits)
{
	saved_must(pwrite(fd, &bits, 1,
			  (off_t)(image_touched_at(SAVED_SIZE) + page / 8)) == 1);
}

static void test_parents(void)
{
	int fds[3] = { saved_new(), saved_new(), saved_new() };
	struct saved_ram *r = NULL;
	struct err err = ERR_INIT;

	for (uint64_t i = 16; i < 32; i++)
		saved_put(fds[2], i, 0x33);
	saved_put(fds[2], 600, 0x36);
	saved_must(saved_ram_sum(fds + 2, 1, SAVED_SIZE, &err) == 0);
	saved_put(fds[1], 17, 0x22);
	saved_put(fds[1], 18, 0x99); /* not its own */
	own(fds[1], 16, 1 << 1 | 1 << 3); /* 19: zeros now */
	saved_must(saved_ram_sum(fds + 1, 2, SAVED_SIZE, &err) == 0);
	saved_put(fds[0], 24, 0x11);
	own(fds[0], 24, 1);
	is_int(saved_ram_sum(fds, 3, SAVED_SIZE, &err), 0, "an image upon two others");
	is_int(saved_ram_open(fds, 3, SAVED_SIZE, &r, &err), 0, "is opened");
	is_int(saved_ram_read(r, 1, buf, &err), 0, "and read");
	ok(page_is(16, 0x33) && page_is(17, 0x22) && page_is(18, 0x33) &&
		   page_is(19, 0) && page_is(23, 0x33) && page_is(24, 0x11) &&
		   page_is(25, 0x33),
	   "each page from the newest that has it");
	is_int(saved_ram_check(r, &err), 0, "all of it is whole");
	ok(!saved_ram_is_hole(r, 600 / CHUNK_PAGES) && saved_ram_is_hole(r, 2),
	   "a hole is one in all of them");
	saved_flip(fds[2], 600);
	is_int(saved_ram_check(r, &err), -EPROTO, "a flipped bit in the oldest");
	ok(strstr(err.msg, "', or a parent: it is damaged at byte 4521984"), "%s", err.msg);
	saved_flip(fds[2], 600);
	saved_flip(fds[1], 18);
	is_int(saved_ram_check(r, &err), 0, "what nobody reads does no harm");
	saved_ram_free(r);
	own(fds[0], 24, 3);
	saved_must(saved_ram_open(fds, 3, SAVED_SIZE, &r, &err) == 0);
	is_int(saved_ram_check(r, &err), -EPROTO, "nor are other bits believed");
	saved_ram_free(r);
	saved_must(ftruncate(fds[0], (off_t)image_touched_at(SAVED_SIZE)) == 0);
	is_int(saved_ram_open(fds, 3, SAVED_SIZE, &r, &err), -EPROTO, "nor ones cut off");
	for (unsigned int i = 0; i < 3; i++)
		close_fd(fds[i]);
}

/* ---- what was asked for first ----------------------------------------------------------- */

static const uint8_t id[IMAGE_ID_SIZE] = "an image's id..";

static struct working_set set;

static int list(void)
{
	int fd = memfd_create("set", MFD_CLOEXEC);

	saved_must(fd >= 0);
	set.head.n = 3;
	set.chunks[0] = 7;
	set.chunks[1] = 0;
	set.chunks[2] = 47;
	saved_must(working_set_write(fd, id, &set, NULL) == 0);
	return fd;
}

static int read_list(int fd, uint64_t n_chunks, struct err *err)
{
	memset(&set, 0xff, sizeof(set));
	return working_set_read(fd, id, n_chunks, &set, err);
}

static void test_working_set(void)
{
	auto_fd int empty = memfd_create("empty", MFD_CLOEXEC);
	auto_fd int fd = list();
	struct err err = ERR_INIT;
	unsigned int wrong = 0;
	uint8_t byte;

	is_int(read_list(fd, 48, &err), 0, "a list");
	ok(set.head.n == 3 && set.chunks[0] == 7 && set.chunks[2] == 47,
	   "is what was written");
	is_int(read_list(fd, 47, &err), -EPROTO, "of a larger machine");
	is_int((int)set.head.n, 0, "gives nothing");
	is_int(working_set_read(fd, (const uint8_t *)"another image..", 48, &set, &err),
	       -EPROTO, "of another image");
	is_str(err.msg, "it is of another image", "by name");
	is_int(read_list(empty, 48, &err), 0, "an empty file");
	is_int((int)set.head.n, 0, "is an empty list");
	for (off_t bit = 0; bit < (off_t)(8 * (sizeof(set.head) + 12)); bit++) {
		saved_must(pread(fd, &byte, 1, bit / 8) == 1);
		byte ^= (uint8_t)(1 << bit % 8);
		saved_must(pwrite(fd, &byte, 1, bit / 8) == 1);
		wrong += read_list(fd, 48, &err) != -EPROTO || set.head.n;
		byte ^= (uint8_t)(1 << bit % 8);
		saved_must(pwrite(fd, &byte, 1, bit / 8) == 1);
	}
	is_int((int)wrong, 0, "each flipped bit is noticed");
	for (off_t len = sizeof(set.head) + 11; len > 0; len--) {
		saved_must(ftruncate(fd, len) == 0);
		wrong += read_list(fd, 48, &err) != -EPROTO || set.head.n;
	}
	is_int((int)wrong, 0, "so is each length that is too short");
}

int main(void)
{
	test_one();
	test_parents();
	test_working_set();
	return tap_done();
}
