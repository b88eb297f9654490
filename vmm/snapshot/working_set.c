/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/snapshot/working_set.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/err.h"

/* crc_of() - as the head has it. */
static uint32_t crc_of(const struct working_set *set)
{
	unsigned long crc = crc32_z(0, (const unsigned char *)&set->head,
				    offsetof(struct working_set_head, crc));

	return (uint32_t)crc32_z(crc, (const unsigned char *)set->chunks,
				 set->head.n * sizeof(set->chunks[0]));
}

/* check() - the first @len bytes of it are the file's. */
static int check(const struct working_set *set, size_t len,
		 const uint8_t id[IMAGE_ID_SIZE], uint64_t n_chunks, struct err *err)
{
	const struct working_set_head *head = &set->head;
	const uint32_t *chunks = set->chunks;

	if (len < sizeof(*head) || head->magic != WORKING_SET_MAGIC)
		return err_msg(err, EPROTO, "it is no list of chunks");
	if (head->version != WORKING_SET_VERSION)
		return err_msg(err, EPROTO, "its format is %u, not %u", head->version,
			       WORKING_SET_VERSION);
	if (head->n > WORKING_SET_MAX || head->n * sizeof(*chunks) > len - sizeof(*head))
		return err_msg(err, EPROTO, "it is cut off: %zu bytes", len);
	if (head->crc != crc_of(set))
		return err_msg(err, EPROTO, "it is damaged (CRC)");
	if (memcmp(head->image, id, IMAGE_ID_SIZE) != 0)
		return err_msg(err, EPROTO, "it is of another image");
	for (uint32_t i = 0; i < head->n; i++)
		if (chunks[i] >= n_chunks)
			return err_msg(err, EPROTO, "it is damaged: chunk %u", chunks[i]);
	return 0;
}

int working_set_read(int fd, const uint8_t id[IMAGE_ID_SIZE], uint64_t n_chunks,
		     struct working_set *ret, struct err *err)
{
	ssize_t len = pread(fd, ret, sizeof(*ret), 0);
	int r;

	if (len < 0)
		r = err_set(err, errno, "read");
	else
		r = len ? check(ret, (size_t)len, id, n_chunks, err) : 0;
	if (r < 0 || len == 0)
		ret->head.n = 0;
	return r;
}

int working_set_write(int fd, const uint8_t id[IMAGE_ID_SIZE], struct working_set *set,
		      struct err *err)
{
	size_t size = sizeof(set->head) + set->head.n * sizeof(set->chunks[0]);
	ssize_t len;

	set->head = (struct working_set_head){
		.magic = WORKING_SET_MAGIC,
		.version = WORKING_SET_VERSION,
		.n = set->head.n,
	};
	memcpy(set->head.image, id, IMAGE_ID_SIZE);
	set->head.crc = crc_of(set);
	len = pwrite(fd, set, size, 0);
	return len == (ssize_t)size ? 0 : err_set(err, len < 0 ? errno : ENOSPC, "write");
}
