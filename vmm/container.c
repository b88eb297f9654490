/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/container.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "vmm/container_internal.h"
#include "vmm/net_cards.h"
#include "vmm/timeline.h"
#include "vmm/virtio/vsock.h"

#define STATUS_KILLED (128 + SIGKILL)
#define MAX_OOM_LINES 16u
#define TAIL_SIZE 4096u /* (bytes) of kernel log that go to our log */
#define TAIL_IN_ERROR 280u /* (bytes) of it in a message */

uint32_t container_shell_status(int wait_status)
{
	return (uint32_t)(WIFEXITED(wait_status) ? WEXITSTATUS(wait_status)
						 : 128 + WTERMSIG(wait_status));
}

void container_set_phase(struct container *c, enum vm_phase phase)
{
	struct vm_status status = {
		.phase = phase,
		.exit_status = phase == VM_PHASE_STOPPED ? c->exit_status : 0,
	};

	if (pwrite(c->status_fd, &status, sizeof(status), 0) != sizeof(status))
		log_error("write the status file: %s", strerrordesc_np(errno));
}

int container_to_agent(struct container *c, enum agent_type type, uint32_t proc,
		       uint32_t arg, agent_done_fn done, void *opaque, struct err *err)
{
	struct agent_request req = {
		.type = type,
		.container = CONTAINER_NUMBER,
		.proc = proc,
		.arg = arg,
		.done = done,
		.opaque = opaque,
	};

	return agent_request(c->link, &req, err);
}

int container_socket(struct container *c, unsigned int root, uint64_t node, int type,
		     agent_done_fn done, void *opaque, struct err *err)
{
	const struct agent_request req = {
		.type = AGENT_SOCKET,
		.container = CONTAINER_NUMBER,
		.arg = root << 16 | (unsigned int)type,
		.value = node,
		.done = done,
		.opaque = opaque,
	};

	return agent_request(c->link, &req, err);
}

int container_notices(struct container *c, const void *payload, size_t len,
		      agent_done_fn done, void *opaque, struct err *err)
{
	const struct agent_request req = {
		.type = AGENT_NOTICES,
		.container = CONTAINER_NUMBER,
		.payload = payload,
		.payload_len = len,
		.done = done,
		.opaque = opaque,
	};

	return agent_request(c->link, &req, err);
}

/* ---- what the creating command is told ------------------------------------------- */

static bool is_being_made(const struct container *c)
{
	return c->life == LIFE_BOOTING || c->life == LIFE_CREATING;
}

void container_leave_creator(struct container *c)
{
	loop_remove(c->loop, &c->sync_event);
	close_fd(c->sync_fd);
	c->sync_fd = -1;
}

int container_tell_creator(struct container *c, const struct err *err)
{
	struct vm_sync sync = { .type = err ? VM_SYNC_ERROR : VM_SYNC_CREATED };
	int ret;

	if (c->told)
		return 0;
	if (err)
		sync.err = *err;
	c->told = true;
	ret = sock_send(c->sync_fd, &sync, sizeof(sync), NULL, 0);
	if (ret == 0 && !err) /* the answer: VM_SYNC_CREATED */
		ret = loop_modify(c->loop, &c->sync_event, EPOLLIN);
	c->refused = err && ret == 0;
	if (ret < 0)
		container_leave_creator(c);
	return ret;
}

/* add_tail() - the guest kernel's last words: whole to the log, the end into @err. */
static void add_tail(struct container *c, struct err *err)
{
	char tail[TAIL_SIZE];
	char text[TAIL_IN_ERROR + 1];
	const struct err reason = *err;
	size_t len = 0;
	size_t start;
	char *line = tail;

	if (c->params.console_tail)
		len = c->params.console_tail(c->params.opaque, tail, sizeof(tail));
	while (len && strchr(" \r\n", tail[len - 1]))
		tail[--len] = 0;
	if (!len)
		return;
	start = len > TAIL_IN_ERROR ? len - TAIL_IN_ERROR : 0;
	if (start) { /* from the beginning of a line, when there is one */
		const char *nl = memchr(tail + start, '\n', len - start);

		if (nl)
			start = (size_t)(nl - tail) + 1;
	}
	agent_clean_text(text, sizeof(text), tail + start, len - start);
	(void)err_msg(err, reason.code, "%.*s; the guest's last messages: %s",
		      (int)(ERR_MSG_SIZE - TAIL_IN_ERROR - 32), reason.msg, text);
	while (line) {
		char *next = strchr(line, '\n');

		if (next)
			*next++ = 0;
		agent_clean_text(text, sizeof(text), line, strlen(line));
		log_info("guest: %s", text);
		line = next;
	}
}

/* ---- the end ------------------------------------------------------------------------ */

/* log_counters() - the machine's, at debug level; the guest may run yet. */
static void log_counters(const struct container *c)
{
	struct control_stats stats = { 0 };

	if (log_level() < LOG_DEBUG || !c->params.fill_stats)
		return;
	c->params.fill_stats(c->params.opaque, &stats);
	log_debug("counters: %llu exits to hull-vmm, %llu exits in all, %llu virtio-fs "
		  "requests, %llu bytes of guest memory resident",
		  (unsigned long long)stats.vm_exits, (unsigned long long)stats.kvm_exits,
		  (unsigned long long)stats.fs_requests,
		  (unsigned long long)stats.guest_memory);
}

/* over() - nothing is left to be done: tell everybody and leave the loop. */
static void over(struct container *c)
{
	struct err err = ERR_INIT;

	if (c->life == LIFE_OVER)
		return;
	c->life = LIFE_OVER;
	timer_stop(&c->boot);
	timer_stop(&c->shutdown);
	timer_stop(&c->drain);
	procs_give_up(c);
	if (!c->told) {
		(void)err_msg(&err, ESRCH, "the container was stopped while it was made");
		(void)container_tell_creator(c,
					     &err); /* it may be the one who stopped it */
	}
	container_set_phase(c, VM_PHASE_STOPPED);
	requests_answer_end(c);
	/* It does its part while our own end waits for KVM, vhost and taps. */
	if (c->params.cards)
		net_cards_leave(c->params.cards);
	vsock_log_stats(c->params.vsock);
	stream_log_stats();
	log_counters(c);
	/* While the caller's hooks run, which look for our namespaces by our pid, the creating
	 * command has not heard yet what it was told. It ends us when it has. */
	if (!c->refused || c->sync_fd < 0)
		loop_quit(c->loop);
}

static void on_drain(struct timer *timer)
{
	struct container *c = container_of(timer, struct container, drain);

	if (procs_progress(c) == c->drain_progress)
		over(c); /* its log line says what was lost */
	else
		container_check_over(c);
}

void container_check_over(struct container *c)
{
	if (c->life != LIFE_ENDING || !c->shut_down)
		return;
	if (procs_done(c)) {
		over(c);
		return;
	}
	if (timer_running(&c->drain))
		return;
	c->drain_progress = procs_progress(c);
	if (timer_start(&c->drain, c->loop, DRAIN_MS, on_drain, NULL) < 0)
		over(c);
}

void container_vanish(struct container *c)
{
	c->exited = c->guest_gone = c->shut_down = true;
	c->exit_status = STATUS_KILLED; /* as of a process that CRIU has dumped */
	container_net_end(c);
	over(c);
}

static void on_shut_down(void *opaque, const struct agent_result *r)
{
	struct container *c = opaque;

	timer_stop(&c->shutdown);
	if (r->code && !c->guest_gone)
		log_warn("the guest could not shut down in order: %s", r->msg);
	timeline_mark("shut down");
	c->shut_down = true;
	container_check_over(c);
}

static void on_shutdown_late(struct timer *timer)
{
	struct container *c = container_of(timer, struct container, shutdown);

	log_error("the guest did not shut down within %u s", SHUTDOWN_MS / 1000);
	c->guest_gone = true;
	c->shut_down = true;
	container_check_over(c);
}

/* ask_shutdown() - kill, write back, end; fails where no agent is connected. */
static int ask_shutdown(struct container *c)
{
	int ret;

	if (c->params.before_shutdown)
		c->params.before_shutdown(c->params.opaque);
	ret = container_to_agent(c, AGENT_SHUTDOWN, 0, 0, on_shut_down, c, NULL);
	return ret < 0 ? ret
		       : timer_start(&c->shutdown, c->loop, SHUTDOWN_MS, on_shutdown_late,
				     NULL);
}

void container_end(struct container *c, bool gone)
{
	bool was_made = !is_being_made(c);

	c->guest_gone |= gone;
	c->shut_down |= gone;
	if (c->life == LIFE_ENDING || c->life == LIFE_OVER) {
		container_check_over(c);
		return;
	}
	c->life = LIFE_ENDING;
	/* First of all: what waits at the gate cannot be killed. */
	freeze_break(c, CONTROL_THAW_ENDED);
	checkpoint_end(c);
	container_net_end(c);
	if (!c->exited)
		c->exit_status = was_made && gone ? STATUS_KILLED : 1;
	timer_stop(&c->boot);
	procs_hurry(c);
	/* While it is being made there is nothing to write back. */
	if (!c->shut_down && ask_shutdown(c) < 0)
		c->shut_down = true;
	container_check_over(c);
}

/* container_failed() - the guest is no more: @err says why. */
/* refuse_template() - so that the next machine boots. */
static void refuse_template(const struct container *c, const struct err *why)
{
	const struct vm_sync sync = { .type = VM_SYNC_TEMPLATE, .err = *why };

	if (!c->told) /* and if nobody is there, the next one tries it again */
		(void)sock_send(c->sync_fd, &sync, sizeof(sync), NULL, 0);
}

void container_failed(struct container *c, struct err *err)
{
	if (c->life == LIFE_OVER || c->shut_down)
		return;
	if (c->restored && !c->awake)
		refuse_template(c, err);
	add_tail(c, err);
	/* Whoever makes the container says it; later there is only the log. */
	if (!is_being_made(c) || container_tell_creator(c, err) < 0)
		log_error("%s", err->msg);
	container_end(c, true);
}

void container_guest_stopped(struct container *c, enum vm_stop_reason reason,
			     const struct err *err)
{
	struct err why = ERR_INIT;

	if (reason == VM_STOP_ERROR && err)
		why = *err;
	else
		(void)err_msg(&why, EIO, "the guest %s",
			      reason == VM_STOP_POWEROFF
				      ? "switched itself off"
				      : "stopped (a panic, or a reset)");
	container_failed(c, &why);
	c->guest_gone = true;
	c->shut_down = true;
	container_check_over(c);
}

/* ---- the beginning ------------------------------------------------------------------- */

void container_tell_winsize(struct container *c)
{
	struct winsize ws;

	if (!c->config->console || ioctl(procs_terminal(c), TIOCGWINSZ, &ws) < 0)
		return;
	if (!ws.ws_row && !ws.ws_col)
		return; /* nobody has set it yet */
	/* Without an agent there is no terminal that could be told. */
	(void)container_to_agent(c, AGENT_WINSIZE, AGENT_PROC_INIT,
				 (uint32_t)ws.ws_row << 16 | ws.ws_col, NULL, NULL, NULL);
}

/* ---- what the agent tells -------------------------------------------------------------- */

static void on_exited(void *opaque, uint32_t container, uint32_t number, int wait_status)
{
	struct container *c = opaque;
	uint32_t status = container_shell_status(wait_status);

	if (container != CONTAINER_NUMBER || !procs_exited(c, number, status)) {
		agent_violated(c->link, "exit of container %u, process %u", container,
			       number);
		return;
	}
	if (number != AGENT_PROC_INIT)
		return;
	timeline_mark("exited");
	c->exited = true;
	c->exit_status = (int)status;
	container_end(c, false);
}

static void on_mark(void *opaque, const char *name, uint64_t uptime_ns)
{
	(void)opaque;
	timeline_guest_mark(name, uptime_ns);
}

static void on_oom(void *opaque, uint32_t container)
{
	struct container *c = opaque;

	(void)container;
	/* A guest may say it as often as it likes. */
	if (c->n_ooms++ < MAX_OOM_LINES)
		log_info(
			"the guest kernel killed a process of the container: out of memory");
	requests_tell(c, CONTROL_OOM, 0, 0);
}

static void on_memory(void *opaque, uint64_t bytes)
{
	struct container *c = opaque;

	if (c->params.grow)
		c->params.grow(c->params.opaque, bytes);
}

static void on_link_failed(void *opaque, const struct err *why)
{
	struct container *c = opaque;
	struct err err = *why;

	container_failed(c, &err);
}

static const struct agent_link_ops link_ops = {
	.hello = container_hello,
	.exited = on_exited,
	.mark = on_mark,
	.oom = on_oom,
	.memory = on_memory,
	.failed = on_link_failed,
};

/* ---- signals ---------------------------------------------------------------------------- */

void container_signal(struct container *c, const struct signalfd_siginfo *si)
{
	int signo = (int)si->ssi_signo;
	struct err err = ERR_INIT;

	if (signo == SIGCHLD)
		return;
	if (signo == SIGPIPE && si->ssi_pid == (uint32_t)c->pid)
		return; /* our own write to a pipe without a reader */
	if (signo == SIGWINCH && c->config->console) {
		container_tell_winsize(c);
		return;
	}
	if (is_being_made(c)) {
		if (signo != SIGHUP && signo != SIGINT && signo != SIGQUIT &&
		    signo != SIGTERM)
			return;
		(void)err_msg(&err, EINTR, "interrupted by signal %d", signo);
		(void)container_tell_creator(
			c, &err); /* it may have gone; we end all the same */
		container_end(c, true);
		return;
	}
	/* One that ends meanwhile gets no signals, as under any runtime. */
	(void)container_to_agent(c, AGENT_KILL, AGENT_PROC_INIT, (uint32_t)signo, NULL,
				 NULL, NULL);
}

/* ---- made and freed ----------------------------------------------------------------------- */

int container_new(const struct container_params *params, struct container **ret_container,
		  struct err *err)
{
	struct container *c = calloc(1, sizeof(*c));
	const struct vm_config *config = params->config;
	int ret;

	if (!c)
		return err_set(err, ENOMEM, "container");
	c->params = *params;
	c->config = config;
	c->loop = params->loop;
	c->sync_fd = -1;
	c->status_fd = -1;
	c->reap_fd = -1;
	c->pid = getpid();
	c->boot = c->shutdown = c->drain = c->net.late = TIMER_INIT;
	c->checkpoint.look = c->checkpoint.deadline = TIMER_INIT;
	c->checkpoint.fd = -1;
	LIST_INIT(&c->procs);
	LIST_INIT(&c->incoming);
	freeze_init(c);
	ret = agent_link_new(params->vsock, &link_ops, c, &c->link, err);
	if (ret == 0)
		ret = procs_listen(c, err);
	if (ret == 0)
		ret = control_server_new(c->loop, config->control_fd,
					 &container_control_ops, c, &c->server, err);
	if (ret == 0)
		ret = procs_new_init(c, err);
	if (ret < 0) {
		container_free(c);
		return ret;
	}
	c->sync_fd = config->sync_fd;
	c->status_fd = config->status_fd;
	*ret_container = c;
	return 0;
}

void container_free(struct container *c)
{
	if (!c)
		return;
	timer_stop(&c->boot);
	timer_stop(&c->shutdown);
	timer_stop(&c->drain);
	freeze_free(c);
	checkpoint_end(c);
	control_server_free(c->server);
	container_net_release(c);
	procs_free(c);
	agent_link_free(c->link);
	loop_remove(c->loop, &c->sync_event);
	loop_remove(c->loop, &c->reap_event);
	close_fd(c->reap_fd);
	close_fd(c->sync_fd);
	close_fd(c->status_fd);
	free(c);
}

int container_exit_status(const struct container *c)
{
	return c->exit_status;
}

bool container_ended_by_oom(const struct container *c)
{
	return c->n_ooms && c->exit_status == STATUS_KILLED;
}
