/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "lib/log.h"
#include "vmm/agent_proto.h"
#include "vmm/loop.h"
#include "vmm/packets.h"
#include "vmm/stream.h"
#include "vmm/timer.h"
#include "vmm/virtio/vsock.h"

#define FIRST_RETRY_MS 10u
#define LAST_RETRY_MS 1000u
#define MAX_WISHES 1024u /* that the agent has not been asked for yet */

static const char name[] = "socket";

/* From another thread. */
struct told {
	STAILQ_ENTRY(told) link;
	bool connected; /* sockets_connected(); else sockets_ask() */
	uint64_t node; /* or the token */
	unsigned int root;
	int type; /* or the descriptor */
};

/* What the agent was asked for. */
struct asked {
	struct sockets *sockets;
	LIST_ENTRY(asked) link;
	uint64_t node;
	int type;
};

enum link_state {
	LINK_HEAD, /* the guest has not said yet where to */
	LINK_CONNECTING,
	LINK_CONNECTED, /* the guest is to be told */
	LINK_CARRIED, /* by `stream` or `packets` */
};

/* A connection of the guest's. */
struct link {
	struct sockets *sockets;
	LIST_ENTRY(link) link;
	enum link_state state;
	struct vsock_conn *conn; /* until it is carried; NULL: gone */
	struct agent_socket head;
	size_t len; /* (bytes) of head that are there */
	uint64_t token;
	int fd; /* owned; -1 */
	struct timer retry;
	uint32_t retry_ms;
	struct stream *stream;
	struct packets *packets;
};

struct sockets {
	struct sockets_params params;
	struct loop_source event; /* an eventfd: `told` has something */
	pthread_mutex_t lock; /* guards `told` and `n_told` */
	STAILQ_HEAD(told_list, told) told;
	unsigned int n_told;
	LIST_HEAD(asked_list, asked) asked;
	struct timer answer; /* runs while something is asked for */
	LIST_HEAD(link_list, link) links;
	uint64_t last_token;
};

/* ---- from other threads ------------------------------------------------------------------ */

/* tell() - false: no memory, or too much. */
static bool tell(struct sockets *s, const struct told *what, unsigned int max)
{
	struct told *t = malloc(sizeof(*t));
	bool room;

	if (!t)
		return false;
	*t = *what;
	(void)pthread_mutex_lock(&s->lock);
	room = s->n_told < max;
	if (room) {
		STAILQ_INSERT_TAIL(&s->told, t, link);
		s->n_told++;
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (!room)
		free(t);
	else
		(void)eventfd_write(s->event.fd, 1); /* full: told anyway */
	return room;
}

bool sockets_ask(struct sockets *s, unsigned int root, uint64_t node, int type)
{
	const struct told t = { .root = root, .node = node, .type = type };

	return tell(s, &t, MAX_WISHES);
}

void sockets_connected(struct sockets *s, uint64_t token, int fd)
{
	const struct told t = { .connected = true, .node = token, .type = fd };

	/* As many as there are connections; without memory the guest waits for ever. */
	if (!tell(s, &t, MAX_WISHES + AGENT_MAX_CONNECTIONS))
		close_fd(fd);
}

static struct told *take_told(struct sockets *s)
{
	struct told *t;

	(void)pthread_mutex_lock(&s->lock);
	t = STAILQ_FIRST(&s->told);
	if (t) {
		STAILQ_REMOVE_HEAD(&s->told, link);
		s->n_told--;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return t;
}

/* ---- offers -------------------------------------------------------------------------------- */

static void on_late(struct timer *timer)
{
	struct sockets *s = container_of(timer, struct sockets, answer);

	log_warn("the agent does not answer: sockets of the host are not offered");
	s->params.off(s->params.opaque);
}

static void asked_free(struct asked *a)
{
	struct sockets *s = a->sockets;

	LIST_REMOVE(a, link);
	free(a);
	if (LIST_EMPTY(&s->asked))
		timer_stop(&s->answer);
}

static void on_answer(void *opaque, const struct agent_result *r)
{
	struct asked *a = opaque;
	const struct sockets *s = a->sockets;

	if (r->code)
		log_warn("%s: the agent cannot offer it: %s", name, r->msg);
	s->params.asked(s->params.opaque, a->node, a->type, r->code == 0);
	asked_free(a);
}

static void ask(struct sockets *s, const struct told *t)
{
	struct asked *a = calloc(1, sizeof(*a));

	if (!a) {
		s->params.asked(s->params.opaque, t->node, t->type, false);
		return;
	}
	*a = (struct asked){ .sockets = s, .node = t->node, .type = t->type };
	LIST_INSERT_HEAD(&s->asked, a, link);
	if (!timer_running(&s->answer) &&
	    timer_start(&s->answer, s->params.loop, SOCKETS_AGENT_MS, on_late, NULL) < 0)
		s->params.off(s->params.opaque); /* nobody is to wait without end */
	if (s->params.ask_agent(s->params.opaque, t->root, t->node, t->type, on_answer,
				a) < 0) {
		s->params.asked(s->params.opaque, t->node, t->type, false);
		asked_free(a);
	}
}

/* ---- connections ----------------------------------------------------------------------- */

static bool link_over(const struct link *l)
{
	if (l->state != LINK_CARRIED)
		return !l->conn;
	return l->stream ? stream_gone(l->stream) : packets_ended(l->packets);
}

static void link_free(struct link *l)
{
	struct vsock_conn *conn = l->conn;

	LIST_REMOVE(l, link);
	timer_stop(&l->retry);
	stream_free(l->stream);
	packets_free(l->packets);
	close_fd(l->fd);
	free(l);
	if (conn)
		vsock_conn_close(conn);
}

/* carry() - it is connected, and the guest has been told.  Within pull(). */
static int carry(struct link *l)
{
	struct vsock_conn *conn = l->conn;
	struct stream_params params = {
		.loop = l->sockets->params.loop,
		.name = name,
		.half_close = true,
		.no_rights = true,
	};
	int ret;

	l->state = LINK_CARRIED;
	l->conn = NULL;
	if (l->head.type == SOCK_SEQPACKET)
		return packets_new(params.loop, take_fd(&l->fd), name, conn, &l->packets,
				   NULL);
	params.source_fd = take_fd(&l->fd);
	params.sink_fd = fcntl(params.source_fd, F_DUPFD_CLOEXEC, 3);
	if (params.sink_fd < 0) {
		close_fd(params.source_fd);
		return -EMFILE;
	}
	ret = stream_new(&params, &l->stream, NULL);
	if (ret == 0)
		stream_attach(l->stream, conn);
	return ret;
}

static void try(struct link *l)
{
	const struct sockets_params *p = &l->sockets->params;

	l->state = LINK_CONNECTING;
	if (p->connect(p->opaque, l->head.node, (int)l->head.type, l->token) < 0)
		link_free(l);
}

static void on_retry(struct timer *timer)
{
	try(container_of(timer, struct link, retry));
}

static int link_recv(struct vsock_conn *conn, const struct iovec *iov, unsigned int n,
		     size_t len)
{
	struct link *l = vsock_conn_opaque(conn);

	/* Nothing may come behind the head before it is answered: no room is left. */
	if (l->state != LINK_HEAD || len > sizeof(l->head) - l->len)
		return -1;
	for (unsigned int i = 0; i < n; i++) {
		memcpy((char *)&l->head + l->len, iov[i].iov_base, iov[i].iov_len);
		l->len += iov[i].iov_len;
	}
	if (l->len == sizeof(l->head)) {
		if ((l->head.type != SOCK_STREAM && l->head.type != SOCK_SEQPACKET) ||
		    l->head.reserved)
			return -1;
		try(l);
	}
	vsock_conn_consumed(conn, len);
	return 0;
}

static ssize_t link_pull(struct vsock_conn *conn, const struct iovec *iov, unsigned int n,
			 size_t room)
{
	struct link *l = vsock_conn_opaque(conn);

	if (l->state != LINK_CONNECTED || !n || !room)
		return 0;
	*(char *)iov[0].iov_base = 0;
	if (carry(l) < 0) {
		/* Nobody owns it: it has to end, but not before this call does. */
		l->state = LINK_HEAD;
		l->conn = conn;
		return VSOCK_PULL_EOF;
	}
	return 1;
}

static void link_shutdown(struct vsock_conn *conn, unsigned int flags)
{
	/* A guest that shuts before it is answered wants nothing any more. */
	(void)flags;
	link_free(vsock_conn_opaque(conn));
}

static void link_closed(struct vsock_conn *conn)
{
	struct link *l = vsock_conn_opaque(conn);

	l->conn = NULL;
	link_free(l);
}

static const struct vsock_conn_ops link_ops = {
	.recv = link_recv,
	.pull = link_pull,
	.peer_shutdown = link_shutdown,
	.closed = link_closed,
};

static int accept_link(void *opaque, struct vsock_conn *conn)
{
	struct sockets *s = opaque;
	struct link *l = LIST_FIRST(&s->links);

	while (l) {
		struct link *next = LIST_NEXT(l, link);

		if (link_over(l))
			link_free(l);
		l = next;
	}
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->sockets = s;
	l->conn = conn;
	l->fd = -1;
	l->token = ++s->last_token;
	l->retry = TIMER_INIT;
	l->retry_ms = FIRST_RETRY_MS;
	LIST_INSERT_HEAD(&s->links, l, link);
	vsock_conn_own(conn, &link_ops, l);
	return 0;
}

/* connecting() - the link that waits for the answer of that token. */
static struct link *connecting(const struct sockets *s, uint64_t token)
{
	struct link *l;

	LIST_FOREACH(l, &s->links, link)
	if (l->token == token && l->state == LINK_CONNECTING)
		return l;
	return NULL;
}

static void connected(struct sockets *s, uint64_t token, int fd)
{
	struct link *l = connecting(s, token);

	if (!l) {
		close_fd(fd);
		return;
	}
	if (fd == -EAGAIN &&
	    timer_start(&l->retry, s->params.loop, l->retry_ms, on_retry, NULL) == 0) {
		l->retry_ms =
			l->retry_ms * 2 < LAST_RETRY_MS ? l->retry_ms * 2 : LAST_RETRY_MS;
		return;
	}
	if (fd < 0) {
		link_free(l);
		return;
	}
	l->fd = fd;
	l->state = LINK_CONNECTED;
	vsock_conn_want_send(l->conn);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void on_told(struct loop_source *src, uint32_t events)
{
	struct sockets *s = container_of(src, struct sockets, event);
	struct told *t;
	eventfd_t n;

	(void)events; /* it is only ever readable */
	(void)eventfd_read(src->fd, &n);
	while ((t = take_told(s))) {
		if (t->connected)
			connected(s, t->node, t->type);
		else
			ask(s, t);
		free(t);
	}
}

int sockets_new(const struct sockets_params *params, struct sockets **ret,
		struct err *err)
{
	struct sockets *s = calloc(1, sizeof(*s));
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int code;

	if (!s || fd < 0) {
		code = s ? errno : ENOMEM;
		free(s);
		close_fd(fd);
		return err_set(err, code, "sockets");
	}
	s->params = *params;
	s->answer = TIMER_INIT;
	STAILQ_INIT(&s->told);
	LIST_INIT(&s->asked);
	LIST_INIT(&s->links);
	(void)pthread_mutex_init(&s->lock, NULL); /* cannot fail on Linux */
	code = loop_add(params->loop, &s->event, fd, EPOLLIN, on_told, err);
	if (code == 0)
		code = vsock_listen(params->vsock, AGENT_PORT_SOCKET,
				    AGENT_MAX_CONNECTIONS, accept_link, s, err);
	if (code < 0) {
		if (!s->event.ready)
			close_fd(fd);
		sockets_free(s);
		return code;
	}
	*ret = s;
	return 0;
}

void sockets_free(struct sockets *s)
{
	struct asked *a;
	struct link *l;
	struct told *t;
	int fd;

	if (!s)
		return;
	while ((l = LIST_FIRST(&s->links)))
		link_free(l);
	while ((a = LIST_FIRST(&s->asked)))
		asked_free(a);
	while ((t = take_told(s))) {
		if (t->connected)
			close_fd(t->type);
		free(t);
	}
	fd = s->event.ready ? s->event.fd : -1;
	loop_remove(s->params.loop, &s->event);
	close_fd(fd);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}
