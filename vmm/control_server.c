/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/control_server.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "vmm/loop.h"
#include "vmm/net/proto.h"
#include "vmm/snapshot/image.h"
#include "vmm/vm_config.h"

static_assert(3 + VM_MAX_PRESERVED <= SOCK_MAX_FDS, "an exec is one message");

#define MAX_PACKET (sizeof(struct control_msg) + CONTROL_MAX_PAYLOAD)

#define CONTROL_REFUSED 16u /* connections beyond CONTROL_MAX_CLIENTS */

enum client_state {
	CLIENT_WAITING, /* its request has not come yet */
	CLIENT_BUSY, /* the owner has it */
	CLIENT_RUNNING, /* one that stays, answered: control_exit() ends it */
	CLIENT_SENDING, /* the answer is on its way; nobody else knows it */
};

struct control_client {
	struct control_server *server;
	LIST_ENTRY(control_client) link;
	struct loop_source source;
	int fd; /* -1: the client has gone */
	enum client_state state;
	bool exec;
	bool freeze;
	bool checkpoint;
	bool stays; /* when its request was answered with 0 */
	void *data;
	struct buf out; /* CLIENT_SENDING: payload still to be sent */
	size_t out_sent;
};

struct control_server {
	struct loop *loop;
	struct loop_source source;
	int fd;
	const struct control_server_ops *ops;
	void *opaque;
	LIST_HEAD(client_list, control_client) clients;
	unsigned int n_clients;
	unsigned int n_execs;
	/* One packet and a final 0; used only within one callback. */
	union {
		struct control_msg msg;
		char data[MAX_PACKET + 1];
	} * packet;
};

/* ---- connections ------------------------------------------------------------------ */

static void disconnect(struct control_client *client)
{
	loop_remove(client->server->loop, &client->source);
	close_fd(client->fd);
	client->fd = -1;
}

static void client_free(struct control_client *client)
{
	struct control_server *server = client->server;

	disconnect(client);
	LIST_REMOVE(client, link);
	server->n_clients--;
	if (client->exec)
		server->n_execs--;
	buf_release(&client->out);
	free(client);
}

/* client_lost() - it went away, or sent what it must not. */
static void client_lost(struct control_client *client)
{
	struct control_server *server = client->server;

	if (client->state == CLIENT_WAITING || client->state == CLIENT_SENDING) {
		client_free(client);
		return;
	}
	disconnect(client);
	server->ops->gone(server->opaque, client);
}

static void refuse(struct control_client *client, uint32_t code, const char *text)
{
	log_warn("control: request refused: %s", text);
	control_result(client, code, 0, text, strlen(text));
}

/* ---- requests ---------------------------------------------------------------------- */

/* check_request() - NULL, or what is wrong with the first message of a client. */
static const char *check_request(const struct control_msg *msg, size_t len,
				 unsigned int n_fds)
{
	bool exec = msg->type == CONTROL_EXEC;
	bool update = msg->type == CONTROL_UPDATE;
	bool freeze = msg->type == CONTROL_FREEZE;
	bool limit = msg->type == CONTROL_NET_LIMIT;
	bool checkpoint = msg->type == CONTROL_CHECKPOINT;
	bool parent = checkpoint && msg->a & CONTROL_CHECKPOINT_PARENT;
	unsigned int want_fds = msg->type == CONTROL_NET || checkpoint ? 1
				: !exec			  ? 0
				: msg->a & CONTROL_EXEC_TTY ? 2
							  : 3;
	unsigned int more_fds = exec ? VM_MAX_PRESERVED : 0;

	if (msg->type < CONTROL_START || msg->type > CONTROL_CHECKPOINT ||
	    msg->type == CONTROL_SIGNAL)
		return "unknown request";
	if (msg->reserved)
		return "reserved field is not 0";
	if (len && !exec && !update && !freeze && !limit && !parent)
		return "request with a payload";
	if (limit && len != sizeof(struct net_limits))
		return "network limits of a wrong size";
	if (parent && len != IMAGE_ID_SIZE)
		return "a parent's id of a wrong size";
	if (update && !len)
		return "update without limits";
	if (exec && (!len || msg->a & ~(uint32_t)(CONTROL_EXEC_TTY | CONTROL_EXEC_NO_CR)))
		return "exec without a process, or with unknown flags";
	if (n_fds < want_fds || n_fds > want_fds + more_fds)
		return "wrong number of descriptors";
	if (msg->type == CONTROL_KILL && (!msg->a || msg->a > 64 || msg->b > 1))
		return "no such signal";
	if (msg->type == CONTROL_WINSIZE && (msg->a > 0xffff || msg->b > 0xffff))
		return "window size out of range";
	if (freeze && (!msg->a || msg->a > CONTROL_FREEZE_MAX_MS))
		return "deadline out of range";
	if (checkpoint && (!msg->b || msg->b > CONTROL_FREEZE_MAX_MS ||
			   msg->a & ~(uint32_t)CONTROL_CHECKPOINT_FLAGS ||
			   (msg->a & CONTROL_CHECKPOINT_PRE_DUMP &&
			    !(msg->a & CONTROL_CHECKPOINT_LEAVE))))
		return "checkpoint with unknown flags, or a deadline out of range";
	if (freeze && msg->b > INT32_MAX)
		return "no such process";
	return NULL;
}

static bool check_further(const struct control_client *client,
			  const struct control_msg *msg, size_t len, unsigned int n_fds)
{
	if (len || n_fds || msg->reserved)
		return false;
	if (!client->exec)
		return (client->freeze && msg->type == CONTROL_THAW) ||
		       (client->checkpoint && client->state == CLIENT_RUNNING &&
			msg->type == CONTROL_STOP);
	return (msg->type == CONTROL_SIGNAL && msg->a && msg->a <= 64) ||
	       (msg->type == CONTROL_WINSIZE && msg->a <= 0xffff && msg->b <= 0xffff);
}

static void first_request(struct control_client *client, size_t len, int *fds,
			  unsigned int n_fds)
{
	struct control_server *server = client->server;
	const struct control_msg *msg = &server->packet->msg;
	const char *why = check_request(msg, len, n_fds);
	uint32_t code = EPROTO;

	if (!why && msg->type == CONTROL_EXEC && server->n_execs >= CONTROL_MAX_EXECS) {
		why = "too many processes started by exec are running";
		code = EAGAIN;
	}
	if (!why && server->n_clients > CONTROL_MAX_CLIENTS) {
		why = "too many control connections";
		code = EAGAIN;
	}
	client->state = CLIENT_BUSY;
	if (why) {
		for (unsigned int i = 0; i < n_fds; i++)
			close_fd(fds[i]);
		refuse(client, code, why);
		return;
	}
	client->exec = msg->type == CONTROL_EXEC;
	client->freeze = msg->type == CONTROL_FREEZE;
	client->checkpoint = msg->type == CONTROL_CHECKPOINT;
	client->stays = client->exec || client->freeze || msg->type == CONTROL_EVENTS ||
			(client->checkpoint && !(msg->a & CONTROL_CHECKPOINT_LEAVE));
	if (client->exec)
		server->n_execs++;
	server->ops->request(server->opaque, client, msg, len, fds, n_fds);
}

static void on_packet(struct control_client *client)
{
	struct control_server *server = client->server;
	int fds[SOCK_MAX_FDS];
	unsigned int n_fds = 0;
	ssize_t n;

	n = sock_recv(client->fd, server->packet->data, MAX_PACKET, fds, &n_fds);
	if (n == -EAGAIN)
		return;
	if (n < (ssize_t)sizeof(struct control_msg)) {
		for (unsigned int i = 0; n >= 0 && i < n_fds; i++)
			close_fd(fds[i]);
		client_lost(client);
		return;
	}
	server->packet->data[n] = 0;
	n -= (ssize_t)sizeof(struct control_msg);
	if (client->state == CLIENT_WAITING) {
		first_request(client, (size_t)n, fds, n_fds);
		return;
	}
	if (check_further(client, &server->packet->msg, (size_t)n, n_fds)) {
		server->ops->further(server->opaque, client, &server->packet->msg);
		return;
	}
	for (unsigned int i = 0; i < n_fds; i++)
		close_fd(fds[i]);
	client_lost(client);
}

static void send_out(struct control_client *client);

static void on_client(struct loop_source *src, uint32_t events)
{
	struct control_client *client = container_of(src, struct control_client, source);

	if (client->state == CLIENT_SENDING && events & EPOLLOUT)
		send_out(client);
	else if (events & EPOLLIN)
		on_packet(client);
	else if (events & (EPOLLHUP | EPOLLERR))
		client_lost(client);
}

static void on_listen(struct loop_source *src, uint32_t events)
{
	struct control_server *server = container_of(src, struct control_server, source);
	struct control_client *client;
	auto_fd int fd = -1;

	(void)events;
	fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	/* Up to CONTROL_MAX_CLIENTS are served, some more are told why not. */
	if (fd < 0 || server->n_clients >= CONTROL_MAX_CLIENTS + CONTROL_REFUSED)
		return;
	client = calloc(1, sizeof(*client));
	if (!client)
		return;
	client->server = server;
	client->fd = -1;
	if (loop_add(server->loop, &client->source, fd, EPOLLIN, on_client, NULL) < 0) {
		free(client);
		return;
	}
	client->fd = take_fd(&fd);
	LIST_INSERT_HEAD(&server->clients, client, link);
	server->n_clients++;
	/* Most clients have sent their request already: no need for another turn. */
	on_packet(client);
}

/* ---- answers ------------------------------------------------------------------------- */

/* send_msg() - -EAGAIN: nothing was sent. */
static int send_msg(struct control_client *client, uint32_t type, uint32_t a, uint32_t b,
		    const void *payload, size_t len)
{
	struct control_msg head = { .type = type, .a = a, .b = b };
	struct iovec iov[2] = {
		{ .iov_base = &head, .iov_len = sizeof(head) },
		{ .iov_base = (void *)(uintptr_t)payload,
		  .iov_len = len }, /* only read */
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	while (sendmsg(client->fd, &msg, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* send_out() - as many parts of a good answer as the socket takes. */
static void send_out(struct control_client *client)
{
	for (;;) {
		size_t left = client->out.len - client->out_sent;
		size_t len = left > CONTROL_MAX_PAYLOAD ? CONTROL_MAX_PAYLOAD : left;
		int ret = send_msg(client, CONTROL_RESULT, 0, left > len,
				   client->out.data + client->out_sent, len);

		if (ret == -EAGAIN) {
			if (loop_modify(client->server->loop, &client->source,
					EPOLLOUT) == 0)
				return;
		}
		client->out_sent += len;
		if (ret < 0 || client->out_sent == client->out.len)
			break;
	}
	client_free(client);
}

void control_result(struct control_client *client, uint32_t code, uint32_t b,
		    const void *payload, size_t len)
{
	if (client->fd >= 0 && !code && len > CONTROL_MAX_PAYLOAD) {
		client->state = CLIENT_SENDING;
		if (buf_append(&client->out, payload, len) < 0)
			client_free(client);
		else
			send_out(client);
		return;
	}
	/* An empty socket takes any single message.  A client that is not there to
	 * read it will be noticed by its hang-up. */
	if (client->fd >= 0)
		(void)send_msg(client, CONTROL_RESULT, code, b, payload, len);
	if (client->stays && !code)
		client->state = CLIENT_RUNNING;
	else
		client_free(client);
}

void control_error(struct control_client *client, const struct err *err)
{
	control_result(client, err->code > 0 ? (uint32_t)err->code : EIO, 0, err->msg,
		       strlen(err->msg));
}

void control_event(struct control_client *client, uint32_t type, uint32_t a, uint32_t b)
{
	if (client->fd >= 0)
		(void)send_msg(client, type, a, b, NULL, 0);
}

void control_exit(struct control_client *client, uint32_t status)
{
	if (client->fd >= 0)
		(void)send_msg(client, CONTROL_EXIT, status, 0, NULL, 0);
	client_free(client);
}

/* ---- the server ------------------------------------------------------------------------ */

void control_client_set(struct control_client *client, void *data)
{
	client->data = data;
}

void *control_client_get(const struct control_client *client)
{
	return client->data;
}

uid_t control_client_uid(const struct control_client *client)
{
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(who);

	if (client->fd >= 0) /* and then it cannot fail */
		(void)getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &who, &len);
	return who.uid;
}

int control_server_new(struct loop *loop, int listen_fd,
		       const struct control_server_ops *ops, void *opaque,
		       struct control_server **ret_server, struct err *err)
{
	struct control_server *server = calloc(1, sizeof(*server));
	int ret;

	if (server)
		server->packet = malloc(sizeof(*server->packet));
	if (!server || !server->packet) {
		free(server);
		return err_set(err, ENOMEM, "control server");
	}
	server->loop = loop;
	server->ops = ops;
	server->opaque = opaque;
	server->fd = -1;
	LIST_INIT(&server->clients);
	ret = loop_add(loop, &server->source, listen_fd, EPOLLIN, on_listen, err);
	if (ret < 0) {
		control_server_free(server);
		return err_wrap(err, ret, "control socket");
	}
	server->fd = listen_fd;
	*ret_server = server;
	return 0;
}

void control_server_free(struct control_server *server)
{
	struct control_client *client = server ? LIST_FIRST(&server->clients) : NULL;

	if (!server)
		return;
	while (client) {
		struct control_client *next = LIST_NEXT(client, link);

		client_free(client);
		client = next;
	}
	loop_remove(server->loop, &server->source);
	close_fd(server->fd);
	free(server->packet);
	free(server);
}
