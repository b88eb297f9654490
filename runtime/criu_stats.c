/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/criu_stats.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"

#define SERVICE_MAGIC 0x55105940u
#define STATS_MAGIC 0x57093306u

#define DUMP_FIELD 1u /* of stats_entry, a message */
#define NUMBER 0u /* wire types */
#define MESSAGE 2u

/* put_number() - a varint; @b tells at the end whether there was room. */
static void put_number(struct buf *b, uint64_t n)
{
	unsigned char byte;

	do {
		byte = n & 0x7f;
		n >>= 7;
		byte |= n ? 0x80 : 0;
		(void)buf_append(b, &byte, 1);
	} while (n);
}

int criu_stats_write(const char *path, const struct criu_stats *stats, struct err *err)
{
	/* dump_stats_entry, from its field 1 on; those that have to be there. */
	const struct {
		unsigned int field;
		uint64_t n;
	} fields[] = {
		{ 1, stats->freezing_us },
		{ 2, stats->frozen_us },
		{ 3, 0 }, /* memdump_time: part of frozen_time, not told apart */
		{ 4, 0 }, /* memwrite_time: likewise */
		{ 5, stats->pages_scanned },
		{ 6, 0 }, /* pages_skipped_parent */
		{ 7, stats->pages_written },
		{ 9, 0 }, /* pages_lazy */
	};
	auto_buf struct buf dump = BUF_INIT;
	auto_buf struct buf entry = BUF_INIT;
	auto_buf struct buf file = BUF_INIT;
	auto_fd int dir = -1;
	uint32_t head[3] = { SERVICE_MAGIC, STATS_MAGIC, 0 };
	int ret = io_make_folders(path, NULL, err);

	if (ret < 0)
		return err_wrap(err, ret, "--work-path");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		put_number(&dump, fields[i].field << 3 | NUMBER);
		put_number(&dump, fields[i].n);
	}
	put_number(&entry, DUMP_FIELD << 3 | MESSAGE);
	put_number(&entry, dump.len);
	(void)buf_append(&entry, dump.data, dump.len);
	head[2] = (uint32_t)entry.len;
	(void)buf_append(&file, head, sizeof(head));
	(void)buf_append(&file, entry.data, entry.len);
	if (buf_ok(&dump) < 0 || buf_ok(&entry) < 0 || buf_ok(&file) < 0)
		return err_set(err, ENOMEM, "--work-path");
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, errno, "--work-path '%s'", path);
	ret = io_replace_file(dir, CRIU_STATS_DUMP, file.data, file.len, 0600, err);
	return ret < 0 ? err_wrap(err, ret, "--work-path '%s'", path) : 0;
}
