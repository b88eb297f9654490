/* SPDX-License-Identifier: Apache-2.0 */
/* Queries of the guest's, to a name server on a loopback interface. */
#include "vmm/resolver.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/fake_vsock.h"
#include "tests/unit/tap.h"
#include "vmm/agent_proto.h"

#define PORT 5353u

static struct fake_guest g;

/* loopback() - up, in a network namespace of our own. */
static int loopback(void)
{
	auto_fd int sock = -1;
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	return ioctl(sock, SIOCSIFFLAGS, &ifr);
}

static int server(void)
{
	const struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(AGENT_RESOLVER),
		.sin_port = htons(PORT),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	is_int(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0, "bind");
	is_int(listen(fd, 64), 0, "listen");
	return fd;
}

static void test_query(int fd, uint32_t port)
{
	struct fake_conn *c = fake_connect(&g, port, AGENT_PORT_RESOLVER);
	char text[16] = "";
	int conn;

	fake_send(&g, c, "\0\3abc", 5);
	fake_run(&g);
	ok(c->answered, "the guest is connected");
	conn = accept(fd, NULL, NULL);
	is_int(read(conn, text, sizeof(text)), 5, "its query arrives");
	ok(memcmp(text, "\0\3abc", 5) == 0, "as it was sent");
	is_int(write(conn, "\0\2hi", 4), 4, "an answer");
	fake_run_for(&g, c, 4);
	ok(c->in.len == 4 && memcmp(c->in.data, "\0\2hi", 4) == 0, "arrives as well");
	(void)close(conn);
	fake_run(&g);
	ok(c->shut & VIRTIO_VSOCK_SHUTDOWN_SEND || c->reset, "the end, too");
}

static void test_many(void)
{
	struct fake_conn *c[AGENT_MAX_QUERIES + 1];
	unsigned int answered = 0;

	for (unsigned int i = 0; i <= AGENT_MAX_QUERIES; i++) {
		c[i] = fake_connect(&g, 6000 + i, AGENT_PORT_RESOLVER);
		fake_run(&g);
		answered += c[i]->answered;
	}
	is_int(answered, AGENT_MAX_QUERIES, "as many at a time as there is room for");
	ok(c[AGENT_MAX_QUERIES]->reset, "one more is refused");
}

static void test_nobody(void)
{
	struct fake_conn *c = fake_connect(&g, 7000, AGENT_PORT_RESOLVER);

	fake_send(&g, c, "\0\3abc", 5);
	fake_run(&g);
	ok(c->reset || c->shut, "without a server there is an end, no answer");
	is_int(c->in_total, 0, "and no bytes");
}

/* with() - a guest and a resolver, for one test. */
static void with(void (*test)(void))
{
	struct resolver *r = NULL;

	fake_guest_init(&g, 64, FAKE_EVENT_IDX);
	is_int(resolver_new(g.loop, g.vsock, AGENT_RESOLVER, PORT, &r, NULL), 0, "new");
	test();
	resolver_free(r);
	fake_guest_release(&g);
}

static int listening;

static void queries(void)
{
	test_query(listening, 5000);
	test_query(listening, 5001);
}

int main(void)
{
	is_int(loopback(), 0, "a network of our own");
	with(test_nobody);
	listening = server();
	with(queries);
	with(test_many);
	(void)close(listening);
	return tap_done();
}
