/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/boot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/arena.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/utf8.h"
#include "vmm/snapshot/image.h"

#define CHUNK (256u << 10) /* (bytes) */

int file_identify(int fd, struct file_identity *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = (struct file_identity){
		.dev = st.st_dev,
		.ino = st.st_ino,
		.size = (uint64_t)st.st_size,
		.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
	};
	return 0;
}

/* is_text() - of UTF-8, as JSON must be. */
static bool is_text(const char *s, size_t len)
{
	for (size_t n; len; s += n, len -= n) {
		n = utf8_char(s, len);
		if (!n)
			return false;
	}
	return true;
}

int boot_file_note(int fd, struct arena *arena, char **ret)
{
	struct file_identity id;
	char link[32], path[PATH_MAX];
	ssize_t n;

	*ret = NULL;
	(void)!snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	if (n <= 0 || n == (ssize_t)sizeof(path) || *path != '/' ||
	    !is_text(path, (size_t)n) || file_identify(fd, &id) < 0)
		return 0;
	*ret = arena_printf(arena, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %.*s",
			    id.dev, id.ino, id.size, id.mtime_ns, (int)n, path);
	return *ret ? 0 : -ENOMEM;
}

/* crc_of() - of all that @fd holds.  Return: 0; -errno */
static int crc_of(int fd, struct image_file *ret)
{
	auto_free unsigned char *chunk = malloc(CHUNK);
	struct image_file file = { 0 };
	uLong crc = 0;
	ssize_t n;

	if (!chunk)
		return -ENOMEM;
	while ((n = pread(fd, chunk, CHUNK, (off_t)file.size)) > 0) {
		crc = crc32_z(crc, chunk, (size_t)n);
		file.size += (uint64_t)n;
	}
	if (n < 0)
		return -errno;
	file.crc = (uint32_t)crc;
	*ret = file;
	return 0;
}

void boot_file_recall(const char *note, struct image_file *ret)
{
	struct file_identity then, now;
	auto_fd int fd = -1;
	int path = 0;

	*ret = (struct image_file){ 0 };
	if (!note ||
	    sscanf(note, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64 " %n", &then.dev,
		   &then.ino, &then.size, &then.mtime_ns, &path) < 4 ||
	    !path)
		return;
	fd = open(note + path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || file_identify(fd, &now) < 0 ||
	    memcmp(&then, &now, sizeof(now)) != 0)
		return;
	(void)crc_of(fd, ret); /* what cannot be read is not known */
}

int boot_file_check(int fd, const struct image_file *want, const char *what,
		    struct err *err)
{
	struct image_file is;
	struct stat st;
	int ret;

	if (!want->size)
		return 0;
	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "%s", what);
	is = (struct image_file){ .size = (uint64_t)st.st_size };
	ret = is.size == want->size ? crc_of(fd, &is) : 0;
	if (ret < 0)
		return err_set(err, -ret, "read the %s", what);
	if (is.size != want->size || is.crc != want->crc)
		return err_msg(err, EINVAL,
			       "the image needs another %s than this one: of %" PRIu64
			       " bytes with CRC %08" PRIx32,
			       what, want->size, want->crc);
	return 0;
}
