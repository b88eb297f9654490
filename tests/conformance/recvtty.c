/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recvtty [--mode single|null] [--pid-file FILE] [--no-stdin] SOCKET
 *
 * The other end of --console-socket, as the suites of runc call it: waits for terminals
 * on SOCKET. null: any number of them, what they say is thrown away; single (when
 * nothing is said): one, copied to stdout, and stdin to it.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_TERMINALS 64

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void save_pid(const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f || fprintf(f, "%d", (int)getpid()) < 0 || fclose(f) != 0)
		die(path);
}

static int wait_on(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, 16) < 0)
		die(path);
	return fd;
}

/* take() - the terminal that comes over a new connection, or -1. */
static int take(int listener)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char name[4096];
	struct iovec iov = { .iov_base = name, .iov_len = sizeof(name) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	int tty = -1;

	if (sock < 0)
		die("accept");
	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) > 0) {
		c = CMSG_FIRSTHDR(&msg);
		if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(&tty, CMSG_DATA(c), sizeof(tty));
	}
	(void)close(sock);
	return tty;
}

/* copy() - what is there now; false at the end, which is EIO on a terminal. */
static bool copy(int from, int to)
{
	char data[4096];
	ssize_t n = read(from, data, sizeof(data));

	for (ssize_t at = 0, w; to >= 0 && at < n; at += w) {
		w = write(to, data + at, (size_t)(n - at));
		if (w <= 0)
			return false;
	}
	return n > 0;
}

static void serve_one(int tty, bool with_stdin)
{
	struct pollfd p[] = {
		{ .fd = tty, .events = POLLIN },
		{ .fd = with_stdin ? STDIN_FILENO : -1, .events = POLLIN },
	};

	for (;;) {
		if (poll(p, 2, -1) < 0)
			die("poll");
		if (p[0].revents && !copy(tty, STDOUT_FILENO))
			return;
		if (p[1].revents && !copy(STDIN_FILENO, tty))
			p[1].fd = -1;
	}
}

static void serve_all(int listener)
{
	struct pollfd p[1 + MAX_TERMINALS] = { { .fd = listener, .events = POLLIN } };
	nfds_t n = 1;

	for (;;) {
		if (poll(p, n, -1) < 0)
			die("poll");
		for (nfds_t i = n; i-- > 1;) {
			if (!p[i].revents || copy(p[i].fd, -1))
				continue;
			(void)close(p[i].fd);
			p[i] = p[--n];
		}
		if (p[0].revents && n <= MAX_TERMINALS) {
			p[n] = (struct pollfd){ .fd = take(listener), .events = POLLIN };
			n += p[n].fd >= 0;
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "pid-file", required_argument, NULL, 'p' },
		{ "no-stdin", no_argument, NULL, 'n' },
		{ 0 },
	};
	bool null = false, with_stdin = true;
	int listener, option;

	while ((option = getopt_long(argc, argv, "m:", options, NULL)) != -1) {
		if (option == 'm')
			null = strcmp(optarg, "null") == 0;
		else if (option == 'p')
			save_pid(optarg);
		else if (option == 'n')
			with_stdin = false;
		else
			return 2;
	}
	if (optind + 1 != argc)
		return 2;
	listener = wait_on(argv[optind]);
	if (null)
		serve_all(listener);
	serve_one(take(listener), with_stdin);
	return 0;
}
