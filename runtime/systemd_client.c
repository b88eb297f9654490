/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/systemd_client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "runtime/systemd/protocol.h"

/* exec_client() - the child's part; an error that it has is hull-systemd's answer. */
static void exec_client(int sock, int program, const struct oci_strings *words)
{
	struct err err = ERR_INIT;
	char name[] = "hull-systemd";
	char **argv = calloc(words->n + 2, sizeof(*argv));
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (argv && dup2(sock, SYSTEMD_SOCKET) >= 0 &&
	    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0) {
		argv[0] = name;
		memcpy(argv + 1, words->v, words->n * sizeof(*argv));
		/* The caller's environment: it may name another bus. */
		(void)syscall(SYS_execveat, program, "", argv, environ, AT_EMPTY_PATH);
	}
	(void)err_set(&err, errno, "exec hull-systemd");
	(void)sock_send(SYSTEMD_SOCKET, &err, sizeof(err), NULL, 0);
	_exit(1);
}

/* reap() - its wait status, or -errno. */
static int reap(struct systemd_call *call)
{
	pid_t pid = call->pid;
	int status;

	call->pid = 0;
	if (pid <= 0)
		return -ECHILD;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status;
}

/* receive() - 1: its answer, in @ret; 0: the end; -errno */
static int receive(const struct systemd_call *call, struct err *ret)
{
	ssize_t n = sock_recv(call->sock, ret, sizeof(*ret), NULL, NULL);

	if (n == 0 || n == -ECONNRESET)
		return 0;
	if (n < 0)
		return (int)n;
	if (n != sizeof(*ret) || ret->code < 0)
		return -EPROTO;
	ret->msg[sizeof(ret->msg) - 1] = 0;
	return 1;
}

static int await_answer(struct systemd_call *call, struct err *err)
{
	struct err answer;
	int ret = receive(call, &answer);
	int status;

	if (ret > 0)
		return answer.code ? err_msg(err, answer.code, "%s", answer.msg) : 0;
	if (ret < 0)
		return err_set(err, -ret, "hull-systemd's answer");
	status = reap(call);
	if (status >= 0 && WIFEXITED(status))
		return err_msg(err, EIO,
			       "hull-systemd ended unexpectedly: exit status %d%s",
			       WEXITSTATUS(status),
			       WEXITSTATUS(status) == 127
				       ? " (is libsystemd.so.0 installed?)"
				       : "");
	return err_msg(err, EIO, "hull-systemd ended unexpectedly");
}

int systemd_begin(struct systemd_call *call, int program, const struct oci_strings *words,
		  struct err *err)
{
	auto_fd int theirs = -1;
	int pair[2];
	int ret;

	*call = SYSTEMD_CALL_INIT;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	call->sock = pair[0];
	theirs = pair[1];
	call->pid = fork();
	if (call->pid == 0)
		exec_client(theirs, program, words);
	ret = call->pid < 0 ? err_set(err, errno, "fork") : 0;
	/* Ours must be the only copy of its end, or its end would not be seen. */
	close_fd(take_fd(&theirs));
	if (ret == 0)
		ret = await_answer(call, err);
	if (ret < 0)
		systemd_end(call, false);
	return ret;
}

void systemd_end(struct systemd_call *call, bool keep)
{
	static const char word = SYSTEMD_KEEP;
	struct err late;

	if (call->sock < 0)
		return;
	if (keep)
		(void)sock_send(call->sock, &word, 1, NULL, 0);
	/* Not close(): hull-vmm may have a copy until its execve. */
	(void)shutdown(call->sock, SHUT_WR);
	if (receive(call, &late) > 0 && late.code)
		log_warn("%s", late.msg);
	(void)reap(call);
	close_fd(take_fd(&call->sock));
}
