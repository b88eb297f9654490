/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/snapshot/image.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/buf.h"
#include "lib/err.h"

static uint32_t crc_of(const struct buf *state)
{
	return (uint32_t)crc32_z(0, (const unsigned char *)state->data, state->len);
}

int image_write(int fd, const struct buf *state, uint64_t ram_size, struct err *err)
{
	struct image_head head;

	if (state->len > IMAGE_MAX_STATE)
		return err_msg(err, E2BIG, "the machine's state has %zu bytes",
			       state->len);
	head = (struct image_head){
		.magic = IMAGE_MAGIC,
		.version = IMAGE_VERSION,
		.state_crc = crc_of(state),
		.state_at = IMAGE_STATE_AT + state->len <= IMAGE_RAM_AT
				    ? IMAGE_STATE_AT
				    : image_size(ram_size),
		.state_len = state->len,
		.ram_size = ram_size,
	};
	if (pwrite(fd, state->data, state->len, (off_t)head.state_at) !=
		    (ssize_t)state->len ||
	    pwrite(fd, &head, sizeof(head), IMAGE_HEAD_AT) != sizeof(head))
		return err_set(err, errno ? errno : EIO, "write the machine's state");
	return 0;
}

static int check_head(const struct image_head *head, uint64_t size, uint64_t ram_size,
		      struct err *err)
{
	if (head->magic != IMAGE_MAGIC)
		return err_msg(err, EPROTO, "it is no image of a machine");
	if (head->version != IMAGE_VERSION)
		return err_msg(err, EPROTO, "its format is %u, not %u", head->version,
			       IMAGE_VERSION);
	if (head->ram_size != ram_size)
		return err_msg(err, EPROTO, "its machine has %llu MiB, not %llu",
			       (unsigned long long)head->ram_size >> 20,
			       (unsigned long long)ram_size >> 20);
	if (head->state_len > IMAGE_MAX_STATE || size < IMAGE_RAM_AT ||
	    size - IMAGE_RAM_AT < ram_size || head->state_at > size ||
	    size - head->state_at < head->state_len)
		return err_msg(err, EPROTO, "it is cut off: %llu bytes",
			       (unsigned long long)size);
	return 0;
}

int image_read(int fd, uint64_t ram_size, struct buf *state, struct err *err)
{
	struct image_head head;
	struct stat st;
	int ret;

	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "fstat");
	if (pread(fd, &head, sizeof(head), IMAGE_HEAD_AT) != sizeof(head))
		return err_msg(err, EPROTO, "it is cut off: %llu bytes",
			       (unsigned long long)st.st_size);
	ret = check_head(&head, (uint64_t)st.st_size, ram_size, err);
	if (ret < 0)
		return ret;
	if (buf_reserve(state, head.state_len) < 0)
		return err_set(err, ENOMEM, "read its state");
	if (pread(fd, state->data, head.state_len, (off_t)head.state_at) !=
	    (ssize_t)head.state_len)
		return err_msg(err, EPROTO, "its state cannot be read");
	state->len = head.state_len;
	state->data[state->len] = 0;
	if (crc_of(state) != head.state_crc)
		return err_msg(err, EPROTO, "its state is damaged (CRC)");
	return 0;
}

int image_sum_ram(int fd, uint64_t ram_size, struct err *err)
{
	auto_buf struct buf sums = BUF_INIT;
	ssize_t n;
	int ret = chunks_sum(fd, IMAGE_RAM_AT, ram_size, &sums, err);

	if (ret == 0 && buf_ok(&sums) < 0)
		ret = err_set(err, ENOMEM, "sum RAM");
	if (ret < 0)
		return ret;
	n = pwrite(fd, sums.data, sums.len, (off_t)(IMAGE_RAM_AT + ram_size));
	return n == (ssize_t)sums.len
		       ? 0
		       : err_set(err, n < 0 ? errno : ENOSPC, "write the sums of RAM");
}

int image_check_ram(int fd, uint64_t ram_size, struct err *err)
{
	auto_buf struct buf sums = BUF_INIT;
	size_t len = (size_t)chunks_in(ram_size) * sizeof(uint32_t);
	ssize_t n;

	if (buf_reserve(&sums, len) < 0)
		return err_set(err, ENOMEM, "read the sums of RAM");
	n = pread(fd, sums.data, len, (off_t)(IMAGE_RAM_AT + ram_size));
	if (n < 0)
		return err_set(err, errno, "read the sums of RAM");
	if ((size_t)n != len)
		return err_msg(err, EPROTO, "it is cut off: RAM has no sums");
	return chunks_check(fd, IMAGE_RAM_AT, ram_size, sums.data, len, err);
}
