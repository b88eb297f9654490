/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/json.h"
#include "lib/log.h"
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/exec_process.h"
#include "runtime/pid_file.h"
#include "runtime/preserved_fds.h"
#include "runtime/supervise.h"
#include "runtime/tty.h"
#include "runtime/unix_socket.h"
#include "runtime/verbs.h"
#include "vmm/control.h"
#include "vmm/vm_config.h"

/* The status of `exec` itself when it fails, as in runc. */
#define EXEC_FAILED 255

struct session {
	struct supervised s; /* fd: the control connection */
	bool terminal;
	int slave; /* a console made for the process, or -1; owned */
	struct preserved_fds preserved; /* until the process runs */
	const char *cgroup; /* below the container's, or NULL */
	struct tty_raw raw;
};

static int news(struct supervised *s, int *ret_status, struct err *err)
{
	struct control_answer answer = { 0 };
	int ret = control_receive(s->fd, &answer, NULL, err);

	if (ret < 0)
		return ret;
	if (ret == 0)
		/* The container ended, and the process with it: killed. */
		*ret_status = 128 + SIGKILL;
	else if (answer.type == CONTROL_EXIT)
		*ret_status = (int)(answer.a & 0xff);
	else
		return 0;
	return 1;
}

static int forward(struct supervised *s, int sig)
{
	const struct control_request request = {
		.type = CONTROL_SIGNAL,
		.a = (uint32_t)sig,
	};

	return control_send(s->fd, &request, NULL);
}

static int resize(struct supervised *s, uint32_t rows, uint32_t cols)
{
	const struct control_request request = {
		.type = CONTROL_WINSIZE,
		.a = rows,
		.b = cols,
	};

	return control_send(s->fd, &request, NULL);
}

/*
 * open_console() - a pty for the process, its master handed over.
 */
static int open_console(struct session *se, const char *path, const struct oci_process *p,
			struct err *err)
{
	uint32_t rows = p->console_size ? p->console_size->height : 0;
	uint32_t cols = p->console_size ? p->console_size->width : 0;
	int ret = tty_open_console(path, rows, cols, &se->slave, err);

	if (ret == 0)
		se->s.tty = se->slave;
	return ret;
}

/*
 * own_console() - make it the controlling terminal, so that SIGWINCH comes here.
 * For the process that stays: when a session's leader ends, its terminal hangs up.
 */
static int own_console(const struct session *se, struct err *err)
{
	if (se->slave < 0)
		return 0;
	(void)setsid(); /* fails when we lead a session already */
	if (ioctl(se->slave, TIOCSCTTY, 0) < 0)
		return err_set(err, errno, "take the console as controlling terminal");
	return 0;
}

/*
 * open_anew() - a description of our own for a pipe or terminal, so that hull-vmm
 * can use it without waiting and without changing the caller's; it cannot do
 * this itself, because it sees no /proc.  Anything else goes as it is (-1).
 */
static int open_anew(int fd)
{
	char path[32];
	struct stat st;
	int mode;

	if (fstat(fd, &st) < 0 || !(S_ISFIFO(st.st_mode) || isatty(fd)))
		return -1;
	mode = fcntl(fd, F_GETFL);
	if (mode < 0)
		return -1;
	(void)!snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, (mode & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* our_fds() - what the process is to have; how many. */
static unsigned int our_fds(const struct session *se, int ours[3 + VM_MAX_PRESERVED])
{
	unsigned int n = se->terminal ? 2 : 3;

	for (unsigned int i = 0; i < n; i++)
		ours[i] = (int)i;
	if (se->slave >= 0)
		ours[0] = ours[1] = se->slave;
	for (unsigned int i = 0; i < se->preserved.n; i++)
		ours[n++] = 3 + (int)i;
	return n;
}

/*
 * begin() - send the request and wait until the process runs, or does not.
 */
static int begin(struct session *se, const struct oci_process *process, struct err *err)
{
	auto_buf struct buf json = BUF_INIT;
	int ours[3 + VM_MAX_PRESERVED];
	int anew[3 + VM_MAX_PRESERVED];
	int fds[3 + VM_MAX_PRESERVED];
	struct control_request request = {
		.type = CONTROL_EXEC,
		.a = se->terminal ? CONTROL_EXEC_TTY : 0,
		.fds = fds,
		.n_fds = our_fds(se, ours),
	};
	int ret = oci_process_write(process, &json, err);

	if (ret == 0 && se->cgroup &&
	    (buf_append(&json, "", 1) < 0 || buf_puts(&json, se->cgroup) < 0))
		ret = err_set(err, ENOMEM, "--cgroup");
	if (ret < 0)
		return ret;
	request.payload = json.data;
	request.len = json.len;
	if (se->terminal && !isatty(ours[1]))
		request.a |= CONTROL_EXEC_NO_CR;
	for (unsigned int i = 0; i < request.n_fds; i++) {
		anew[i] = open_anew(ours[i]);
		fds[i] = anew[i] >= 0 ? anew[i] : ours[i];
	}
	ret = control_exchange(se->s.fd, &request, NULL, err);
	for (unsigned int i = 0; i < request.n_fds; i++)
		close_fd(anew[i]);
	preserved_fds_release(&se->preserved);
	if (ret < 0)
		return err_wrap(err, ret, RUNC_NO_PROCESS);
	log_debug("exec: '%s' runs in the container", process->args.v[0]);
	return 0;
}

/* tell() - the outcome of the start, to the command that waits for it. */
static void tell(int pipe_fd, int ret, const struct err *err)
{
	struct err out = ret < 0 ? *err : ERR_INIT;

	(void)io_write_full(pipe_fd, &out, sizeof(out)); /* it may have been killed */
}

/* stand_in() - the detached process' pid on the host: lives and ends as it does. */
static int stand_in(struct session *se, const struct oci_process *process, int pipe_fd)
{
	struct err err = ERR_INIT;
	int ret = own_console(se, &err);

	if (ret == 0)
		ret = begin(se, process, &err);
	/* hull-vmm has them: ours would only keep ends of pipes open. */
	if (ret == 0)
		ret = io_leave_stdio(&err);
	tell(pipe_fd, ret, &err);
	close_fd(pipe_fd);
	if (ret == 0)
		ret = supervise(&se->s, &err);
	return ret < 0 ? EXEC_FAILED : ret;
}

static int exec_detached(struct session *se, const struct oci_process *process,
			 const char *pid_file, struct err *err)
{
	struct err child = ERR_INIT;
	auto_fd int in = -1;
	auto_fd int out = -1;
	int fds[2];
	pid_t pid;
	int ret;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, errno, "pipe");
	in = fds[0];
	out = fds[1];
	pid = fork();
	if (pid < 0)
		return err_set(err, errno, "fork");
	if (pid == 0) {
		close_fd(in);
		_exit(stand_in(se, process, out));
	}
	close_fd(take_fd(&out));
	ret = io_read_full(in, &child, sizeof(child));
	if (ret < 0)
		return err_set(err, -ret, "start the process");
	if (child.code)
		return err_msg(err, child.code, "%s", child.msg);
	return pid_file ? pid_file_write(pid_file, pid, err) : 0;
}

static int exec_attached(struct session *se, const struct oci_process *process,
			 const char *pid_file, struct err *err)
{
	int ret = own_console(se, err);

	if (ret == 0 && se->s.tty >= 0)
		ret = tty_raw_begin(&se->raw, se->s.tty, err);
	if (ret == 0)
		ret = begin(se, process, err);
	if (ret == 0 && pid_file)
		ret = pid_file_write(pid_file, getpid(), err);
	if (ret == 0)
		ret = supervise(&se->s, err);
	tty_raw_end(&se->raw);
	return ret;
}

static int check_terminal(const struct cli *cli, const struct session *se, bool detach,
			  struct err *err)
{
	const char *console = cli_string(&cli->options, "console-socket");

	if (console && !se->terminal)
		return err_msg(err, EINVAL,
			       "cannot use console socket if runc will not "
			       "detach or allocate tty");
	if (se->terminal && detach && !console)
		return err_msg(err, EINVAL,
			       "cannot allocate tty if runc will detach "
			       "without setting console socket");
	return 0;
}

/*
 * take_cgroup() - runc's --cgroup [controller,...:]path, of which cgroup v2 has the
 * path only; it is the guest's, and looked up there.
 */
static int take_cgroup(const struct cli *cli, const char **ret, struct err *err)
{
	size_t n;
	const char *const *list = cli_list(&cli->options, "cgroup", &n);

	if (!n)
		return 0;
	if (n > 1)
		return err_msg(err, EINVAL, "--cgroup: the container has one cgroup");
	if (!*list[0] || strchr(list[0], ':') || strlen(list[0]) >= PATH_MAX)
		return err_msg(err, EINVAL, "bad --cgroup argument: %.80s", list[0]);
	*ret = list[0];
	return 0;
}

static int exec_in(const struct cli *cli, const struct container *c, struct err *err)
{
	bool detach = cli_flag(&cli->options, "detach");
	const char *pid_file = cli_string(&cli->options, "pid-file");
	const char *console = cli_string(&cli->options, "console-socket");
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_fd int sock = -1;
	auto_fd int signals = -1;
	auto_fd int slave = -1;
	auto_fd int tty = -1;
	struct session se = { .slave = -1, .raw = { .fd = -1 } };
	int ret;

	ret = preserved_fds_take(cli_int(&cli->options, "preserve-fds"), false,
				 &se.preserved, err);
	if (ret == 0)
		ret = take_cgroup(cli, &se.cgroup, err);
	if (ret == 0)
		ret = exec_process_make(cli, c, &spec, err);
	if (ret < 0)
		return ret;
	se.terminal = spec->process->terminal;
	ret = check_terminal(cli, &se, detach, err);
	if (ret == 0 && se.terminal && !console) {
		tty = tty_of_caller(err);
		if (tty < 0)
			ret = err_wrap(err, tty, "--tty");
	}
	if (ret == 0)
		ret = control_connect(c, &sock, err);
	if (ret < 0)
		return ret;
	signals = supervise_signals(err);
	if (signals < 0)
		return signals;
	se.s = (struct supervised){ .fd = sock,
				    .news = news,
				    .forward = forward,
				    .resize = resize,
				    .tty = tty,
				    .signals = signals };
	if (console) {
		ret = open_console(&se, console, spec->process, err);
		slave = se.slave;
	}
	if (ret < 0)
		return ret;
	return detach ? exec_detached(&se, spec->process, pid_file, err)
		      : exec_attached(&se, spec->process, pid_file, err);
}

static int run(struct cli *cli, struct err *err)
{
	auto_container struct container *c = NULL;
	int ret = container_of(cli, &c, err);

	if (ret < 0)
		return err_wrap(err, ret, "exec failed");
	switch (container_status(c)) {
	case CONTAINER_STOPPED:
		ret = err_msg(err, ESRCH, "cannot exec in a stopped container");
		break;
	case CONTAINER_CREATING:
		ret = err_msg(err, ESRCH,
			      "cannot exec in a container that is being created");
		break;
	case CONTAINER_PAUSED:
		/* It waits, as every process there, until somebody resumes them. */
		if (cli_flag(&cli->options, "ignore-paused"))
			ret = exec_in(cli, c, err);
		else
			ret = err_msg(err, EBUSY,
				      "cannot exec in a paused container (use "
				      "--ignore-paused to override)");
		break;
	case CONTAINER_CREATED:
	case CONTAINER_RUNNING:
		ret = exec_in(cli, c, err);
		break;
	}
	return ret < 0 ? err_wrap(err, ret, "exec failed") : ret;
}

static const struct option_def options[] = {
	{ OPTION_STRING, "console-socket", NULL, "PATH",
	  "unix socket that gets the master of the process' terminal", NULL },
	{ OPTION_STRING, "cwd", NULL, "DIR", "current folder in the container", NULL },
	{ OPTION_LIST, "env", "e", "NAME=VALUE", "set an environment variable", NULL },
	{ OPTION_BOOL, "tty", "t", NULL, "allocate a terminal", NULL },
	{ OPTION_STRING, "user", "u", "UID[:GID]", "user and group of the process",
	  NULL },
	{ OPTION_LIST, "additional-gids", "g", "GID", "a further group", NULL },
	{ OPTION_STRING, "process", "p", "FILE", "the process object as JSON", NULL },
	{ OPTION_BOOL, "detach", "d", NULL, "do not wait for the process' end", NULL },
	{ OPTION_STRING, "pid-file", NULL, "FILE", "write the pid to FILE", NULL },
	{ OPTION_STRING, "process-label", NULL, "LABEL",
	  "SELinux label: only the container's own", NULL },
	{ OPTION_BOOL, "no-new-privs", NULL, NULL, "set no_new_privs", NULL },
	{ OPTION_LIST, "cap", "c", "CAP", "add a capability", NULL },
	{ OPTION_BOOL, "ignore-paused", NULL, NULL, "exec in a paused container too",
	  NULL },
	{ OPTION_LIST, "cgroup", NULL, "PATH",
	  "run the process in a cgroup below the container's", NULL },
	{ OPTION_INT, "preserve-fds", NULL, "N",
	  "pass N more descriptors (stdio + N in total)", NULL },
	{ 0 },
};

const struct command cmd_exec = {
	.name = "exec",
	.synopsis = "<container-id> <command> [args...]",
	.summary = "run a further process in a container",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.stop_at_argument = true,
	.error_status = EXEC_FAILED,
	.run = run,
};
