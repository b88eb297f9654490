/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RAM in a file and back.  It is saved in pieces of 2 MiB, those in which anything is:
 * these are mapped from the file again, and the rest is anonymous memory as in any new
 * machine, which may have huge pages.  Within a piece pages of zeros are holes.
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
#define PIECE (2u << 20)
#define PIECE_PAGES (PIECE / PAGE)

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
		return err_set(err, n < 0 ? errno : ENOSPC, "write %zu bytes of RAM", len);
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

	for (uint64_t at = 0; at < vm->ram_size; at += PIECE) {
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

static int map_extent(struct vm *vm, int fd, const struct extent *e, struct err *err)
{
	char *at;

	if (e->offset % PIECE || e->len % PIECE || e->offset > vm->ram_size ||
	    e->len > vm->ram_size - e->offset)
		return err_msg(err, EPROTO, "RAM that the machine does not have");
	at = (char *)vm->ram + e->offset;
	if (mmap(at, e->len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd,
		 (off_t)(IMAGE_RAM_AT + e->offset)) == MAP_FAILED)
		return err_set(err, errno, "map %llu MiB of saved RAM",
			       (unsigned long long)(e->len >> 20));
	(void)madvise(at, e->len, MADV_DONTDUMP); /* advice, as for all of RAM */
	return 0;
}

int vm_ram_map(struct vm *vm, int fd, struct sections *in, struct err *err)
{
	const void *data;
	size_t len;
	int ret = section_look(in, TAG_RAM, &data, &len, err);

	if (ret == 0 && len % sizeof(struct extent))
		ret = err_msg(err, EPROTO, "section 'ram' has %zu bytes", len);
	for (size_t at = 0; ret == 0 && at < len; at += sizeof(struct extent)) {
		struct extent e;

		memcpy(&e, (const char *)data + at, sizeof(e));
		ret = map_extent(vm, fd, &e, err);
	}
	return ret;
}
