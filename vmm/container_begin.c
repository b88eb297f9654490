/* SPDX-License-Identifier: Apache-2.0 */
/* How a container comes to be: hello, or a machine that wakes up, then AGENT_CREATE; or it is
 * in the machine that wakes up (CONTROL_CHECKPOINT). */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>

#include "lib/buf.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "vmm/container_internal.h"
#include "vmm/snapshot/image.h"
#include "vmm/timeline.h"

static void on_created(void *opaque, const struct agent_result *r)
{
	struct container *c = opaque;
	struct err err = ERR_INIT;

	if (c->life != LIFE_CREATING)
		return;
	if (r->code) {
		(void)err_msg(&err, (int)r->code, "%s", r->msg);
		(void)container_tell_creator(
			c, &err); /* it may have gone; we end all the same */
		container_end(c, true);
		return;
	}
	timeline_mark("created");
	if (c->params.made)
		c->params.made(c->params.opaque);
	c->life = LIFE_CREATED;
	procs_init_runs(c);
	container_set_phase(c, VM_PHASE_CREATED);
	container_tell_winsize(c);
	container_net_created(c);
	if (container_tell_creator(c, NULL) < 0) {
		log_error("the creating command has gone");
		container_end(c, false);
	}
}

/* make() - have the agent make the container. */
static int make(struct container *c, struct err *err)
{
	auto_buf struct buf payload = BUF_INIT;
	struct agent_request req = {
		.type = AGENT_CREATE,
		.container = CONTAINER_NUMBER,
		.arg = procs_init_fds(c),
		.flags = c->config->no_cr ? CONTROL_EXEC_NO_CR : 0,
		.value = c->config->memory - c->config->boot_memory,
		.done = on_created,
		.opaque = c,
	};

	c->life = LIFE_CREATING;
	(void)buf_append(&payload, c->config->id, strlen(c->config->id) + 1);
	(void)buf_append(&payload, c->params.spec, c->config->spec_size);
	if (buf_ok(&payload) < 0)
		return err_set(err, ENOMEM, "configuration for the agent");
	req.payload = payload.data;
	req.payload_len = payload.len;
	return agent_request(c->link, &req, err);
}

static void on_thawed(void *opaque, const struct agent_result *r)
{
	struct container *c = opaque;

	if (r->code && !c->guest_gone)
		log_warn("thaw: %s", r->msg);
}

/* go_on() - the container of a machine that was saved; what it was frozen for is over. */
static void go_on(struct container *c)
{
	uint32_t flags = c->params.image_flags;

	if (c->params.made)
		c->params.made(c->params.opaque);
	c->life = LIFE_RUNNING;
	c->paused = flags & IMAGE_PAUSED;
	container_set_phase(c, c->paused ? VM_PHASE_PAUSED : VM_PHASE_RUNNING);
	/* An agent that takes no request ends the container anyway. */
	if (flags & IMAGE_FROZEN)
		(void)container_to_agent(c, AGENT_FSFREEZE, 0, 0, on_thawed, c, NULL);
	container_tell_winsize(c);
	container_net_created(c);
	if (container_tell_creator(c, NULL) == 0)
		return;
	log_error("the restoring command has gone");
	container_end(c, false);
}

static void on_awake(void *opaque, const struct agent_result *r)
{
	struct container *c = opaque;
	struct err err = ERR_INIT;

	timer_stop(&c->boot);
	timeline_mark("awake");
	c->awake = !r->code;
	if (c->awake && c->params.resumes && c->life == LIFE_CREATING)
		go_on(c);
	if (c->awake)
		return;
	(void)err_msg(&err, (int)r->code, "the saved machine does not wake up: %s",
		      r->msg);
	container_failed(c, &err);
}

/* wake() - tell a machine that was saved what it cannot know. */
static int wake(struct container *c, struct err *err)
{
	struct agent_wake payload = { .restored = c->params.resumes };
	struct agent_request req = {
		.type = AGENT_WAKE,
		.payload = &payload,
		.payload_len = sizeof(payload),
		.done = on_awake,
		.opaque = c,
	};
	struct timespec now;
	int ret;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	payload.realtime_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	if (getrandom(payload.seed, sizeof(payload.seed), 0) != sizeof(payload.seed))
		return err_set(err, EIO, "getrandom");
	ret = agent_request(c->link, &req, err);
	explicit_bzero(&payload, sizeof(payload));
	return ret;
}

void container_go_on(struct container *c)
{
	struct err err = ERR_INIT;

	if (c->life == LIFE_BOOTING && make(c, &err) < 0)
		container_failed(c, &err);
}

void container_hello(void *opaque, uint64_t uptime_ns)
{
	struct container *c = opaque;

	timer_stop(&c->boot);
	timeline_guest_mark("agent says hello", uptime_ns);
	if (c->params.ready && c->params.ready(c->params.opaque))
		return;
	container_go_on(c);
}

static void on_boot_late(struct timer *timer)
{
	struct container *c = container_of(timer, struct container, boot);
	struct err err = ERR_INIT;
	uint32_t ms = c->config->boot_timeout_ms;

	(void)err_msg(&err, ETIMEDOUT, "the guest did not answer within %u.%u s",
		      ms / 1000, ms % 1000 / 100);
	container_failed(c, &err);
}

/*
 * on_creator() - the creating command keeps the container; or it went away before that, for
 * it was killed: it may have had hooks to run and somebody to tell. Or it has heard why there
 * is no container.
 */
static void on_creator(struct loop_source *src, uint32_t events)
{
	struct container *c = container_of(src, struct container, sync_event);
	struct vm_sync answer;
	ssize_t n = -1;

	if (c->refused && events & (EPOLLHUP | EPOLLERR)) {
		container_leave_creator(c);
		if (c->life == LIFE_OVER)
			loop_quit(c->loop);
		return;
	}
	if (events & EPOLLIN)
		n = sock_recv(c->sync_fd, &answer, sizeof(answer), NULL, NULL);
	else if (!(events & (EPOLLHUP | EPOLLERR)))
		return;
	if (n == sizeof(answer) && answer.type == VM_SYNC_CREATED) {
		container_leave_creator(c);
		return;
	}
	log_error("the creating command has gone");
	loop_remove(c->loop, &c->sync_event);
	container_end(c, false);
}

int container_begin(struct container *c, bool restored, struct err *err)
{
	int ret;

	c->restored = restored;
	container_set_phase(c, VM_PHASE_CREATING);
	ret = loop_add(c->loop, &c->sync_event, c->sync_fd, 0, on_creator, err);
	if (ret < 0)
		return err_wrap(err, ret, "socket to the creating command");
	ret = timer_start(&c->boot, c->loop, c->config->boot_timeout_ms, on_boot_late,
			  err);
	if (ret < 0)
		return ret;
	if (c->params.resumes) {
		ret = wake(c, err);
		if (ret < 0)
			return ret;
		c->life = LIFE_CREATING;
		procs_go_on(c);
	} else if (restored) {
		ret = agent_link_restore(c->link, err);
		if (ret == 0)
			ret = wake(c, err);
		if (ret == 0)
			ret = make(c, err);
	}
	return ret;
}

bool container_is_quiet(const struct container *c)
{
	return agent_link_quiet(c->link) && LIST_EMPTY(&c->incoming);
}
