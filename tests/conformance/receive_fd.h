/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the helper programs that are sent a descriptor have in common: a terminal
 * (--console-socket) or a pidfd (--pidfd-socket).
 */
#ifndef HULL_TESTS_CONFORMANCE_RECEIVE_FD_H
#define HULL_TESTS_CONFORMANCE_RECEIVE_FD_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/io.h"
#include "runtime/pid_file.h"

static inline void die(const struct err *err)
{
	(void)fprintf(stderr, "%s\n", err->msg);
	exit(1);
}

static inline void save_pid(const char *path)
{
	struct err err = ERR_INIT;

	if (pid_file_write(path, getpid(), &err) < 0)
		die(&err);
}

/* wait_on() - a socket that listens at @path. */
static inline int wait_on(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct err err = ERR_INIT;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path))
		errno = ENAMETOOLONG;
	else
		memcpy(addr.sun_path, path, strlen(path) + 1);
	if (!addr.sun_path[0] || fd < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 16) < 0) {
		(void)err_set(&err, errno, "listen on '%s'", path);
		die(&err);
	}
	return fd;
}

/* receive_fd() - what comes over a new connection, or -1. */
static inline int receive_fd(int listener)
{
	int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	int fds[SOCK_MAX_FDS];
	unsigned int n = 0;
	char name[4096];
	struct err err = ERR_INIT;

	if (sock < 0) {
		(void)err_set(&err, errno, "accept");
		die(&err);
	}
	(void)sock_recv(sock, name, sizeof(name), fds, &n);
	(void)close(sock);
	for (unsigned int i = 1; i < n; i++)
		(void)close(fds[i]);
	return n ? fds[0] : -1;
}

#endif
