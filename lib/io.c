/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"

int io_read_full(int fd, void *data, size_t len)
{
	char *p = data;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPIPE;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_write_full(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_read_fd(int fd, const char *name, size_t max, struct buf *b, struct err *err)
{
	size_t start = b->len;

	for (;;) {
		ssize_t n;

		if (buf_reserve(b, 4096) < 0)
			return err_set(err, ENOMEM, "read '%s'", name);
		n = read(fd, b->data + b->len, b->cap - b->len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, errno, "read '%s'", name);
		b->len += (size_t)n;
		b->data[b->len] = 0;
		if (b->len - start > max)
			return err_set(err, EFBIG, "read '%s'", name);
		if (n == 0)
			return 0;
	}
}

int io_read_file(int dirfd, const char *path, size_t max, struct buf *b,
		 struct err *err)
{
	auto_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return err_set(err, errno, "open '%s'", path);
	return io_read_fd(fd, path, max, b, err);
}

int io_write_file(int dirfd, const char *path, const char *text, struct err *err)
{
	auto_fd int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	int ret;

	if (fd < 0)
		return err_set(err, errno, "open '%s'", path);
	ret = io_write_full(fd, text, strlen(text));
	if (ret < 0)
		return err_set(err, -ret, "write '%s' to '%s'", text, path);
	return 0;
}

int io_wait_readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n;

	do {
		n = poll(&p, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int io_leave_stdio(struct err *err)
{
	auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return err_set(err, errno, "open '/dev/null'");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(null, fd) < 0)
			return err_set(err, errno, "let go descriptor %d", fd);
	return 0;
}

int io_open_folder(const char *path, char folder[PATH_MAX], const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	int len = slash && slash != path ? (int)(slash - path) : 1; /* "/" and "." */
	int fd;

	*ret_name = slash ? slash + 1 : path;
	if (snprintf(folder, PATH_MAX, "%.*s", len, slash ? path : ".") >= PATH_MAX)
		return -ENAMETOOLONG;
	fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

int io_make_folders(const char *path, bool *ret_made, struct err *err)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	bool made = false; /* one of them: then those below it are as new */

	if (len >= sizeof(part))
		return err_set(err, ENAMETOOLONG, "create '%s'", path);
	if (!len)
		return err_set(err, ENOENT, "create ''");
	memcpy(part, path, len + 1);
	for (char *p = part + 1;; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = 0;
		if (mkdir(part, 0700) == 0)
			made = true;
		else if (errno != EEXIST)
			return err_set(err, errno, "create '%s'", part);
		*p = c;
		if (c)
			continue;
		if (ret_made)
			*ret_made = made;
		return 0;
	}
}

int io_replace_file(int dirfd, const char *name, const void *data, size_t len,
		    mode_t mode, struct err *err)
{
	char tmp[256];
	auto_fd int fd = -1;
	int ret;

	ret = snprintf(tmp, sizeof(tmp), ".%s.%ld", name, (long)getpid());
	if (ret >= (int)sizeof(tmp))
		return err_set(err, ENAMETOOLONG, "replace '%s'", name);
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return err_set(err, errno, "create '%s'", tmp);
	ret = io_write_full(fd, data, len);
	if (ret == 0 && fsync(fd) < 0)
		ret = -errno;
	if (ret == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
		ret = -errno;
	if (ret < 0) {
		(void)unlinkat(dirfd, tmp, 0); /* the first error is the one to tell */
		return err_set(err, -ret, "write '%s'", name);
	}
	return 0;
}

/* A control buffer with the alignment that cmsg(3) asks for. */
union fd_control {
	struct cmsghdr align;
	char data[CMSG_SPACE(sizeof(int) * SOCK_MAX_FDS)];
};

int sock_send(int sock, const void *data, size_t len, const int *fds,
	      unsigned int n_fds)
{
	struct iovec iov = { .iov_len = len };
	union fd_control control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	/* sendmsg() does not write through the iovec. */
	iov.iov_base = (void *)(uintptr_t)data;
	if (n_fds > SOCK_MAX_FDS)
		return -EINVAL;
	if (n_fds) {
		msg.msg_control = control.data;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * n_fds);
	}
	while (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* take_fds() - move the descriptors of @msg to @fds; the count, at most @max. */
static unsigned int take_fds(struct msghdr *msg, int *fds, unsigned int max)
{
	struct cmsghdr *cmsg;
	unsigned int n = 0;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		size_t count;

		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int),
			       sizeof(fd));
			if (n < max)
				fds[n++] = fd;
			else
				close_fd(fd);
		}
	}
	return n;
}

ssize_t sock_recv(int sock, void *data, size_t len, int *fds,
		  unsigned int *ret_n_fds)
{
	struct iovec iov = { .iov_base = data, .iov_len = len };
	union fd_control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.data,
		.msg_controllen = sizeof(control.data),
	};
	unsigned int n_fds;
	ssize_t n;

	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	n_fds = take_fds(&msg, fds, fds ? SOCK_MAX_FDS : 0);
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		for (unsigned int i = 0; i < n_fds; i++)
			close_fd(fds[i]);
		return -EMSGSIZE;
	}
	if (ret_n_fds)
		*ret_n_fds = n_fds;
	return n;
}
