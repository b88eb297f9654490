/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/systemd_client.c, with this program in the place of hull-systemd: as that it
 * does what the word behind its verb says.
 */
#include "runtime/systemd_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "runtime/systemd/protocol.h"
#include "tests/unit/tap.h"

static int self; /* this program */

/* play() - hull-systemd's part; its last word is its exit status. */
static int play(const char *how)
{
	struct err answer = ERR_INIT;
	char word = 0;

	if (strcmp(how, "refuse") == 0)
		(void)err_msg(&answer, EPERM, "no");
	if (strcmp(how, "die") == 0)
		return 127;
	if (strcmp(how, "short") == 0)
		return sock_send(SYSTEMD_SOCKET, &answer, 5, NULL, 0) < 0;
	if (fcntl(3, F_GETFD) >= 0)
		(void)err_msg(&answer, EBADF, "descriptor 3 is open");
	(void)sock_send(SYSTEMD_SOCKET, &answer, sizeof(answer), NULL, 0);
	if (answer.code)
		return 1;
	if (sock_recv(SYSTEMD_SOCKET, &word, 1, NULL, NULL) != 1)
		word = '-';
	/* What hull said last is there to be seen. */
	return write(STDOUT_FILENO, &word, 1) != 1;
}

/* begin() - @call's stdout is @out. */
static int begin(const char *how, struct systemd_call *call, int out, struct err *err)
{
	char verb[] = "start";
	char text[16];
	char *word[] = { verb, text, NULL };
	struct oci_strings words = { .v = word, .n = 2 };
	auto_fd int stdout_fd = dup(STDOUT_FILENO);
	int ret;

	(void)!snprintf(text, sizeof(text), "%s", how);
	if (out >= 0)
		(void)dup2(out, STDOUT_FILENO);
	ret = systemd_begin(call, self, &words, err);
	(void)dup2(stdout_fd, STDOUT_FILENO);
	return ret;
}

/* keeps() - what hull-systemd hears at the end. */
static void keeps(bool keep, char want)
{
	struct systemd_call call;
	struct err err = ERR_INIT;
	char got = 0;
	int out[2];

	if (pipe2(out, O_CLOEXEC) < 0)
		return;
	is_int(begin("wait", &call, out[1], &err), 0, "begin: %s", err.msg);
	close_fd(out[1]);
	ok(poll(&(struct pollfd){ .fd = out[0], .events = POLLIN }, 1, 20) == 0,
	   "it waits");
	systemd_end(&call, keep);
	is_int(read(out[0], &got, 1), 1, "it has heard");
	is_int(got, want, "'%c'", want);
	is_int(call.sock, -1, "ended");
	systemd_end(&call, keep); /* once more: nothing */
	close_fd(out[0]);
}

int main(int argc, char **argv)
{
	struct systemd_call call = SYSTEMD_CALL_INIT;
	struct err err = ERR_INIT;

	if (argc == 3)
		return play(argv[2]);
	(void)argv;
	self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	systemd_end(&call, true); /* one that never began */
	keeps(true, SYSTEMD_KEEP);
	keeps(false, '-');
	is_int(begin("refuse", &call, -1, &err), -EPERM, "refused");
	is_str(err.msg, "no", "in its words");
	is_int(begin("die", &call, -1, &err), -EIO, "no answer");
	is_str(err.msg,
	       "hull-systemd ended unexpectedly: exit status 127 (is libsystemd.so.0 installed?)",
	       "says how it ended");
	is_int(begin("short", &call, -1, &err), -EPROTO, "half an answer");
	close_fd(self);
	self = open("/dev/null", O_RDONLY | O_CLOEXEC);
	is_int(begin("wait", &call, -1, &err), -EACCES, "no program");
	is_str(err.msg, "exec hull-systemd: Permission denied", "says so");
	close_fd(self);
	return tap_done();
}
