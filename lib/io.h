/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole reads and writes, files replaced atomically, descriptors over sockets.
 *
 * All functions retry EINTR, return 0 or a count on success and -errno on
 * failure, and may be called by any thread.
 */
#ifndef HULL_LIB_IO_H
#define HULL_LIB_IO_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct buf;
struct err;

/* io_read_full() - read exactly @len bytes (-EPIPE: the end came before). */
int io_read_full(int fd, void *data, size_t len);

/* io_write_full() - write all of @len bytes to a blocking descriptor. */
int io_write_full(int fd, const void *data, size_t len);

/*
 * io_read_file() - append what the file @path (below @dirfd) holds to @b.
 * @max: (bytes) a larger file is refused with -EFBIG
 */
int io_read_file(int dirfd, const char *path, size_t max, struct buf *b,
		 struct err *err);

/* io_read_fd() - the same from @fd, up to its end. @name: for messages */
int io_read_fd(int fd, const char *name, size_t max, struct buf *b, struct err *err);

/*
 * io_write_file() - write into an existing file (procfs, cgroupfs) in one write().
 */
int io_write_file(int dirfd, const char *path, const char *text, struct err *err);

/*
 * io_wait_readable() - until @fd can be read or has ended: a socket, a pidfd.
 * @timeout_ms: -1: for ever; each signal lets it begin anew
 * Return: 1: it can; 0: not in time; -errno
 */
int io_wait_readable(int fd, int timeout_ms);

/* io_leave_stdio() - /dev/null in the place of descriptors 0, 1 and 2. */
int io_leave_stdio(struct err *err);

/*
 * io_open_folder() - the folder that @path's last name lies in (O_PATH).
 * @folder: its path, for the caller's messages
 * @ret_name: the last name, within @path
 *
 * Return: a descriptor (the caller's), or -errno.
 */
int io_open_folder(const char *path, char folder[PATH_MAX], const char **ret_name);

/*
 * io_make_folders() - `mkdir -p`, for their owner only.
 * @ret_made: whether the last one was not there; may be NULL
 */
int io_make_folders(const char *path, bool *ret_made, struct err *err);

/*
 * io_replace_file() - make @name below @dirfd hold @data, or leave it as it was:
 * temporary file (O_EXCL), write, fsync, rename.
 */
int io_replace_file(int dirfd, const char *name, const void *data, size_t len,
		    mode_t mode, struct err *err);

/* Most descriptors that one message carries: stdio and as many as are preserved. */
#define SOCK_MAX_FDS 20

/*
 * sock_send() - send one message (MSG_NOSIGNAL) with @n_fds descriptors.
 * @fds: borrowed
 * Return: 0; -errno (EAGAIN on a full non-blocking socket: nothing was sent)
 */
int sock_send(int sock, const void *data, size_t len, const int *fds,
	      unsigned int n_fds);

/*
 * sock_recv() - receive one message.
 * @fds: room for SOCK_MAX_FDS; the caller owns what arrives (O_CLOEXEC)
 * @ret_n_fds: how many arrived; may be NULL with @fds NULL: then any that come
 *	are closed
 * Return: (bytes) > 0; 0: the peer has gone; -errno (EMSGSIZE: longer than @len,
 *	or descriptors were cut off; nothing is leaked)
 */
ssize_t sock_recv(int sock, void *data, size_t len, int *fds,
		  unsigned int *ret_n_fds);

#endif
