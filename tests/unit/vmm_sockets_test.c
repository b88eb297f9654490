/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of the guest's to sockets of the host's: streams, messages, their ends. */
#include "vmm/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/fake_vsock.h"
#include "tests/unit/tap.h"
#include "vmm/agent_proto.h"

#define NODE 0x1234500002u

static struct fake_guest g;
static struct sockets *s;
static uint32_t port = 5000;

/* What was asked of the file server and the agent. */
static uint64_t tokens[64];
static unsigned int n_connects;
static int connect_ret;
static agent_done_fn agent_done;
static void *agent_opaque;
static int agent_ret;
static unsigned int n_asked, n_done, n_off;
static bool done_ok;

static int fs_connect_(void *opaque, uint64_t node, int type, uint64_t token)
{
	(void)opaque;
	if (node != NODE || (type != SOCK_STREAM && type != SOCK_SEQPACKET))
		abort();
	tokens[n_connects++] = token;
	return connect_ret;
}

static int ask_agent(void *opaque, unsigned int root, uint64_t node, int type,
		     agent_done_fn done, void *done_opaque)
{
	(void)opaque;
	if (root != 3 || node != NODE || type != SOCK_STREAM)
		abort();
	n_asked++;
	agent_done = done;
	agent_opaque = done_opaque;
	return agent_ret;
}

static void asked(void *opaque, uint64_t node, int type, bool is_ok)
{
	(void)opaque;
	(void)type;
	n_done += node == NODE;
	done_ok = is_ok;
}

static void off(void *opaque)
{
	(void)opaque;
	n_off++;
}

/* open_conn() - with its head sent */
static struct fake_conn *open_conn(uint32_t type, uint32_t reserved)
{
	const struct agent_socket head = { .node = NODE,
					   .type = type,
					   .reserved = reserved };
	struct fake_conn *c = fake_connect(&g, port++, AGENT_PORT_SOCKET);

	fake_run(&g);
	fake_send(&g, c, &head, sizeof(head));
	fake_run(&g);
	return c;
}

/* carried() - a connection to the host's socket; @ret_host: its other end */
static struct fake_conn *carried(int type, int *ret_host)
{
	struct fake_conn *c = open_conn((uint32_t)type, 0);
	int pair[2];

	if (socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	sockets_connected(s, tokens[n_connects - 1], pair[0]);
	fake_run_for(&g, c, 1);
	ok(c->in.len == 1 && c->in.data[0] == 0,
	   "the guest is told that it is connected");
	buf_consume(&c->in, 1);
	*ret_host = pair[1];
	return c;
}

static ssize_t read_host(int fd, char *data, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (int i = 0; i < 1000 && poll(&p, 1, 0) == 0; i++)
		fake_run(&g);
	return read(fd, data, len);
}

static void test_stream(void)
{
	char text[16] = "";
	int host;
	struct fake_conn *c = carried(SOCK_STREAM, &host);

	fake_send(&g, c, "hello", 5);
	fake_run(&g);
	is_int(read_host(host, text, sizeof(text)), 5, "bytes to the host");
	is_int(write(host, "answer", 6), 6, "and back");
	fake_run_for(&g, c, 6);
	ok(c->in.len == 6 && !memcmp(c->in.data, "answer", 6), "arrive as they are");
	fake_packet(&g, c, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_SEND, NULL, 0);
	fake_run(&g);
	is_int(read_host(host, text, sizeof(text)), 0, "the guest's end of file");
	is_int(write(host, "more", 4), 4, "is half of it");
	fake_run_for(&g, c, 10);
	is_int((long)c->in.len, 10, "what comes then arrives");
	(void)close(host);
	fake_run(&g);
	ok(c->shut & VIRTIO_VSOCK_SHUTDOWN_SEND || c->reset, "and the host's end, too");
}

static void test_packets(void)
{
	static char big[AGENT_MAX_PACKET];
	struct agent_packet head = { .len = 3 };
	char text[16] = "";
	int host;
	struct fake_conn *c = carried(SOCK_SEQPACKET, &host);

	fake_send(&g, c, &head, sizeof(head));
	fake_send(&g, c, "on", 2);
	fake_run(&g);
	is_int(read(host, text, sizeof(text)), -1, "half a message is none");
	fake_send(&g, c, "e", 1);
	head.len = 1;
	fake_send(&g, c, &head, sizeof(head));
	fake_send(&g, c, "2", 1);
	fake_run(&g);
	is_int(read_host(host, text, sizeof(text)), 3, "one message");
	is_int(read_host(host, text, sizeof(text)), 1, "and one more");
	is_int(write(host, "four", 4), 4, "a message of the host's");
	is_int(write(host, big, sizeof(big)), sizeof(big), "and the longest");
	fake_run_for(&g, c, 2 * sizeof(head) + 4 + sizeof(big));
	memcpy(&head, c->in.data, sizeof(head));
	is_int((long)head.len, 4, "has its length before it");
	ok(!memcmp(c->in.data + sizeof(head), "four", 4), "and its bytes");
	memcpy(&head, c->in.data + sizeof(head) + 4, sizeof(head));
	is_int((long)head.len, sizeof(big), "as has the longest");
	fake_packet(&g, c, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_SEND, NULL, 0);
	fake_run(&g);
	is_int(read_host(host, text, sizeof(text)), 0, "the guest's end of file");
	(void)close(host);
	fake_run(&g);
	ok(c->shut & VIRTIO_VSOCK_SHUTDOWN_SEND || c->reset, "and the host's");
}

/* A host that reads nothing: the guest runs out of credit, nothing is lost. */
static void test_slow_packets(void)
{
	struct agent_packet head = { .len = 1000 };
	static char text[1000];
	unsigned int sent = 0, came = 0;
	int host;
	struct fake_conn *c = carried(SOCK_SEQPACKET, &host);

	while (sent < 3000 && fake_send(&g, c, &head, sizeof(head)) == sizeof(head) &&
	       fake_send(&g, c, text, sizeof(text)) == sizeof(text)) {
		sent++;
		fake_run(&g);
	}
	ok(sent > 200 && sent < 3000, "the guest stops for lack of credit (%u)", sent);
	while (read_host(host, text, sizeof(text)) == (ssize_t)sizeof(text) &&
	       ++came < sent)
		;
	is_int(came, sent, "all of it arrives");
	(void)close(host);
	fake_run(&g);
}

static void test_broken_packets(void)
{
	struct agent_packet head = { .len = AGENT_MAX_PACKET + 1 };
	int host;
	struct fake_conn *c = carried(SOCK_SEQPACKET, &host);
	static char big[AGENT_MAX_PACKET + 1];
	char text[4];

	fake_send(&g, c, &head, sizeof(head));
	fake_run(&g);
	ok(c->reset, "a length that nobody may send ends it");
	is_int(read(host, text, sizeof(text)), 0, "on both sides");
	(void)close(host);

	c = carried(SOCK_SEQPACKET, &host);
	is_int(write(host, big, sizeof(big)), sizeof(big),
	       "too long a message of the host's");
	fake_run(&g);
	is_int((long)c->in.len, 0, "is not cut");
	ok(c->shut & VIRTIO_VSOCK_SHUTDOWN_SEND || c->reset, "it ends the connection");
	(void)close(host);
	fake_run(&g);
}

static void pass_descriptor(int sock)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	control.h.cmsg_level = SOL_SOCKET;
	control.h.cmsg_type = SCM_RIGHTS;
	control.h.cmsg_len = CMSG_LEN(sizeof(int));
	memset(CMSG_DATA(&control.h), 0, sizeof(int)); /* standard input */
	is_int(sendmsg(sock, &msg, 0), 1, "a descriptor is passed");
}

static void test_rights(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };

	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		int host;
		struct fake_conn *c = carried(types[i], &host);

		pass_descriptor(host);
		fake_run(&g);
		is_int((long)c->in.len, 0, "nothing of it arrives");
		ok(c->shut & VIRTIO_VSOCK_SHUTDOWN_SEND || c->reset, "it is the end");
		(void)close(host);
		fake_run(&g);
	}
}

static void test_refused(void)
{
	struct fake_conn *c = open_conn(SOCK_STREAM, 0);

	sockets_connected(s, tokens[n_connects - 1], -ECONNREFUSED);
	fake_run(&g);
	ok(c->reset, "nobody listens: the end");
	c = open_conn(SOCK_DGRAM, 0);
	ok(c->reset, "a type that there is not");
	c = open_conn(SOCK_STREAM, 1);
	ok(c->reset, "a head that is not right");
	c = open_conn(SOCK_STREAM, 0);
	fake_send(&g, c, "early", 5);
	fake_run(&g);
	ok(c->reset, "who cannot wait for the answer");
	connect_ret = -ENOMEM;
	c = open_conn(SOCK_STREAM, 0);
	ok(c->reset, "no memory");
	connect_ret = 0;
}

static void test_gone_meanwhile(void)
{
	struct fake_conn *c = open_conn(SOCK_STREAM, 0);
	int pair[2];
	char byte;

	fake_packet(&g, c, VIRTIO_VSOCK_OP_RST, 0, NULL, 0);
	fake_run(&g);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		abort();
	sockets_connected(s, tokens[n_connects - 1], pair[0]);
	fake_run(&g);
	is_int(read(pair[1], &byte, 1), 0, "who has gone keeps no connection open");
	(void)close(pair[1]);
	sockets_connected(s, 999999, -EPERM);
	fake_run(&g);
}

static void test_full(void)
{
	struct fake_conn *c = open_conn(SOCK_STREAM, 0);
	unsigned int before = n_connects;

	sockets_connected(s, tokens[n_connects - 1], -EAGAIN);
	for (int i = 0; i < 5000 && n_connects == before; i++) {
		(void)poll(NULL, 0, 1);
		fake_run(&g);
	}
	is_int(n_connects, before + 1, "a full backlog: it is tried again");
	ok(tokens[before] == tokens[before - 1], "for the same connection");
	ok(!c->reset, "which stays");
	fake_packet(&g, c, VIRTIO_VSOCK_OP_RST, 0, NULL, 0);
	fake_run(&g);
}

static void test_agent(void)
{
	struct agent_result good = { .msg = "" }, bad = { .code = EPERM, .msg = "no" };

	ok(sockets_ask(s, 3, NODE, SOCK_STREAM), "a socket is to be offered");
	fake_run(&g);
	is_int(n_asked, 1, "the agent is asked");
	agent_done(agent_opaque, &good);
	ok(n_done == 1 && done_ok, "its answer is told");
	(void)sockets_ask(s, 3, NODE, SOCK_STREAM);
	fake_run(&g);
	agent_done(agent_opaque, &bad);
	ok(n_done == 2 && !done_ok, "also when it cannot");
	agent_ret = -ECONNRESET;
	(void)sockets_ask(s, 3, NODE, SOCK_STREAM);
	fake_run(&g);
	ok(n_done == 3 && !done_ok, "also when it cannot be asked");
	agent_ret = 0;
	is_int(n_off, 0, "nobody was given up");
}

static void with(void (*test)(void))
{
	const struct sockets_params p = {
		.ask_agent = ask_agent,
		.connect = fs_connect_,
		.asked = asked,
		.off = off,
	};
	struct sockets_params params = p;

	n_connects = 0;
	fake_guest_init(&g, 64, FAKE_EVENT_IDX);
	params.loop = g.loop;
	params.vsock = g.vsock;
	is_int(sockets_new(&params, &s, NULL), 0, "new");
	test();
	sockets_free(s);
	fake_guest_release(&g);
}

int main(void)
{
	with(test_stream);
	with(test_packets);
	with(test_slow_packets);
	with(test_broken_packets);
	with(test_rights);
	with(test_refused);
	with(test_gone_meanwhile);
	with(test_full);
	with(test_agent);
	return tap_done();
}
