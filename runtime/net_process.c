/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/net_process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/host_cgroup.h"
#include "runtime/install.h"
#include "vmm/control.h"
#include "vmm/net/proto.h"

/* What a child that could not be one exits with; its reason goes over the socket. */
#define CHILD_FAILED 125

/* In the state folder: not empty as long as hull-net has filters that redirect. */
#define LEFT "network"

/*
 * exec_net() - returns only on failure.
 * @keep: stays open; -1: there is none
 * @fd: becomes its descriptor @out; -1: nothing is written there
 */
static int exec_net(int program, int keep, int fd, int out, char *const argv[],
		    struct err *err)
{
	char *envp[] = { NULL };
	sigset_t none;
	int ret = io_leave_stdio(err); /* whoever reads the caller's must see its end */

	if (ret < 0)
		return ret;
	if (fd >= 0 && dup2(fd, out) < 0)
		return err_set(err, errno, "descriptor %d of hull-net", out);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (setsid() < 0 && errno != EPERM)
		return err_set(err, errno, "setsid");
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0 ||
	    (keep >= 0 && fcntl(keep, F_SETFD, 0) < 0))
		return err_set(err, errno, "descriptors of hull-net");
	(void)syscall(SYS_execveat, program, "", argv, envp, AT_EMPTY_PATH);
	return err_set(err, errno, "exec hull-net");
}

/* tell() - hull-vmm hears of it, and so does whoever starts the container. */
static void tell(int sock, const struct err *err)
{
	const struct net_msg head = { .type = NET_FAILED };
	char msg[sizeof(head) + ERR_MSG_SIZE];
	size_t len = strlen(err->msg);

	memcpy(msg, &head, sizeof(head));
	memcpy(msg + sizeof(head), err->msg, len);
	(void)sock_send(sock, msg, sizeof(head) + len, NULL, 0);
}

/* What the children between need. */
struct birth {
	const struct container *c;
	const struct host_cgroup *cgroup;
	int program;
	int vmm; /* pidfd */
	int sock; /* hull-net's end */
	int left; /* the file LEFT */
};

/* follow() - in the last child: in the container's cgroup, then hull-net. */
static void follow(const struct birth *b)
{
	const struct container *c = b->c;
	char fd_text[16], pairs[16], vhost[8];
	char name[] = "hull-net", verb[] = "follow";
	char left[] = "1", none[] = "0", off[] = "off";
	/* A state of before there were limits has none. */
	char *argv[] = { name,
			 verb,
			 fd_text,
			 left,
			 pairs,
			 vhost,
			 c->net_rx ? c->net_rx : none,
			 c->net_tx ? c->net_tx : none,
			 c->net_antispoof ? c->net_antispoof : off,
			 NULL };
	struct err err = ERR_INIT;
	int ret = host_cgroup_join(b->cgroup, &err);

	(void)!snprintf(fd_text, sizeof(fd_text), "%d", b->sock);
	(void)!snprintf(pairs, sizeof(pairs), "%u", net_pairs(c->vcpus));
	(void)!snprintf(vhost, sizeof(vhost), "%s", c->net_vhost);
	if (ret == 0)
		ret = exec_net(b->program, b->sock, b->left, STDOUT_FILENO, argv, &err);
	if (ret < 0)
		tell(b->sock, &err);
	_exit(CHILD_FAILED);
}

/* await() - Return: exit status; -errno */
static int await(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/*
 * birth() - in hull-vmm's pid namespace: hull-net, as a child whose parent ends at
 * once.  So hull-vmm, PID 1 there, is its parent.  One that stayed a child of ours
 * would be our caller's in the end, and hull-vmm's own end waits for everybody in the
 * namespace to be reaped: it would hang where the caller adopts and does not look.
 */
static void birth(const struct birth *b)
{
	struct err err = ERR_INIT;
	pid_t pid = fork();

	if (pid == 0)
		follow(b);
	if (pid > 0)
		_exit(0);
	(void)err_set(&err, errno, "fork hull-net");
	tell(b->sock, &err);
	_exit(CHILD_FAILED);
}

/*
 * step_in() - in the child between: into hull-vmm's network namespace, and by
 * a child of its own into the pid namespace, which a process can only be born in.
 */
static void step_in(const struct birth *b)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	int birthplace = host_cgroup_birthplace(b->cgroup);
	struct err err = ERR_INIT;
	long pid;

	if (birthplace >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned int)birthplace;
	}
	if (setns(b->vmm, CLONE_NEWNET | CLONE_NEWPID) < 0) {
		(void)err_set(&err, errno, "join hull-vmm's namespaces");
	} else {
		pid = syscall(SYS_clone3, &args, sizeof(args));
		if (pid == 0)
			birth(b);
		if (pid > 0)
			_exit(await((pid_t)pid) == 0 ? 0 : CHILD_FAILED);
		(void)err_set(&err, errno, "clone hull-net");
	}
	tell(b->sock, &err);
	_exit(CHILD_FAILED);
}

/* hand_over() - hull-vmm's end of the socket. */
static int hand_over(const struct container *c, int sock, bool wait, struct err *err)
{
	const struct control_request request = {
		.type = CONTROL_NET,
		.fds = &sock,
		.n_fds = 1,
	};
	auto_fd int control = -1;
	int ret;

	if (wait)
		return control_call(c, &request, NULL, err);
	ret = control_connect(c, &control, err);
	return ret < 0 ? ret : control_send(control, &request, err);
}

int net_process_start(const struct container *c, const struct host_cgroup *cgroup,
		      bool wait, struct err *err)
{
	auto_fd int program = install_open(INSTALL_NET, err);
	auto_fd int vmm = -1;
	auto_fd int ours = -1;
	auto_fd int theirs = -1;
	auto_fd int left = -1;
	int pair[2];
	pid_t pid;
	int ret;

	if (program < 0)
		return program;
	vmm = container_pidfd(c, err);
	if (vmm < 0)
		return vmm;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	/* Of hull-vmm's end only, which its loop reads. */
	if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
		return err_set(err, errno, "socket to hull-net");
	left = openat(c->dir, LEFT, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (left < 0 || write(left, "yes\n", 4) != 4)
		return err_set(err, left < 0 ? errno : EIO, "write '" LEFT "'");
	pid = fork();
	if (pid < 0)
		return err_set(err, errno, "fork");
	if (pid == 0) {
		close_fd(ours);
		step_in(&(struct birth){ c, cgroup, program, vmm, theirs, left });
	}
	ret = await(pid);
	if (ret < 0)
		return err_set(err, -ret, "wait for hull-net's start");
	/* Of what went wrong hull-vmm tells, at the start. */
	return hand_over(c, ours, wait, err);
}

/* run_child() - the child's part of run(): hull-net, whose stderr is @out. */
static void run_child(int program, int ns, int keep, char *const argv[], int out)
{
	struct err err = ERR_INIT;

	if (ns >= 0 && setns(ns, CLONE_NEWNET) < 0)
		(void)err_set(&err, errno, "join the container's network namespace");
	else if (exec_net(program, keep, out, STDERR_FILENO, argv, &err) == 0)
		return; /* it does not come here */
	(void)dprintf(out, "hull-net: %s\n", err.msg);
	_exit(CHILD_FAILED);
}

/* complaint() - the one line that a hull-net that failed has written. */
static int complaint(const char *line, int status, struct err *err)
{
	static const char prefix[] = "hull-net: ";
	size_t skip = strncmp(line, prefix, sizeof(prefix) - 1) == 0 ? sizeof(prefix) - 1 : 0;

	if (!*line)
		return err_msg(err, EIO,
			       "hull-net ended unexpectedly: exit status %d%s", status,
			       status == 127 ? " (is libmnl.so.0 installed?)" : "");
	return err_msg(err, EIO, "%.*s", (int)strcspn(line + skip, "\n"), line + skip);
}

/*
 * run() - hull-net to its end.
 * @ns: namespace to run it in; -1: ours
 * @keep: descriptor that it is given; -1: none
 */
static int run(int ns, int keep, char *const argv[], struct err *err)
{
	auto_fd int program = install_open(INSTALL_NET, err);
	auto_fd int in = -1;
	char line[ERR_MSG_SIZE] = "";
	size_t len = 0;
	int out[2];
	ssize_t n;
	pid_t pid;
	int ret;

	if (program < 0)
		return program;
	if (pipe2(out, O_CLOEXEC) < 0)
		return err_set(err, errno, "pipe");
	in = out[0];
	pid = fork();
	if (pid == 0)
		run_child(program, ns, keep, argv, out[1]);
	close_fd(out[1]);
	if (pid < 0)
		return err_set(err, errno, "fork");
	while (len < sizeof(line) - 1 &&
	       (n = read(in, line + len, sizeof(line) - 1 - len)) > 0)
		len += (size_t)n;
	line[len] = 0;
	ret = await(pid);
	if (ret < 0)
		return err_set(err, -ret, "wait for hull-net");
	return ret ? complaint(line, ret, err) : 0;
}

bool net_process_left(const struct container *c)
{
	struct stat st;

	return fstatat(c->dir, LEFT, &st, 0) < 0 || st.st_size > 0;
}

int net_process_clean(int ns, struct err *err)
{
	char name[] = "hull-net", verb[] = "clean";
	char *argv[] = { name, verb, NULL };

	return run(ns, -1, argv, err);
}

int net_process_move(int ns, char *device, char *new_name, struct err *err)
{
	char name[] = "hull-net", verb[] = "move", fd_text[16];
	char *argv[] = { name, verb, fd_text, device, new_name, NULL };

	(void)!snprintf(fd_text, sizeof(fd_text), "%d", ns);
	return run(-1, ns, argv, err);
}
