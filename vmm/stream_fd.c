/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/stream_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"

/* The largest pipe that anybody may make (fs.pipe-max-size, by default). */
#define PIPE_MAX (1 << 20)

/* A splice moves no more than a pipe holds. */
#define RELAY_SIZE ((size_t)(64 << 10))

/* open_anew() - a description of our own for what @fd is; -1: cannot. */
static int open_anew(int fd, bool sink)
{
	char path[32];
	struct stat was, is;
	int anew;

	if (snprintf(path, sizeof(path), "/proc/self/fd/%d", fd) >= (int)sizeof(path))
		return -1;
	anew = open(path,
		    (sink ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (anew < 0)
		return -1;
	/* /dev/tty opens as another terminal, and who knows what /proc is here. */
	if (fstat(fd, &was) < 0 || fstat(anew, &is) < 0 || was.st_dev != is.st_dev ||
	    was.st_ino != is.st_ino || was.st_rdev != is.st_rdev) {
		close_fd(anew);
		return -1;
	}
	return anew;
}

/* is_terminal() - by the one ioctl that the jail allows for such a question. */
static bool is_terminal(int fd)
{
	struct winsize ws;

	return ioctl(fd, TIOCGWINSZ, &ws) == 0;
}

void stream_fd_open(struct stream_fd *sf, int fd, bool sink, bool reopen)
{
	struct stat st;
	int flags;
	int access;
	int anew;

	*sf = STREAM_FD_INIT;
	flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &st) < 0)
		return;
	access = flags & O_ACCMODE;
	sf->fd = fd;
	sf->mode = STREAM_FD_PLAIN;
	sf->is_pipe = S_ISFIFO(st.st_mode);
	sf->pollable = sf->is_pipe || S_ISSOCK(st.st_mode) || S_ISCHR(st.st_mode);
	if (S_ISSOCK(st.st_mode))
		sf->mode = STREAM_FD_SOCKET;
	if (!sf->pollable || flags & O_NONBLOCK || S_ISSOCK(st.st_mode) ||
	    (!sf->is_pipe && !is_terminal(fd)))
		return;
	/* Opening it for a direction that the caller did not give would be wrong;
	 * the plain call says EBADF. */
	if (access != O_RDWR && access != (sink ? O_WRONLY : O_RDONLY))
		return;
	anew = reopen ? open_anew(fd, sink) : -1;
	if (anew >= 0) {
		close_fd(fd);
		sf->fd = anew;
		return;
	}
	sf->mode = sf->is_pipe ? STREAM_FD_NOWAIT : STREAM_FD_BYTEWISE;
}

void stream_fd_close(struct stream_fd *sf)
{
	close_fd(sf->fd);
	close_fd(sf->relay[0]);
	close_fd(sf->relay[1]);
	*sf = STREAM_FD_INIT;
}

/* use_relay() - the kernel does not know RWF_NOWAIT for this pipe. */
static int use_relay(struct stream_fd *sf)
{
	if (pipe2(sf->relay, O_NONBLOCK | O_CLOEXEC) < 0) {
		sf->relay[0] = sf->relay[1] = -1;
		return -errno;
	}
	sf->mode = STREAM_FD_SPLICE;
	return 0;
}

static size_t iov_len(const struct iovec *iov, unsigned int n)
{
	size_t len = 0;

	for (unsigned int i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

/* ready_now() - for terminals: may one byte pass? */
static bool ready_now(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) == 1;
}

static ssize_t read_spliced(struct stream_fd *sf, const struct iovec *iov, unsigned int n)
{
	size_t len = iov_len(iov, n);
	ssize_t moved;

	moved = splice(sf->fd, NULL, sf->relay[1], NULL,
		       len < RELAY_SIZE ? len : RELAY_SIZE, SPLICE_F_NONBLOCK);
	if (moved <= 0)
		return moved;
	/* All of it is taken out again, so the relay is empty the next time. */
	return readv(sf->relay[0], iov, (int)n);
}

static ssize_t read_bytewise(struct stream_fd *sf, const struct iovec *iov)
{
	if (!ready_now(sf->fd, POLLIN)) {
		errno = EAGAIN;
		return -1;
	}
	/* In canonical mode that is a line, and never more than there is. */
	return read(sf->fd, iov[0].iov_base, iov[0].iov_len);
}

ssize_t stream_fd_readv(struct stream_fd *sf, const struct iovec *iov, unsigned int n)
{
	struct iovec copy;
	struct msghdr msg = { .msg_iovlen = n };
	ssize_t ret = 0;

	do {
		switch (sf->mode) {
		case STREAM_FD_NONE:
			return 0;
		case STREAM_FD_PLAIN:
			ret = readv(sf->fd, iov, (int)n);
			break;
		case STREAM_FD_SOCKET:
			/* recvmsg() does not write to the vector itself. */
			msg.msg_iov = (struct iovec *)(uintptr_t)iov;
			ret = recvmsg(sf->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
			sf->cut |= ret >= 0 && msg.msg_flags & MSG_CTRUNC;
			break;
		case STREAM_FD_NOWAIT:
			ret = preadv2(sf->fd, iov, (int)n, -1, RWF_NOWAIT);
			if (ret < 0 && errno == EOPNOTSUPP && use_relay(sf) == 0)
				ret = read_spliced(sf, iov, n);
			break;
		case STREAM_FD_SPLICE:
			ret = read_spliced(sf, iov, n);
			break;
		case STREAM_FD_BYTEWISE:
			copy = iov[0];
			ret = read_bytewise(sf, &copy);
			break;
		}
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

int stream_fd_flush(struct stream_fd *sf)
{
	while (sf->held) {
		ssize_t n = splice(sf->relay[0], NULL, sf->fd, NULL, sf->held,
				   SPLICE_F_NONBLOCK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) /* the relay holds less than we think: cannot be */
			return -EIO;
		sf->held -= (size_t)n;
	}
	return 0;
}

static ssize_t write_spliced(struct stream_fd *sf, const struct iovec *iov,
			     unsigned int n)
{
	int ret = stream_fd_flush(sf);
	ssize_t len;

	if (ret < 0) {
		errno = -ret;
		return -1;
	}
	len = writev(sf->relay[1], iov, (int)n);
	if (len < 0)
		return -1;
	sf->held = (size_t)len;
	ret = stream_fd_flush(sf);
	if (ret < 0 && ret != -EAGAIN) {
		errno = -ret;
		return -1;
	}
	return len; /* what is held counts as taken */
}

static ssize_t write_bytewise(struct stream_fd *sf, const struct iovec *iov,
			      unsigned int n)
{
	ssize_t done = 0;

	for (unsigned int i = 0; i < n; i++) {
		for (size_t k = 0; k < iov[i].iov_len; k++) {
			const char *byte = (const char *)iov[i].iov_base + k;

			if (!ready_now(sf->fd, POLLOUT)) {
				errno = EAGAIN;
				return done ? done : -1;
			}
			if (write(sf->fd, byte, 1) != 1)
				return done ? done : -1;
			done++;
		}
	}
	return done;
}

ssize_t stream_fd_writev(struct stream_fd *sf, const struct iovec *iov, unsigned int n)
{
	struct msghdr msg = { .msg_iovlen = n };
	ssize_t ret = 0;

	do {
		switch (sf->mode) {
		case STREAM_FD_NONE:
			return (ssize_t)iov_len(iov, n);
		case STREAM_FD_PLAIN:
			ret = writev(sf->fd, iov, (int)n);
			break;
		case STREAM_FD_SOCKET:
			/* sendmsg() does not write to the vector. */
			msg.msg_iov = (struct iovec *)(uintptr_t)iov;
			ret = sendmsg(sf->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
			break;
		case STREAM_FD_NOWAIT:
			ret = pwritev2(sf->fd, iov, (int)n, -1, RWF_NOWAIT);
			if (ret < 0 && errno == EOPNOTSUPP && use_relay(sf) == 0)
				ret = write_spliced(sf, iov, n);
			break;
		case STREAM_FD_SPLICE:
			ret = write_spliced(sf, iov, n);
			break;
		case STREAM_FD_BYTEWISE:
			ret = write_bytewise(sf, iov, n);
			break;
		}
	} while (ret < 0 && errno == EINTR);
	if (ret == 0) /* nobody can tell what that means: not wait for ever */
		return -EIO;
	return ret < 0 ? -errno : ret;
}

bool stream_fd_grow(struct stream_fd *sf)
{
	int size;

	if (!sf->is_pipe || sf->grown)
		return false;
	sf->grown = true;
	size = fcntl(sf->fd, F_GETPIPE_SZ);
	/* The limit may be lower for us (fs.pipe-user-pages-soft): then less. */
	for (int want = PIPE_MAX; size > 0 && want > size; want = want / 2)
		if (fcntl(sf->fd, F_SETPIPE_SZ, want) >= 0)
			return true;
	return false;
}
