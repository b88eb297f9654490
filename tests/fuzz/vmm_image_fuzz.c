/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images of a machine that are not what was written: the head and the state, the RAM in a
 * row of files, and the list of what was asked for first.
 *
 * Input: a byte (enum what), then
 *	STATE	struct image_head, the state; its CRC is made right
 *	RAM	a byte: how many files; for each of them edits (offset in units of 64 bytes, a
 *		length, a byte to fill it with) that end with a length of 0
 *	SET	the file; its CRC is made right
 */
#include "tests/fuzz/input.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "vmm/snapshot/image.h"
#include "vmm/snapshot/saved_ram.h"
#include "vmm/snapshot/working_set.h"

#define RAM_SIZE ((uint64_t)IMAGE_PIECE)
#define FILE_SIZE image_size(RAM_SIZE)
#define MAX_FILES 3u
#define MAX_EDITS 32u
#define EDIT_UNIT 64u
#define N_CHUNKS 48u

enum what {
	STATE,
	RAM,
	SET,
	N_WHATS,
};

static int new_file(void)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	must(fd >= 0);
	return fd;
}

static void put(int fd, const void *data, size_t len, uint64_t at)
{
	must(pwrite(fd, data, len, (off_t)at) == (ssize_t)len);
}

static void read_state(struct input *in)
{
	auto_fd int fd = new_file();
	auto_buf struct buf state = BUF_INIT;
	struct image_head head;
	uint32_t crc;

	input_bytes(in, &head, sizeof(head));
	must(ftruncate(fd, (off_t)FILE_SIZE) == 0);
	put(fd, in->data, in->left, IMAGE_STATE_AT);
	if (head.state_at == IMAGE_STATE_AT && head.state_len <= in->left) {
		crc = (uint32_t)crc32_z(0, in->data, head.state_len);
		head.state_crc = crc;
	}
	put(fd, &head, sizeof(head), IMAGE_HEAD_AT);
	if (image_read(fd, RAM_SIZE, &state, NULL) == 0)
		must(state.len == head.state_len && state.len <= FILE_SIZE);
}

static void edit(struct input *in, int fd)
{
	char fill[UINT8_MAX * EDIT_UNIT];

	for (unsigned int i = 0; i < MAX_EDITS; i++) {
		uint64_t at = (uint64_t)input_u16(in) * EDIT_UNIT;
		size_t len = (size_t)input_u8(in) * EDIT_UNIT;

		if (!len)
			return;
		memset(fill, input_u8(in), len);
		put(fd, fill, len, IMAGE_RAM_AT + at % (FILE_SIZE - IMAGE_RAM_AT));
	}
}

/* look_at() - a file that was written by whoever: each chunk is right, or an error. */
static void look_at(const struct saved_ram *r)
{
	static char buf[SNAPSHOT_CHUNK_SIZE];
	bool whole = true;

	for (uint64_t i = 0; i < chunks_in(RAM_SIZE); i++) {
		bool hole = saved_ram_is_hole(r, i);
		int ret = saved_ram_read(r, i, buf, NULL);

		whole &= ret == 0;
		must(!hole ||
		     (ret == 0 && !buf[0] && !memcmp(buf, buf + 1, sizeof(buf) - 1)));
	}
	must((saved_ram_check(r, NULL) == 0) == whole);
}

static void read_ram(struct input *in)
{
	unsigned int n = 1 + input_u8(in) % MAX_FILES;
	int fds[MAX_FILES];
	struct saved_ram *r;

	for (unsigned int i = 0; i < n; i++) {
		fds[i] = new_file();
		must(ftruncate(fds[i], (off_t)FILE_SIZE) == 0);
		edit(in, fds[i]);
	}
	if (saved_ram_open(fds, n, RAM_SIZE, &r, NULL) == 0) {
		look_at(r);
		saved_ram_free(r);
	}
	/* Summed again, all of it is as it was summed. */
	for (unsigned int i = n; i > 0; i--)
		must(saved_ram_sum(fds + i - 1, n - i + 1, RAM_SIZE, NULL) == 0);
	must(saved_ram_open(fds, n, RAM_SIZE, &r, NULL) == 0);
	must(saved_ram_check(r, NULL) == 0);
	look_at(r);
	saved_ram_free(r);
	for (unsigned int i = 0; i < n; i++)
		close_fd(fds[i]);
}

/* sum_set() - the CRC of the @len bytes of it, as far as its head can be believed. */
static void sum_set(struct working_set *set, size_t len)
{
	size_t size = set->head.n * sizeof(set->chunks[0]);
	unsigned long crc;

	if (len < sizeof(set->head) || set->head.n > WORKING_SET_MAX)
		return;
	crc = crc32_z(0, (const unsigned char *)set,
		      offsetof(struct working_set_head, crc));
	set->head.crc = (uint32_t)crc32_z(crc, (const unsigned char *)set->chunks, size);
}

static void read_set(struct input *in)
{
	static const uint8_t id[IMAGE_ID_SIZE];
	static struct working_set set;
	auto_fd int fd = new_file();
	size_t len = in->left < sizeof(set) ? in->left : sizeof(set);
	int ret;

	memset(&set, 0, sizeof(set));
	memcpy(&set, in->data, len);
	sum_set(&set, len);
	put(fd, &set, len, 0);
	memset(&set, 0xff, sizeof(set));
	ret = working_set_read(fd, id, N_CHUNKS, &set, NULL);
	must(ret == 0 || set.head.n == 0);
	must(set.head.n <= WORKING_SET_MAX);
	for (uint32_t i = 0; i < set.head.n; i++)
		must(set.chunks[i] < N_CHUNKS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	switch (input_u8(&in) % N_WHATS) {
	case STATE:
		read_state(&in);
		break;
	case RAM:
		read_ram(&in);
		break;
	default:
		read_set(&in);
	}
	return 0;
}
