/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/preserved_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "vmm/vm_config.h"

#define FIRST_FD 3 /* behind stdio; SD_LISTEN_FDS_START is the same */
#define MEM_MAJOR 1 /* Linux Documentation/admin-guide/devices.txt: null, zero, ... */

/* The end of the messages about what cannot be passed on. */
#define ONLY ": only pipes, stream sockets, terminals and files can be bridged"

/* env_number() - the environment's @name; 0: it is not set, or no number above 0 */
static long env_number(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long n;

	if (!text || !*text)
		return 0;
	errno = 0;
	n = strtol(text, &end, 10);
	return errno || *end || n < 0 ? 0 : n;
}

/* listen_fds() - how many the environment says that we were given. */
static long listen_fds(void)
{
	long pid = env_number("LISTEN_PID");

	return pid && pid == getpid() ? env_number("LISTEN_FDS") : 0;
}

/* socket_flaw() - NULL, or what @fd is, and so cannot be passed on. */
static const char *socket_flaw(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(int);
	int type = 0;
	int listening = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM)
		return "a socket that is no stream" ONLY;
	len = sizeof(int);
	/* Not every family knows the question: such a one does not listen. */
	(void)getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len);
	if (listening)
		return "a listening socket" ONLY;
	len = sizeof(peer);
	if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
		return "a socket without a peer" ONLY;
	return NULL;
}

/* file_flaw() - likewise of a regular file */
static const char *file_flaw(int fd, int flags)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC)
		return "a namespace" ONLY;
	/* What is read ahead for the process would move the place where it writes. */
	if ((flags & O_ACCMODE) == O_RDWR && !(flags & O_APPEND))
		return "a file open for both reading and writing: it can be bridged one "
		       "way only";
	return NULL;
}

/* flaw() - NULL, or what @fd is, and so cannot be passed on. @flags: F_GETFL */
static const char *flaw(int fd, int flags)
{
	struct stat st;

	if (flags & O_PATH)
		return "open as a path only" ONLY;
	if (fstat(fd, &st) < 0)
		return "of an unknown kind" ONLY;
	switch (st.st_mode & S_IFMT) {
	case S_IFIFO:
		return NULL;
	case S_IFSOCK:
		return socket_flaw(fd);
	case S_IFREG:
		return file_flaw(fd, flags);
	case S_IFCHR:
		return major(st.st_rdev) == MEM_MAJOR || isatty(fd) ? NULL
								    : "a device" ONLY;
	case S_IFBLK:
		return "a block device" ONLY;
	case S_IFDIR:
		return "a directory" ONLY;
	default: /* an epoll, an eventfd, ... */
		return "no file, but an object of the kernel" ONLY;
	}
}

/* take() - one; -ENOENT: it is not the caller's */
static int take(int fd, const char *option, struct err *err)
{
	int own = fcntl(fd, F_GETFD);
	const char *what;

	/* One that execve() closes cannot have come through ours: we opened it. */
	if (own < 0 || own & FD_CLOEXEC)
		return -ENOENT;
	what = flaw(fd, fcntl(fd, F_GETFL));
	if (what)
		return err_msg(err, ENOTSUP, "%s: descriptor %d is %s", option, fd, what);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_set(err, errno, "%s: descriptor %d", option, fd);
	return 0;
}

int preserved_fds_take(long preserve, bool listen, struct preserved_fds *ret_fds,
		       struct err *err)
{
	long n_listen = listen ? listen_fds() : 0;
	int ret;

	if (n_listen > VM_MAX_PRESERVED || preserve > VM_MAX_PRESERVED - n_listen)
		return err_msg(err, E2BIG,
			       "--preserve-fds %ld, LISTEN_FDS=%ld: not more than %u "
			       "descriptors can be bridged",
			       preserve, n_listen, VM_MAX_PRESERVED);
	for (int i = 0; i < n_listen; i++) {
		ret = take(FIRST_FD + i, "LISTEN_FDS", err);
		if (ret == -ENOENT)
			return err_msg(err, ENOENT,
				       "LISTEN_FDS: descriptor %d is not open",
				       FIRST_FD + i);
		if (ret < 0)
			return ret;
	}
	for (int i = 0; i < preserve; i++) {
		ret = take(FIRST_FD + (int)n_listen + i, "--preserve-fds", err);
		if (ret == -ENOENT)
			return err_msg(err, ENOENT,
				       "unable to stat preserved-fd %d (of %ld): no such "
				       "file or directory",
				       i, preserve);
		if (ret < 0)
			return ret;
	}
	*ret_fds = (struct preserved_fds){
		.n = (unsigned int)(n_listen + preserve),
		.n_listen = (unsigned int)n_listen,
	};
	return 0;
}

int preserved_fds_plan(const struct preserved_fds *p, struct oci_spec *spec,
		       struct vm_config *config, struct err *err)
{
	char text[32];

	if (p->n_listen) {
		struct oci_strings *env = &spec->process->env;

		(void)!snprintf(text, sizeof(text), "LISTEN_FDS=%u", p->n_listen);
		if (oci_strings_add(spec, env, text) < 0 ||
		    oci_strings_add(spec, env, "LISTEN_PID=1") < 0)
			return err_set(err, ENOMEM, "LISTEN_FDS");
	}
	for (unsigned int i = 0; i < p->n; i++)
		config->preserved_fd[i] = FIRST_FD + (int)i;
	config->n_preserved = (uint8_t)p->n;
	return 0;
}

void preserved_fds_release(struct preserved_fds *p)
{
	for (unsigned int i = 0; i < p->n; i++)
		close_fd(FIRST_FD + (int)i);
	p->n = 0;
}
