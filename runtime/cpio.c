/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cpio.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "lib/err.h"
#include "lib/io.h"

#define CPIO_HEADER_SIZE 110
#define CPIO_ALIGN 4

static int append(struct cpio *c, const void *data, size_t len,
		  struct err *err)
{
	int ret = io_write_full(c->fd, data, len);

	if (ret < 0)
		return err_set(err, -ret, "write initramfs");
	c->len += len;
	return 0;
}

static int pad(struct cpio *c, struct err *err)
{
	static const char zero[CPIO_ALIGN];

	return append(c, zero, (size_t)(-c->len % CPIO_ALIGN), err);
}

/* header() - an entry up to its data. */
static int header(struct cpio *c, const char *name, mode_t mode,
		  unsigned int nlink, uint64_t size, struct err *err)
{
	char text[CPIO_HEADER_SIZE + CPIO_NAME_MAX + 1];
	size_t name_len = strlen(name);
	int n, ret;

	if (name_len == 0 || name_len > CPIO_NAME_MAX)
		return err_msg(err, ENAMETOOLONG, "initramfs entry '%s'", name);
	if (size > UINT32_MAX)
		return err_set(err, EFBIG, "initramfs entry '%s'", name);
	c->ino++;
	/* magic, ino, mode, uid, gid, nlink, mtime, size, dev, rdev, namesize, check */
	n = snprintf(text, sizeof(text),
		     "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s",
		     c->ino, (unsigned int)mode, 0u, 0u, nlink, 0u,
		     (unsigned int)size, 0u, 0u, 0u, 0u,
		     (unsigned int)name_len + 1, 0u, name);
	if (n < 0 || (size_t)n >= sizeof(text))
		return err_msg(err, EINVAL, "initramfs entry '%s'", name);
	ret = append(c, text, (size_t)n + 1, err);
	return ret < 0 ? ret : pad(c, err);
}

int cpio_dir(struct cpio *c, const char *name, struct err *err)
{
	return header(c, name, S_IFDIR | 0755, 2, 0, err);
}

int cpio_text(struct cpio *c, const char *name, mode_t mode, const void *data,
	      size_t len, struct err *err)
{
	int ret = header(c, name, S_IFREG | (mode & 07777), 1, len, err);

	if (ret == 0)
		ret = append(c, data, len, err);
	return ret < 0 ? ret : pad(c, err);
}

int cpio_file(struct cpio *c, const char *name, mode_t mode, int src,
	      struct err *err)
{
	struct stat st;
	off_t at = 0;
	int ret;

	if (fstat(src, &st) < 0)
		return err_set(err, errno, "stat '%s'", name);
	if (!S_ISREG(st.st_mode))
		return err_msg(err, EINVAL, "'%s' is not a regular file", name);
	ret = header(c, name, S_IFREG | (mode & 07777), 1,
		     (uint64_t)st.st_size, err);
	if (ret < 0)
		return ret;
	while (at < st.st_size) {
		ssize_t n = sendfile(c->fd, src, &at,
				     (size_t)(st.st_size - at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, errno, "copy '%s'", name);
		if (n == 0)
			return err_msg(err, EIO, "'%s' shrank while read",
				       name);
	}
	c->len += (uint64_t)st.st_size;
	return pad(c, err);
}

int cpio_end(struct cpio *c, struct err *err)
{
	return header(c, "TRAILER!!!", 0, 1, 0, err);
}
