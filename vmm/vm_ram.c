/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RAM in a file and back.  It is saved in pieces of 2 MiB, those in which anything is:
 * these are mapped from the file again, or if most machines write to much of them,
 * copied.  The rest is anonymous memory as in any new machine, which may have huge pages.
 * Within a piece pages of zeros are not written.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/snapshot/image.h"
#include "vmm/snapshot/sections.h"
#include "vmm/vm_internal.h"

#define TAG_RAM SECTION_TAG('r', 'a', 'm', ' ')
#define PAGE 4096u
#define PIECE IMAGE_PIECE
#define PIECE_PAGES (PIECE / PAGE)

/*
 * A page of a piece that is mapped costs an exit and two faults at its first write, of
 * one that is copied nothing, as KVM maps a huge page at once.  The copy of a
 * piece costs as much as some 50 of these (counted in instructions).
 */
#define HOT_PAGES 64u

/* Bytes of RAM that are in the file, at IMAGE_RAM_AT + offset. */
struct extent {
	uint64_t offset;
	uint64_t len;
};

static bool is_zero(const char *page)
{
	return !page[0] && !memcmp(page, page + 1, PAGE - 1);
}

/* save_run() - the pages [@from, @to) of the piece at @offset. */
static int save_run(int fd, const char *piece, uint64_t offset, size_t from, size_t to,
		    struct err *err)
{
	size_t len = (to - from) * PAGE;
	ssize_t n = pwrite(fd, piece + from * PAGE, len,
			   (off_t)(IMAGE_RAM_AT + offset + from * PAGE));

	if (n != (ssize_t)len)
		return err_set(err, n < 0 ? errno : ENOSPC, "write %zu bytes of RAM",
			       len);
	return 0;
}

/*
 * save_piece() - what is not zero in the piece at @offset.
 * @in_core: mincore() of its pages: nobody touched the others
 * Return: 1: there was something; 0; -errno
 */
static int save_piece(const struct vm *vm, int fd, uint64_t offset,
		      const unsigned char *in_core, struct err *err)
{
	const char *piece = (const char *)vm->ram + offset;
	size_t from = 0;
	int found = 0;

	for (size_t i = 0; i <= PIECE_PAGES; i++) {
		int ret;

		if (i < PIECE_PAGES && in_core[i] & 1 && !is_zero(piece + i * PAGE))
			continue;
		if (i > from) {
			ret = save_run(fd, piece, offset, from, i, err);
			if (ret < 0)
				return ret;
			found = 1;
		}
		from = i + 1;
	}
	return found;
}

int vm_ram_save(const struct vm *vm, int fd, struct buf *out, struct err *err)
{
	unsigned char in_core[PIECE_PAGES];
	auto_buf struct buf extents = BUF_INIT;
	struct extent e = { 0 };
	int ret;

	for (uint64_t at = 0; at < vm->params.memory; at += PIECE) {
		if (mincore((char *)vm->ram + at, PIECE, in_core) < 0)
			return err_set(err, errno, "mincore");
		ret = save_piece(vm, fd, at, in_core, err);
		if (ret < 0)
			return ret;
		if (ret && e.len && e.offset + e.len == at) {
			e.len += PIECE;
		} else if (ret) {
			if (e.len)
				(void)buf_append(&extents, &e, sizeof(e));
			e = (struct extent){ .offset = at, .len = PIECE };
		}
	}
	if (e.len)
		(void)buf_append(&extents, &e, sizeof(e));
	if (buf_ok(&extents) < 0)
		return err_set(err, ENOMEM, "save RAM");
	section_put(out, TAG_RAM, extents.data, extents.len);
	return 0;
}

/* changed_pages() - of the piece at @offset, since it was saved as @saved. */
static unsigned int changed_pages(const struct vm *vm, uint64_t offset, const char *saved,
				  const unsigned char *in_core)
{
	const char *piece = (const char *)vm->ram + offset;
	unsigned int n = 0;

	for (size_t i = 0; i < PIECE_PAGES; i++)
		if (in_core[i] & 1 && memcmp(piece + i * PAGE, saved + i * PAGE, PAGE))
			n++;
	return n;
}

int vm_ram_mark_hot(const struct vm *vm, int fd, struct err *err)
{
	uint8_t hot[IMAGE_HOT_SIZE] = { 0 };
	unsigned char in_core[PIECE_PAGES];
	auto_free char *saved = malloc(PIECE);

	if (!saved)
		return err_set(err, ENOMEM, "look for changed RAM");
	for (uint64_t i = 0; i < vm->params.memory / PIECE && i < 8 * sizeof(hot); i++) {
		if (mincore((char *)vm->ram + i * PIECE, PIECE, in_core) < 0 ||
		    pread(fd, saved, PIECE, (off_t)(IMAGE_RAM_AT + i * PIECE)) !=
			    (ssize_t)PIECE)
			return err_set(err, errno ? errno : EIO, "look for changed RAM");
		if (changed_pages(vm, i * PIECE, saved, in_core) >= HOT_PAGES)
			hot[i / 8] |= (uint8_t)(1u << i % 8);
	}
	if (pwrite(fd, hot, sizeof(hot), IMAGE_HOT_AT) != sizeof(hot))
		return err_set(err, errno, "mark changed RAM");
	return 0;
}

static bool is_hot(const uint8_t *hot, uint64_t offset)
{
	uint64_t i = offset / PIECE;

	return i < (uint64_t)8 * IMAGE_HOT_SIZE && hot[i / 8] >> i % 8 & 1;
}

static int copy_piece(const struct vm *vm, int fd, uint64_t offset, struct err *err)
{
	ssize_t n = pread(fd, (char *)vm->ram + offset, PIECE,
			  (off_t)(IMAGE_RAM_AT + offset));

	return n == (ssize_t)PIECE ? 0
				   : err_set(err, n < 0 ? errno : EIO, "read saved RAM");
}

static int map_pieces(const struct vm *vm, int fd, uint64_t offset, uint64_t len,
		      struct err *err)
{
	char *at = (char *)vm->ram + offset;

	if (mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
		 fd, (off_t)(IMAGE_RAM_AT + offset)) == MAP_FAILED)
		return err_set(err, errno, "map %llu MiB of saved RAM",
			       (unsigned long long)(len >> 20));
	(void)madvise(at, len, MADV_DONTDUMP); /* advice, as for all of RAM */
	return 0;
}

/* take_extent() - what is hot is copied, what is not is mapped, in runs. */
static int take_extent(const struct vm *vm, int fd, const struct extent *e,
		       const uint8_t *hot, struct err *err)
{
	uint64_t end = e->offset + e->len;
	int ret = 0;

	if (e->offset % PIECE || e->len % PIECE || e->offset > vm->params.memory ||
	    e->len > vm->params.memory - e->offset)
		return err_msg(err, EPROTO, "RAM that the machine does not have");
	for (uint64_t at = e->offset, next; ret == 0 && at < end; at = next) {
		next = at + PIECE;
		if (is_hot(hot, at)) {
			ret = copy_piece(vm, fd, at, err);
			continue;
		}
		while (next < end && !is_hot(hot, next))
			next += PIECE;
		ret = map_pieces(vm, fd, at, next - at, err);
	}
	return ret;
}

int vm_ram_map(struct vm *vm, int fd, struct sections *in, struct err *err)
{
	uint8_t hot[IMAGE_HOT_SIZE];
	const void *data;
	size_t len;
	int ret = section_look(in, TAG_RAM, &data, &len, err);

	if (ret == 0 && pread(fd, hot, sizeof(hot), IMAGE_HOT_AT) != sizeof(hot))
		ret = err_set(err, errno ? errno : EIO, "read what is changed of RAM");
	if (ret == 0 && len % sizeof(struct extent))
		ret = err_msg(err, EPROTO, "section 'ram' has %zu bytes", len);
	for (size_t at = 0; ret == 0 && at < len; at += sizeof(struct extent)) {
		struct extent e;

		memcpy(&e, (const char *)data + at, sizeof(e));
		ret = take_extent(vm, fd, &e, hot, err);
	}
	return ret;
}
