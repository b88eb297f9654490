/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that have streams: the container's init and those of CONTROL_EXEC.
 *
 * The end of an exec'd process is told when its output has been handed to the
 * descriptors: at once as a rule, since the agent sends AGENT_EXIT behind the output.  What a
 * full pipe did not take goes into the pipe all the same, made larger; a pipe that
 * is full even then is stuck and waited for no longer, a terminal or socket for as
 * long as it takes something within DRAIN_MS.  The streams live on until the guest
 * ends them: a child in the background may still write.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "lib/log.h"
#include "vmm/container_internal.h"
#include "vmm/virtio/vsock.h"

struct proc *procs_find(const struct container *c, uint32_t number)
{
	struct proc *p;

	for (p = LIST_FIRST(&c->procs); p; p = LIST_NEXT(p, link))
		if (p->number == number)
			return p;
	return NULL;
}

/* ---- made and freed -------------------------------------------------------------- */

static void proc_free(struct proc *p)
{
	struct container *c = p->container;

	timer_stop(&p->drain);
	if (c->link)
		agent_forget(c->link, p);
	LIST_REMOVE(p, link);
	c->n_procs--;
	c->n_streams -= p->n_streams;
	for (unsigned int i = 0; i < p->n_streams; i++)
		stream_free(p->streams[i]);
	free(p);
}

static void stream_changed(void *opaque, struct stream *s);

static struct stream_params params_of(struct proc *p)
{
	return (struct stream_params){
		.loop = p->container->loop,
		/* The caller's own are opened before the jail, while there is /proc. */
		.reopen = p->number == AGENT_PROC_INIT,
		.changed = stream_changed,
		.opaque = p,
	};
}

/* add_stream() - the descriptors are taken also when it fails. */
static int add_stream(struct proc *p, unsigned int which, const char *name, int source_fd,
		      int sink_fd, struct err *err)
{
	struct stream_params params = params_of(p);

	params.source_fd = source_fd;
	params.sink_fd = sink_fd;
	params.one_way = which == STREAM_STDERR;
	params.name = name;
	return stream_new(&params, &p->streams[which], err);
}

/* proc_new() - @n_preserved: descriptors besides stdio */
static struct proc *proc_new(struct container *c, uint32_t number,
			     unsigned int n_preserved)
{
	unsigned int n_streams = STREAM_FD + n_preserved;
	struct proc *p;

	if (c->n_procs >= CONTAINER_MAX_PROCS ||
	    n_streams > CONTAINER_MAX_STREAMS - c->n_streams)
		return NULL;
	p = calloc(1, sizeof(*p) + n_streams * sizeof(p->streams[0]));
	if (!p)
		return NULL;
	p->container = c;
	p->number = number;
	p->drain = TIMER_INIT;
	p->n_streams = n_streams;
	LIST_INSERT_HEAD(&c->procs, p, link);
	c->n_procs++;
	c->n_streams += n_streams;
	return p;
}

/* dup_if_same() - a number of its own for @fd when it is also @other. */
static int dup_if_same(int fd, int other)
{
	return fd >= 0 && fd == other ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : fd;
}

/* init_stdio() - the descriptors are taken also when it fails. */
static int init_stdio(struct proc *p, struct err *err)
{
	const struct vm_config *config = p->container->config;
	const int *given = config->stdio_fd;
	int in = given[0];
	int out = dup_if_same(given[1], in);
	int errout = given[2];
	int ret;

	if (config->terminal) {
		/* One terminal: the third descriptor says nothing new. */
		if (errout != given[0] && errout != given[1])
			close_fd(errout);
		return add_stream(p, STREAM_IO, "terminal", in, out, err);
	}
	errout = errout == given[0] ? dup_if_same(errout, given[0])
				    : dup_if_same(errout, given[1]);
	ret = add_stream(p, STREAM_IO, "stdin and stdout", in, out, err);
	if (ret < 0) {
		close_fd(errout);
		return ret;
	}
	return add_stream(p, STREAM_STDERR, "stderr", -1, errout, err);
}

/* add_preserved() - behind stdio, which @ret tells of; @fds are taken in any case. */
static int add_preserved(struct proc *p, int ret, const int *fds, struct err *err)
{
	const struct stream_params params = params_of(p);

	if (ret == 0)
		return preserved_streams(p, &params, fds, err);
	for (unsigned int i = 0; i < p->n_streams - STREAM_FD; i++)
		close_fd(fds[i]);
	return ret;
}

int procs_new_init(struct container *c, struct err *err)
{
	struct proc *p = proc_new(c, AGENT_PROC_INIT, c->config->n_preserved);

	if (!p)
		return err_set(err, ENOMEM, "streams");
	return add_preserved(p, init_stdio(p, err), c->config->preserved_fd, err);
}

uint32_t procs_init_fds(const struct container *c)
{
	return procs_find(c, AGENT_PROC_INIT)->fd_ways;
}

void procs_init_runs(struct container *c)
{
	procs_find(c, AGENT_PROC_INIT)->state = PROC_RUNNING;
}

int procs_terminal(const struct container *c)
{
	return stream_sink(procs_find(c, AGENT_PROC_INIT)->streams[STREAM_IO]);
}

void procs_free(struct container *c)
{
	struct incoming *in = LIST_FIRST(&c->incoming);
	struct proc *p = LIST_FIRST(&c->procs);

	while (p) {
		struct proc *next = LIST_NEXT(p, link);

		proc_free(p);
		p = next;
	}
	while (in) {
		struct incoming *next = LIST_NEXT(in, link);

		vsock_conn_close(in->conn);
		free(in);
		in = next;
	}
	LIST_INIT(&c->incoming);
}

/* ---- the end of a process ---------------------------------------------------------- */

static bool proc_streams_ended(const struct proc *p)
{
	for (unsigned int i = 0; i < p->n_streams; i++) {
		const struct stream *s = p->streams[i];

		if (!s || !stream_attached(s))
			continue;
		if (p->container->guest_gone ? !stream_idle(s) : !stream_ended(s))
			return false;
	}
	return true;
}

static void want_reaper(struct container *c)
{
	/* Fails only when the counter is full: then the loop wakes up as well. */
	(void)eventfd_write(c->reap_fd, 1);
}

static void tell_end(struct proc *p)
{
	struct control_client *client = p->client;

	timer_stop(&p->drain);
	p->client = NULL;
	if (client)
		control_exit(client, p->status);
	want_reaper(p->container);
}

static uint64_t proc_progress(const struct proc *p)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < p->n_streams; i++)
		if (p->streams[i])
			sum += stream_progress(p->streams[i]);
	return sum;
}

static void on_proc_drain(struct timer *timer);

/* check_end() - the process has ended: may its client know? */
static void check_end(struct proc *p)
{
	bool wait = false;

	for (unsigned int i = 0; i < p->n_streams; i++)
		if (p->streams[i] && !stream_idle(p->streams[i]) &&
		    !stream_stuck(p->streams[i]))
			wait = true;
	if (!wait) {
		tell_end(p);
		return;
	}
	if (timer_running(&p->drain))
		return;
	p->drain_progress = proc_progress(p);
	if (timer_start(&p->drain, p->container->loop, DRAIN_MS, on_proc_drain, NULL) < 0)
		tell_end(p); /* better early than never */
}

static void on_proc_drain(struct timer *timer)
{
	struct proc *p = container_of(timer, struct proc, drain);

	if (proc_progress(p) == p->drain_progress)
		tell_end(p);
	else
		check_end(p);
}

static void stream_changed(void *opaque, struct stream *s)
{
	struct proc *p = opaque;

	(void)s;
	if (p->state == PROC_ENDED && p->client)
		check_end(p);
	else if (p->state == PROC_ENDED)
		want_reaper(p->container);
	container_check_over(p->container);
}

static void hurry(struct proc *p)
{
	for (unsigned int i = 0; i < p->n_streams; i++)
		if (p->streams[i])
			stream_hurry(p->streams[i]);
}

bool procs_exited(struct container *c, uint32_t number, uint32_t status)
{
	struct proc *p = procs_find(c, number);

	if (!p || p->state != PROC_RUNNING)
		return false;
	p->state = PROC_ENDED;
	p->status = status;
	hurry(p);
	check_end(p);
	return true;
}

/* on_reap() - free what nobody waits for any more. */
static void on_reap(struct loop_source *src, uint32_t events)
{
	struct container *c = container_of(src, struct container, reap_event);
	struct proc *p = LIST_FIRST(&c->procs);

	(void)events; /* edge triggered: nobody reads the counter */
	while (p) {
		struct proc *next = LIST_NEXT(p, link);

		if (p->number != AGENT_PROC_INIT && p->state == PROC_ENDED &&
		    !p->client && proc_streams_ended(p))
			proc_free(p);
		p = next;
	}
}

bool procs_done(const struct container *c)
{
	const struct proc *p;

	for (p = LIST_FIRST(&c->procs); p; p = LIST_NEXT(p, link))
		if (!proc_streams_ended(p))
			return false;
	return true;
}

void procs_hurry(struct container *c)
{
	struct proc *p;

	for (p = LIST_FIRST(&c->procs); p; p = LIST_NEXT(p, link))
		hurry(p);
}

uint64_t procs_progress(const struct container *c)
{
	const struct proc *p;
	uint64_t sum = 0;

	for (p = LIST_FIRST(&c->procs); p; p = LIST_NEXT(p, link))
		sum += proc_progress(p);
	return sum;
}

/* log_lost() - what waits for a reader that will not come any more. */
static void log_lost(const struct proc *p)
{
	for (unsigned int i = 0; i < p->n_streams; i++) {
		const struct stream *s = p->streams[i];

		if (s && stream_pending(s))
			log_warn("process %u: %zu bytes of %s are lost: nobody took them",
				 p->number, stream_pending(s),
				 i == STREAM_IO       ? "stdout"
				 : i == STREAM_STDERR ? "stderr"
						      : preserved_name(i));
	}
}

void procs_give_up(struct container *c)
{
	struct proc *p;

	for (p = LIST_FIRST(&c->procs); p; p = LIST_NEXT(p, link)) {
		log_lost(p);
		if (p->number == AGENT_PROC_INIT)
			continue;
		if (p->state != PROC_ENDED)
			p->status = 128 + SIGKILL; /* it died with the guest */
		if (p->state == PROC_STARTING && p->client) {
			struct err err = ERR_INIT;

			(void)err_msg(&err, ESRCH, "the container has stopped");
			agent_forget(c->link, p);
			control_error(p->client, &err);
			p->client = NULL;
		}
		p->state = PROC_ENDED;
		tell_end(p);
	}
}

/* ---- exec --------------------------------------------------------------------------- */

struct proc *procs_restored(struct container *c, uint32_t number, struct err *err)
{
	struct proc *p = proc_new(c, number, 0);
	int ret;

	if (!p) {
		(void)err_set(err, ENOMEM, "streams");
		return NULL;
	}
	ret = add_stream(p, STREAM_IO, "stdin and stdout", -1, -1, err);
	if (ret == 0)
		ret = add_stream(p, STREAM_STDERR, "stderr", -1, -1, err);
	if (ret == 0)
		return p;
	proc_free(p);
	return NULL;
}

static uint32_t free_number(struct container *c)
{
	do {
		c->last_number =
			c->last_number + 1 < AGENT_MAX_PROCS ? c->last_number + 1 : 1;
	} while (procs_find(c, c->last_number));
	return c->last_number;
}

static void kill_proc(struct proc *p)
{
	/* Without an agent there is nothing left to kill. */
	(void)container_to_agent(p->container, AGENT_KILL, p->number, SIGKILL, NULL, NULL,
				 NULL);
}

static void on_exec_result(void *opaque, const struct agent_result *result)
{
	struct proc *p = opaque;
	struct control_client *client = p->client;

	if (result->code) {
		p->state = PROC_ENDED;
		p->client = NULL;
		control_result(client, result->code, 0, result->msg, strlen(result->msg));
		want_reaper(p->container);
		return;
	}
	p->state = PROC_RUNNING;
	control_result(client, 0, (uint32_t)result->value, NULL, 0);
	if (p->client_gone) /* the agent may not have known it the first time */
		kill_proc(p);
}

/* exec_streams() - the streams of a new process from the descriptors of its client. */
static int exec_streams(struct proc *p, bool tty, int *fds, struct err *err)
{
	int ret;

	if (tty)
		return add_stream(p, STREAM_IO, "terminal", fds[0], fds[1], err);
	ret = add_stream(p, STREAM_IO, "stdin and stdout", fds[0], fds[1], err);
	if (ret < 0) {
		close_fd(fds[2]);
		return ret;
	}
	return add_stream(p, STREAM_STDERR, "stderr", -1, fds[2], err);
}

int procs_exec(struct container *c, struct control_client *client, uint32_t flags,
	       const void *payload, size_t len, int *fds, unsigned int n_fds,
	       struct err *err)
{
	bool tty = flags & CONTROL_EXEC_TTY;
	unsigned int n_stdio = tty ? 2 : 3;
	struct agent_request req = {
		.type = AGENT_EXEC,
		.container = CONTAINER_NUMBER,
		.flags = flags,
		.payload = payload,
		.payload_len = len,
		.done = on_exec_result,
	};
	struct proc *p = NULL;
	int ret;

	if (c->n_procs < CONTAINER_MAX_PROCS)
		p = proc_new(c, free_number(c), n_fds - n_stdio);
	if (!p) {
		for (unsigned int i = 0; i < n_fds; i++)
			close_fd(fds[i]);
		return err_msg(
			err, EAGAIN,
			"too many processes were started by exec and are still there");
	}
	ret = add_preserved(p, exec_streams(p, tty, fds, err), fds + n_stdio, err);
	if (ret == 0) {
		req.proc = p->number;
		req.arg = p->fd_ways;
		req.opaque = p;
		ret = agent_request(c->link, &req, err);
	}
	if (ret < 0) {
		proc_free(p);
		return ret;
	}
	p->client = client;
	control_client_set(client, p);
	return 0;
}

void procs_client_gone(struct proc *p)
{
	p->client_gone = true;
	if (p->state == PROC_ENDED)
		tell_end(p);
	else
		kill_proc(p);
}

int procs_listen(struct container *c, struct err *err)
{
	int ret;

	c->reap_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->reap_fd < 0)
		return err_set(err, errno, "eventfd");
	ret = loop_add(c->loop, &c->reap_event, c->reap_fd, EPOLLIN | EPOLLET, on_reap,
		       err);
	return ret < 0 ? ret : incoming_listen(c, err);
}
