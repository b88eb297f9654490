/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONTROL_FREEZE: who holds the file systems frozen, and how they get there.
 *
 *	none -> agent -> gate -> held -> opening -> releasing -> none
 *
 * The state follows the holders: as long as one wants the freeze it goes to `held`, and
 * when none does, from wherever it is, to `none`.  Each has its deadline, so that
 * neither a guest that does not answer nor a holder that hangs keeps it.  The agent may
 * hang for good: what is frozen in here is let go all the same, and whoever asks next
 * is told.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/buf.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "lib/log.h"
#include "vmm/container_internal.h"

#define MAX_HOLDERS 64u
#define NS_PER_MS 1000000u

enum holder_state {
	HOLDER_WAITS, /* for the freeze; not answered yet */
	HOLDER_REFUSED, /* it will not come: told when what was done is undone */
	HOLDER_HOLDS,
	HOLDER_LEAVES, /* waits for the thaw */
	HOLDER_THAWS, /* an administrator, who has never held it: likewise */
};

struct holder {
	struct container *container;
	LIST_ENTRY(holder) link;
	struct control_client *client;
	enum holder_state state;
	struct timer deadline;
	uint32_t timeout_ms;
	uint64_t since_ns; /* CLOCK_REALTIME */
	struct err why; /* HOLDER_REFUSED */
	pid_t pid; /* as it says: hull-vmm's pid namespace has no number for it */
	uid_t uid;
	char command[sizeof(((struct control_freeze_holder *)0)->command)];
};

static void advance(struct container *c);

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail */
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void freeze_init(struct container *c)
{
	LIST_INIT(&c->freeze.holders);
}

/* ---- holders ------------------------------------------------------------------------ */

/* forget() - @h, whose client has its last answer. */
static void forget(struct holder *h)
{
	timer_stop(&h->deadline);
	LIST_REMOVE(h, link);
	h->container->freeze.n_holders--;
	free(h);
}

void freeze_free(struct container *c)
{
	while (!LIST_EMPTY(&c->freeze.holders))
		forget(LIST_FIRST(&c->freeze.holders));
	free(c->freeze.mounts);
}

/* refuse() - @h gets no freeze, and hears so at once. */
static void refuse(struct holder *h, int code, const char *text)
{
	(void)err_msg(&h->why, code, "%s", text);
	control_error(h->client, &h->why);
	forget(h);
}

/* end() - @h has held the freeze. */
static void end(struct holder *h, enum control_thaw why)
{
	h->container->freeze.why = why;
	control_exit(h->client, why);
	forget(h);
}

/* tell_thawed() - to one who waited for that; @h is gone. */
static void tell_thawed(struct holder *h)
{
	if (h->state == HOLDER_REFUSED)
		control_error(h->client, &h->why);
	else if (h->state == HOLDER_THAWS)
		control_result(h->client, 0, 0, NULL, 0);
	else
		control_exit(h->client, CONTROL_THAW_RELEASED);
	forget(h);
}

static bool is_wanted(const struct container *c)
{
	const struct holder *h;

	for (h = LIST_FIRST(&c->freeze.holders); h; h = LIST_NEXT(h, link))
		if (h->state == HOLDER_WAITS || h->state == HOLDER_HOLDS)
			return true;
	return false;
}

/* refuse_all() - who waits; they hear of it when what was done is undone. */
static void refuse_all(struct container *c, int code, const char *text)
{
	struct holder *h;

	for (h = LIST_FIRST(&c->freeze.holders); h; h = LIST_NEXT(h, link)) {
		if (h->state != HOLDER_WAITS)
			continue;
		h->state = HOLDER_REFUSED;
		(void)err_msg(&h->why, code, "%s", text);
	}
}

/* waits_for() - why a freeze does not come. */
static const char *waits_for(const struct container *c)
{
	if (c->freeze.state == FREEZE_GATE || c->freeze.state == FREEZE_OPENING)
		return "changes to files that were under way did not end";
	return "the guest did not answer";
}

static void on_deadline(struct timer *timer)
{
	struct holder *h = container_of(timer, struct holder, deadline);
	struct container *c = h->container;
	char text[128];

	switch (h->state) {
	case HOLDER_WAITS:
		(void)!snprintf(text, sizeof(text), "%s within %u.%u s", waits_for(c),
				h->timeout_ms / 1000, h->timeout_ms % 1000 / 100);
		log_warn("freeze by process %d: %s", (int)h->pid, text);
		refuse(h, ETIMEDOUT, text);
		break;
	case HOLDER_HOLDS:
		log_warn("the freeze by process %d (%s) has passed its deadline of %u.%u "
			 "s and is over",
			 (int)h->pid, h->command, h->timeout_ms / 1000,
			 h->timeout_ms % 1000 / 100);
		end(h, CONTROL_THAW_DEADLINE);
		break;
	case HOLDER_REFUSED:
	case HOLDER_LEAVES:
	case HOLDER_THAWS:
		log_warn("the guest did not answer that its files are thawed");
		tell_thawed(h);
		break;
	}
	advance(c);
}

/* add() - NULL: @client has been told why not. */
static struct holder *add(struct container *c, struct control_client *client,
			  enum holder_state state, uint32_t timeout_ms)
{
	struct holder *h =
		c->freeze.n_holders < MAX_HOLDERS ? calloc(1, sizeof(*h)) : NULL;
	struct err err = ERR_INIT;
	int ret = 0;

	if (!h) {
		(void)err_msg(&err, EBUSY, "too many hold the container's file systems");
		control_error(client, &err);
		return NULL;
	}
	h->container = c;
	h->client = client;
	h->state = state;
	h->deadline = TIMER_INIT;
	h->timeout_ms = timeout_ms;
	h->since_ns = now_ns();
	h->uid = control_client_uid(client);
	LIST_INSERT_HEAD(&c->freeze.holders, h, link);
	c->freeze.n_holders++;
	ret = timer_start(&h->deadline, c->loop, timeout_ms, on_deadline, &err);
	if (ret < 0) {
		refuse(h, -ret, err.msg);
		return NULL;
	}
	return h;
}

static struct holder *find(struct container *c, const struct control_client *client)
{
	struct holder *h;

	for (h = LIST_FIRST(&c->freeze.holders); h; h = LIST_NEXT(h, link))
		if (h->client == client)
			return h;
	return NULL;
}

/* ---- there and back ------------------------------------------------------------------- */

static void on_agent_thawed(void *opaque, const struct agent_result *r)
{
	struct container *c = opaque;
	struct holder *h = LIST_FIRST(&c->freeze.holders);

	if (c->freeze.state != FREEZE_RELEASING)
		return;
	if (r && r->code && !c->guest_gone)
		log_warn("thaw: %s", r->msg);
	c->freeze.state = FREEZE_NONE;
	while (h) {
		struct holder *next = LIST_NEXT(h, link);

		if (h->state != HOLDER_WAITS) /* nobody holds what is thawed */
			tell_thawed(h);
		h = next;
	}
	advance(c);
}

/* opened() - nothing waits at the gate any more. */
static void opened(struct container *c)
{
	struct freeze *f = &c->freeze;

	if (f->since_ns)
		requests_tell(c, CONTROL_THAWED, f->why, 0);
	f->since_ns = 0;
	free(f->mounts);
	f->mounts = NULL;
	f->mounts_len = 0;
	f->state = FREEZE_RELEASING;
	/* One that ends is asked to shut down, which thaws as well. */
	if (c->life == LIFE_ENDING || c->life == LIFE_OVER ||
	    container_to_agent(c, AGENT_FSFREEZE, 0, 0, on_agent_thawed, c, NULL) < 0)
		on_agent_thawed(c, NULL);
}

static void let_go(struct container *c)
{
	c->freeze.state = FREEZE_OPENING;
	c->params.set_gate(c->params.opaque, false);
	container_gate_moved(c);
}

static void frozen(struct container *c)
{
	struct freeze *f = &c->freeze;
	const struct holder *first = NULL;
	struct holder *h;

	f->state = FREEZE_HELD;
	f->since_ns = now_ns();
	for (h = LIST_FIRST(&f->holders); h; h = LIST_NEXT(h, link)) {
		if (h->state != HOLDER_WAITS)
			continue;
		h->state = HOLDER_HOLDS;
		control_result(h->client, 0, 0, NULL, 0);
		first = h; /* the latest stands first in the list */
	}
	if (first)
		requests_tell(c, CONTROL_FROZEN, (uint32_t)first->pid, first->uid);
}

/* cannot_close() - the gate stays open, for the reason @code. */
static void cannot_close(struct container *c, int code)
{
	struct err err = ERR_INIT;

	if (code == EOPNOTSUPP)
		(void)err_msg(
			&err, code,
			"a file is mapped for writing, and the host's kernel has no "
			"/proc/self/pagemap to tell what is stored there meanwhile");
	else
		(void)err_set(&err, code, "freeze what is mapped for writing");
	refuse_all(c, code, err.msg);
	let_go(c);
}

void container_gate_moved(struct container *c)
{
	int is = c->params.gate(c->params.opaque);

	if (c->freeze.state == FREEZE_GATE) {
		if (is < 0)
			cannot_close(c, -is);
		else if (is == CONTAINER_GATE_CLOSED)
			frozen(c);
	} else if (c->freeze.state == FREEZE_OPENING) {
		if (is < 0 || is == CONTAINER_GATE_OPEN)
			opened(c);
	}
}

static void on_agent_frozen(void *opaque, const struct agent_result *r)
{
	struct container *c = opaque;
	struct freeze *f = &c->freeze;

	if (f->state != FREEZE_AGENT)
		return; /* nobody wants it any more */
	if (r->code) {
		refuse_all(c, (int)r->code, r->msg);
		advance(c);
		return;
	}
	if (r->payload_len && r->payload_len <= AGENT_MAX_FROZEN)
		f->mounts = malloc(r->payload_len);
	if (f->mounts) {
		f->mounts_len = r->payload_len;
		memcpy(f->mounts, r->payload, r->payload_len);
	}
	f->state = FREEZE_GATE;
	c->params.set_gate(c->params.opaque, true);
	container_gate_moved(c);
}

/* advance() - the holders are others now. */
static void advance(struct container *c)
{
	struct freeze *f = &c->freeze;
	struct err err = ERR_INIT;

	switch (f->state) {
	case FREEZE_NONE:
		if (!is_wanted(c))
			break;
		f->state = FREEZE_AGENT;
		if (container_to_agent(c, AGENT_FSFREEZE, 0, 1, on_agent_frozen, c,
				       &err) < 0) {
			refuse_all(c, err.code, err.msg);
			let_go(c);
		}
		break;
	case FREEZE_AGENT:
	case FREEZE_GATE:
	case FREEZE_HELD:
		if (!is_wanted(c))
			let_go(c);
		break;
	case FREEZE_OPENING:
	case FREEZE_RELEASING:
		break; /* what is wanted now comes when that is done */
	}
}

/* ---- requests ------------------------------------------------------------------------- */

void freeze_ask(struct container *c, struct control_client *client,
		const struct control_msg *msg, size_t len)
{
	struct holder *h = add(c, client, HOLDER_WAITS, msg->a);

	if (!h)
		return;
	h->pid = (pid_t)msg->b;
	agent_clean_text(h->command, sizeof(h->command), msg->payload, len);
	if (c->freeze.state == FREEZE_HELD) {
		h->state = HOLDER_HOLDS;
		control_result(client, 0, 0, NULL, 0);
		return;
	}
	advance(c);
}

void freeze_break(struct container *c, enum control_thaw why)
{
	struct holder *h = LIST_FIRST(&c->freeze.holders);

	while (h) {
		struct holder *next = LIST_NEXT(h, link);

		if (h->state == HOLDER_HOLDS)
			end(h, why);
		h = next;
	}
	refuse_all(c, ECANCELED,
		   why == CONTROL_THAW_ENDED    ? "the container has ended"
		   : why == CONTROL_THAW_KILLED ? "the container was killed"
						: "an administrator thaws the container");
	advance(c);
}

void freeze_thaw(struct container *c, struct control_client *client)
{
	struct err err = ERR_INIT;

	if (c->freeze.state == FREEZE_NONE) {
		(void)err_msg(&err, EINVAL, "container not frozen");
		control_error(client, &err);
		return;
	}
	if (add(c, client, HOLDER_THAWS, CONTROL_THAW_MS))
		freeze_break(c, CONTROL_THAW_ADMINISTRATOR);
}

bool freeze_release(struct container *c, const struct control_client *client, bool gone)
{
	struct holder *h = find(c, client);

	if (!h)
		return false;
	c->freeze.why = CONTROL_THAW_RELEASED;
	if (h->state == HOLDER_WAITS) {
		refuse(h, ECANCELED, "the client does not want it any more");
	} else if (gone) {
		tell_thawed(h); /* to nobody: the client is the server's again */
	} else if (h->state == HOLDER_HOLDS) {
		h->state = HOLDER_LEAVES;
		if (is_wanted(c)) /* by others: it is their freeze now */
			tell_thawed(h);
		else if (timer_start(&h->deadline, c->loop, CONTROL_THAW_MS, on_deadline, NULL) <
			 0)
			tell_thawed(h);
	}
	advance(c);
	return true;
}

/* ---- status ----------------------------------------------------------------------------- */

static enum control_freeze_state state_of(const struct container *c)
{
	switch (c->freeze.state) {
	case FREEZE_AGENT:
	case FREEZE_GATE:
		return CONTROL_FREEZE_FREEZING;
	case FREEZE_HELD:
		return CONTROL_FREEZE_FROZEN;
	case FREEZE_OPENING:
	case FREEZE_RELEASING:
		return CONTROL_FREEZE_THAWING;
	case FREEZE_NONE:
		break;
	}
	return CONTROL_FREEZE_NONE;
}

static void put_holder(struct buf *b, const struct holder *h)
{
	struct control_freeze_holder out = {
		.pid = h->pid,
		.uid = h->uid,
		.holds = h->state == HOLDER_HOLDS,
		.since_ns = h->since_ns,
		.deadline_ns = h->since_ns + (uint64_t)h->timeout_ms * NS_PER_MS,
	};

	memcpy(out.command, h->command, sizeof(out.command));
	(void)buf_append(b, &out, sizeof(out));
}

void freeze_status(struct container *c, struct control_client *client)
{
	const struct freeze *f = &c->freeze;
	struct control_freeze_status s = {
		.state = state_of(c),
		.waiting = c->params.waiting ? c->params.waiting(c->params.opaque) : 0,
		.mounts_len = (uint32_t)f->mounts_len,
		.since_ns = f->since_ns,
	};
	auto_buf struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	const struct holder *h;

	for (h = LIST_FIRST(&f->holders); h; h = LIST_NEXT(h, link))
		s.n_holders += h->state == HOLDER_WAITS || h->state == HOLDER_HOLDS;
	(void)buf_append(&b, &s, sizeof(s));
	for (h = LIST_FIRST(&f->holders); h; h = LIST_NEXT(h, link))
		if (h->state == HOLDER_WAITS || h->state == HOLDER_HOLDS)
			put_holder(&b, h);
	(void)buf_append(&b, f->mounts, f->mounts_len);
	if (buf_ok(&b) == 0) {
		control_result(client, 0, 0, b.data, b.len);
		return;
	}
	(void)err_set(&err, ENOMEM, "status of the freeze");
	control_error(client, &err);
}
