/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `hull freeze`: a connection to hull-vmm is the freeze, so whatever ends this process
 * ends it as well.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/freeze_status.h"
#include "runtime/supervise.h"
#include "runtime/verbs.h"
#include "vmm/control.h"

#define MAX_TIMEOUT (CONTROL_FREEZE_MAX_MS / 1000)
/* (ms) hull-vmm may take beyond the deadlines that it keeps itself. */
#define GRACE_MS 10000
#define THAW_MS ((int)CONTROL_THAW_MS + GRACE_MS)

/* A command that runs under a freeze. */
struct frozen_run {
	struct supervised s; /* first: its functions cast back */
	int sock; /* -1: the freeze is over, `why` says why */
	int pidfd;
	pid_t pid;
	struct err why;
};

static_assert(offsetof(struct frozen_run, s) == 0, "its functions cast back");

static int print_status(const struct container *c, struct err *err)
{
	static const struct control_request request = { .type = CONTROL_FREEZE_STATUS };
	auto_buf struct buf payload = BUF_INIT;
	auto_buf struct buf b = BUF_INIT;
	int ret = control_call(c, &request, &payload, err);

	if (ret == 0)
		ret = freeze_status_json(c->id, payload.data, payload.len, "  ", &b, err);
	return ret < 0 ? ret : print_out(b.data, err);
}

/* over() - the freeze has ended, and it was not us: @err says why. */
static int over(uint32_t why, struct err *err)
{
	switch (why) {
	case CONTROL_THAW_DEADLINE:
		return err_msg(err, ETIMEDOUT,
			       "the freeze has passed its deadline: the container was "
			       "thawed");
	case CONTROL_THAW_ADMINISTRATOR:
		return err_msg(err, ECANCELED,
			       "an administrator has thawed the container");
	case CONTROL_THAW_KILLED:
		return err_msg(err, ECANCELED,
			       "the container was killed, and thawed before");
	default:
		return err_msg(err, ESRCH, "the container has ended");
	}
}

/* await_end() - hull-vmm says that the freeze is over; 0: because we wanted it so. */
static int await_end(int sock, struct err *err)
{
	struct control_answer answer = { 0 };
	int ret = control_receive(sock, &answer, NULL, err);

	if (ret < 0)
		return ret;
	if (ret == 0)
		return over(CONTROL_THAW_ENDED, err);
	if (answer.type != CONTROL_EXIT)
		return err_msg(err, EPROTO, "hull-vmm sent message %u", answer.type);
	return answer.a == CONTROL_THAW_RELEASED ? 0 : over(answer.a, err);
}

/* thaw() - let go and wait until it is done. */
static int thaw(int sock, struct err *err)
{
	static const struct control_request request = { .type = CONTROL_THAW };
	int ret = control_send(sock, &request, err);

	/* It may have ended: then it says so. */
	if (ret < 0 && ret != -EPIPE && ret != -ECONNRESET)
		return ret;
	ret = io_wait_readable(sock, THAW_MS);
	if (ret <= 0)
		return err_msg(err, ETIMEDOUT, "no answer of hull-vmm within %d s",
			       THAW_MS / 1000);
	return await_end(sock, err);
}

/* ---- a command ---------------------------------------------------------------------- */

static int news(struct supervised *s, int *ret_status, struct err *err)
{
	struct frozen_run *run = (struct frozen_run *)s;
	siginfo_t info = { 0 };

	if (run->sock >= 0 && io_wait_readable(run->sock, 0) > 0) {
		if (await_end(run->sock, &run->why) == 0)
			(void)err_msg(&run->why, EPROTO, "hull-vmm ended the freeze");
		log_warn("%s while '%d' was running", run->why.msg, (int)run->pid);
		close_fd(take_fd(&run->sock)); /* takes it off the epoll as well */
	}
	if (waitid(P_PIDFD, (id_t)run->pidfd, &info, WEXITED | WNOHANG) < 0)
		return err_set(err, errno, "wait for the command");
	if (!info.si_pid)
		return 0;
	*ret_status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	return 1;
}

/* forward() - but for what a terminal sends to the whole group, as system(3) does. */
static int forward(struct supervised *s, int sig)
{
	const struct frozen_run *run = (const struct frozen_run *)s;

	if (sig == SIGINT || sig == SIGQUIT || sig == SIGTSTP)
		return 0;
	return pidfd_send_signal(run->pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

static int resize(struct supervised *s, uint32_t rows, uint32_t cols)
{
	(void)s;
	(void)rows;
	(void)cols;
	return 0; /* it has our own terminal */
}

static void exec_command(char **argv, const sigset_t *mask, pid_t parent)
{
	/* What it copies without the freeze is of no use to anybody. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	if (getppid() != parent)
		_exit(127);
	(void)execvp(argv[0], argv);
	(void)dprintf(STDERR_FILENO, "hull: exec '%s': %s\n", argv[0],
		      strerrordesc_np(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int watch(int epoll, int fd, struct err *err)
{
	struct epoll_event ev = { .events = EPOLLIN };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		return err_set(err, errno, "epoll");
	return 0;
}

/* supervise_command() - until the command ends; its exit status, or -errno. */
static int supervise_command(struct frozen_run *run, char **argv, struct err *err)
{
	auto_fd int epoll = epoll_create1(EPOLL_CLOEXEC);
	auto_fd int pidfd = -1;
	auto_fd int signals = -1;
	pid_t parent = getpid();
	sigset_t mask;
	int ret;

	(void)sigprocmask(SIG_BLOCK, NULL, &mask); /* only reads it */
	signals = supervise_signals(err);
	if (signals < 0)
		return signals;
	run->pid = fork();
	if (run->pid < 0)
		return err_set(err, errno, "fork");
	if (run->pid == 0)
		exec_command(argv, &mask, parent);
	run->pidfd = pidfd = pidfd_open(run->pid, 0);
	if (epoll < 0 || pidfd < 0) {
		ret = err_set(err, errno, "watch the command");
	} else {
		ret = watch(epoll, pidfd, err);
		if (ret == 0)
			ret = watch(epoll, run->sock, err);
	}
	if (ret < 0) {
		(void)kill(run->pid, SIGKILL); /* our child, not reaped */
		return ret;
	}
	run->s = (struct supervised){ .fd = epoll,
				      .news = news,
				      .forward = forward,
				      .resize = resize,
				      .tty = -1,
				      .signals = signals };
	return supervise(&run->s, err);
}

static int run_command(int *sock, char **argv, struct err *err)
{
	struct frozen_run run = { .sock = *sock, .pidfd = -1, .why = ERR_INIT };
	int status = supervise_command(&run, argv, err);

	*sock = run.sock;
	if (run.sock < 0) { /* whatever the command says */
		*err = run.why;
		return err_wrap(err, -run.why.code,
				"what the command saw may be of different moments");
	}
	if (status < 0)
		return status;
	return thaw(run.sock, err) < 0
		       ? err_wrap(err, -err->code, "after the command's end")
		       : status;
}

/* ---- the freeze ----------------------------------------------------------------------- */

/* hold() - as long as this process lives, or hull-vmm says that it is over. */
static int hold(int sock, struct err *err)
{
	int ret = print_out("frozen\n", err);

	if (ret < 0)
		return ret;
	while ((ret = io_wait_readable(sock, -1)) == 0)
		;
	return ret < 0 ? err_set(err, -ret, "poll") : await_end(sock, err);
}

static int freeze(const struct container *c, const struct cli *cli, uint32_t timeout_ms,
		  struct err *err)
{
	const char *name = cli->argc > 1 ? cli->argv[1] : "hull freeze";
	const struct control_request request = {
		.type = CONTROL_FREEZE,
		.a = timeout_ms,
		.b = (uint32_t)getpid(),
		.payload = name,
		.len = strlen(name),
		.timeout_ms = (int)timeout_ms + GRACE_MS,
	};
	auto_fd int sock = -1;
	int ret = control_connect(c, &sock, err);

	if (ret == 0)
		ret = control_exchange(sock, &request, NULL, err);
	if (ret < 0)
		return err_wrap(err, ret, "freeze container '%s'", c->id);
	ret = cli->argc > 1 ? run_command(&sock, cli->argv + 1, err) : hold(sock, err);
	return ret < 0 ? err_wrap(err, ret, "freeze of container '%s'", c->id) : ret;
}

static int run(struct cli *cli, struct err *err)
{
	auto_container struct container *c = NULL;
	bool status = cli_flag(&cli->options, "status");
	long timeout = cli_int(&cli->options, "timeout");
	int ret = container_of(cli, &c, err);

	if (ret < 0)
		return ret;
	if (timeout < 1 || timeout > (long)MAX_TIMEOUT)
		return err_msg(
			err, EINVAL,
			"invalid value \"%ld\" for flag -timeout: expected 1 to %u "
			"seconds",
			timeout, MAX_TIMEOUT);
	if (status && cli->argc > 1)
		return err_msg(err, EINVAL, "--status takes no command");
	if (container_status(c) == CONTAINER_STOPPED)
		return err_msg(err, ESRCH, "container not running");
	return status ? print_status(c, err)
		      : freeze(c, cli, (uint32_t)timeout * 1000, err);
}

static const struct option_def options[] = {
	{ OPTION_BOOL, "status", NULL, NULL, "print who holds a freeze, as JSON", NULL },
	{ OPTION_INT, "timeout", NULL, "SECONDS",
	  "the container is thawed after that time, whatever happens", "60" },
	{ 0 },
};

const struct command cmd_freeze = {
	.name = "freeze",
	.synopsis = "<container-id> [command] [args...]",
	.summary = "freeze a container's file systems while a command runs",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};
