/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/io.h"
#include "rootfs/agent/agent.h"
#include "rootfs/agent/container.h"
#include "rootfs/agent/proc.h"
#include "rootfs/agent/stream.h"

static const char *const mark_names[] = {
	[CHILD_CLONED] = "container: cloned",
	[CHILD_NAMESPACES] = "container: namespaces",
	[CHILD_MOUNTS] = "container: mounts",
	[CHILD_DEVICES] = "container: devices",
	[CHILD_MASKS] = "container: masks",
	[CHILD_ROOT] = "container: root",
};

static_assert(ARRAY_SIZE(mark_names) == CHILD_MARKS, "a name for each");

/* succeed() - the request that @p has open is done. */
static void succeed(struct agent *a, struct proc *p)
{
	uint32_t seq = p->seq;

	p->seq = 0;
	if (seq)
		agent_result(a, seq, (uint64_t)p->inner_pid);
}

/*
 * on_error() - the child gives up.  It is answered when it has been reaped, so
 * that the host may use the numbers again.
 */
static void on_error(struct proc *p, const struct child_msg *msg)
{
	if (p->error)
		return;
	p->error = malloc(sizeof(*p->error));
	if (!p->error)
		return; /* then its end is all that can be told */
	*p->error = msg->err;
	p->error->msg[sizeof(p->error->msg) - 1] = 0;
}

/* on_tty() - CHILD_TTY: relay the terminal whose master is @fd. */
static void on_tty(struct proc *p, int fd)
{
	struct stream *io = p->streams[AGENT_STREAM_IO];

	if (!p->terminal || !io || io->attached) {
		close_fd(fd); /* the host has dropped the stream already */
		return;
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || stream_attach(io, fd, fd) < 0)
		(void)proc_kill(p, SIGKILL); /* told when it is reaped */
}

/* on_ready() - CHILD_READY: all is made up to the user's program. */
static void on_ready(struct agent *a, struct proc *p, const struct child_msg *msg)
{
	p->inner_pid = msg->pid;
	for (unsigned int i = 0; i < CHILD_MARKS; i++)
		if (msg->marks[i])
			agent_mark(a, mark_names[i], msg->marks[i]);
	if (p->number == AGENT_PROC_INIT && p->state == PROC_SETUP) {
		p->state = PROC_CREATED;
		agent_mark(a, "created", 0);
		succeed(a, p);
	}
}

/* on_execve() - the end of the child's messages. */
static void on_execve(struct agent *a, struct proc *p)
{
	watch_remove(&a->loop, &p->sync);
	close_fd(take_fd(&p->sync_fd));
	if (p->error)
		return;
	if (p->state == PROC_STARTING || (p->state == PROC_SETUP && p->inner_pid)) {
		/* Killed before it came so far?  Then it has run for no time. */
		p->state = PROC_RUNNING;
		succeed(a, p);
		if (p->number != AGENT_PROC_INIT)
			stream_refill(a);
	}
	/* Otherwise it died on the way: told when it is reaped. */
}

/* receive() - one message of the child; false: none is there. */
static bool receive(struct agent *a, struct proc *p)
{
	struct child_msg msg;
	int fds[SOCK_MAX_FDS];
	unsigned int n_fds = 0;
	ssize_t n = sock_recv(p->sync_fd, &msg, sizeof(msg), fds, &n_fds);
	size_t head = offsetof(struct child_msg, err);

	if (n == -EAGAIN)
		return false;
	if (n == (ssize_t)sizeof(msg) && msg.type == CHILD_ERROR) {
		on_error(p, &msg);
	} else if (n == (ssize_t)head && msg.type == CHILD_READY) {
		on_ready(a, p, &msg);
	} else if (n == (ssize_t)head && msg.type == CHILD_TTY && n_fds == 1) {
		on_tty(p, take_fd(&fds[0]));
	} else {
		on_execve(a, p);
	}
	for (unsigned int i = 0; i < n_fds; i++)
		close_fd(fds[i]);
	return p->sync_fd >= 0;
}

static void sync_ready(struct watch *w, uint32_t events)
{
	struct proc *p = container_of(w, struct proc, sync);

	(void)events; /* a message, or the end */
	(void)receive(p->container->agent, p);
}

int proc_watch(struct agent *a, struct proc *p, struct err *err)
{
	int ret = watch_add(&a->loop, &p->sync, p->sync_fd, EPOLLIN, sync_ready);

	if (ret < 0)
		return err_set(err, -ret, "watch process");
	return 0;
}

void proc_start(struct agent *a, struct proc *p, uint32_t seq)
{
	struct err err;

	if (p->state != PROC_CREATED) {
		(void)err_msg(&err, EBUSY, "cannot start an already running container");
		agent_result_err(a, seq, &err);
		return;
	}
	p->state = PROC_STARTING;
	p->seq = seq;
	/* A child that has died is told when it is reaped. */
	(void)sock_send(p->sync_fd, "", 1, NULL, 0);
}

int proc_kill(const struct proc *p, int sig)
{
	if (p->reaped)
		return -ESRCH;
	return pidfd_send_signal(p->pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

/* why() - @p ended before the user's program began. */
static struct err why(const struct proc *p)
{
	const char *what = p->number == AGENT_PROC_INIT ? "container init" : "process";
	struct err err = ERR_INIT;

	if (p->error)
		return *p->error;
	if (WIFSIGNALED(p->status) && WTERMSIG(p->status) == SIGKILL)
		(void)err_msg(&err, ESRCH, "%s was killed (memory limit too low?)", what);
	else
		(void)err_msg(&err, ESRCH, "%s ended early (status 0x%x)", what,
			      (unsigned int)p->status);
	return err;
}

void proc_drop_streams(struct proc *p)
{
	for (unsigned int i = 0; i < AGENT_STREAM_KINDS; i++)
		if (p->streams[i])
			stream_free(p->streams[i]);
}

/* never_was() - a failed AGENT_CREATE or AGENT_EXEC: nothing exits, all goes. */
static void never_was(struct agent *a, struct proc *p)
{
	struct container *c = p->container;
	struct err err = why(p);
	uint32_t seq = p->seq;

	proc_drop_streams(p);
	if (p->number == AGENT_PROC_INIT)
		c->init_gone = true;
	proc_free(a, p);
	container_done(a, c);
	agent_result_err(a, seq, &err);
}

/* streams_unknown() - is there one that the host does not know yet? */
static bool streams_unknown(const struct proc *p)
{
	for (unsigned int i = 0; i < AGENT_STREAM_KINDS; i++)
		if (p->streams[i] && !p->streams[i]->opened)
			return true;
	return false;
}

/* finish_stream() - what was written before the exit goes before its report. */
static void finish_stream(struct stream *s)
{
	if (s && s->attached)
		stream_drain(s);
	else if (s)
		stream_free(s); /* it never came to a terminal */
}

/*
 * tell_exit() - send AGENT_EXIT and free @p, unless the host does not know all of
 * its streams yet.
 */
static void tell_exit(struct agent *a, struct proc *p)
{
	struct container *c = p->container;
	bool is_init = p->number == AGENT_PROC_INIT;

	if (streams_unknown(p))
		return; /* proc_stream_opened() comes back */
	for (unsigned int i = 0; i < AGENT_STREAM_KINDS; i++)
		finish_stream(p->streams[i]);
	container_check_oom(a, c);
	if (is_init)
		agent_mark(a, "container: ended", 0);
	agent_event(a, AGENT_EXIT, c->number, p->number, (uint32_t)p->status);
	if (is_init)
		c->init_gone = true;
	proc_free(a, p);
	container_done(a, c);
}

void proc_stream_opened(struct agent *a, struct proc *p)
{
	if (p->reaped)
		tell_exit(a, p);
}

static struct proc *find_pid(struct agent *a, pid_t pid)
{
	for (unsigned int i = 0; i < AGENT_MAX_CONTAINERS; i++) {
		if (!a->containers[i])
			continue;
		for (struct proc *p = a->containers[i]->procs; p; p = p->next)
			if (p->pid == pid && !p->reaped)
				return p;
	}
	return NULL;
}

void proc_reap_all(struct agent *a)
{
	struct proc *p;
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
		p = find_pid(a, pid);
		if (!p) {
			if (pid == a->sockets_pid)
				a->sockets_pid = 0; /* its end is told by its socket */
			/* Otherwise an orphan that PID 1 inherited. */
			(void)fsfreeze_reaped(a, pid);
			continue;
		}
		/* What it still had to say comes before its end. */
		while (p->sync_fd >= 0 && receive(a, p))
			;
		p->reaped = true;
		p->status = status;
		if (p->seq && p->state == PROC_SETUP) {
			never_was(a, p);
			continue;
		}
		if (p->seq) { /* AGENT_START: created it was, so it exits as well */
			struct err err = why(p);

			agent_result_err(a, p->seq, &err);
		}
		tell_exit(a, p);
	}
	if (a->shutdown_seq)
		container_shutdown_all(a);
}

void proc_free(struct agent *a, struct proc *p)
{
	struct proc **prev = &p->container->procs;

	while (*prev != p)
		prev = &(*prev)->next;
	*prev = p->next;
	for (unsigned int i = 0; i < AGENT_STREAM_KINDS; i++)
		if (p->streams[i])
			p->streams[i]->proc = NULL;
	watch_remove(&a->loop, &p->sync);
	close_fd(p->sync_fd);
	close_fd(p->pidfd);
	free(p->error);
	free(p);
}
