/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elapsed [-d] [-l SOCKET]... SECONDS PROGRAM [ARG]... - how long a program runs
 *
 * Prints the nanoseconds (CLOCK_MONOTONIC) from just before the clone to the end
 * of PROGRAM, whose stdin is empty and whose stdout goes nowhere.  The exit status
 * is PROGRAM's, 128 + signal, or 124 when it was ended after SECONDS.  What PROGRAM
 * leaves in its process group is ended, outside of the measured time, and what it leaves
 * elsewhere is waited for.
 *
 * -d: what it leaves elsewhere lives on.
 *
 * -l SOCKET: make a listening UNIX socket before the clock starts and hand it on, the
 * first as descriptor 3, so that PROGRAM need not wait for whoever serves it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FIRST_LISTEN_FD 3

static void die(const char *what)
{
	(void)fprintf(stderr, "elapsed: %s: %m\n", what);
	exit(125);
}

static long long now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail */
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static void listen_at(const char *path, int as)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strlen(path) >= sizeof(addr.sun_path))
		errno = ENAMETOOLONG, die(path);
	memcpy(addr.sun_path, path, strlen(path));
	(void)unlink(path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, 1) < 0)
		die(path);
	if (fd != as && (dup2(fd, as) < 0 || close(fd) < 0))
		die("dup2");
}

static void redirect(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		die("/dev/null");
}

/* start() - PROGRAM in a process group of its own. */
static pid_t start(char **argv)
{
	pid_t pid = vfork();

	if (pid < 0)
		die("vfork");
	if (pid == 0) {
		(void)setpgid(0, 0); /* cannot fail for a new child */
		redirect();
		(void)execvp(argv[0], argv);
		(void)fprintf(stderr, "elapsed: %s: %m\n", argv[0]);
		_exit(127);
	}
	return pid;
}

/* end() - everything in the group of @pid; ours are also its orphans, of all groups. */
static int end(pid_t pid, int detached)
{
	int status = 0;

	(void)kill(-pid, SIGKILL); /* ESRCH: nobody is left */
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	while (waitpid(detached ? -pid : -1, NULL, 0) > 0)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	struct pollfd p = { .events = POLLIN };
	long long begin, nanoseconds;
	int detached = argc > 1 && strcmp(argv[1], "-d") == 0;
	int late, status;
	long seconds;
	pid_t pid;

	argv += detached;
	argc -= detached;
	for (int fd = FIRST_LISTEN_FD; argc > 2 && strcmp(argv[1], "-l") == 0; fd++) {
		listen_at(argv[2], fd);
		argv += 2;
		argc -= 2;
	}
	if (argc < 3 || (seconds = strtol(argv[1], NULL, 10)) <= 0) {
		(void)fprintf(stderr,
			      "usage: elapsed [-d] [-l SOCKET]... SECONDS PROGRAM "
			      "[ARG]...\n");
		return 2;
	}
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		die("prctl");
	begin = now_ns();
	pid = start(argv + 2);
	p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (p.fd < 0)
		die("pidfd_open");
	late = poll(&p, 1, (int)seconds * 1000) == 0;
	nanoseconds = now_ns() - begin;
	status = end(pid, detached);
	if (late)
		return 124;
	(void)printf("%lld\n", nanoseconds);
	return status;
}
