/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the caller's descriptors --preserve-fds and LISTEN_FDS take, and in whose words. */
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "runtime/preserved_fds.h"
#include "tests/unit/tap.h"
#include "vmm/vm_config.h"

/* as_3() - @fd becomes the caller's descriptor 3, as if we had been executed with it. */
static void as_3(int fd)
{
	if (dup2(fd, 3) != 3)
		ok(false, "dup2");
	if (fd != 3)
		close_fd(fd);
}

static int take_3(struct preserved_fds *p, struct err *err)
{
	*err = ERR_INIT;
	return preserved_fds_take(1, false, p, err);
}

static void accepted(int fd, const char *what)
{
	struct preserved_fds p = { 0 };
	struct err err;

	as_3(fd);
	ok(take_3(&p, &err) == 0 && p.n == 1 && p.n_listen == 0, "%s: taken", what);
	ok(fcntl(3, F_GETFD) & FD_CLOEXEC, "hooks do not get it");
	preserved_fds_release(&p);
	ok(fcntl(3, F_GETFD) < 0 && p.n == 0, "released: closed");
}

static void refused(int fd, const char *what)
{
	struct preserved_fds p;
	char want[256];
	struct err err;

	(void)!snprintf(want, sizeof(want),
			"--preserve-fds: descriptor 3 is %s: only pipes, stream sockets, "
			"terminals and files can be bridged",
			what);
	as_3(fd);
	is_int(take_3(&p, &err), -ENOTSUP, "refused");
	is_str(err.msg, want, "by name");
	(void)close(3);
}

static void test_accepted(void)
{
	int p[2];

	(void)!pipe(p);
	accepted(p[0], "the end of a pipe to read");
	accepted(p[1], "the end of a pipe to write");
	(void)!socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	accepted(p[0], "a stream socket");
	accepted(p[1], "one whose peer has gone");
	accepted(open("/etc/passwd", O_RDONLY), "a file to read");
	accepted(open("/tmp", O_TMPFILE | O_WRONLY, 0600), "a file to write");
	accepted(open("/tmp", O_TMPFILE | O_RDWR | O_APPEND, 0600),
		 "a file to read, and to write at its end");
	accepted(open("/dev/null", O_RDWR), "/dev/null");
	accepted(posix_openpt(O_RDWR | O_NOCTTY), "a terminal");
}

static void test_refused(void)
{
	struct preserved_fds p;
	struct err err;
	int pair[2];
	int fd;

	refused(open("/", O_RDONLY | O_DIRECTORY), "a directory");
	refused(open("/etc/passwd", O_PATH), "open as a path only");
	refused(open("/proc/self/ns/uts", O_RDONLY), "a namespace");
	refused(epoll_create1(0), "no file, but an object of the kernel");
	(void)!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
	(void)close(pair[1]);
	refused(pair[0], "a socket that is no stream");
	refused(socket(AF_UNIX, SOCK_DGRAM, 0), "a socket that is no stream");
	refused(socket(AF_UNIX, SOCK_STREAM, 0), "a socket without a peer");
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	/* An autobound, abstract name. */
	(void)bind(fd, &(struct sockaddr){ .sa_family = AF_UNIX }, sizeof(sa_family_t));
	ok(listen(fd, 1) == 0, "a listening socket");
	refused(fd, "a listening socket");
	as_3(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	is_int(take_3(&p, &err), -ENOTSUP, "a file to be written in its midst");
	is_str(err.msg,
	       "--preserve-fds: descriptor 3 is a file open for both reading and writing: "
	       "it can be bridged one way only",
	       "is refused by name");
	(void)close(3);
}

static void test_not_open(void)
{
	struct preserved_fds p;
	struct err err = ERR_INIT;

	as_3(open("/dev/null", O_RDONLY));
	(void)close(4);
	is_int(preserved_fds_take(2, false, &p, &err), -ENOENT, "one that is not open");
	is_str(err.msg, "unable to stat preserved-fd 1 (of 2): no such file or directory",
	       "in runc's words");
	(void)fcntl(3, F_SETFD, FD_CLOEXEC);
	is_int(preserved_fds_take(1, false, &p, &err), -ENOENT,
	       "nor is one that is our own");
	(void)close(3);
	is_int(preserved_fds_take(17, false, &p, &err), -E2BIG, "too many");
	is_str(err.msg,
	       "--preserve-fds 17, LISTEN_FDS=0: not more than 16 descriptors can be "
	       "bridged",
	       "is refused by its number");
	is_int(preserved_fds_take(0, false, &p, &err), 0, "none is none");
	is_int(p.n, 0, "really");
}

/* listen_env() - LISTEN_FDS and LISTEN_PID of the environment; @pid NULL: our own */
static void listen_env(const char *fds, const char *pid)
{
	char text[16];

	(void)!snprintf(text, sizeof(text), "%d", (int)getpid());
	(void)setenv("LISTEN_FDS", fds, 1);
	(void)setenv("LISTEN_PID", pid ? pid : text, 1);
}

static int take_both(long preserve, struct preserved_fds *p, struct err *err)
{
	for (int fd = 3; fd < 5; fd++)
		if (dup2(STDIN_FILENO, fd) != fd)
			ok(false, "dup2");
	return preserved_fds_take(preserve, true, p, err);
}

static void test_listen(void)
{
	static struct vm_config config;
	static const char process[] = "{\"args\":[\"x\"],\"env\":[\"A=b\"]}";
	static const char *const strange[][2] = {
		{ "1", "1" }, { "x", NULL }, { "0", NULL }, { "-1", NULL }, { "", NULL },
	};
	auto_oci_spec struct oci_spec *spec = NULL;
	struct preserved_fds p;
	struct err err = ERR_INIT;

	as_3(open("/dev/null", O_RDONLY));
	(void)dup2(3, STDIN_FILENO);
	listen_env("1", NULL);
	ok(take_both(1, &p, &err) == 0 && p.n == 2 && p.n_listen == 1,
	   "one of LISTEN_FDS, and one behind it");
	is_int(oci_process_parse(process, sizeof(process) - 1, &spec, &err), 0,
	       "a process");
	ok(preserved_fds_plan(&p, spec, &config, &err) == 0 && config.n_preserved == 2 &&
		   config.preserved_fd[0] == 3 && config.preserved_fd[1] == 4,
	   "both are planned for");
	is_int(spec->process->env.n, 3, "the process is told");
	is_str(spec->process->env.v[1], "LISTEN_FDS=1", "how many there are");
	is_str(spec->process->env.v[2], "LISTEN_PID=1", "and that they are meant for it");
	preserved_fds_release(&p);
	for (size_t i = 0; i < ARRAY_SIZE(strange); i++) {
		listen_env(strange[i][0], strange[i][1]);
		ok(take_both(1, &p, &err) == 0 && p.n == 1 && p.n_listen == 0,
		   "LISTEN_FDS=%s that is not meant for us", strange[i][0]);
	}
	listen_env("1", NULL);
	ok(preserved_fds_take(0, false, &p, &err) == 0 && p.n == 0, "not for an exec");
	(void)close(3);
	is_int(preserved_fds_take(0, true, &p, &err), -ENOENT, "LISTEN_FDS lies");
	is_str(err.msg, "LISTEN_FDS: descriptor 3 is not open", "and is told so");
	as_3(open("/", O_RDONLY | O_DIRECTORY));
	is_int(preserved_fds_take(0, true, &p, &err), -ENOTSUP, "one of them is strange");
	ok(strstr(err.msg, "LISTEN_FDS: descriptor 3 is a directory: "), "by its name");
	listen_env("10", NULL);
	is_int(preserved_fds_take(7, true, &p, &err), -E2BIG,
	       "together they are too many");
	listen_env("99999999999999999999", NULL);
	is_int(preserved_fds_take(1, true, &p, &err), -ENOTSUP,
	       "a number beyond all is none");
}

int main(void)
{
	test_accepted();
	test_refused();
	test_not_open();
	test_listen();
	return tap_done();
}
