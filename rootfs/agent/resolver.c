/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/agent/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "rootfs/agent/agent.h"

#define DNS_PORT 53
#define MAX_MESSAGE 65535u /* (bytes) RFC 1035 §4.2.2 */
#define MAX_CONF 4096u /* (bytes) of resolv.conf that are looked at */
#define CHUNK 4096u /* (bytes) of a TCP connection that are carried at once */

/* One that waits for its answer, or a client's TCP connection. */
struct query {
	struct resolver *resolver;
	TAILQ_ENTRY(query) link; /* oldest first */
	struct watch host; /* the connection to the host */
	struct watch client; /* of TCP; fd: -1 */
	struct sockaddr_in from; /* who asked, by UDP */
	struct buf asked; /* of UDP: for resolver_cut() */
	struct buf to_host;
	struct buf from_host;
};

struct resolver {
	struct agent *agent;
	struct watch udp;
	struct watch tcp;
	TAILQ_HEAD(query_list, query) queries;
	unsigned int n_queries;
};

static void query_free(struct query *q)
{
	struct resolver *r = q->resolver;

	TAILQ_REMOVE(&r->queries, q, link);
	r->n_queries--;
	watch_remove(&r->agent->loop, &q->host);
	watch_remove(&r->agent->loop, &q->client);
	close_fd(q->host.fd);
	close_fd(q->client.fd);
	buf_release(&q->asked);
	buf_release(&q->to_host);
	buf_release(&q->from_host);
	free(q);
}

/* ---- bytes ------------------------------------------------------------------------- */

/* flush() - as much of @b as @fd takes; -EAGAIN is no error. */
static int flush(int fd, struct buf *b)
{
	while (b->len) {
		ssize_t n = send(fd, b->data, b->len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == ENOTCONN ? 0 : -errno;
		buf_consume(b, (size_t)n);
	}
	return 0;
}

/* fill() - a chunk more into @b.  Return: (bytes); 0: the end; -EAGAIN; -errno */
static ssize_t fill(int fd, struct buf *b)
{
	char chunk[CHUNK];
	ssize_t n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n < 0)
		return errno == ENOTCONN ? -EAGAIN : -errno;
	return n > 0 && buf_append(b, chunk, (size_t)n) < 0 ? -ENOMEM : n;
}

/* ---- UDP --------------------------------------------------------------------------- */

/* answer_udp() - when it is there whole.  true: the query is over */
static bool answer_udp(struct query *q)
{
	unsigned char *data = (unsigned char *)q->from_host.data;
	size_t len;

	if (q->from_host.len < 2)
		return false;
	len = (size_t)data[0] << 8 | data[1];
	if (q->from_host.len < len + 2)
		return false;
	len = resolver_cut((unsigned char *)q->asked.data, q->asked.len, data + 2, len);
	/* Whoever asked may have gone. */
	(void)!sendto(q->resolver->udp.fd, data + 2, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		      (const struct sockaddr *)&q->from, sizeof(q->from));
	return true;
}

static void host_ready_udp(struct watch *w, uint32_t events)
{
	struct query *q = container_of(w, struct query, host);
	ssize_t n = 0;

	(void)events;
	if (flush(w->fd, &q->to_host) < 0) {
		query_free(q);
		return;
	}
	while ((n = fill(w->fd, &q->from_host)) > 0)
		if (answer_udp(q)) {
			query_free(q);
			return;
		}
	if (n != -EAGAIN)
		query_free(q); /* no answer: whoever asked asks again */
}

/* ---- TCP --------------------------------------------------------------------------- */

/* carry() - from one to the other; @b: what the other has not taken.  0; -errno: over */
static int carry(int from, int to, struct buf *b)
{
	for (;;) {
		int ret = flush(to, b);
		ssize_t n;

		if (ret < 0 || b->len)
			return ret;
		n = fill(from, b);
		if (n <= 0)
			return n == -EAGAIN ? 0 : n < 0 ? (int)n : -EPIPE;
	}
}

static void carry_both(struct query *q)
{
	if (carry(q->client.fd, q->host.fd, &q->to_host) < 0 ||
	    carry(q->host.fd, q->client.fd, &q->from_host) < 0)
		query_free(q);
}

static void host_ready_tcp(struct watch *w, uint32_t events)
{
	(void)events;
	carry_both(container_of(w, struct query, host));
}

static void client_ready(struct watch *w, uint32_t events)
{
	(void)events;
	carry_both(container_of(w, struct query, client));
}

/* ---- queries ------------------------------------------------------------------------- */

/*
 * query_new() - with a connection to the host; the oldest makes room.
 * @client: of TCP, owned from now on, also when it fails; -1: UDP
 */
static struct query *query_new(struct resolver *r, int client)
{
	struct agent *a = r->agent;
	struct query *q;
	int ret;

	if (r->n_queries == AGENT_MAX_QUERIES)
		query_free(TAILQ_FIRST(&r->queries));
	q = calloc(1, sizeof(*q));
	if (!q) {
		close_fd(client);
		return NULL;
	}
	q->resolver = r;
	q->host.fd = a->params->resolver_connect(a->params->opaque);
	q->client.fd = client;
	TAILQ_INSERT_TAIL(&r->queries, q, link);
	r->n_queries++;
	ret = q->host.fd < 0 ? q->host.fd :
			       watch_add(&a->loop, &q->host, q->host.fd,
					 EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
					 client < 0 ? host_ready_udp : host_ready_tcp);
	if (ret == 0 && client >= 0)
		ret = watch_add(&a->loop, &q->client, client,
				EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, client_ready);
	if (ret < 0) {
		query_free(q);
		return NULL;
	}
	return q;
}

/* ask() - one datagram; false: there is none. */
static bool ask(struct resolver *r)
{
	unsigned char message[2 + 4096];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	struct query *q;
	ssize_t n = recvfrom(r->udp.fd, message + 2, sizeof(message) - 2, MSG_DONTWAIT,
			     (struct sockaddr *)&from, &from_len);

	if (n < 0)
		return errno == EINTR;
	q = query_new(r, -1);
	if (!q)
		return true;
	message[0] = (unsigned char)(n >> 8);
	message[1] = (unsigned char)n;
	q->from = from;
	if (buf_append(&q->asked, message + 2, (size_t)n) < 0 ||
	    buf_append(&q->to_host, message, (size_t)n + 2) < 0)
		query_free(q);
	return true;
}

static void udp_ready(struct watch *w, uint32_t events)
{
	struct resolver *r = container_of(w, struct resolver, udp);

	(void)events;
	for (unsigned int i = 0; i < AGENT_MAX_QUERIES && ask(r); i++)
		;
}

static void tcp_ready(struct watch *w, uint32_t events)
{
	struct resolver *r = container_of(w, struct resolver, tcp);
	int client = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (client >= 0)
		(void)query_new(r, client); /* without one it is closed */
}

/* ---- what fits ------------------------------------------------------------------------- */

#define DNS_HEADER 12u /* (bytes) RFC 1035 §4.1.1 */
#define DNS_PLAIN_UDP 512u /* (bytes) RFC 1035 §4.2.1 */
#define DNS_TC 0x02 /* in the third byte */
#define DNS_TYPE_OPT 41 /* RFC 6891 §6.1.1 */

static unsigned int be16(const unsigned char *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

/* question_end() - the place behind the one question; 0: there is not just one. */
static size_t question_end(const unsigned char *message, size_t len)
{
	size_t at = DNS_HEADER;

	if (len < DNS_HEADER || be16(message + 4) != 1)
		return 0;
	while (at < len && message[at]) {
		if (message[at] > 63)
			return 0; /* nothing to point at yet */
		at += (size_t)message[at] + 1;
	}
	return at + 5 <= len ? at + 5 : 0;
}

/* udp_room() - (bytes) that whoever asked takes. */
static size_t udp_room(const unsigned char *query, size_t len)
{
	size_t at = question_end(query, len);
	unsigned int room;

	/* The OPT record is the only one behind the question. */
	if (!at || be16(query + 6) || be16(query + 8) || !be16(query + 10) ||
	    len - at < 11 || query[at] || be16(query + at + 1) != DNS_TYPE_OPT)
		return DNS_PLAIN_UDP;
	room = be16(query + at + 3);
	return room > DNS_PLAIN_UDP ? room : DNS_PLAIN_UDP;
}

size_t resolver_cut(const unsigned char *query, size_t query_len, unsigned char *answer,
		    size_t len)
{
	size_t end;

	if (len <= udp_room(query, query_len) || len < DNS_HEADER)
		return len;
	end = question_end(answer, len);
	answer[2] |= DNS_TC;
	if (!end) {
		end = DNS_HEADER;
		memset(answer + 4, 0, 2);
	}
	memset(answer + 6, 0, DNS_HEADER - 6);
	return end;
}

/* ---- made and freed ---------------------------------------------------------------------- */

bool resolver_wanted(int root)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	auto_fd int fd = (int)syscall(SYS_openat2, root, "etc/resolv.conf", &how,
				      sizeof(how));
	const struct in_addr ours = { htonl(AGENT_RESOLVER) };
	char text[MAX_CONF + 1];
	char *rest = NULL;
	ssize_t n = fd < 0 ? -1 : read(fd, text, MAX_CONF);

	if (n < 0)
		return false;
	text[n] = 0;
	for (char *line = strtok_r(text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		struct in_addr addr;
		char value[64];

		if (sscanf(line, " nameserver %63s", value) == 1 &&
		    inet_pton(AF_INET, value, &addr) == 1 && addr.s_addr == ours.s_addr)
			return true;
	}
	return false;
}

static int listen_at(struct resolver *r, struct watch *w, int type,
		     void (*ready)(struct watch *, uint32_t), struct err *err)
{
	const struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(AGENT_RESOLVER),
		.sin_port = htons(DNS_PORT),
	};
	int ret;

	w->fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (w->fd < 0)
		return err_set(err, errno, "name server: socket");
	if (bind(w->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_set(err, errno, "name server: bind to 127.0.0.11");
	if (type == SOCK_STREAM && listen(w->fd, (int)AGENT_MAX_QUERIES) < 0)
		return err_set(err, errno, "name server: listen");
	ret = watch_add(&r->agent->loop, w, w->fd, EPOLLIN, ready);
	return ret < 0 ? err_set(err, -ret, "name server: watch") : 0;
}

int resolver_new(struct agent *a, struct resolver **ret, struct err *err)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int code;

	if (!r)
		return err_set(err, ENOMEM, "name server");
	r->agent = a;
	r->udp.fd = r->tcp.fd = -1;
	TAILQ_INIT(&r->queries);
	code = listen_at(r, &r->udp, SOCK_DGRAM, udp_ready, err);
	if (code == 0)
		code = listen_at(r, &r->tcp, SOCK_STREAM, tcp_ready, err);
	if (code < 0) {
		resolver_free(r);
		return code;
	}
	*ret = r;
	return 0;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	while (!TAILQ_EMPTY(&r->queries))
		query_free(TAILQ_FIRST(&r->queries));
	watch_remove(&r->agent->loop, &r->udp);
	watch_remove(&r->agent->loop, &r->tcp);
	close_fd(r->udp.fd);
	close_fd(r->tcp.fd);
	free(r);
}
