/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/agent/fsfreeze.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/io.h"
#include "rootfs/agent/agent.h"
#include "rootfs/agent/container.h"

void fsfreeze_init(struct fsfreeze *f)
{
	f->hook = -1;
	f->messages.fd = -1;
}

/* is_touched() - there is something to be thawed. */
static bool is_touched(const struct fsfreeze *f)
{
	return f->n_hooks || f->n_blocks;
}

/* ---- messages of the child ------------------------------------------------------- */

static void keep_block(struct fsfreeze *f, int fd)
{
	if (f->n_blocks < FSFREEZE_MAX_BLOCKS) {
		f->blocks[f->n_blocks++] = fd;
		return;
	}
	(void)ioctl(fd, FITHAW, 0); /* the child does not send so many */
	close_fd(fd);
}

static void take(struct fsfreeze *f, const struct fsfreeze_msg *msg, int fd)
{
	switch (msg->type) {
	case FSFREEZE_HOOK:
		close_fd(f->hook);
		f->hook = fd;
		f->n_hooks += !f->thawing;
		return;
	case FSFREEZE_MOUNT:
		if (f->mounts.len + strlen(msg->text) < AGENT_MAX_FROZEN)
			(void)buf_puts(&f->mounts, msg->text);
		if (fd >= 0)
			keep_block(f, fd);
		return;
	case FSFREEZE_ERROR:
		if (!f->error.code)
			f->error = msg->err;
		break;
	case FSFREEZE_DONE:
		f->done = true;
		break;
	default:
		break;
	}
	close_fd(fd);
}

/* receive() - all that there is. */
static void receive(struct fsfreeze *f)
{
	struct fsfreeze_msg msg;
	int fds[SOCK_MAX_FDS];
	unsigned int n = 0;

	while (f->messages.fd >= 0 &&
	       sock_recv(f->messages.fd, &msg, sizeof(msg), fds, &n) > 0)
		take(f, &msg, n ? fds[0] : -1);
}

static void messages_ready(struct watch *w, uint32_t events)
{
	struct fsfreeze *f = container_of(w, struct fsfreeze, messages);

	receive(f);
	if (events & (EPOLLHUP | EPOLLERR)) /* its end is told by SIGCHLD */
		watch_remove(&container_of(f, struct container, fsfreeze)->agent->loop,
			     w);
}

/* ---- children ---------------------------------------------------------------------- */

static int fork_child(struct agent *a, struct container *c,
		      void (*child)(struct agent *, struct container *, int),
		      struct err *err)
{
	struct fsfreeze *f = &c->fsfreeze;
	auto_fd int ours = -1;
	auto_fd int theirs = -1;
	int pair[2];
	int ret;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	pid = fork();
	if (pid < 0)
		return err_set(err, errno, "fork");
	if (pid == 0) {
		close_fd(take_fd(&ours));
		child(a, c, theirs);
	}
	f->child = pid;
	f->done = false;
	f->error = ERR_INIT;
	/* Only the agent's end must not wait. */
	ret = fcntl(ours, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (ret == 0)
		ret = watch_add(&a->loop, &f->messages, ours, EPOLLIN, messages_ready);
	if (ret < 0) {
		(void)kill(pid, SIGKILL);
		return err_set(err, -ret, "watch the messages of a freeze");
	}
	(void)take_fd(&ours);
	return 0;
}

/* kill_child() - with the hook that it waits for; it is reaped later. */
static void kill_child(struct fsfreeze *f)
{
	if (f->child)
		(void)kill(f->child, SIGKILL); /* not reaped: the number is its own */
	if (f->hook >= 0)
		(void)pidfd_send_signal(f->hook, SIGKILL, NULL,
					0); /* it may have ended */
}

static void drop_messages(struct agent *a, struct fsfreeze *f)
{
	watch_remove(&a->loop, &f->messages);
	close_fd(take_fd(&f->messages.fd));
	close_fd(take_fd(&f->hook));
}

/* ---- requests ------------------------------------------------------------------------ */

static void answer(struct agent *a, uint32_t *seq, const struct err *err)
{
	if (*seq && err->code)
		agent_result_err(a, *seq, err);
	else if (*seq)
		agent_result(a, *seq, 0);
	*seq = 0;
}

static void forget(struct fsfreeze *f)
{
	for (unsigned int i = 0; i < f->n_blocks; i++)
		close_fd(f->blocks[i]);
	f->n_blocks = 0;
	f->n_hooks = 0;
	buf_release(&f->mounts);
}

static void begin_thaw(struct agent *a, struct container *c)
{
	struct fsfreeze *f = &c->fsfreeze;
	struct err err = ERR_INIT;

	f->thawing = true;
	if (is_touched(f) && fork_child(a, c, fsfreeze_thaw_child, &err) == 0)
		return;
	for (unsigned int i = 0; i < f->n_blocks; i++)
		(void)ioctl(f->blocks[i], FITHAW, 0);
	forget(f);
	answer(a, &f->thaw_seq, &err);
}

static void begin_freeze(struct agent *a, struct container *c, uint32_t seq)
{
	struct fsfreeze *f = &c->fsfreeze;
	struct err err = ERR_INIT;

	f->thawing = false;
	f->freeze_seq = seq;
	if (f->child || is_touched(f))
		(void)err_msg(&err, EBUSY, "the container is frozen already");
	else if (!container_proc(c, AGENT_PROC_INIT))
		(void)err_msg(&err, ESRCH, "cannot freeze a container that has stopped");
	else if (fork_child(a, c, fsfreeze_child, &err) == 0)
		return;
	answer(a, &f->freeze_seq, &err);
}

void fsfreeze_request(struct agent *a, struct container *c, uint32_t seq, bool freeze)
{
	struct fsfreeze *f = &c->fsfreeze;
	struct err err = ERR_INIT;

	if (freeze) {
		begin_freeze(a, c, seq);
		return;
	}
	if (f->thaw_seq) {
		(void)err_msg(&err, EBUSY, "the container is being thawed already");
		answer(a, &seq, &err);
		return;
	}
	(void)err_msg(&err, ECANCELED, "the container did not freeze");
	answer(a, &f->freeze_seq, &err);
	f->thaw_seq = seq;
	if (f->child)
		kill_child(f); /* fsfreeze_reaped() goes on */
	else
		begin_thaw(a, c);
}

static struct container *find(struct agent *a, pid_t pid)
{
	for (unsigned int i = 0; i < AGENT_MAX_CONTAINERS; i++)
		if (a->containers[i] && a->containers[i]->fsfreeze.child == pid)
			return a->containers[i];
	return NULL;
}

bool fsfreeze_reaped(struct agent *a, pid_t pid)
{
	struct container *c = find(a, pid);
	struct fsfreeze *f;

	if (!c)
		return false;
	f = &c->fsfreeze;
	receive(f);
	f->child = 0;
	drop_messages(a, f);
	if (!f->done && !f->error.code)
		(void)err_msg(&f->error, EIO, "the guest's %s ended early",
			      f->thawing ? "thaw" : "freeze");
	if (f->thawing) {
		forget(f);
		answer(a, &f->thaw_seq, &f->error);
	} else if (f->freeze_seq && !f->error.code) {
		agent_result_data(a, f->freeze_seq, f->mounts.data,
				  (uint32_t)f->mounts.len);
		f->freeze_seq = 0;
	} else {
		answer(a, &f->freeze_seq, &f->error);
	}
	if (!f->thawing && f->thaw_seq)
		begin_thaw(a, c);
	return true;
}

void fsfreeze_end(struct agent *a, struct container *c)
{
	struct fsfreeze *f = &c->fsfreeze;
	struct err err = ERR_INIT;

	receive(f);
	kill_child(f);
	f->child = 0; /* whoever is reaped later is nobody's */
	drop_messages(a, f);
	for (unsigned int i = 0; i < f->n_blocks; i++)
		(void)ioctl(f->blocks[i], FITHAW, 0);
	forget(f);
	(void)err_msg(&err, ECANCELED, "the container has stopped");
	answer(a, &f->freeze_seq, &err);
	answer(a, &f->thaw_seq, &err);
}
