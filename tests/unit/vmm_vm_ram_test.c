/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm/vm_ram.c without KVM: RAM of one machine goes through a file into others, and none of
 * them sees what another writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/tap.h"
#include "vmm/snapshot/image.h"
#include "vmm/snapshot/saved_ram.h"
#include "vmm/snapshot/sections.h"
#include "vmm/vm_internal.h"

#define TAG_RAM SECTION_TAG('r', 'a', 'm', ' ')
#define PAGE 4096u
#define PIECES 6u
#define SIZE ((uint64_t)PIECES * IMAGE_PIECE)

/* As it stands in the section. */
struct extent {
	uint64_t offset;
	uint64_t len;
};

static void must(bool cond)
{
	if (!cond)
		abort();
}

/* ram_new() - a machine that has RAM and nothing else. */
static void ram_new(struct vm *vm)
{
	void *p = mmap(NULL, SIZE + IMAGE_PIECE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uintptr_t at = ((uintptr_t)p + IMAGE_PIECE - 1) & ~(uintptr_t)(IMAGE_PIECE - 1);

	must(p != MAP_FAILED);
	memset(vm, 0, sizeof(*vm));
	vm->track.clear_refs = -1;
	(void)munmap(p, at - (uintptr_t)p);
	(void)munmap((void *)(at + SIZE), IMAGE_PIECE - (at - (uintptr_t)p));
	vm->ram = (void *)at;
	vm->params.memory = SIZE;
	vm->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	must(vm->pagemap >= 0);
	vm->from_file = calloc(PIECES, sizeof(*vm->from_file));
	must(vm->from_file);
	/* What the guest touches is to be seen page by page. */
	(void)madvise(vm->ram, SIZE, MADV_NOHUGEPAGE);
}

static void ram_free(struct vm *vm)
{
	(void)munmap(vm->ram, SIZE);
	close_fd(vm->pagemap);
	free(vm->from_file);
}

static char *at(const struct vm *vm, unsigned int piece, unsigned int page)
{
	return (char *)vm->ram + (uint64_t)piece * IMAGE_PIECE + (uint64_t)page * PAGE;
}

static int image_new(void)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	must(fd >= 0 && ftruncate(fd, (off_t)image_size(SIZE)) == 0);
	return fd;
}

/* fill() - pieces 1 and 2, and a page of piece 4. */
static void fill(const struct vm *vm)
{
	memset(at(vm, 1, 0), 0x11, IMAGE_PIECE);
	memset(at(vm, 2, 500), 0x22, PAGE);
	memset(at(vm, 4, 7), 0x44, PAGE);
	*at(vm, 4, 9) = 0; /* touched, and zero all the same */
}

static int map(struct vm *vm, int fd, const struct buf *state, struct err *err)
{
	struct sections in = { .data = state->data, .len = state->len };

	return vm_ram_map(
		vm,
		&(struct vm_image){ .fd = fd, .state = &in, .is_template = true },
		err);
}

/* mapped() - is the piece a file's, by /proc/self/maps? */
static bool mapped(const struct vm *vm, unsigned int piece)
{
	auto_file FILE *f = fopen("/proc/self/maps", "re");
	unsigned long want = (unsigned long)at(vm, piece, 0);
	unsigned long from, to;
	char line[512];

	must(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &from, &to) == 2 && from <= want && want < to)
			return strstr(line, "memfd:image") != NULL;
	return false;
}

/* file_has() - is any page of the piece in the file? */
static bool file_has(int fd, unsigned int piece)
{
	off_t begin = (off_t)(IMAGE_RAM_AT + (uint64_t)piece * IMAGE_PIECE);
	off_t data = lseek(fd, begin, SEEK_DATA);

	return data >= 0 && data < begin + (off_t)IMAGE_PIECE;
}

static void test_round_trip(void)
{
	const struct extent want[] = { { IMAGE_PIECE, 2 * IMAGE_PIECE },
				       { 4 * IMAGE_PIECE, IMAGE_PIECE } };
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;
	struct sections in;
	const void *data = NULL;
	struct vm a, b, c;
	int fd = image_new();
	size_t len = 0;

	ram_new(&a);
	fill(&a);
	is_int(vm_ram_save(&a, fd, SIZE, false, &state, &err), 0, "RAM is saved");
	in = (struct sections){ .data = state.data, .len = state.len };
	must(section_look(&in, TAG_RAM, &data, &len, &err) == 0);
	ok(len == sizeof(want) && !memcmp(data, want, len),
	   "pieces in which something is, neighbours as one");
	ok(!file_has(fd, 0) && file_has(fd, 1) && file_has(fd, 2) && !file_has(fd, 3) &&
		   file_has(fd, 4) && !file_has(fd, 5),
	   "no others are in the file");
	is_int(lseek(fd, (off_t)(IMAGE_RAM_AT + 4u * IMAGE_PIECE), SEEK_DATA),
	       IMAGE_RAM_AT + 4u * IMAGE_PIECE + 7 * PAGE,
	       "and of them no page of zeros");

	ram_new(&b);
	ram_new(&c);
	is_int(map(&b, fd, &state, &err), 0, "it is put into a new machine");
	is_int(map(&c, fd, &state, &err), 0, "and into another");
	ok(!memcmp(a.ram, b.ram, SIZE), "whose RAM is the same");
	ok(mapped(&b, 1) && mapped(&b, 2) && mapped(&b, 4), "mapped from the file");
	ok(!mapped(&b, 0) && !mapped(&b, 3) && !mapped(&b, 5),
	   "but for the holes, which are memory as ever");
	memset(at(&b, 1, 3), 0x99, PAGE);
	*at(&b, 3, 0) = 5;
	ok(!memcmp(a.ram, c.ram, SIZE), "what one writes the other does not see");
	ram_free(&c);
	ram_new(&c);
	must(map(&c, fd, &state, NULL) == 0);
	ok(!memcmp(a.ram, c.ram, SIZE), "nor does one that comes later");
	ram_free(&a);
	ram_free(&b);
	ram_free(&c);
	close_fd(fd);
}

static void test_nothing(void)
{
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;
	struct vm a;
	int fd = image_new();

	ram_new(&a);
	is_int(vm_ram_save(&a, fd, SIZE, false, &state, &err), 0, "RAM that nobody has touched");
	is_int(lseek(fd, 0, SEEK_DATA), -1, "is nothing in the file");
	is_int(map(&a, fd, &state, &err), 0, "and nothing to be mapped");
	ok(!mapped(&a, 0), "so it is not");
	ram_free(&a);
	close_fd(fd);
}

/* change() - @n pages of the piece. */
static void change(const struct vm *vm, unsigned int piece, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		*at(vm, piece, 8 * i % 512 + 8 * i / 512) ^= 0x77;
}

/* is_copy() - is the page there, and no page of the file? */
static bool is_copy(const struct vm *vm, unsigned int piece, unsigned int page)
{
	const uint64_t present = 1ull << 63, of_file = 1ull << 61;
	auto_fd int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	must(fd >= 0);
	must(pread(fd, &entry, sizeof(entry),
		   (off_t)((uintptr_t)at(vm, piece, page) / PAGE * sizeof(entry))) ==
	     sizeof(entry));
	return (entry & (present | of_file)) == present;
}

/* More pieces are hot than may be copied. */
static void test_hottest(void)
{
	static const unsigned int pages[PIECES] = { 30, 40, 24, 50, 60, 25 };
	auto_buf struct buf state = BUF_INIT;
	uint8_t hot = 0;
	struct vm a;
	int fd = image_new();

	ram_new(&a);
	for (unsigned int i = 0; i < PIECES; i++)
		memset(at(&a, i, 0), 0x11, IMAGE_PIECE);
	must(vm_ram_save(&a, fd, SIZE, false, &state, NULL) == 0);
	for (unsigned int i = 0; i < PIECES; i++)
		change(&a, i, pages[i]);
	must(vm_ram_mark_hot(&a, fd, NULL) == 0);
	must(pread(fd, &hot, 1, IMAGE_HOT_AT) == 1);
	is_int(hot, 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4, "the hottest four are marked");
	ram_free(&a);
	close_fd(fd);
}

static void test_hot(void)
{
	auto_buf struct buf state = BUF_INIT;
	uint8_t hot[IMAGE_HOT_SIZE];
	struct err err = ERR_INIT;
	struct vm a, b;
	unsigned int others = 0;
	int fd = image_new();

	ram_new(&a);
	fill(&a);
	must(vm_ram_save(&a, fd, SIZE, false, &state, NULL) == 0);
	ram_new(&b);
	must(map(&b, fd, &state, NULL) == 0);
	change(&a, 1, 24);
	change(&a, 2, 23);
	change(&a, 3, 300); /* nothing was there before */
	is_int(vm_ram_mark_hot(&a, fd, &err), 0, "what was changed is marked");
	must(pread(fd, hot, sizeof(hot), IMAGE_HOT_AT) == sizeof(hot));
	for (size_t i = 1; i < sizeof(hot); i++)
		others += hot[i];
	is_int(hot[0], 1 << 1, "saved pieces with 24 pages or more");
	is_int(others, 0, "and none beyond RAM");
	ram_free(&a);

	ram_new(&a);
	is_int(map(&a, fd, &state, &err), 0, "mapped with the marks");
	ok(!mapped(&a, 1) && mapped(&a, 2) && !mapped(&a, 3) && mapped(&a, 4),
	   "what is marked is a copy");
	ok(is_copy(&a, 2, 0) && is_copy(&a, 2, 8 * 22) && !is_copy(&a, 2, 1) &&
		   !is_copy(&a, 2, 8 * 23),
	   "of other pieces the pages that were changed");
	ok(!memcmp(a.ram, b.ram, SIZE), "of the same");
	memset(at(&a, 1, 0), 0x99, IMAGE_PIECE);
	ram_free(&b);
	ram_new(&b);
	must(map(&b, fd, &state, NULL) == 0);
	is_int(*at(&b, 1, 0), 0x11, "which is the machine's own");
	ram_free(&a);
	ram_free(&b);
	close_fd(fd);
}

/* refused() - @len bytes of extents; the RAM stays what it was. */
static void refused(const void *data, size_t len, const char *why, const char *what)
{
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;
	int fd = image_new();
	struct vm a;

	ram_new(&a);
	section_put(&state, TAG_RAM, data, len);
	is_int(map(&a, fd, &state, &err), -EPROTO, "%s", what);
	is_str(err.msg, why, "is refused by name");
	for (unsigned int i = 0; i < PIECES; i++)
		must(!mapped(&a, i));
	ram_free(&a);
	close_fd(fd);
}

static void test_of_another(void)
{
	static const struct {
		struct extent e;
		const char *what;
	} bad[] = {
		{ { SIZE, IMAGE_PIECE }, "an extent behind RAM" },
		{ { SIZE - IMAGE_PIECE, 2 * IMAGE_PIECE }, "one that ends behind it" },
		{ { 0, SIZE + IMAGE_PIECE }, "one that is longer than it" },
		{ { 0ull - IMAGE_PIECE, 2 * IMAGE_PIECE }, "one that wraps around" },
		{ { IMAGE_PIECE, 0ull - IMAGE_PIECE }, "one whose end wraps around" },
		{ { PAGE, IMAGE_PIECE }, "one that begins within a piece" },
		{ { 0, PAGE }, "one that ends within a piece" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(&bad[i].e, sizeof(bad[i].e), "RAM that the machine does not have",
			bad[i].what);
	refused(bad, sizeof(struct extent) - 8, "section 'ram' has 8 bytes",
		"half an extent");
}

/* A file that is shorter than its section says: read, not mapped, it is seen. */
static void test_cut_off(void)
{
	const uint8_t all = 0xff;
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;
	struct vm a;
	int fd = image_new();

	ram_new(&a);
	fill(&a);
	must(vm_ram_save(&a, fd, SIZE, false, &state, NULL) == 0);
	must(pwrite(fd, &all, 1, IMAGE_HOT_AT) == 1);
	must(ftruncate(fd, (off_t)(IMAGE_RAM_AT + 4u * IMAGE_PIECE)) == 0);
	is_int(map(&a, fd, &state, &err), -EIO, "a piece that is not in the file");
	is_str(err.msg, "read saved RAM: Input/output error", "is an error by name");
	errno = 0; /* which nothing that follows sets */
	is_int(vm_ram_mark_hot(&a, fd, &err), -EIO, "nor can it be compared with it");
	is_str(err.msg, "look for changed RAM: Input/output error", "by name");
	must(ftruncate(fd, IMAGE_HOT_AT) == 0);
	errno = 0;
	is_int(map(&a, fd, &state, &err), -EIO, "nor are there marks");
	is_str(err.msg, "read what is changed of RAM: Input/output error", "by name");
	ram_free(&a);
	close_fd(fd);
}

static void test_no_room(void)
{
	struct buf state = BUF_INIT;
	struct err err = ERR_INIT;
	struct vm a;
	int fd = open("/dev/full", O_RDWR | O_CLOEXEC);

	must(fd >= 0);
	ram_new(&a);
	fill(&a);
	is_int(vm_ram_save(&a, fd, SIZE, false, &state, &err), -ENOSPC, "no room for RAM");
	is_str(err.msg, "write 2097152 bytes of RAM: No space left on device",
	       "is an error by name");
	is_int(state.len, 0, "and there is no section");
	ram_free(&a);
	close_fd(fd);
}

/* dump() - all parts of one into a new image; the bits of a dump upon another are there. */
static int dump(struct vm *vm, bool changes)
{
	struct err err = ERR_INIT;
	uint64_t done = 0;
	int fd = image_new();

	must(vm_dump_begin(vm, changes, SIZE, &err) == 0);
	while (done < SIZE)
		must(vm_dump_some(vm, fd, &done, SIZE, &err) == 0);
	if (changes)
		must(vm_dump_changes(vm, fd, SIZE, &err) == 0);
	return fd;
}

static bool has(int fd, unsigned int piece, unsigned int page)
{
	uint64_t i = (uint64_t)piece * (IMAGE_PIECE / PAGE) + page;
	uint8_t bits = 0;

	must(pread(fd, &bits, 1, (off_t)(image_touched_at(SIZE) + i / 8)) == 1);
	return bits >> i % 8 & 1;
}

/* Dumps while a machine is changed, and the whole of it upon them. */
static void test_dumps(void)
{
	auto_buf struct buf state = BUF_INIT;
	struct saved_ram *ram = NULL;
	struct err err = ERR_INIT;
	struct sections in;
	struct vm a, b;
	bool marks;
	int fds[3];

	ram_new(&a);
	vm_track_open(&a);
	a.memory = (struct guest_memory){
		.n_regions = 1,
		.regions = { { .size = SIZE, .host = a.ram, .ram = true } },
	};
	is_int(vm_track_look(&a, SIZE, &err), -EINVAL, "nothing is known without a dump");
	fill(&a);
	fds[2] = dump(&a, false);
	marks = a.track.marks; /* the host's kernel has them, or all is a change */
	*at(&a, 1, 5) = 0x55;
	*at(&a, 5, 5) = 0x56;
	is_int((int)guest_memory_discard(&a.memory, at(&a, 2, 500), PAGE), PAGE,
	       "a page is given back");
	must(*at(&a, 2, 500) == 0); /* read: nothing marks that */
	fds[1] = dump(&a, true);
	ok(has(fds[1], 1, 5) && has(fds[1], 5, 5), "what was written to is a change");
	ok(has(fds[1], 2, 500), "so is what was given back, and reads as zeros");
	ok(has(fds[1], 1, 6) == !marks, "what was not is none, where the host can tell");
	*at(&a, 1, 9) = 0x57;
	fds[0] = image_new();
	must(vm_track_look(&a, SIZE, &err) == 0);
	is_int(vm_ram_save(&a, fds[0], SIZE, true, &state, &err), 0, "the last step");
	must(vm_dump_changes(&a, fds[0], SIZE, &err) == 0);
	ok(has(fds[0], 1, 9) && has(fds[0], 1, 5) == !marks, "has what came after it");
	must(saved_ram_sum(fds + 2, 1, SIZE, &err) == 0 &&
	     saved_ram_sum(fds + 1, 2, SIZE, &err) == 0 &&
	     saved_ram_sum(fds, 3, SIZE, &err) == 0);
	must(saved_ram_open(fds, 3, SIZE, &ram, &err) == 0);
	ram_new(&b);
	in = (struct sections){ .data = state.data, .len = state.len };
	is_int(vm_ram_map(&b,
			  &(struct vm_image){ .fd = -1, .state = &in, .ram = ram },
			  &err),
	       0, "all three make a machine");
	ok(!memcmp(a.ram, b.ram, SIZE), "whose RAM is the same");
	saved_ram_free(ram);
	vm_track_free(&a);
	ram_free(&a);
	ram_free(&b);
	for (unsigned int i = 0; i < 3; i++)
		close_fd(fds[i]);
}

int main(void)
{
	test_round_trip();
	test_nothing();
	test_hot();
	test_hottest();
	test_of_another();
	test_cut_off();
	test_no_room();
	test_dumps();
	return tap_done();
}
