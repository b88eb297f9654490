/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONTROL_CHECKPOINT: the file systems are frozen, as far as that is the agent's, and in a
 * moment in which nothing is under way the machine stands still and is saved.  Nothing
 * changes a file while it does; so the write gate is not needed.
 *
 *	none -> reading -> freezing -> looking -> held -> thawing -> none
 *
 * What was restored lazily is read to the end before anything is frozen.
 * A pre-dump freezes nothing and holds the machine for a moment only: what it writes while
 * that runs need not be of one moment (vm.h, vm_dump_begin()).
 *
 * The machine that was saved is frozen too: it is thawed when it goes on.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "lib/log.h"
#include "vmm/container_internal.h"

#define LOOK_MS 5u
#define DUMP_MS 1u

static void look(struct timer *timer);

/* let_go() - the machine that stands still, and what it says. */
static void let_go(struct container *c)
{
	c->params.let_go(c->params.opaque);
	procs_hold(c, false);
}

/* done() - all is as before; @c->checkpoint.state is NONE afterwards. */
static void done(struct container *c)
{
	struct checkpoint *k = &c->checkpoint;

	timer_stop(&k->look);
	timer_stop(&k->deadline);
	close_fd(k->fd);
	*k = (struct checkpoint){
		.fd = -1,
		.look = TIMER_INIT,
		.deadline = TIMER_INIT,
	};
}

static void on_thawed(void *opaque, const struct agent_result *r)
{
	struct container *c = opaque;

	if (c->checkpoint.state != CHECKPOINT_THAWING)
		return;
	if (r->code && !c->guest_gone)
		log_warn("checkpoint: thaw: %s", r->msg);
	done(c);
}

/* thaw() - whatever became of it. */
static void thaw(struct container *c)
{
	struct checkpoint *k = &c->checkpoint;

	timer_stop(&k->look);
	timer_stop(&k->deadline);
	k->state = CHECKPOINT_THAWING;
	if (!k->frozen ||
	    container_to_agent(c, AGENT_FSFREEZE, 0, 0, on_thawed, c, NULL) < 0)
		done(c);
}

static void fail(struct container *c, const struct err *why)
{
	struct control_client *client = take_ptr(&c->checkpoint.client);

	if (client)
		control_error(client, why);
	thaw(c);
}

static void on_late(struct timer *timer)
{
	struct container *c = container_of(timer, struct container, checkpoint.deadline);
	struct err err = ERR_INIT;

	if (c->checkpoint.state == CHECKPOINT_FREEZING)
		(void)err_msg(&err, ETIMEDOUT,
			      "the guest did not freeze its files in time");
	else
		(void)err_msg(&err, ETIMEDOUT, "no moment to save it came in time: %s",
			      c->checkpoint.why.msg);
	fail(c, &err);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail */
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* saved() - tell the client; @stopped_us: for so long no vCPU ran */
static void saved(struct container *c, uint64_t stopped_us)
{
	struct checkpoint *k = &c->checkpoint;
	bool leave = k->flags & CONTROL_CHECKPOINT_LEAVE;
	struct control_client *client = k->client;

	timer_stop(&k->deadline);
	close_fd(k->fd);
	k->fd = -1;
	if (leave) {
		c->params.let_go(c->params.opaque);
		k->client = NULL;
	} else {
		k->state = CHECKPOINT_HELD;
		procs_hold(c, true);
	}
	control_result(client, 0,
		       stopped_us > UINT32_MAX ? UINT32_MAX : (uint32_t)stopped_us, NULL,
		       0);
	if (leave)
		thaw(c);
}

/* parent_of() - NULL: none. */
static const uint8_t *parent_of(const struct checkpoint *k)
{
	return k->flags & CONTROL_CHECKPOINT_PARENT ? k->parent : NULL;
}

/* dump() - one part after the other; in between the loop has time for the others. */
static void dump(struct timer *timer)
{
	struct container *c = container_of(timer, struct container, checkpoint.look);
	struct checkpoint *k = &c->checkpoint;
	struct err err = ERR_INIT;
	int ret = c->params.dump_some(c->params.opaque, k->fd, &err);

	if (ret == 0) {
		control_result(take_ptr(&k->client), 0, k->stopped_us, NULL, 0);
		done(c);
	} else if (ret < 0 || timer_start(timer, c->loop, DUMP_MS, dump, &err) < 0) {
		fail(c, &err);
	}
}

/* save() - or begin to dump; 0; -EAGAIN; -errno */
static int save(struct container *c, struct err *err)
{
	struct checkpoint *k = &c->checkpoint;
	uint64_t from = now_us(), stopped;
	bool pre_dump = k->flags & CONTROL_CHECKPOINT_PRE_DUMP;
	int ret = (pre_dump ? c->params.dump_begin : c->params.save)(
		c->params.opaque, k->fd, parent_of(k), err);

	if (ret < 0)
		return ret;
	stopped = now_us() - from;
	if (!pre_dump) {
		saved(c, stopped);
		return 0;
	}
	timer_stop(&k->deadline);
	k->stopped_us = stopped > UINT32_MAX ? UINT32_MAX : (uint32_t)stopped;
	return timer_start(&k->look, c->loop, DUMP_MS, dump, err);
}

static void look(struct timer *timer)
{
	struct container *c = container_of(timer, struct container, checkpoint.look);
	struct checkpoint *k = &c->checkpoint;
	struct err err = ERR_INIT;
	int ret = save(c, &err);

	if (ret == 0)
		return;
	k->why = err;
	if (ret == -EAGAIN && timer_start(&k->look, c->loop, LOOK_MS, look, NULL) == 0)
		return;
	fail(c, &err);
}

static void begin_look(struct container *c)
{
	struct err err = ERR_INIT;

	c->checkpoint.state = CHECKPOINT_LOOKING;
	/* Not from here: the answer's callback is a turn of the agent's link, which is to be
	 * quiet. */
	if (timer_start(&c->checkpoint.look, c->loop, 1, look, &err) < 0)
		fail(c, &err);
}

static void on_frozen(void *opaque, const struct agent_result *r)
{
	struct container *c = opaque;
	struct err err = ERR_INIT;

	if (c->checkpoint.state != CHECKPOINT_FREEZING)
		return;
	if (!r->code) {
		begin_look(c);
		return;
	}
	(void)err_msg(&err, (int)r->code, "freeze: %s", r->msg);
	fail(c, &err);
}

/* begin() - all of its memory is there. */
static void begin(struct container *c)
{
	struct checkpoint *k = &c->checkpoint;
	struct err err = ERR_INIT;
	int ret = timer_start(&k->deadline, c->loop, k->ms, on_late, &err);

	k->state = CHECKPOINT_FREEZING;
	k->frozen = !(k->flags &
		      (CONTROL_CHECKPOINT_NO_FREEZE | CONTROL_CHECKPOINT_PRE_DUMP));
	if (ret == 0 && k->frozen)
		ret = container_to_agent(c, AGENT_FSFREEZE, 0, 1, on_frozen, c, &err);
	else if (ret == 0)
		begin_look(c);
	if (ret < 0)
		fail(c, &err);
}

/* await_memory() - however long it takes: the client may go away, and the guest runs. */
static void await_memory(struct timer *timer)
{
	struct container *c = container_of(timer, struct container, checkpoint.look);
	struct err err = ERR_INIT;

	if (!c->params.whole || c->params.whole(c->params.opaque))
		begin(c);
	else if (timer_start(timer, c->loop, LOOK_MS, await_memory, &err) < 0)
		fail(c, &err);
}

/* check() - may it begin? */
static int check(const struct container *c, struct err *err)
{
	if (!c->params.save)
		return err_msg(err, EOPNOTSUPP, "this machine cannot be saved");
	if (c->life != LIFE_RUNNING)
		return err_msg(err, ESRCH, "container not running");
	if (c->checkpoint.state != CHECKPOINT_NONE)
		return err_msg(err, EBUSY, "another checkpoint is being made");
	if (c->freeze.state != FREEZE_NONE)
		return err_msg(err, EBUSY, "the container's file systems are frozen");
	return 0;
}

void checkpoint_ask(struct container *c, struct control_client *client,
		    const struct control_msg *msg, int fd)
{
	struct checkpoint *k = &c->checkpoint;
	struct err err = ERR_INIT;
	int ret = check(c, &err);

	if (ret < 0) {
		close_fd(fd);
		control_error(client, &err);
		return;
	}
	k->client = client;
	k->fd = fd;
	k->flags = msg->a;
	if (k->flags & CONTROL_CHECKPOINT_PARENT) /* its length was checked */
		memcpy(k->parent, msg->payload, sizeof(k->parent));
	k->ms = msg->b;
	k->state = CHECKPOINT_READING;
	await_memory(&k->look);
}

void checkpoint_stop(struct container *c)
{
	struct control_client *client = take_ptr(&c->checkpoint.client);

	/* The server lets nothing else through; and the machine stands still. */
	control_exit(client, 0);
	done(c);
	container_vanish(c);
}

bool checkpoint_gone(struct container *c, const struct control_client *client)
{
	struct checkpoint *k = &c->checkpoint;
	struct err err = ERR_INIT;

	if (!client || k->client != client)
		return false;
	if (k->state == CHECKPOINT_HELD) {
		log_warn("the checkpoint was given up: the container goes on");
		let_go(c);
		control_exit(take_ptr(&k->client), 0); /* to nobody */
		thaw(c);
	} else {
		(void)err_msg(&err, ECANCELED, "the client does not want it any more");
		fail(c, &err);
	}
	return true;
}

void checkpoint_end(struct container *c)
{
	struct checkpoint *k = &c->checkpoint;
	struct err err = ERR_INIT;

	if (k->state == CHECKPOINT_NONE)
		return;
	if (k->state == CHECKPOINT_HELD) {
		let_go(c);
		control_exit(take_ptr(&k->client), 0);
	} else if (k->client) {
		(void)err_msg(&err, ESRCH, "the container has ended");
		control_error(take_ptr(&k->client), &err);
	}
	done(c);
}
