/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct fs_req - one FUSE request: what the guest wrote, read once and in order,
 * and the reply, written in order behind its header.
 *
 * The buffers are guest memory cut up as the guest likes, and change while we
 * look: arguments and names are copied out before they are checked, only file
 * data is moved in place.
 */
#ifndef HULL_VMM_FS_REQUEST_H
#define HULL_VMM_FS_REQUEST_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct fs_server;
struct fs_worker;

#define FS_NAME_SIZE 256u /* a file name: 255 bytes and the final 0 */

/* A place in a list of buffers. */
struct fs_cursor {
	struct iovec *iov;
	unsigned int n; /* buffers from iov[0] on */
	size_t off; /* (bytes) used up of iov[0] */
	size_t left; /* (bytes) until the end of all */
};

struct fs_req {
	struct fs_server *fs;
	struct fs_worker *worker;
	struct fuse_in_header h;
	struct fs_cursor args; /* what follows the header */
	struct fs_cursor reply; /* room for what follows the reply's header */
	size_t replied; /* (bytes) */
	bool entered[2]; /* by enum fs_gate_kind: counted in the gate */
};

void fs_cursor_init(struct fs_cursor *c, struct iovec *iov, unsigned int n);

/* fs_cursor_get() / fs_cursor_put() - copy; -EIO when fewer than @len are left. */
int fs_cursor_get(struct fs_cursor *c, void *data, size_t len);
int fs_cursor_put(struct fs_cursor *c, const void *data, size_t len);

/*
 * fs_cursor_take() - the next @len bytes as buffers for preadv() or pwritev().
 * Changes the list itself: nothing may be read or written behind it afterwards.
 * Return: 0; -EIO (fewer are left, or more than IOV_MAX buffers)
 */
int fs_cursor_take(struct fs_cursor *c, size_t len, struct iovec **iov, unsigned int *n);

static inline int fs_req_get(struct fs_req *r, void *data, size_t len)
{
	return fs_cursor_get(&r->args, data, len);
}

/* fs_req_put() - append to the reply. */
static inline int fs_req_put(struct fs_req *r, const void *data, size_t len)
{
	int ret = fs_cursor_put(&r->reply, data, len);

	if (ret == 0)
		r->replied += len;
	return ret;
}

/*
 * fs_req_string() - the next 0-terminated string.
 * @size: (bytes) of @dst, with the final 0
 * Return: its length; -EINVAL (no end in the request); -ENAMETOOLONG
 */
int fs_req_string(struct fs_req *r, char *dst, size_t size);

/*
 * fs_req_name() - the next string as a file name: not empty, not "." or "..", no '/'.
 * The only way a name gets from the guest into a system call.
 */
int fs_req_name(struct fs_req *r, char name[FS_NAME_SIZE]);

#endif
