/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/snapshot/chunks: sums of a file's range, holes, damage told by its place. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/tap.h"
#include "vmm/snapshot/chunks.h"

#define CHUNK SNAPSHOT_CHUNK_SIZE
#define AT 12345u /* where the range begins: anywhere */
#define LEN (5u * CHUNK + 100)

static void must(bool cond)
{
	if (!cond)
		abort();
}

static void poke(int fd, size_t at, const void *data, size_t len)
{
	must(pwrite(fd, data, len, (off_t)(AT + at)) == (ssize_t)len);
}

/* file_new() - data in chunk 1, a byte at the end of chunk 3, the short chunk 5 full. */
static int file_new(void)
{
	int fd = memfd_create("chunks", MFD_CLOEXEC);
	char data[CHUNK];

	must(fd >= 0 && ftruncate(fd, AT + LEN) == 0);
	for (size_t i = 0; i < CHUNK; i++)
		data[i] = (char)(i * 7 + i / 256);
	poke(fd, CHUNK, data, CHUNK);
	poke(fd, 4 * CHUNK - 1, "x", 1);
	poke(fd, 5 * CHUNK, data, 100);
	return fd;
}

static uint32_t sum_at(const struct buf *sums, unsigned int i)
{
	uint32_t sum;

	memcpy(&sum, sums->data + i * sizeof(sum), sizeof(sum));
	return sum;
}

static void test_crc(void)
{
	/* Four bytes whose CRC-32 is 0. */
	const unsigned char zero_crc[] = { 0x9d, 0x0a, 0xd9, 0x6d };
	char zeros[CHUNK] = { 0 };

	is_int(chunk_crc("123456789", 9), 0xcbf43926, "CRC-32 is the usual one");
	is_int(chunk_crc(zeros, sizeof(zeros)), CHUNK_ZERO, "zeros have the sum 0");
	is_int(chunk_crc(zeros, 1), CHUNK_ZERO, "few of them too");
	is_int(chunk_crc(zeros, 0), CHUNK_ZERO, "and none");
	is_int(chunk_crc(zero_crc, sizeof(zero_crc)), 1, "others never");
	zeros[CHUNK - 1] = 1;
	ok(chunk_crc(zeros, sizeof(zeros)) != CHUNK_ZERO, "nor if the last byte is set");
}

static void test_count(void)
{
	is_int(chunks_in(0), 0, "nothing is no chunk");
	is_int(chunks_in(1), 1, "a byte is one");
	is_int(chunks_in(CHUNK), 1, "so is a whole one");
	is_int(chunks_in(CHUNK + 1), 2, "and a byte more is two");
	ok(chunks_in(UINT64_MAX) == UINT64_MAX / CHUNK + 1, "without an overflow");
}

static void test_sums(void)
{
	auto_buf struct buf sums = BUF_INIT, again = BUF_INIT;
	struct err err = ERR_INIT;
	auto_fd int fd = file_new();
	char zeros[CHUNK] = { 0 };

	is_int(chunks_sum(fd, AT, LEN, &sums, &err), 0, "a range is summed");
	is_int(sums.len, 6 * sizeof(uint32_t), "chunk by chunk");
	ok(!sum_at(&sums, 0) && sum_at(&sums, 1) && !sum_at(&sums, 2) &&
		   sum_at(&sums, 3) && !sum_at(&sums, 4) && sum_at(&sums, 5),
	   "those of zeros have none");
	is_int(chunks_check(fd, AT, LEN, sums.data, sums.len, &err), 0, "and is whole");
	poke(fd, 2 * CHUNK, zeros, CHUNK);
	must(chunks_sum(fd, AT, LEN, &again, &err) == 0);
	ok(again.len == sums.len && !memcmp(again.data, sums.data, sums.len),
	   "zeros that were written are as good as a hole");
	is_int(chunks_sum(fd, AT + LEN, 0, &again, &err), 0, "an empty range");
	is_int(again.len, sums.len, "has no sums");
}

static void test_damage(void)
{
	auto_buf struct buf sums = BUF_INIT;
	struct err err = ERR_INIT;
	auto_fd int fd = file_new();
	unsigned int missed = 0;

	must(chunks_sum(fd, AT, LEN, &sums, &err) == 0);
	for (size_t i = 0; i < LEN; i += 997) {
		char was, is;

		must(pread(fd, &was, 1, (off_t)(AT + i)) == 1);
		is = (char)(was ^ 4);
		poke(fd, i, &is, 1);
		missed += chunks_check(fd, AT, LEN, sums.data, sums.len, NULL) != -EPROTO;
		poke(fd, i, &was, 1);
	}
	is_int(missed, 0, "a flipped bit anywhere is found");
	is_int(chunks_check(fd, AT, LEN, sums.data, sums.len, &err), 0, "and gone again");
	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, AT + 3 * CHUNK,
		       CHUNK) == 0);
	is_int(chunks_check(fd, AT, LEN, sums.data, sums.len, &err), -EPROTO,
	       "so is a chunk that was lost");
	is_str(err.msg, "it is damaged at byte 208953 (CRC of 65536 bytes)",
	       "which is told by its place in the file");
}

static void test_cut_off(void)
{
	auto_buf struct buf sums = BUF_INIT, none = BUF_INIT;
	struct err err = ERR_INIT;
	auto_fd int fd = file_new();

	must(chunks_sum(fd, AT, LEN, &sums, &err) == 0);
	is_int(chunks_check(fd, AT, LEN, sums.data, sums.len - 1, &err), -EPROTO,
	       "too few sums");
	is_str(err.msg, "23 bytes of sums for 327780 bytes", "are told");
	is_int(chunks_check(fd, AT, LEN - 100, sums.data, sums.len, &err), -EPROTO,
	       "so are too many");
	must(ftruncate(fd, AT + LEN - 1) == 0);
	is_int(chunks_check(fd, AT, LEN, sums.data, sums.len, &err), -EPROTO,
	       "a file that is cut off");
	is_str(err.msg, "it is cut off: 340124 bytes", "is told");
	is_int(chunks_sum(fd, AT, LEN, &none, &err), -EPROTO, "and not summed");
	is_int(none.len, 0, "at all");
	is_int(chunks_sum(fd, UINT64_MAX - 5, 10, &none, &err), -EPROTO,
	       "nor a range that wraps around");
	is_int(chunks_sum(-1, 0, 0, &none, &err), -EBADF, "nor what is no file");
}

int main(void)
{
	test_crc();
	test_count();
	test_sums();
	test_damage();
	test_cut_off();
	return tap_done();
}
