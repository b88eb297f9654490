/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/snapshot/chunks.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define CHUNK SNAPSHOT_CHUNK_SIZE

static bool is_zero(const unsigned char *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

uint32_t chunk_crc(const void *data, size_t len)
{
	uint32_t crc;

	if (is_zero(data, len))
		return CHUNK_ZERO;
	crc = (uint32_t)crc32_z(0, data, len);
	return crc == CHUNK_ZERO ? 1 : crc;
}

uint64_t chunks_in(uint64_t len)
{
	return len / CHUNK + (len % CHUNK != 0);
}

/* A range that is gone through chunk by chunk. */
struct walk {
	int fd;
	uint64_t at; /* (bytes) of the next chunk, in the file */
	uint64_t end;
	uint64_t data; /* nothing but zeros lie before this: known from SEEK_DATA */
	unsigned char *chunk; /* place for one */
};

/* look_for_data() - from w->at on.  A file system that knows no holes has data only. */
static int look_for_data(struct walk *w, struct err *err)
{
	off_t data = lseek(w->fd, (off_t)w->at, SEEK_DATA);

	if (data >= 0)
		w->data = (uint64_t)data;
	else if (errno == ENXIO)
		w->data = w->end; /* a hole up to the file's end, or beyond that */
	else
		return err_set(err, errno, "lseek");
	return 0;
}

/* next_sum() - of the chunk at w->at. */
static int next_sum(struct walk *w, uint32_t *ret_sum, struct err *err)
{
	size_t len = w->end - w->at < CHUNK ? (size_t)(w->end - w->at) : CHUNK;
	int ret = w->data <= w->at ? look_for_data(w, err) : 0;
	size_t done = 0;

	if (ret < 0)
		return ret;
	*ret_sum = CHUNK_ZERO;
	if (w->data < w->at + len) {
		while (done < len) {
			ssize_t n = pread(w->fd, w->chunk + done, len - done,
					  (off_t)(w->at + done));

			if (n < 0)
				return err_set(err, errno, "read");
			if (n == 0)
				return err_msg(err, EPROTO, "it is cut off at byte %llu",
					       (unsigned long long)(w->at + done));
			done += (size_t)n;
		}
		*ret_sum = chunk_crc(w->chunk, len);
	}
	w->at += len;
	return 0;
}

/* walk_begin() - the range is one, and in the file. */
static int walk_begin(struct walk *w, unsigned char *chunk, struct err *err)
{
	off_t size = lseek(w->fd, 0, SEEK_END);

	if (!chunk)
		return err_set(err, ENOMEM, "read");
	if (size < 0)
		return err_set(err, errno, "lseek");
	if (w->end < w->at || w->end > (uint64_t)size)
		return err_msg(err, EPROTO, "it is cut off: %llu bytes",
			       (unsigned long long)size);
	w->chunk = chunk;
	return 0;
}

int chunks_sum(int fd, uint64_t at, uint64_t len, struct buf *sums, struct err *err)
{
	auto_free unsigned char *chunk = malloc(CHUNK);
	struct walk w = { .fd = fd, .at = at, .end = at + len };
	int ret = walk_begin(&w, chunk, err);

	while (ret == 0 && w.at < w.end) {
		uint32_t sum;

		ret = next_sum(&w, &sum, err);
		if (ret == 0)
			(void)buf_append(sums, &sum, sizeof(sum));
	}
	return ret;
}

int chunks_check(int fd, uint64_t at, uint64_t len, const void *sums, size_t sums_len,
		 struct err *err)
{
	auto_free unsigned char *chunk = malloc(CHUNK);
	struct walk w = { .fd = fd, .at = at, .end = at + len };
	int ret = walk_begin(&w, chunk, err);

	if (ret == 0 && (sums_len % sizeof(uint32_t) ||
			 sums_len / sizeof(uint32_t) != chunks_in(len)))
		return err_msg(err, EPROTO, "%zu bytes of sums for %llu bytes", sums_len,
			       (unsigned long long)len);
	for (const char *p = sums; ret == 0 && w.at < w.end; p += sizeof(uint32_t)) {
		unsigned long long where = w.at;
		uint32_t sum, wanted;

		ret = next_sum(&w, &sum, err);
		memcpy(&wanted, p, sizeof(wanted));
		if (ret == 0 && sum != wanted)
			return err_msg(err, EPROTO,
				       "it is damaged at byte %llu (CRC of %u bytes)",
				       where, CHUNK);
	}
	return ret;
}
