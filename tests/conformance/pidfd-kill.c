/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pidfd-kill [--pid-file FILE] [--signal NAME] SOCKET
 *
 * Waits on SOCKET for a pidfd (--pidfd-socket) and for SIGTERM, then sends the signal
 * through the pidfd; as the suites of runc call it.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int signal_number(const char *name)
{
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (int sig = 1; sig < NSIG; sig++)
		if (sigabbrev_np(sig) && strcasecmp(sigabbrev_np(sig), name) == 0)
			return sig;
	return atoi(name);
}

static int receive_fd(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
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
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int sock, fd;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(listener, 1) < 0)
		die(path);
	sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (sock < 0 || recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) <= 0 ||
	    !CMSG_FIRSTHDR(&msg))
		die("no descriptor came");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pid-file", required_argument, NULL, 'p' },
		{ "signal", required_argument, NULL, 's' },
		{ 0 },
	};
	const char *pid_file = NULL;
	int sig = SIGKILL;
	sigset_t term;
	FILE *f;
	int fd, option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'p')
			pid_file = optarg;
		else if (option == 's')
			sig = signal_number(optarg);
		else
			return 2;
	}
	if (optind + 1 != argc)
		return 2;
	(void)sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &term, NULL);
	if (pid_file) {
		f = fopen(pid_file, "w");
		if (!f || fprintf(f, "%d", (int)getpid()) < 0 || fclose(f) != 0)
			die(pid_file);
	}
	fd = receive_fd(argv[optind]);
	if (sigwait(&term, &option) != 0 ||
	    syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) < 0)
		die("pidfd_send_signal");
	return 0;
}
