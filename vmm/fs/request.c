/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/fs/request.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

void fs_cursor_init(struct fs_cursor *c, struct iovec *iov, unsigned int n)
{
	*c = (struct fs_cursor){ .iov = iov, .n = n };
	for (unsigned int i = 0; i < n; i++)
		c->left += iov[i].iov_len;
}

/* step() - the longest piece at the cursor that is contiguous, at most @max. */
static size_t step(struct fs_cursor *c, size_t max, char **ret)
{
	size_t len;

	while (c->off == c->iov->iov_len) {
		c->iov++;
		c->n--;
		c->off = 0;
	}
	len = c->iov->iov_len - c->off;
	if (len > max)
		len = max;
	*ret = (char *)c->iov->iov_base + c->off;
	c->off += len;
	c->left -= len;
	return len;
}

int fs_cursor_get(struct fs_cursor *c, void *data, size_t len)
{
	char *dst = data;

	if (len > c->left)
		return -EIO;
	while (len) {
		char *p;
		size_t n = step(c, len, &p);

		memcpy(dst, p, n);
		dst += n;
		len -= n;
	}
	return 0;
}

int fs_cursor_put(struct fs_cursor *c, const void *data, size_t len)
{
	const char *src = data;

	if (len > c->left)
		return -EIO;
	while (len) {
		char *p;
		size_t n = step(c, len, &p);

		memcpy(p, src, n);
		src += n;
		len -= n;
	}
	return 0;
}

int fs_cursor_take(struct fs_cursor *c, size_t len, struct iovec **iov, unsigned int *n)
{
	size_t left = len;
	unsigned int i;

	if (len > c->left)
		return -EIO;
	*iov = c->iov;
	*n = 0;
	if (!len)
		return 0;
	while (c->off == c->iov->iov_len) {
		c->iov++;
		c->n--;
		c->off = 0;
	}
	c->iov->iov_base = (char *)c->iov->iov_base + c->off;
	c->iov->iov_len -= c->off;
	c->off = 0;
	for (i = 0; left; i++) {
		if (c->iov[i].iov_len > left)
			c->iov[i].iov_len = left;
		left -= c->iov[i].iov_len;
	}
	if (i > IOV_MAX)
		return -EIO;
	*iov = c->iov;
	*n = i;
	c->left = 0;
	return 0;
}

int fs_req_string(struct fs_req *r, char *dst, size_t size)
{
	size_t len = 0;

	/*
	 * Piece by piece, looking for the end only in what was copied.  What lies
	 * behind it belongs to the next argument: go back over it.
	 */
	while (len < size) {
		struct fs_cursor before = r->args;
		size_t max = size - len;
		size_t n, end;
		char *p;

		if (!r->args.left)
			return -EINVAL;
		n = step(&r->args, max, &p);
		memcpy(dst + len, p, n);
		end = strnlen(dst + len, n);
		if (end < n) {
			r->args = before;
			(void)step(&r->args, end + 1, &p);
			return (int)(len + end);
		}
		len += n;
	}
	return -ENAMETOOLONG;
}

int fs_req_name(struct fs_req *r, char name[FS_NAME_SIZE])
{
	int len = fs_req_string(r, name, FS_NAME_SIZE);

	if (len < 0)
		return len;
	if (len == 0 || strchr(name, '/') || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return -EINVAL;
	return 0;
}
