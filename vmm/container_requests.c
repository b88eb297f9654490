/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What commands ask over the control socket.  control_client_get() is the
 * process for an exec, and the container for everything else.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/cgroup_stats.h"
#include "vmm/container_internal.h"
#include "vmm/net/proto.h"
#include "vmm/timeline.h"
#include "vmm/virtio/vsock.h"

static void refuse(struct control_client *client, int code, const char *text)
{
	struct err err = ERR_INIT;

	(void)err_msg(&err, code, "%s", text);
	control_error(client, &err);
}

/* pass_on() - the agent's answer is the answer. */
static void pass_on(void *opaque, const struct agent_result *r)
{
	struct control_client *client = opaque;

	if (r->code)
		control_result(client, r->code, 0, r->msg, strlen(r->msg));
	else
		control_result(client, 0, 0, NULL, 0);
}

static void on_ps(void *opaque, const struct agent_result *r)
{
	struct control_client *client = opaque;
	struct container *c = control_client_get(client);

	if (r->code) {
		pass_on(client, r);
		return;
	}
	if (r->payload_len % sizeof(struct control_ps)) {
		refuse(client, EPROTO, "the guest's list of processes is malformed");
		agent_violated(c->link, "list of processes of %zu bytes", r->payload_len);
		return;
	}
	control_result(client, 0, 0, r->payload, r->payload_len);
}

/* on_cgroup_stats() - numbers that go on unread, but for those that count. */
static void on_cgroup_stats(void *opaque, const struct agent_result *r)
{
	struct control_client *client = opaque;
	struct container *c = control_client_get(client);
	struct cgroup_stats stats;

	if (r->code) {
		pass_on(client, r);
		return;
	}
	if (r->payload_len == sizeof(stats)) {
		memcpy(&stats, r->payload, sizeof(stats));
		if (stats.n_io <= CGROUP_MAX_IO &&
		    stats.n_hugetlb <= CGROUP_MAX_HUGETLB) {
			control_result(client, 0, 0, &stats, sizeof(stats));
			return;
		}
	}
	refuse(client, EPROTO, "the guest's counters are malformed");
	agent_violated(c->link, "counters of %zu bytes", r->payload_len);
}

static void on_started(void *opaque, const struct agent_result *r)
{
	struct control_client *client = opaque;
	struct container *c = control_client_get(client);

	c->starting = false;
	if (r->code) {
		pass_on(client, r);
		/* There is nothing that could be started again. */
		container_end(c, false);
		return;
	}
	timeline_mark("started");
	if (c->life == LIFE_CREATED) {
		c->life = LIFE_RUNNING;
		container_set_phase(c, VM_PHASE_RUNNING);
	}
	control_result(client, 0, 0, NULL, 0);
	timeline_log();
}

/* container_lives() - has it been created, and not ended? */
static bool container_lives(const struct container *c)
{
	return c->life == LIFE_CREATED || c->life == LIFE_RUNNING;
}

/* ask() - send a request whose answer goes to the client. */
static bool ask(struct container *c, struct control_client *client, enum agent_type type,
		uint32_t proc, uint32_t arg, agent_done_fn done)
{
	struct err err = ERR_INIT;

	if (container_to_agent(c, type, proc, arg, done, client, &err) == 0)
		return true;
	control_error(client, &err);
	return false;
}

static void on_paused(void *opaque, const struct agent_result *r)
{
	struct control_client *client = opaque;
	struct container *c = control_client_get(client);

	if (!r->code && container_lives(c)) {
		c->paused = true;
		container_set_phase(c, VM_PHASE_PAUSED);
	}
	pass_on(client, r);
}

static void on_resumed(void *opaque, const struct agent_result *r)
{
	struct control_client *client = opaque;
	struct container *c = control_client_get(client);

	if (!r->code && container_lives(c)) {
		c->paused = false;
		container_set_phase(c, c->life == LIFE_RUNNING ? VM_PHASE_RUNNING
							       : VM_PHASE_CREATED);
	}
	pass_on(client, r);
}

void requests_start(struct container *c, struct control_client *client)
{
	c->starting = ask(c, client, AGENT_START, AGENT_PROC_INIT, 0, on_started);
}

void requests_start_failed(struct container *c, struct control_client *client,
			   const struct err *why)
{
	c->starting = false;
	control_error(client, why);
	container_end(c, false);
}

static void on_start(struct container *c, struct control_client *client)
{
	if (c->life == LIFE_RUNNING || c->starting) {
		refuse(client, EALREADY, "cannot start an already running container");
	} else if (c->life != LIFE_CREATED) {
		refuse(client, ESRCH, "cannot start a container that has stopped");
	} else {
		timeline_mark("start asked");
		c->starting = true;
		if (!container_net_settle(c, client))
			requests_start(c, client);
	}
}

static void on_net(struct container *c, struct control_client *client, int *fds)
{
	struct err err = ERR_INIT;

	if (container_net_follow(c, fds[0], &err) < 0)
		control_error(client, &err);
	else
		control_result(client, 0, 0, NULL, 0);
}

/* on_net_limit() - the server has looked at the payload's length. */
static void on_net_limit(struct container *c, struct control_client *client,
			 const struct control_msg *msg)
{
	struct net_limits limits;

	memcpy(&limits, msg->payload, sizeof(limits));
	if (net_limits_valid(&limits))
		container_net_limit(c, client, &limits);
	else
		refuse(client, EINVAL, "network limits out of range");
}

static void on_stop(struct container *c, struct control_client *client)
{
	if (c->n_stops == CONTAINER_MAX_STOPS) {
		refuse(client, EBUSY, "too many are waiting for the container to stop");
		return;
	}
	c->stops[c->n_stops++] = client;
	container_end(c, false);
}

static void on_update(struct container *c, struct control_client *client,
		      const struct control_msg *msg, size_t len)
{
	const struct agent_request req = {
		.type = AGENT_UPDATE,
		.container = CONTAINER_NUMBER,
		.payload = msg->payload,
		.payload_len = len,
		.done = pass_on,
		.opaque = client,
	};
	struct err err = ERR_INIT;

	if (agent_request(c->link, &req, &err) < 0)
		control_error(client, &err);
}

/* ---- events ------------------------------------------------------------------------ */

static void on_events(struct container *c, struct control_client *client)
{
	if (c->n_watchers == CONTAINER_MAX_WATCHERS) {
		refuse(client, EBUSY, "too many are waiting for the container's events");
		return;
	}
	c->watchers[c->n_watchers++] = client;
	control_result(client, 0, 0, NULL, 0);
}

/* forget_watcher() - false: @client is none. */
static bool forget_watcher(struct container *c, const struct control_client *client)
{
	for (unsigned int i = 0; i < c->n_watchers; i++) {
		if (c->watchers[i] != client)
			continue;
		c->watchers[i] = c->watchers[--c->n_watchers];
		return true;
	}
	return false;
}

void requests_tell(struct container *c, enum control_type event, uint32_t a, uint32_t b)
{
	for (unsigned int i = 0; i < c->n_watchers; i++)
		control_event(c->watchers[i], event, a, b);
}

void requests_answer_end(struct container *c)
{
	while (c->n_watchers)
		control_exit(c->watchers[--c->n_watchers], (uint32_t)c->exit_status);
	while (c->n_stops)
		control_result(c->stops[--c->n_stops], 0, 0, NULL, 0);
}

/* ---- requests ------------------------------------------------------------------------ */

static void on_stats(struct container *c, struct control_client *client)
{
	const struct vsock_stats *v = vsock_stats(c->params.vsock);
	struct control_stats stats = { 0 };

	if (c->params.fill_stats)
		c->params.fill_stats(c->params.opaque, &stats);
	stats.vsock_rx_packets = v->rx_packets;
	stats.vsock_tx_packets = v->tx_packets;
	control_result(client, 0, 0, &stats, sizeof(stats));
}

static void on_exec(struct container *c, struct control_client *client,
		    const struct control_msg *msg, size_t len, int *fds,
		    unsigned int n_fds)
{
	struct err err = ERR_INIT;

	if (procs_exec(c, client, msg->a, msg->payload, len, fds, n_fds, &err) < 0)
		control_error(client, &err);
}

static uint32_t winsize_arg(const struct control_msg *msg)
{
	return msg->a << 16 | msg->b;
}

static void on_request(void *opaque, struct control_client *client,
		       const struct control_msg *msg, size_t len, int *fds,
		       unsigned int n_fds)
{
	struct container *c = opaque;

	control_client_set(client, c);
	if (msg->type != CONTROL_STATS && msg->type != CONTROL_STOP &&
	    msg->type != CONTROL_START && msg->type != CONTROL_NET &&
	    !container_lives(c)) {
		for (unsigned int i = 0; i < n_fds; i++)
			close_fd(fds[i]);
		refuse(client, ESRCH, "container not running");
		return;
	}
	switch (msg->type) {
	case CONTROL_START:
		on_start(c, client);
		break;
	case CONTROL_KILL:
		if (msg->a == SIGKILL) /* one that waits at the gate does not die */
			freeze_break(c, CONTROL_THAW_KILLED);
		(void)ask(c, client, AGENT_KILL,
			  msg->b ? AGENT_KILL_ALL : AGENT_PROC_INIT, msg->a, pass_on);
		break;
	case CONTROL_EXEC:
		on_exec(c, client, msg, len, fds, n_fds);
		break;
	case CONTROL_WINSIZE:
		(void)ask(c, client, AGENT_WINSIZE, AGENT_PROC_INIT, winsize_arg(msg),
			  pass_on);
		break;
	case CONTROL_PS:
		(void)ask(c, client, AGENT_PS, 0, 0, on_ps);
		break;
	case CONTROL_PAUSE:
		(void)ask(c, client, AGENT_FREEZE, 0, 1, on_paused);
		break;
	case CONTROL_RESUME:
		(void)ask(c, client, AGENT_FREEZE, 0, 0, on_resumed);
		break;
	case CONTROL_STOP:
		on_stop(c, client);
		break;
	case CONTROL_STATS:
		on_stats(c, client);
		break;
	case CONTROL_CGROUP_STATS:
		(void)ask(c, client, AGENT_STATS, 0, 0, on_cgroup_stats);
		break;
	case CONTROL_UPDATE:
		on_update(c, client, msg, len);
		break;
	case CONTROL_EVENTS:
		on_events(c, client);
		break;
	case CONTROL_NET:
		on_net(c, client, fds);
		break;
	case CONTROL_NET_LIMIT:
		on_net_limit(c, client, msg);
		break;
	case CONTROL_FREEZE:
		if (c->checkpoint.state != CHECKPOINT_NONE)
			refuse(client, EBUSY, "a checkpoint is being made");
		else
			freeze_ask(c, client, msg, len);
		break;
	case CONTROL_CHECKPOINT:
		checkpoint_ask(c, client, msg, fds[0]);
		break;
	case CONTROL_THAW:
		freeze_thaw(c, client);
		break;
	case CONTROL_FREEZE_STATUS:
		freeze_status(c, client);
		break;
	default: /* the server lets nothing else through */
		refuse(client, EPROTO, "unknown request");
		break;
	}
}

static void on_further(void *opaque, struct control_client *client,
		       const struct control_msg *msg)
{
	struct container *c = opaque;
	const struct proc *p;

	if (msg->type == CONTROL_THAW) {
		(void)freeze_release(c, client, false);
		return;
	}
	if (msg->type == CONTROL_STOP) {
		checkpoint_stop(c);
		return;
	}
	p = control_client_get(client);
	if (p->state == PROC_ENDED)
		return;
	/* Nobody waits for an answer; a process that has just ended needs none. */
	if (msg->type == CONTROL_SIGNAL)
		(void)container_to_agent(c, AGENT_KILL, p->number, msg->a, NULL, NULL,
					 NULL);
	else
		(void)container_to_agent(c, AGENT_WINSIZE, p->number, winsize_arg(msg),
					 NULL, NULL, NULL);
}

static void on_gone(void *opaque, struct control_client *client)
{
	struct container *c = opaque;
	void *data = control_client_get(client);

	/* An exec and a freeze depend on their clients; anything else just has nobody to
	 * tell. */
	if (data != opaque)
		procs_client_gone(data);
	else if (checkpoint_gone(c, client))
		return;
	else if (forget_watcher(c, client))
		control_exit(client, 0); /* to nobody: the client is the server's again */
	else
		(void)freeze_release(c, client, true);
}

const struct control_server_ops container_control_ops = {
	.request = on_request,
	.further = on_further,
	.gone = on_gone,
};
