/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/hooks.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/spec.h"

#define MAX_OUTPUT 200 /* (bytes) of a failed hook's last words in the message */

/* memory_file() - a file that is nowhere: no pipe can fill up or lose its reader. */
static int memory_file(const char *text, struct err *err)
{
	auto_fd int fd = memfd_create("hull-hook", MFD_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return err_set(err, errno, "memfd_create");
	if (text)
		ret = io_write_full(fd, text, strlen(text));
	if (ret < 0)
		return err_set(err, -ret, "write the hook's input");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_set(err, errno, "rewind the hook's input");
	return take_fd(&fd);
}

static void exec_hook(const struct oci_hook *hook, char *const *env, int in, int out)
{
	sigset_t empty;

	(void)sigemptyset(&empty);
	(void)sigprocmask(SIG_SETMASK, &empty, NULL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(126);
	(void)execve(hook->path,
		     hook->args.n ? hook->args.v : (char *const[]){ hook->path, NULL },
		     hook->env.v ? hook->env.v : env);
	(void)dprintf(2, "%s", strerror(errno));
	_exit(127);
}

/* last_words() - what the hook printed, on one line, cut. */
static void last_words(int out, char *text, size_t size)
{
	ssize_t n = pread(out, text, size - 1, 0);

	text[n > 0 ? n : 0] = 0;
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
}

/* signal_name() - in words, small as Go has them: "bad system call" */
static const char *signal_name(int sig, char name[64])
{
	(void)!snprintf(name, 64, "%s", strsignal(sig));
	name[0] = (char)tolower((unsigned char)name[0]);
	return name;
}

/* ends_in_time() - 1: it has ended; 0: it has not; -errno: that cannot be known. */
static int ends_in_time(pid_t pid, int32_t timeout_s)
{
	/* Under a container's own filter it may be refused. */
	auto_fd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int timeout_ms = timeout_s > INT_MAX / 1000 ? INT_MAX : timeout_s * 1000;

	return pidfd < 0 ? -errno : io_wait_readable(pidfd, timeout_ms);
}

/* wait_hook() - its wait status, or -ETIMEDOUT after killing it. */
static int wait_hook(pid_t pid, const struct oci_hook *hook)
{
	int ended = hook->timeout.set ? ends_in_time(pid, hook->timeout.value) : 1;
	int status;

	if (ended <= 0)
		(void)kill(pid, SIGKILL); /* not reaped yet: the number is its own */
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return ended < 0 ? ended : ended ? status : -ETIMEDOUT;
}

static int run_hook(const struct oci_hook *hook, const char *state, char *const *env,
		    struct err *err)
{
	auto_fd int in = memory_file(state, err);
	auto_fd int out = -1;
	char words[MAX_OUTPUT];
	char name[64];
	int status;
	pid_t pid;

	if (in < 0)
		return in;
	out = memory_file(NULL, err);
	if (out < 0)
		return out;
	pid = fork();
	if (pid < 0)
		return err_set(err, errno, "fork");
	if (pid == 0)
		exec_hook(hook, env, in, out);
	status = wait_hook(pid, hook);
	if (status == 0)
		return 0;
	last_words(out, words, sizeof(words));
	if (status == -ETIMEDOUT)
		return err_msg(err, ETIMEDOUT, "hook '%s' ran past its timeout of %d s",
			       hook->path, (int)hook->timeout.value);
	if (status < 0)
		return err_set(err, -status, "wait for hook '%s'", hook->path);
	if (WIFSIGNALED(status))
		return err_msg(err, EIO, "hook '%s': signal: %s, output: %s", hook->path,
			       signal_name(WTERMSIG(status), name), words);
	return err_msg(err, EIO, "hook '%s': exit status %d, output: %s", hook->path,
		       WEXITSTATUS(status), words);
}

int hooks_run_one(const struct oci_hook_list *hooks, size_t i, const char *kind,
		  const char *state, char *const *env, struct err *err)
{
	int ret = run_hook(&hooks->v[i], state, env, err);

	return ret < 0 ? err_wrap(err, ret, "error running %s hook #%zu", kind, i) : 0;
}

int hooks_run(const struct oci_hook_list *hooks, const char *kind, const char *state,
	      char *const *env, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < hooks->n; i++)
		ret = hooks_run_one(hooks, i, kind, state, env, err);
	return ret;
}
