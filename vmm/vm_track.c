/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pages of RAM change, whoever changes them: Linux marks a page as soft-dirty when it is
 * written to through the process' page tables, and these are what KVM, vhost, system calls and
 * our own threads go through (Documentation/admin-guide/mm/soft-dirty.rst).  KVM's dirty log
 * would know of vCPUs only.  What was given back, and reads as zeros, is no write:
 * guest_memory_discard() notes it.
 *
 * It begins with a dump, for which the machine stands still a moment: nobody has a page
 * pinned then into which he writes later without being seen.  From there each further dump
 * has what changed since the last one.
 *
 * A kernel that does not mark pages (CONFIG_MEM_SOFT_DIRTY) makes all of them changed ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/log.h"
#include "vmm/snapshot/image.h"
#include "vmm/vm_internal.h"

#define PAGE IMAGE_PAGE
#define PIECE IMAGE_PIECE
#define PIECE_PAGES (PIECE / PAGE)
#define PM_SOFT_DIRTY (UINT64_C(1) << 55)

static size_t bits_size(const struct vm *vm)
{
	return image_touched_size(vm_ram_total(vm));
}

void vm_track_free(struct vm *vm)
{
	close_fd(vm->track.clear_refs);
	free(vm->track.given_back);
	free(vm->track.own);
	free(vm->track.pieces);
	vm->track = (struct vm_track){ .clear_refs = -1 };
}

void vm_track_open(struct vm *vm)
{
	/* While there is a /proc. */
	vm->track.clear_refs = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
}

/* forget_marks() - of all pages of this process. */
static int forget_marks(const struct vm *vm)
{
	return write(vm->track.clear_refs, "4", 1) == 1 ? 0 : -errno;
}

static bool is_marked(const struct vm *vm, const char *page)
{
	uint64_t entry = 0;

	(void)!pread(vm->pagemap, &entry, sizeof(entry),
		     (off_t)((uintptr_t)page / PAGE * sizeof(entry)));
	return entry & PM_SOFT_DIRTY;
}

/* marks_work() - @page was written to and forgotten: and now? */
static bool marks_work(const struct vm *vm, char *page)
{
	bool before = is_marked(vm, page);

	*(volatile char *)page = 2;
	return !before && is_marked(vm, page);
}

/* begin_marks() - from now on, if this host can. */
static void begin_marks(struct vm *vm)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	vm->track.marks = false;
	if (page == MAP_FAILED)
		return;
	*(volatile char *)page = 1;
	if (vm->track.clear_refs >= 0 && forget_marks(vm) == 0)
		vm->track.marks = marks_work(vm, page);
	if (!vm->track.marks)
		log_warn("this host does not tell which pages change: a checkpoint upon "
			 "another one has all of them");
	(void)munmap(page, PAGE); /* cannot fail */
}

/* note_discards() - in which bits guest_memory_discard() notes what it gives back. */
static void note_discards(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->memory.n_regions; i++) {
		struct guest_region *r = &vm->memory.regions[i];
		uint64_t offset;

		if (!r->ram)
			continue;
		offset = vm->more && r->host == (char *)vm->more
				 ? vm->params.memory
				 : (uint64_t)(r->host - (char *)vm->ram);
		r->given_back = vm->track.given_back + offset / PAGE / 8;
	}
}

static int make_bits(struct vm *vm, struct err *err)
{
	struct vm_track *t = &vm->track;

	if (!t->own)
		t->own = calloc(1, bits_size(vm));
	if (!t->pieces)
		t->pieces = calloc(vm_ram_total(vm) / PIECE, sizeof(*t->pieces));
	if (!t->given_back)
		t->given_back = calloc(1, bits_size(vm));
	if (!t->own || !t->pieces || !t->given_back)
		return err_set(err, ENOMEM, "keep track of memory");
	return 0;
}

/* look_at_piece() - what changed in it, into t->own. */
static int look_at_piece(const struct vm *vm, uint64_t offset, struct err *err)
{
	const struct vm_track *t = &vm->track;
	size_t first = offset / PAGE / 8;
	uint64_t map[PIECE_PAGES];
	int ret;

	if (!t->marks) {
		memset(t->own + first, 0xff, PIECE_PAGES / 8);
		return 0;
	}
	ret = vm_ram_look_at(vm, offset, map, err);
	for (size_t i = 0; ret == 0 && i < PIECE_PAGES; i++) {
		uint8_t bit = (uint8_t)(1u << i % 8);
		bool changed = map[i] & PM_SOFT_DIRTY ||
			       atomic_load(&t->given_back[first + i / 8]) & bit;

		if (changed)
			t->own[first + i / 8] |= bit;
	}
	return ret;
}

int vm_track_look(struct vm *vm, uint64_t size, struct err *err)
{
	int ret = vm->track.on ? 0 : err_msg(err, EINVAL, "nobody keeps track of memory");

	if (ret == 0)
		memset(vm->track.own, 0, bits_size(vm));
	for (uint64_t at = 0; ret == 0 && at < size; at += PIECE)
		ret = look_at_piece(vm, at, err);
	return ret;
}

int vm_track_begin(struct vm *vm, bool all, struct err *err)
{
	struct vm_track *t = &vm->track;
	int ret = make_bits(vm, err);

	if (ret < 0)
		return ret;
	if (all) {
		memset(t->own, 0xff, bits_size(vm));
		memset(t->pieces, 0, vm_ram_total(vm) / PIECE * sizeof(*t->pieces));
	}
	for (size_t i = 0; i < bits_size(vm); i++)
		atomic_store(&t->given_back[i], 0);
	note_discards(vm);
	begin_marks(vm);
	t->on = true;
	return 0;
}
