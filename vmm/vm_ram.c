/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RAM in a file and back, what was plugged behind what was there at the start.  It is saved
 * in pieces of 2 MiB, those in which anything is:
 * these are mapped from the file again, or if most machines write to much of them,
 * copied; or they are read when somebody asks for them (snapshot/lazy.h).  The rest is
 * anonymous memory as in any new machine, which may have huge pages.
 * Within a piece pages of zeros are not written.
 *
 * Which pages there are /proc/self/pagemap tells (mincore() does not know of swap).  In a
 * piece that is mapped from a file itself those that are not ours are the file's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/snapshot/image.h"
#include "vmm/snapshot/lazy.h"
#include "vmm/snapshot/saved_ram.h"
#include "vmm/snapshot/sections.h"
#include "vmm/vm_internal.h"

#define TAG_RAM SECTION_TAG('r', 'a', 'm', ' ')
#define PAGE 4096u
#define PIECE IMAGE_PIECE
#define PIECE_PAGES (PIECE / PAGE)

/* Linux Documentation/admin-guide/mm/pagemap.rst: swapped, or present */
#define PM_THERE (UINT64_C(3) << 62)

/*
 * A page of a piece that is mapped costs an exit and two faults at its first write, of
 * one that is copied nothing, as KVM maps a huge page at once.  The copy of a
 * piece costs as much as some 50 of these (counted in instructions), but while KVM
 * makes the VM there is nothing else to do.  What limits it is memory: a copy is the
 * container's own.
 */
#define HOT_PAGES 24u
#define MAX_HOT 4u

#define DUMP_PIECES 4u /* that are written in one go while the machine runs */

/* Bytes of RAM that are in the file, at IMAGE_RAM_AT + offset. */
struct extent {
	uint64_t offset;
	uint64_t len;
};

uint64_t vm_ram_total(const struct vm *vm)
{
	return vm->params.memory + vm->params.more;
}

/* host_at() - where the piece at @offset of all RAM lies. */
static char *host_at(const struct vm *vm, uint64_t offset)
{
	uint64_t memory = vm->params.memory;

	return offset < memory ? (char *)vm->ram + offset
			       : (char *)vm->more + (offset - memory);
}

static bool is_zero(const char *p, size_t len)
{
	return !p[0] && !memcmp(p, p + 1, len - 1);
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

int vm_ram_look_at(const struct vm *vm, uint64_t offset, uint64_t *map, struct err *err)
{
	uintptr_t at = (uintptr_t)host_at(vm, offset);
	ssize_t len = (ssize_t)(PIECE_PAGES * sizeof(*map));
	ssize_t n =
		pread(vm->pagemap, map, (size_t)len, (off_t)(at / PAGE * sizeof(*map)));

	return n == len ? 0
			: err_set(err, n < 0 ? errno : EIO, "read /proc/self/pagemap");
}

/*
 * save_piece() - what is not zero in the piece at @offset.
 * @map: pagemap's entries: nobody touched the pages that are not there
 * @own: a bit for each page that belongs into the file; NULL: all do
 * Return: 1: there was something; 0; -errno
 */
static int save_piece(const struct vm *vm, int fd, uint64_t offset, const uint64_t *map,
		      const uint8_t *own, struct err *err)
{
	bool all = vm->from_file && vm->from_file[offset / PIECE];
	const char *piece = host_at(vm, offset);
	size_t from = 0;
	int found = 0;

	for (size_t i = 0; i <= PIECE_PAGES; i++) {
		int ret;

		if (i < PIECE_PAGES && (all || map[i] & PM_THERE) &&
		    (!own || own[i / 8] >> i % 8 & 1) && !is_zero(piece + i * PAGE, PAGE))
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

/* save_at() - the piece at @offset, if @changes what changed in it; 1: something is saved. */
static int save_at(const struct vm *vm, int fd, uint64_t offset, bool changes,
		   struct err *err)
{
	const struct vm_track *t = &vm->track;
	const uint8_t *own = changes ? t->own + offset / PAGE / 8 : NULL;
	uint64_t map[PIECE_PAGES];
	int ret = vm_ram_look_at(vm, offset, map, err);

	if (ret == 0)
		ret = save_piece(vm, fd, offset, map, own, err);
	if (ret < 0 || !changes)
		return ret;
	t->pieces[offset / PIECE] |= ret;
	return t->pieces[offset / PIECE];
}

int vm_dump_some(struct vm *vm, int fd, uint64_t *at, uint64_t size, struct err *err)
{
	int ret = 0;

	for (unsigned int i = 0; ret == 0 && i < DUMP_PIECES && *at < size; i++) {
		ret = save_at(vm, fd, *at, true, err);
		ret = ret < 0 ? ret : 0;
		*at += PIECE;
	}
	return ret;
}

int vm_dump_begin(struct vm *vm, bool changes, uint64_t size, struct err *err)
{
	int ret = changes ? vm_track_look(vm, size, err) : 0;

	return ret == 0 ? vm_track_begin(vm, !changes, err) : ret;
}

int vm_dump_changes(struct vm *vm, int fd, uint64_t memory, struct err *err)
{
	size_t size = image_touched_size(memory);
	ssize_t n = pwrite(fd, vm->track.own, size, (off_t)image_touched_at(memory));

	return n == (ssize_t)size
		       ? 0
		       : err_set(err, n < 0 ? errno : ENOSPC, "write what has changed");
}

int vm_ram_save(const struct vm *vm, int fd, uint64_t size, bool changes, struct buf *out,
		struct err *err)
{
	auto_buf struct buf extents = BUF_INIT;
	struct extent e = { 0 };
	int ret;

	for (uint64_t at = 0; at < size; at += PIECE) {
		ret = save_at(vm, fd, at, changes, err);
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

/* look_at_piece() - a bit for each page of piece @i that changed since it was @saved. */
static unsigned int look_at_piece(const struct vm *vm, uint64_t i, const char *saved,
				  const uint64_t *map, uint8_t *touched)
{
	const char *piece = host_at(vm, i * PIECE);
	unsigned int n = 0;

	for (size_t k = 0; k < PIECE_PAGES; k++) {
		if (!(map[k] & PM_THERE) ||
		    !memcmp(piece + k * PAGE, saved + k * PAGE, PAGE))
			continue;
		touched[k / 8] |= (uint8_t)(1u << k % 8);
		n++;
	}
	return n;
}

/* A piece, and how many of its pages were changed. */
struct heat {
	uint64_t piece;
	unsigned int pages;
};

/* note_heat() - keep the hottest, in their order. */
static void note_heat(struct heat hottest[MAX_HOT], uint64_t piece, unsigned int pages)
{
	struct heat h = { piece, pages };

	for (unsigned int i = 0; i < MAX_HOT; i++) {
		struct heat other = hottest[i];

		if (other.pages >= h.pages)
			continue;
		hottest[i] = h;
		h = other;
	}
}

int vm_ram_mark_hot(const struct vm *vm, int fd, struct err *err)
{
	const uint64_t size = image_touched_size(vm->params.memory);
	struct heat hottest[MAX_HOT] = { 0 };
	uint8_t hot[IMAGE_HOT_SIZE] = { 0 };
	uint64_t map[PIECE_PAGES];
	auto_free char *saved = malloc(PIECE);
	auto_free uint8_t *touched = calloc(1, size);

	if (!saved || !touched)
		return err_set(err, ENOMEM, "look for changed RAM");
	for (uint64_t i = 0; i < vm->params.memory / PIECE; i++) {
		int ret = vm_ram_look_at(vm, i * PIECE, map, err);
		unsigned int n;

		if (ret < 0)
			return ret;
		if (pread(fd, saved, PIECE, (off_t)(IMAGE_RAM_AT + i * PIECE)) !=
		    (ssize_t)PIECE)
			return err_set(err, errno ? errno : EIO, "look for changed RAM");
		n = look_at_piece(vm, i, saved, map, touched + i * PIECE_PAGES / 8);
		/* What was not saved is not copied, but memory as ever. */
		if (n >= HOT_PAGES && i < 8 * sizeof(hot) && !is_zero(saved, PIECE))
			note_heat(hottest, i, n);
	}
	for (unsigned int i = 0; i < MAX_HOT && hottest[i].pages; i++)
		hot[hottest[i].piece / 8] |= (uint8_t)(1u << hottest[i].piece % 8);
	if (pwrite(fd, hot, sizeof(hot), IMAGE_HOT_AT) != sizeof(hot) ||
	    pwrite(fd, touched, size, (off_t)image_touched_at(vm->params.memory)) !=
		    (ssize_t)size)
		return err_set(err, errno, "mark changed RAM");
	return 0;
}

static bool is_hot(const uint8_t *hot, uint64_t offset)
{
	uint64_t i = offset / PIECE;

	return i < (uint64_t)8 * IMAGE_HOT_SIZE && hot[i / 8] >> i % 8 & 1;
}

/* What is known of the machines that began so before. */
struct hints {
	uint8_t hot[IMAGE_HOT_SIZE];
	uint8_t *touched; /* owned: image_touched_size() bytes; NULL: nothing is known */
};

/* read_hints() - the file may have none: they are zeros then. */
static int read_hints(const struct vm *vm, int fd, struct hints *h, struct err *err)
{
	uint64_t size = image_touched_size(vm->params.memory);

	h->touched = calloc(1, size);
	if (!h->touched)
		return err_set(err, ENOMEM, "read what is changed of RAM");
	if (pread(fd, h->hot, sizeof(h->hot), IMAGE_HOT_AT) != sizeof(h->hot) ||
	    pread(fd, h->touched, size, (off_t)image_touched_at(vm->params.memory)) < 0)
		return err_set(err, errno ? errno : EIO, "read what is changed of RAM");
	return 0;
}

/*
 * copy_piece() - from a mapping, not by pread(): the file's huge page is looked up once, and
 * not for each 4 KiB of it.  To touch what the file has not would be our end (SIGBUS).
 */
static int copy_piece(const struct vm *vm, int fd, uint64_t offset, struct err *err)
{
	off_t at = (off_t)(IMAGE_RAM_AT + offset);
	struct stat st;
	void *saved;

	if (fstat(fd, &st) < 0 || st.st_size < at + (off_t)PIECE)
		return err_set(err, EIO, "read saved RAM");
	saved = mmap(NULL, PIECE, PROT_READ, MAP_SHARED, fd, at);
	if (saved == MAP_FAILED)
		return err_set(err, errno, "map saved RAM");
	memcpy(host_at(vm, offset), saved, PIECE);
	(void)munmap(saved, PIECE);
	return 0;
}

static int map_pieces(const struct vm *vm, int fd, uint64_t offset, uint64_t len,
		      struct err *err)
{
	char *at = host_at(vm, offset);

	if (mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
		 fd, (off_t)(IMAGE_RAM_AT + offset)) == MAP_FAILED)
		return err_set(err, errno, "map %llu MiB of saved RAM",
			       (unsigned long long)(len >> 20));
	(void)madvise(at, len, MADV_DONTDUMP); /* advice, as for all of RAM */
	for (uint64_t i = 0; vm->from_file && i < len / PIECE; i++)
		vm->from_file[offset / PIECE + i] = true;
	return 0;
}

/*
 * touch_pages() - those of the mapped piece at @offset that others have changed: copies are
 * made of them now, all at once and while KVM makes the VM, and not one by one when the
 * guest has found that it may only read them.
 * @touched: a bit for each page of the piece
 */
static void touch_pages(const struct vm *vm, uint64_t offset, const uint8_t *touched)
{
	char *piece = host_at(vm, offset);
	size_t from = 0;

	for (size_t i = 0; i <= PIECE_PAGES; i++) {
		if (i < PIECE_PAGES && touched[i / 8] >> i % 8 & 1)
			continue;
		if (i > from) /* before Linux 5.14: not at all */
			(void)madvise(piece + from * PAGE, (i - from) * PAGE,
				      MADV_POPULATE_WRITE);
		from = i + 1;
	}
}

/* add_lazily() - what it had when it started, and what was plugged, lie in two places. */
static int add_lazily(const struct vm *vm, struct lazy *lazy, const struct extent *e,
		      struct err *err)
{
	uint64_t end = e->offset + e->len;
	uint64_t middle = vm->params.memory < end ? vm->params.memory : end;
	int ret = 0;

	if (e->offset < middle)
		ret = lazy_add(lazy, host_at(vm, e->offset), e->offset,
			       middle - e->offset, err);
	else
		middle = e->offset;
	if (ret == 0 && middle < end)
		ret = lazy_add(lazy, host_at(vm, middle), middle, end - middle, err);
	return ret;
}

/* copy_chunks() - each compared with its sum; pages of zeros stay untouched. */
static int copy_chunks(const struct vm *vm, const struct saved_ram *ram,
		       const struct extent *e, struct err *err)
{
	auto_free char *buf = malloc(SNAPSHOT_CHUNK_SIZE);
	int ret = buf ? 0 : err_set(err, ENOMEM, "read saved RAM");

	for (uint64_t at = e->offset; ret == 0 && at < e->offset + e->len;
	     at += SNAPSHOT_CHUNK_SIZE) {
		if (saved_ram_is_hole(ram, at / SNAPSHOT_CHUNK_SIZE))
			continue;
		ret = saved_ram_read(ram, at / SNAPSHOT_CHUNK_SIZE, buf, err);
		for (size_t i = 0; ret == 0 && i < SNAPSHOT_CHUNK_SIZE; i += PAGE)
			if (!is_zero(buf + i, PAGE))
				memcpy(host_at(vm, at) + i, buf + i, PAGE);
	}
	return ret;
}

/* take_extent() - what is hot is copied, what is not is mapped, in runs. */
static int take_extent(const struct vm *vm, const struct vm_image *image,
		       const struct extent *e, const struct hints *hints, struct err *err)
{
	uint64_t end = e->offset + e->len;
	uint64_t total = hints->touched ? vm->params.memory : vm_ram_total(vm);
	int fd = image->fd;
	int ret = 0;

	if (e->offset % PIECE || e->len % PIECE || e->offset > total ||
	    e->len > total - e->offset)
		return err_msg(err, EPROTO, "RAM that the machine does not have");
	if (image->lazy)
		return e->len ? add_lazily(vm, image->lazy, e, err) : 0;
	if (image->ram)
		return copy_chunks(vm, image->ram, e, err);
	for (uint64_t at = e->offset, next; ret == 0 && at < end; at = next) {
		next = at + PIECE;
		if (is_hot(hints->hot, at)) {
			ret = copy_piece(vm, fd, at, err);
			continue;
		}
		while (next < end && next != vm->params.memory && !is_hot(hints->hot, next))
			next += PIECE;
		ret = map_pieces(vm, fd, at, next - at, err);
		for (; ret == 0 && hints->touched && at < next; at += PIECE)
			touch_pages(vm, at, hints->touched + at / PAGE / 8);
	}
	return ret;
}

int vm_ram_map(struct vm *vm, const struct vm_image *image, struct err *err)
{
	struct hints hints = { .touched = NULL };
	const void *data;
	size_t len;
	int ret = section_look(image->state, TAG_RAM, &data, &len, err);

	if (ret == 0 && image->is_template)
		ret = read_hints(vm, image->fd, &hints, err);
	if (ret == 0 && len % sizeof(struct extent))
		ret = err_msg(err, EPROTO, "section 'ram' has %zu bytes", len);
	for (size_t at = 0; ret == 0 && at < len; at += sizeof(struct extent)) {
		struct extent e;

		memcpy(&e, (const char *)data + at, sizeof(e));
		ret = take_extent(vm, image, &e, &hints, err);
	}
	free(hints.touched);
	/* KVM itself writes into it when the vCPUs are restored. */
	return ret == 0 && image->lazy ? lazy_start(image->lazy, NULL, err) : ret;
}
