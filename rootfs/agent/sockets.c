/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's side: requests to the child, and its answers. */
#include "rootfs/agent/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "lib/io.h"
#include "rootfs/agent/agent.h"

static void answer(struct agent *a, uint32_t seq, uint32_t code, const char *what)
{
	struct err err = ERR_INIT;

	if (!code) {
		agent_result(a, seq, 0);
		return;
	}
	(void)err_set(&err, (int)code, "%s", what);
	agent_result_err(a, seq, &err);
}

/* drop_child() - it has gone, or is to go; whoever waits for it is answered. */
static void drop_child(struct agent *a)
{
	int fd = a->sockets.fd;

	watch_remove(&a->loop, &a->sockets);
	close_fd(fd);
	a->sockets.fd = -1;
	while (a->n_socket_seqs)
		answer(a, a->socket_seqs[--a->n_socket_seqs], ECHILD,
		       "the process that offers sockets has ended");
}

/* forget_seq() - false: it was not asked for. */
static bool forget_seq(struct agent *a, uint32_t seq)
{
	for (unsigned int i = 0; i < a->n_socket_seqs; i++)
		if (a->socket_seqs[i] == seq) {
			a->socket_seqs[i] = a->socket_seqs[--a->n_socket_seqs];
			return true;
		}
	return false;
}

static void child_ready(struct watch *w, uint32_t events)
{
	struct agent *a = container_of(w, struct agent, sockets);
	struct sockets_msg msg;
	ssize_t n;

	(void)events;
	n = sock_recv(w->fd, &msg, sizeof(msg), NULL, NULL);
	if (n == -EAGAIN)
		return;
	if (n != sizeof(msg))
		drop_child(a);
	else if (forget_seq(a, msg.seq))
		answer(a, msg.seq, msg.code, "bind to a socket of the host");
}

static int start_child(struct agent *a)
{
	auto_fd int ours = -1;
	auto_fd int theirs = -1;
	int pair[2];
	int ret;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		sockets_child(a, theirs);
	/* Only the agent's end must not wait. */
	ret = fcntl(ours, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (ret == 0)
		ret = watch_add(&a->loop, &a->sockets, ours, EPOLLIN, child_ready);
	if (ret < 0) {
		(void)kill(pid, SIGKILL); /* ours, not reaped yet */
		return ret;
	}
	a->sockets_pid = pid;
	(void)take_fd(&ours);
	return 0;
}

/* tell_child() - a new one, if the one that there was has died. */
static int tell_child(struct agent *a, const struct sockets_msg *msg, int dir)
{
	int ret = -EPIPE;

	if (a->sockets.added)
		ret = sock_send(a->sockets.fd, msg, sizeof(*msg), &dir, dir >= 0);
	if (ret != -EPIPE && ret != -ECONNRESET)
		return ret;
	if (a->sockets.added)
		drop_child(a);
	ret = start_child(a);
	return ret < 0 ? ret
		       : sock_send(a->sockets.fd, msg, sizeof(*msg), &dir, dir >= 0);
}

void sockets_request(struct agent *a, const struct agent_frame *f)
{
	const struct sockets_msg msg = {
		.node = f->value,
		.type = f->arg & 0xffff,
		.seq = f->seq,
	};
	int dir = -1;
	int ret = 0;

	if (a->n_socket_seqs == AGENT_MAX_SOCKET_SEQS)
		ret = -EBUSY;
	if (ret == 0 && msg.type) {
		dir = a->params->socket_dir(a->params->opaque, f->arg >> 16);
		ret = dir < 0 ? dir : 0;
	}
	if (ret == 0)
		ret = tell_child(a, &msg, dir);
	close_fd(dir);
	if (ret < 0)
		answer(a, f->seq, (uint32_t)-ret, "offer a socket of the host");
	else
		a->socket_seqs[a->n_socket_seqs++] = f->seq;
}

void sockets_end(struct agent *a)
{
	if (!a->sockets.added)
		return;
	if (a->sockets_pid) { /* not reaped */
		(void)kill(a->sockets_pid, SIGKILL);
		(void)waitpid(a->sockets_pid, NULL, __WALL);
	}
	drop_child(a);
}
