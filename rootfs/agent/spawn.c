/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/spec.h"
#include "rootfs/agent/agent.h"
#include "rootfs/agent/container.h"
#include "rootfs/agent/inroot.h"
#include "rootfs/agent/spawn.h"
#include "rootfs/agent/stream.h"
#include "rootfs/agent/userns.h"
#include "vmm/control.h"

static const uint64_t ns_flags[OCI_NS_MAX] = {
	[OCI_NS_PID] = CLONE_NEWPID,   [OCI_NS_NETWORK] = CLONE_NEWNET,
	[OCI_NS_MOUNT] = CLONE_NEWNS,  [OCI_NS_IPC] = CLONE_NEWIPC,
	[OCI_NS_UTS] = CLONE_NEWUTS,   [OCI_NS_CGROUP] = CLONE_NEWCGROUP,
	[OCI_NS_USER] = CLONE_NEWUSER, [OCI_NS_TIME] = CLONE_NEWTIME,
};

uint64_t spawn_namespaces(const struct oci_spec *spec)
{
	/* Its root is pivoted: nobody shares the agent's mounts. */
	uint64_t flags = CLONE_NEWNS;

	for (size_t i = 0; i < spec->linux_->namespaces.n; i++)
		flags |= ns_flags[spec->linux_->namespaces.v[i].type];
	return flags;
}

/*
 * The descriptors of a process, by their numbers there, and the agent's other ends,
 * which are non-blocking.
 */
struct pipes {
	uint32_t ways; /* agent_fd_ways() of those behind stdio */
	int child[LAUNCH_MAX_FDS];
	int agent[LAUNCH_MAX_FDS];
};

static void pipes_close(int fds[LAUNCH_MAX_FDS])
{
	for (unsigned int i = 0; i < LAUNCH_MAX_FDS; i++)
		close_fd(take_fd(&fds[i]));
}

/* pipe_make() - @ways: enum agent_fd_ways; both make a socket */
static int pipe_make(struct pipes *p, unsigned int i, unsigned int ways,
		     const struct oci_spec *spec, struct err *err)
{
	unsigned int child = ways == AGENT_FD_READ ? 0 : 1;
	int fds[2];

	if (ways == AGENT_FD_BOTH) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
			return err_set(err, errno, "socketpair");
	} else if (pipe2(fds, O_CLOEXEC) < 0) {
		return err_set(err, errno, "pipe");
	}
	p->child[i] = fds[child];
	p->agent[i] = fds[!child];
	if (fcntl(p->agent[i], F_SETFL, O_NONBLOCK) < 0)
		return err_set(err, errno, "pipe");
	return userns_own(p->child[i], spec, err);
}

static int pipes_make(struct pipes *p, bool terminal, const struct oci_spec *spec,
		      struct err *err)
{
	unsigned int ways;
	int ret = 0;

	for (unsigned int i = 0; ret == 0 && i < 3 && !terminal; i++)
		ret = pipe_make(p, i, i == STDIN_FILENO ? AGENT_FD_READ : AGENT_FD_WRITE,
				spec, err);
	for (unsigned int i = 0; ret == 0 && i < AGENT_MAX_PRESERVED; i++) {
		ways = agent_fd_ways(p->ways, i);
		if (!ways)
			break;
		ret = pipe_make(p, 3 + i, ways, spec, err);
	}
	return ret;
}

static struct proc *proc_new(struct container *c, const struct agent_frame *f,
			     bool terminal)
{
	struct proc *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->container = c;
	p->number = f->type == AGENT_CREATE ? AGENT_PROC_INIT : f->proc;
	p->seq = f->seq;
	p->terminal = terminal;
	p->pidfd = p->sync_fd = -1;
	p->next = c->procs;
	c->procs = p;
	return p;
}

/* clone_child() - 0 in the child, its pid in the agent, -errno. */
static pid_t clone_child(struct proc *p, uint64_t flags, int cgroup)
{
	struct clone_args args = {
		.flags = flags | CLONE_PIDFD | CLONE_INTO_CGROUP,
		.pidfd = (uint64_t)(uintptr_t)&p->pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = (unsigned int)cgroup,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? -errno : (pid_t)pid;
}

/* open_init_cgroup() - where the container's init is now. */
static int open_init_cgroup(struct agent *a, const struct proc *init)
{
	char path[64];
	char text[4096];
	char dir[sizeof(text) + 64];
	auto_fd int fd = -1;
	char *p;
	ssize_t n;
	int ret;

	(void)!snprintf(path, sizeof(path), "/proc/%d/cgroup", init->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -ESRCH;
	text[n] = 0;
	p = strstr(text, "0::/");
	if (!p)
		return -ENOENT;
	p += 4;
	p[strcspn(p, "\n")] = 0;
	(void)!snprintf(dir, sizeof(dir), "%s/%s", a->params->cgroup_root, p);
	ret = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ret < 0 ? -errno : ret;
}

/*
 * clone_into() - clone into the container's cgroup, or, when that one has given
 * its controllers to cgroups of its own (EBUSY) or was removed (ENODEV), into its
 * init's.
 * @given: a cgroup that was asked for, instead; -1: none
 */
static pid_t clone_into(struct agent *a, struct proc *p, uint64_t flags, int given)
{
	const struct proc *init = container_proc(p->container, AGENT_PROC_INIT);
	auto_fd int cgroup = -1;
	pid_t pid = clone_child(p, flags, given >= 0 ? given : p->container->cgroup_fd);

	if ((pid != -EBUSY && pid != -ENODEV) || given >= 0 || !init || init == p)
		return pid;
	cgroup = open_init_cgroup(a, init);
	return cgroup < 0 ? pid : clone_child(p, flags, cgroup);
}

/* enter_pid_ns() - the next child is born in the container's pid namespace. */
static int enter_pid_ns(struct agent *a, struct container *c, struct err *err)
{
	const struct proc *init = container_proc(c, AGENT_PROC_INIT);
	char path[64];

	if (a->pid_ns_fd < 0)
		a->pid_ns_fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (a->pid_ns_fd < 0)
		return err_set(err, errno, "open '/proc/self/ns/pid'");
	if (c->pid_ns_fd < 0) {
		(void)!snprintf(path, sizeof(path), "/proc/%d/ns/pid", init->pid);
		c->pid_ns_fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (c->pid_ns_fd < 0 || setns(c->pid_ns_fd, CLONE_NEWPID) < 0)
		return err_set(err, errno, "join the container's pid namespace");
	return 0;
}

/* leave_pid_ns() - later children are the agent's own again. */
static void leave_pid_ns(const struct agent *a)
{
	/* Back to one's own active namespace is always allowed. */
	(void)setns(a->pid_ns_fd, CLONE_NEWPID);
}

/* set_time_offsets() - of the time namespace that is made and still empty. */
static int set_time_offsets(const struct oci_spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->linux_->time_offsets.n; i++) {
		const struct oci_time_offset *o = &spec->linux_->time_offsets.v[i];
		char text[128];
		int ret;

		(void)!snprintf(text, sizeof(text), "%.32s %lld %u\n", o->key,
				(long long)o->secs, o->nanosecs);
		ret = io_write_file(AT_FDCWD, "/proc/self/timens_offsets", text, NULL);
		if (ret < 0)
			return err_set(err, -ret, "linux.timeOffsets.%.32s", o->key);
	}
	return 0;
}

/* leave_time_ns() - later children have the agent's own again. */
static void leave_time_ns(const struct agent *a)
{
	/* Back to one's own active namespace is always allowed. */
	(void)setns(a->time_ns_fd, CLONE_NEWTIME);
}

/*
 * make_time_ns() - the next child is born in a new one.  Its offsets can be set as
 * long as nobody is in it, so the clone itself cannot make it.
 */
static int make_time_ns(struct agent *a, const struct oci_spec *spec, struct err *err)
{
	if (a->time_ns_fd < 0)
		a->time_ns_fd = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
	if (a->time_ns_fd < 0)
		return err_set(err, errno, "open '/proc/self/ns/time'");
	if (unshare(CLONE_NEWTIME) < 0)
		return err_set(err, errno, "unshare the time namespace");
	return set_time_offsets(spec, err);
}

/* connect_streams() - begin the connections and make what they relay. */
static int connect_streams(struct agent *a, struct proc *p, struct pipes *pipes,
			   struct err *err)
{
	bool opened = stream_open(a, p, AGENT_STREAM_IO) &&
		      (p->terminal || stream_open(a, p, AGENT_STREAM_STDERR));

	for (unsigned int i = 0; opened && i < AGENT_MAX_PRESERVED; i++)
		if (agent_fd_ways(pipes->ways, i))
			opened = stream_open(a, p, AGENT_STREAM_FD + i);
	if (!opened)
		return err_msg(err, EIO, "cannot open a stream connection");
	return pipes_make(pipes, p->terminal, p->container->spec, err);
}

/* attach_preserved() - descriptor @i of the process; as stream_attach() */
static int attach_preserved(struct proc *p, struct pipes *pipes, unsigned int i)
{
	struct stream *s = p->streams[i];
	unsigned int ways = agent_fd_ways(pipes->ways, i - AGENT_STREAM_FD);

	if (!s)
		return 0; /* none, or the host has dropped it already */
	if (ways == AGENT_FD_BOTH)
		return stream_attach_socket(s, take_fd(&pipes->agent[i]));
	if (ways == AGENT_FD_READ)
		return stream_attach(s, take_fd(&pipes->agent[i]), -1);
	return stream_attach(s, -1, take_fd(&pipes->agent[i]));
}

/* attach_streams() - once the child has its ends. */
static int attach_streams(struct proc *p, struct pipes *pipes, struct err *err)
{
	struct stream *io = p->streams[AGENT_STREAM_IO];
	struct stream *errout = p->streams[AGENT_STREAM_STDERR];
	int ret = 0;

	/* The master of a terminal comes with a message. */
	if (!p->terminal && io)
		ret = stream_attach(io, take_fd(&pipes->agent[0]),
				    take_fd(&pipes->agent[1]));
	if (ret == 0 && errout)
		ret = stream_attach(errout, -1, take_fd(&pipes->agent[2]));
	for (unsigned int i = AGENT_STREAM_FD; ret == 0 && i < AGENT_STREAM_KINDS; i++)
		ret = attach_preserved(p, pipes, i);
	return ret < 0 ? err_set(err, -ret, "watch stdio") : 0;
}

/* connect_child() - p->sync_fd and its other end, in which the child waits. */
static int connect_child(struct proc *p, int *ret_child, struct err *err)
{
	int pair[2] = { -1, -1 };

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	p->sync_fd = pair[0];
	*ret_child = pair[1];
	/* Only the agent's end: the child waits in read(). */
	if (fcntl(p->sync_fd, F_SETFL, O_NONBLOCK) < 0)
		return err_set(err, errno, "socketpair");
	return 0;
}

/*
 * begin_userns() - the child waits for its user namespace to have ids.  Without them
 * it is killed, and the request answered when it has been reaped.
 */
static void begin_userns(struct proc *p, const struct launch *l)
{
	struct err err;
	int ret = userns_begin(p->pid, l, &err);

	if (ret == 0) {
		ret = sock_send(p->sync_fd, "", 1, NULL, 0);
		if (ret == 0)
			return;
		(void)err_set(&err, -ret, "let the container's init go on");
	}
	p->error = malloc(sizeof(*p->error));
	if (p->error) /* otherwise its end is all that can be told */
		*p->error = err;
	(void)proc_kill(p, SIGKILL);
}

/*
 * keep_net_ns() - of the container's new init, which runs nothing of the container's
 * yet: what is in it later may move to another.  One that has failed already has none.
 */
static void keep_net_ns(struct container *c, pid_t init)
{
	char path[64];

	(void)!snprintf(path, sizeof(path), "/proc/%d/ns/net", init);
	c->net_ns_fd = open(path, O_RDONLY | O_CLOEXEC);
}

/* spawn_child() - @pipes: what is left in it is the caller's to close */
static int spawn_child(struct agent *a, struct proc *p, struct launch *l, uint64_t flags,
		       void (*child)(const struct launch *l), struct pipes *pipes,
		       struct err *err)
{
	auto_fd int child_sync = -1;
	pid_t pid;
	int ret;

	ret = connect_streams(a, p, pipes, err);
	if (ret == 0)
		ret = connect_child(p, &child_sync, err);
	if (ret < 0)
		return ret;
	l->sync_fd = child_sync;
	memcpy(l->fds, pipes->child, sizeof(l->fds));
	while (l->n_preserved < AGENT_MAX_PRESERVED &&
	       agent_fd_ways(pipes->ways, l->n_preserved))
		l->n_preserved++;
	pid = clone_into(a, p, flags, l->cgroup_fd);
	if (pid == 0)
		child(l);
	if (pid < 0 && l->cgroup_fd >= 0)
		return err_set(err, -pid, "error adding pid of '%s' to cgroups",
			       l->process->args.v[0]);
	if (pid < 0)
		return err_set(err, -pid, "clone3");
	p->pid = pid;
	pipes_close(pipes->child);
	if (flags & CLONE_NEWNET)
		keep_net_ns(p->container, pid);
	if (flags & CLONE_NEWUSER)
		begin_userns(p, l);
	ret = attach_streams(p, pipes, err);
	if (ret == 0)
		ret = proc_watch(a, p, err);
	if (ret < 0)
		(void)proc_kill(p, SIGKILL); /* what is reaped later, nobody knows */
	return ret;
}

/* spawn() - @ways: agent_fd_ways() of its preserved descriptors */
static int spawn(struct agent *a, struct proc *p, struct launch *l, uint32_t ways,
		 uint64_t flags, void (*child)(const struct launch *l), struct err *err)
{
	struct pipes pipes = { .ways = ways };
	int ret;

	for (unsigned int i = 0; i < LAUNCH_MAX_FDS; i++)
		pipes.child[i] = pipes.agent[i] = -1;
	ret = spawn_child(a, p, l, flags, child, &pipes, err);
	pipes_close(pipes.child);
	pipes_close(pipes.agent);
	return ret;
}

/* discard() - @p never came to life. */
static void discard(struct agent *a, struct proc *p)
{
	proc_drop_streams(p);
	proc_free(a, p);
}

/* own_namespaces() - those that @c does not share with the agent. */
static uint64_t own_namespaces(const struct container *c)
{
	uint64_t own = spawn_namespaces(c->spec);

	return c->given_network ? own & ~(uint64_t)CLONE_NEWNET : own;
}

int spawn_init(struct agent *a, struct container *c, const struct agent_frame *f,
	       struct err *err)
{
	const struct oci_process *process = c->spec->process;
	struct proc *p = proc_new(c, f, process->terminal);
	struct launch l = {
		.process = process,
		.spec = c->spec,
		.filter = c->filter,
		.container_id = c->id,
		.terminal = process->terminal,
		.no_cr = f->flags & CONTROL_EXEC_NO_CR,
		.cgroup_fd = -1,
		.init_pidfd = -1,
	};
	int ret = 0;

	if (!p)
		return err_set(err, ENOMEM, "process");
	/* One that belongs to the agent's user namespace is of no use in another. */
	if (a->params->give_network && !a->network_given && !userns_wanted(c->spec) &&
	    spawn_namespaces(c->spec) & CLONE_NEWNET)
		a->network_given = c->given_network = true;
	l.namespaces = own_namespaces(c);
	/*
	 * The cgroup namespace's root is where its maker is, and a clone's is where
	 * its parent is: the child makes it itself.
	 */
	if (l.namespaces & CLONE_NEWTIME)
		ret = make_time_ns(a, c->spec, err);
	if (ret == 0)
		ret = spawn(a, p, &l, f->arg,
			    l.namespaces & ~(uint64_t)(CLONE_NEWCGROUP | CLONE_NEWTIME),
			    init_child, err);
	if (l.namespaces & CLONE_NEWTIME)
		leave_time_ns(a);
	if (ret < 0)
		discard(a, p);
	return ret;
}

/* open_cgroup() - @path below the container's; nothing in it may lead out */
static int open_cgroup(const struct container *c, const char *path, struct err *err)
{
	int fd = inroot_open_beneath(c->cgroup_fd, path, O_RDONLY | O_DIRECTORY);

	if (fd == -EXDEV)
		return err_msg(err, EINVAL, "bad sub cgroup path: %s", path);
	return fd < 0 ? err_set(err, -fd, "open cgroup '%s'", path) : fd;
}

int spawn_exec(struct agent *a, struct container *c, const struct agent_frame *f,
	       const struct oci_process *process, const char *cgroup, struct err *err)
{
	const struct proc *init = container_proc(c, AGENT_PROC_INIT);
	auto_fd int cgroup_fd = -1;
	struct launch l = {
		.process = process,
		.spec = c->spec,
		.filter = c->filter,
		.container_id = c->id,
		.terminal = process->terminal,
		.no_cr = f->flags & CONTROL_EXEC_NO_CR,
		.namespaces = own_namespaces(c),
		.init_pidfd = init->pidfd,
		.cgroup_fd = -1,
	};
	struct proc *p;
	int ret;

	if (cgroup) {
		l.cgroup_fd = cgroup_fd = open_cgroup(c, cgroup, err);
		if (cgroup_fd < 0)
			return cgroup_fd;
	}
	if (l.namespaces & CLONE_NEWPID) {
		ret = enter_pid_ns(a, c, err);
		if (ret < 0)
			return ret;
	}
	p = proc_new(c, f, process->terminal);
	ret = p ? spawn(a, p, &l, f->arg, 0, exec_child, err)
		: err_set(err, ENOMEM, "process");
	if (l.namespaces & CLONE_NEWPID)
		leave_pid_ns(a);
	if (ret < 0 && p)
		discard(a, p);
	return ret;
}

pid_t spawn_plain(struct agent *a, struct container *c, const struct oci_process *process,
		  const int fds[3], int *ret_sock, int *ret_pidfd, struct err *err)
{
	const struct proc *init = container_proc(c, AGENT_PROC_INIT);
	struct proc p = { .container = c, .pidfd = -1 };
	struct launch l = {
		.process = process,
		.spec = c->spec,
		.filter = c->filter,
		.container_id = c->id,
		.namespaces = own_namespaces(c),
		.init_pidfd = init->pidfd,
		.cgroup_fd = -1,
		.fds = { fds[0], fds[1], fds[2] },
	};
	auto_fd int theirs = -1;
	auto_fd int ours = -1;
	int pair[2];
	pid_t pid;
	int ret;

	if (l.namespaces & CLONE_NEWPID) {
		ret = enter_pid_ns(a, c, err);
		if (ret < 0)
			return ret;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	ours = pair[0];
	l.sync_fd = theirs = pair[1];
	pid = clone_into(a, &p, 0, -1);
	if (pid == 0)
		exec_child(&l);
	if (pid < 0)
		return err_set(err, -pid, "clone3");
	*ret_sock = take_fd(&ours);
	*ret_pidfd = p.pidfd;
	return pid;
}
