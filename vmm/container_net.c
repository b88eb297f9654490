/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's network, between hull-net (vmm/net_cards.h) and the agent: what
 * hull-net tells is kept until the container is there and then sent on; a start waits
 * until all that the host's namespace has is the guest's too.
 *
 * What fails before the start is the start's error; later there is only the log.
 */
#include <errno.h>

#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/log.h"
#include "vmm/container_internal.h"
#include "vmm/net_cards.h"
#include "vmm/timeline.h"

/* (bytes) that wait for the agent: some ten thousand routes. */
#define MAX_PENDING (1u << 20)

static void fail(struct container *c, int code, const char *why)
{
	if (c->life == LIFE_RUNNING || c->net.why.code)
		log_warn("network: %s", why);
	else
		(void)err_msg(&c->net.why, code, "network: %s", why);
}

/* check_settled() - let the start go on when nothing is left to be done. */
static void check_settled(struct container *c)
{
	struct control_client *starter = c->net.starter;

	if (!starter || c->net.asked || c->net.under_way || c->net.pending.len)
		return;
	c->net.starter = NULL;
	timer_stop(&c->net.late);
	timeline_mark("network settled");
	if (c->net.why.code)
		requests_start_failed(c, starter, &c->net.why);
	else
		requests_start(c, starter);
}

static void on_done(void *opaque, const struct agent_result *r)
{
	struct container *c = opaque;

	c->net.under_way--;
	if (r->code)
		fail(c, (int)r->code, r->msg);
	check_settled(c);
}

/* flush() - give the agent what waits for it, once there is a container. */
static void flush(struct container *c)
{
	const struct agent_request req = {
		.type = AGENT_NET,
		.container = CONTAINER_NUMBER,
		.payload = c->net.pending.data,
		.payload_len = c->net.pending.len,
		.done = on_done,
		.opaque = c,
	};
	struct err err = ERR_INIT;

	if (!req.payload_len || (c->life != LIFE_CREATED && c->life != LIFE_RUNNING))
		return;
	if (agent_request(c->link, &req, &err) < 0)
		fail(c, err.code, err.msg);
	else
		c->net.under_way++;
	buf_release(&c->net.pending);
}

/* ---- what hull-net tells ---------------------------------------------------------- */

static void on_config(void *opaque, const void *messages, size_t len)
{
	struct container *c = opaque;

	if (c->net.pending.len + len > MAX_PENDING ||
	    buf_append(&c->net.pending, messages, len) < 0)
		fail(c, ENOMEM, "more addresses and routes than there is room for");
	flush(c);
}

static void on_failed(void *opaque, const char *why)
{
	fail(opaque, EIO, why);
}

static void on_settled(void *opaque)
{
	struct container *c = opaque;

	c->net.asked = false;
	check_settled(c);
}

/* answer_limiter() - @why: code 0: it is done */
static void answer_limiter(struct container *c, const struct err *why)
{
	struct control_client *limiter = take_ptr(&c->net.limiter);

	if (limiter && why->code)
		control_error(limiter, why);
	else if (limiter)
		control_result(limiter, 0, 0, NULL, 0);
}

static void on_limited(void *opaque, int code, const char *text)
{
	struct err why = ERR_INIT;

	if (code)
		(void)err_msg(&why, code, "%s", text);
	answer_limiter(opaque, &why);
}

static void on_gone(void *opaque, const struct err *why)
{
	struct container *c = opaque;

	answer_limiter(c, why);
	if (c->life == LIFE_ENDING || c->life == LIFE_OVER)
		return;
	fail(c, why->code, why->msg);
	c->net.asked = false;
	check_settled(c);
}

static const struct net_cards_ops cards_ops = {
	.config = on_config,
	.failed = on_failed,
	.settled = on_settled,
	.limited = on_limited,
	.gone = on_gone,
};

/* ---- for the rest of the container --------------------------------------------------- */

int container_net_follow(struct container *c, int sock, struct err *err)
{
	auto_fd int fd = sock;

	if (!c->params.cards || c->life == LIFE_ENDING || c->life == LIFE_OVER)
		return err_msg(err, ESRCH, "container not running");
	return net_cards_follow(c->params.cards, take_fd(&fd), &cards_ops, c, err);
}

void container_net_created(struct container *c)
{
	flush(c);
}

static void on_late(struct timer *timer)
{
	struct container *c = container_of(timer, struct container, net.late);
	struct control_client *starter = take_ptr(&c->net.starter);
	struct err err = ERR_INIT;

	(void)err_msg(&err, ETIMEDOUT, "network: not set up within %u s",
		      SETTLE_MS / 1000);
	requests_start_failed(c, starter, &err);
}

bool container_net_settle(struct container *c, struct control_client *client)
{
	struct err err = ERR_INIT;
	int ret = c->params.cards ? net_cards_settle(c->params.cards, &err) : -ENOTCONN;

	/* Without a hull-net nothing is told any more; what it told is waited for. */
	if (ret < 0 && ret != -ENOTCONN)
		fail(c, err.code, err.msg);
	if (ret < 0 && !c->net.under_way && !c->net.why.code)
		return false;
	c->net.asked = ret == 0;
	c->net.starter = client;
	ret = timer_start(&c->net.late, c->loop, SETTLE_MS, on_late, &err);
	if (ret < 0)
		fail(c, err.code, err.msg);
	check_settled(c);
	return true;
}

void container_net_limit(struct container *c, struct control_client *client,
			 const struct net_limits *limits)
{
	struct err err = ERR_INIT;
	int ret = c->params.cards ? net_cards_limit(c->params.cards, limits, &err)
				  : -ENOTCONN;

	if (ret == 0)
		c->net.limiter = client;
	else if (ret == -ENOTCONN) /* one that comes later is told by who starts it */
		control_result(client, 0, 0, NULL, 0);
	else
		control_error(client, &err);
}

void container_net_end(struct container *c)
{
	struct control_client *starter = take_ptr(&c->net.starter);
	struct err err = ERR_INIT;
	struct err over = ERR_INIT;

	(void)err_msg(&over, ESRCH, "container not running");
	answer_limiter(c, &over);
	timer_stop(&c->net.late);
	if (!starter)
		return;
	(void)err_msg(&err, ESRCH, "cannot start a container that has stopped");
	requests_start_failed(c, starter, &err);
}

void container_net_release(struct container *c)
{
	timer_stop(&c->net.late);
	buf_release(&c->net.pending);
	net_cards_free(c->params.cards);
}
