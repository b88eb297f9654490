/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "rootfs/agent/agent.h"
#include "rootfs/agent/container.h"
#include "rootfs/agent/freeze.h"
#include "rootfs/agent/net.h"
#include "rootfs/agent/notices.h"
#include "rootfs/agent/ps.h"
#include "rootfs/agent/sockets.h"
#include "rootfs/agent/spawn.h"
#include "rootfs/agent/stats.h"
#include "rootfs/agent/stream.h"
#include "rootfs/agent/update.h"
#include "vmm/cgroup_stats.h"
#include "vmm/control.h"

#define MAX_PS 1024 /* processes that one answer lists */

uint64_t agent_uptime_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- out ------------------------------------------------------------------------ */

static void send_frame(struct agent *a, const struct agent_frame *f, const void *payload,
		       bool hold)
{
	if (frame_write(&a->writer, f, payload, hold) < 0)
		a->loop.stop = true;
}

void agent_result(struct agent *a, uint32_t seq, uint64_t value)
{
	const struct agent_frame f = { .type = AGENT_RESULT, .seq = seq, .value = value };

	send_frame(a, &f, NULL, false);
}

void agent_result_data(struct agent *a, uint32_t seq, const void *data, uint32_t len)
{
	const struct agent_frame f = { .type = AGENT_RESULT, .seq = seq, .len = len };

	send_frame(a, &f, data, false);
}

void agent_result_err(struct agent *a, uint32_t seq, const struct err *err)
{
	const struct agent_frame f = {
		.type = AGENT_RESULT,
		.seq = seq,
		.arg = err->code > 0 ? (uint32_t)err->code : EIO,
		.len = (uint32_t)strlen(err->msg),
	};

	send_frame(a, &f, err->msg, false);
}

void agent_event(struct agent *a, uint16_t type, uint16_t container, uint32_t proc,
		 uint32_t arg)
{
	const struct agent_frame f = {
		.type = type,
		.container = container,
		.proc = proc,
		.arg = arg,
	};

	send_frame(a, &f, NULL, false);
}

void agent_mark(struct agent *a, const char *name, uint64_t ns)
{
	const struct agent_frame f = {
		.type = AGENT_MARK,
		.len = (uint32_t)strlen(name),
		.value = ns ? ns : agent_uptime_ns(),
	};

	send_frame(a, &f, name, true);
}

static void say_hello(struct agent *a)
{
	const struct agent_frame f = {
		.type = AGENT_HELLO,
		.arg = AGENT_PROTO_VERSION,
		.value = agent_uptime_ns(),
	};

	send_frame(a, &f, NULL, false);
	if (a->params->began_ns)
		agent_mark(a, "agent: began", a->params->began_ns);
	if (a->params->mounted_ns)
		agent_mark(a, "agent: mounted", a->params->mounted_ns);
}

/* ---- in ------------------------------------------------------------------------- */

/* answer() - 0, or what @err says. */
static void answer(struct agent *a, uint32_t seq, int ret, const struct err *err)
{
	if (ret < 0)
		agent_result_err(a, seq, err);
	else
		agent_result(a, seq, 0);
}

static void on_create(struct agent *a, const struct agent_frame *f, const char *payload)
{
	struct err err = ERR_INIT;
	const char *config;
	const char *id;
	size_t len;
	int ret;

	if (frame_split_create(payload, f->len, &id, &config, &len) < 0)
		ret = err_msg(&err, EPROTO, "malformed request to create a container");
	else
		ret = container_create(a, f, id, config, len, &err);
	if (ret < 0)
		agent_result_err(a, f->seq, &err);
}

static void on_exec(struct agent *a, const struct agent_frame *f, struct container *c,
		    const char *payload)
{
	struct err err = ERR_INIT;

	if (container_exec(a, c, f, payload, &err) < 0)
		agent_result_err(a, f->seq, &err);
}

static int do_kill(const struct container *c, const struct proc *p,
		   const struct agent_frame *f, struct err *err)
{
	int ret;

	if (f->arg >= NSIG)
		return err_set(err, EINVAL, "signal %u", f->arg);
	if (f->proc == AGENT_KILL_ALL)
		ret = container_kill_all(c, (int)f->arg);
	else
		ret = p ? proc_kill(p, (int)f->arg) : -ESRCH;
	return ret < 0 ? err_set(err, -ret, "signal %u", f->arg) : 0;
}

static int do_winsize(const struct proc *p, uint32_t arg, struct err *err)
{
	const struct stream *io = p ? p->streams[AGENT_STREAM_IO] : NULL;
	int ret = io ? stream_winsize(io, (uint16_t)(arg >> 16), (uint16_t)arg) : -ESRCH;

	return ret < 0 ? err_set(err, -ret, "set terminal size") : 0;
}

static void on_ps(struct agent *a, const struct container *c, uint32_t seq)
{
	struct control_ps *list = calloc(MAX_PS, sizeof(*list));
	struct err err = ERR_INIT;
	ssize_t n = list ? ps_list(c, list, MAX_PS) : -ENOMEM;

	if (n < 0) {
		(void)err_set(&err, (int)-n, "list processes");
		agent_result_err(a, seq, &err);
	} else {
		agent_result_data(a, seq, list, (uint32_t)((size_t)n * sizeof(*list)));
	}
	free(list);
}

static void on_stats(struct agent *a, const struct container *c, uint32_t seq)
{
	struct cgroup_stats stats;
	struct err err = ERR_INIT;
	int ret = stats_read(c->cgroup_fd, &stats);

	if (ret < 0) {
		(void)err_set(&err, -ret, "read the container's counters");
		agent_result_err(a, seq, &err);
	} else {
		agent_result_data(a, seq, &stats, sizeof(stats));
	}
}

static void on_shutdown(struct agent *a, uint32_t seq)
{
	if (a->shutdown_seq) {
		agent_result(a, seq, 0);
		return;
	}
	a->shutdown_seq = seq;
	container_shutdown_all(a);
}

/* on_container() - requests about one that exists. */
static void on_container(struct agent *a, const struct agent_frame *f,
			 const char *payload)
{
	struct container *c = a->containers[f->container];
	struct proc *p = c ? container_proc(c, f->proc) : NULL;
	struct err err = ERR_INIT;

	if (!c) {
		(void)err_msg(&err, ESRCH, "container %u does not exist", f->container);
		agent_result_err(a, f->seq, &err);
		return;
	}
	switch (f->type) {
	case AGENT_START:
		p = container_proc(c, AGENT_PROC_INIT);
		if (!p)
			(void)err_msg(&err, ESRCH,
				      "cannot start a container that has stopped");
		if (p && container_ready_network(c, p, &err) == 0)
			proc_start(a, p, f->seq);
		else
			agent_result_err(a, f->seq, &err);
		return;
	case AGENT_EXEC:
		on_exec(a, f, c, payload);
		return;
	case AGENT_KILL:
		answer(a, f->seq, do_kill(c, p, f, &err), &err);
		return;
	case AGENT_FREEZE:
		container_freeze(a, c, f->seq, f->arg != 0);
		return;
	case AGENT_FSFREEZE:
		fsfreeze_request(a, c, f->seq, f->arg != 0);
		return;
	case AGENT_WINSIZE:
		answer(a, f->seq, do_winsize(p, f->arg, &err), &err);
		return;
	case AGENT_STATS:
		on_stats(a, c, f->seq);
		return;
	case AGENT_UPDATE:
		answer(a, f->seq,
		       update_parse(c->cgroup_fd, payload, f->len,
				    memory_ceiling(&a->memory), &err),
		       &err);
		return;
	case AGENT_NET:
		answer(a, f->seq, container_network(c, payload, f->len, &err), &err);
		return;
	default: /* AGENT_PS: frame_check() let no other pass */
		on_ps(a, c, f->seq);
	}
}

/* unset_networks() - addresses and routes of the host on which the machine was saved. */
static int unset_networks(struct agent *a, struct err *err)
{
	int ret = 0;

	for (unsigned int i = 0; ret == 0 && i < ARRAY_SIZE(a->containers); i++)
		if (a->containers[i] && a->containers[i]->net)
			ret = net_unset(a->containers[i]->net, err);
	return ret;
}

static void on_wake(struct agent *a, uint32_t seq, const char *payload)
{
	struct agent_wake wake;
	struct err err = ERR_INIT;
	int ret;

	memcpy(&wake, payload, sizeof(wake)); /* frame_check() knows its length */
	ret = a->params->wake ? a->params->wake(a->params->opaque, &wake, &err)
			      : err_set(&err, ENOTSUP, "wake");
	if (ret == 0 && wake.restored)
		ret = unset_networks(a, &err);
	explicit_bzero(&wake, sizeof(wake));
	answer(a, seq, ret, &err);
}

static void on_request(struct agent *a, const struct agent_frame *f, const char *payload)
{
	if (a->stale_cgroups && f->type != AGENT_SHUTDOWN)
		container_sweep(a);
	if (f->type == AGENT_CREATE)
		on_create(a, f, payload);
	else if (f->type == AGENT_SHUTDOWN)
		on_shutdown(a, f->seq);
	else if (f->type == AGENT_WAKE)
		on_wake(a, f->seq, payload);
	else if (f->type == AGENT_SOCKET)
		sockets_request(a, f);
	else if (f->type == AGENT_NOTICES)
		notices_request(a, f, payload);
	else
		on_container(a, f, payload);
}

static void control_ready(struct watch *w, uint32_t events)
{
	struct agent *a = container_of(w, struct agent, control);
	struct agent_frame f;
	const char *payload;
	ssize_t n;
	int ret;

	if (events & EPOLLOUT && frame_writer_flush(&a->writer) < 0)
		a->loop.stop = true;
	if (!(events & ~(uint32_t)EPOLLOUT))
		return;
	/* Edge-triggered: until there is nothing more. */
	while ((n = frame_reader_fill(&a->reader, w->fd)) > 0) {
		while ((ret = frame_reader_next(&a->reader, &f, &payload)) > 0) {
			on_request(a, &f, payload);
			frame_reader_drop(&a->reader);
		}
		if (ret < 0)
			break;
	}
	if (n != -EAGAIN && n != -EINTR)
		a->loop.stop = true; /* gone, or it broke the protocol */
}

static void signals_ready(struct watch *w, uint32_t events)
{
	struct agent *a = container_of(w, struct agent, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(w->fd, &info, sizeof(info)) > 0)
		; /* SIGCHLD: one may stand for many */
	proc_reap_all(a);
}

/* ---- the whole ------------------------------------------------------------------- */

/*
 * reserve_fds() - 0-3 belong to the children's stdio and sync connection, so that
 * nothing of the agent's is there when they take their places.
 */
static int reserve_fds(int *control_fd, struct err *err)
{
	int fd = fcntl(*control_fd, F_DUPFD_CLOEXEC, LAUNCH_SYNC_FD + 1);
	int null;

	if (fd < 0)
		return err_set(err, errno, "dup control connection");
	close_fd(*control_fd);
	*control_fd = fd;
	do {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null < 0)
			return err_set(err, errno, "open '/dev/null'");
	} while (null <= LAUNCH_SYNC_FD);
	close_fd(null);
	return 0;
}

/* watch_signals() - all blocked, SIGCHLD by descriptor. */
static int watch_signals(struct agent *a, struct err *err)
{
	sigset_t set;
	int fd;
	int ret;

	/* Also SIGPIPE: a write to a pipe nobody reads is EPIPE, and no more. */
	(void)sigfillset(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_set(err, errno, "signalfd");
	ret = watch_add(&a->loop, &a->signals, fd, EPOLLIN, signals_ready);
	return ret < 0 ? err_set(err, -ret, "watch signals") : 0;
}

static int start(struct agent *a, int control_fd, struct err *err)
{
	int ret = watch_loop_init(&a->loop, err);

	if (ret < 0)
		return ret;
	a->cgroup_fd = open(a->params->cgroup_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->cgroup_fd < 0)
		return err_set(err, errno, "open '%s'", a->params->cgroup_dir);
	ret = watch_signals(a, err);
	if (ret < 0)
		return ret;
	a->writer.fd = control_fd;
	ret = watch_add(&a->loop, &a->control, control_fd,
			EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, control_ready);
	return ret < 0 ? err_set(err, -ret, "watch control connection") : 0;
}

/* stop() - for tests: PID 1 never comes here. */
static void stop(struct agent *a)
{
	sockets_end(a);
	while (a->streams)
		stream_free(a->streams);
	container_sweep(a);
	memory_release(a);
	for (unsigned int i = 0; i < ARRAY_SIZE(a->spare_streams); i++)
		close_fd(a->spare_streams[i]);
	frame_reader_release(&a->reader);
	buf_release(&a->writer.pending);
	if (a->signals.added)
		close_fd(a->signals.fd);
	if (a->inotify.added)
		close_fd(a->inotify.fd);
	close_fd(a->cgroup_fd);
	close_fd(a->pid_ns_fd);
	close_fd(a->time_ns_fd);
	close_fd(a->writer.fd);
	watch_loop_release(&a->loop);
}

int agent_run(const struct agent_params *params, struct err *err)
{
	struct agent a = {
		.params = params,
		.loop.epoll_fd = -1,
		.cgroup_fd = -1,
		.pid_ns_fd = -1,
		.time_ns_fd = -1,
		.spare_streams = { -1, -1 },
		.writer.fd = -1,
	};
	int control_fd = params->control_fd;
	int ret = reserve_fds(&control_fd, err);

	memory_init(&a.memory);
	if (ret == 0)
		ret = start(&a, control_fd, err);
	if (ret == 0) {
		say_hello(&a);
		ret = watch_loop_run(&a.loop, err);
	}
	a.writer.fd = control_fd;
	stop(&a);
	return ret;
}
