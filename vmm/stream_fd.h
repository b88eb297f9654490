/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct stream_fd - one of the caller's descriptors, read or written without
 * ever blocking and without touching its file description.
 *
 * O_NONBLOCK belongs to the description, which the caller and its other children
 * share with us: setting it would change their reads and writes (and poll() followed
 * by a plain read() may block all the same, when one of them was quicker).  So,
 * in this order:
 *
 *	regular files, /dev/null and all else that epoll does not take
 *			never wait for anybody: plain readv and writev
 *	descriptions that are O_NONBLOCK already
 *			plain as well
 *	sockets		recvmsg and sendmsg with MSG_DONTWAIT
 *	pipes, terminals where /proc can be seen (@reopen)
 *			opened anew by /proc/self/fd/N: a description of our own,
 *			with O_NONBLOCK (and O_NOCTTY)
 *	pipes elsewhere	preadv2 and pwritev2 with RWF_NOWAIT (Linux >= 6.4; named
 *			ones have it not even there), or else splice with
 *			SPLICE_F_NONBLOCK by way of a pipe of our own
 *	terminals elsewhere
 *			a byte at a time after poll(): no way that is quick and sure.
 *			So whoever hands over a terminal by SCM_RIGHTS to a process
 *			without /proc should open it anew itself, O_NONBLOCK
 *
 * After the jail there is no /proc: @reopen is for descriptors that are inherited.
 * Writing to a pipe without readers raises SIGPIPE, which has to be blocked or ignored.
 */
#ifndef HULL_VMM_STREAM_FD_H
#define HULL_VMM_STREAM_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

enum stream_fd_mode {
	STREAM_FD_NONE, /* absent: nothing to read, and a sink that takes all */
	STREAM_FD_PLAIN,
	STREAM_FD_SOCKET,
	STREAM_FD_NOWAIT,
	STREAM_FD_SPLICE,
	STREAM_FD_BYTEWISE,
};

struct stream_fd {
	int fd; /* owned */
	enum stream_fd_mode mode;
	bool pollable; /* epoll takes it; when not it is always ready */
	bool is_pipe;
	bool cut; /* a socket: its peer passed descriptors, which were dropped */
	bool grown; /* stream_fd_grow() has been here */
	int relay[2]; /* STREAM_FD_SPLICE: our pipe */
	size_t held; /* (bytes) in the relay of a sink, still to be spliced on */
};

#define STREAM_FD_INIT ((struct stream_fd){ .fd = -1, .relay = { -1, -1 } })

/*
 * stream_fd_open() - find out how to use @fd.
 * @fd: owned from now on; -1: absent
 * @sink: for writing; otherwise for reading
 * @reopen: /proc is there
 * A descriptor that is not open for @sink's direction is no error here, only when used.
 */
void stream_fd_open(struct stream_fd *sf, int fd, bool sink, bool reopen);

/* stream_fd_close() - idempotent. */
void stream_fd_close(struct stream_fd *sf);

/* stream_fd_readv() - (bytes) > 0; 0: end of file; -EAGAIN; another -errno. */
ssize_t stream_fd_readv(struct stream_fd *sf, const struct iovec *iov, unsigned int n);

/* stream_fd_writev() - (bytes) taken, > 0; -EAGAIN; another -errno: it takes no more. */
ssize_t stream_fd_writev(struct stream_fd *sf, const struct iovec *iov, unsigned int n);

/* stream_fd_flush() - move on what is held: 0: nothing is held; -EAGAIN; -errno. */
int stream_fd_flush(struct stream_fd *sf);

/*
 * stream_fd_grow() - make a pipe larger (1 MiB, or what is allowed), once.
 * Return: true: writing may be tried again
 */
bool stream_fd_grow(struct stream_fd *sf);

#endif
