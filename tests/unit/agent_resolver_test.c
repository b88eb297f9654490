/* SPDX-License-Identifier: Apache-2.0 */
/* Queries of a container's, by UDP and TCP, on their way to the host and back. */
#include "rootfs/agent/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "rootfs/agent/agent.h"
#include "tests/unit/tap.h"

static int hosts[256]; /* the other ends of connections to the host */
static unsigned int n_hosts;

static int host_connect(void *opaque)
{
	int pair[2];

	(void)opaque;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	(void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
	hosts[n_hosts++] = pair[1];
	return pair[0];
}

static const struct agent_params params = { .resolver_connect = host_connect };
static struct agent agent = { .params = &params };

/* turn() - let the agent do what there is to do. */
static void turn(void)
{
	struct epoll_event batch[16];
	int n;

	while ((n = epoll_wait(agent.loop.epoll_fd, batch, 16, 20)) > 0) {
		struct watch *w = batch[0].data.ptr; /* one at a time: it may free others */

		w->ready(w, batch[0].events);
	}
}

static int asker(int type)
{
	const struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(AGENT_RESOLVER),
		.sin_port = htons(53),
	};
	int fd = socket(AF_INET, type, 0);

	is_int(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0, "connect");
	return fd;
}

/* A query for "a." without and with room for 1200 bytes, and the head of its answer. */
static const unsigned char plain[] = "\1\2\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1";
static const unsigned char edns[] =
	"\1\2\1\0\0\1\0\0\0\0\0\1\1a\0\0\1\0\1\0\0\51\4\260\0\0\0\0\0\0";

static void test_udp(void)
{
	int fd = asker(SOCK_DGRAM);
	unsigned char got[1024];
	unsigned int first = n_hosts;

	is_int(send(fd, plain, sizeof(plain) - 1, 0), sizeof(plain) - 1, "a query");
	turn();
	is_int(n_hosts, first + 1, "has a connection of its own");
	is_int(read(hosts[first], got, sizeof(got)), sizeof(plain) + 1, "and arrives");
	ok(got[0] == 0 && got[1] == sizeof(plain) - 1, "its length before it");
	ok(memcmp(got + 2, plain, sizeof(plain) - 1) == 0, "as it was");
	is_int(write(hosts[first], "\0", 1), 1, "an answer in parts");
	turn();
	is_int(write(hosts[first], "\5ans", 4), 4, "one more part");
	turn();
	is_int(recv(fd, got, sizeof(got), MSG_DONTWAIT), -1, "is not told before its end");
	is_int(write(hosts[first], "we", 2), 2, "the last part");
	turn();
	is_int(recv(fd, got, sizeof(got), MSG_DONTWAIT), 5, "then it is");
	ok(memcmp(got, "answe", 5) == 0, "as it was");
	is_int(read(hosts[first], got, 1), 0, "the connection has ended");
	(void)close(fd);
}

static void test_tcp(void)
{
	int fd = asker(SOCK_STREAM);
	unsigned int first = n_hosts;
	char got[16];

	is_int(write(fd, "\0\3abc", 5), 5, "a query");
	turn();
	is_int(read(hosts[first], got, sizeof(got)), 5, "arrives");
	is_int(write(hosts[first], "\0\2hi", 4), 4, "an answer");
	turn();
	is_int(recv(fd, got, sizeof(got), MSG_DONTWAIT), 4, "arrives");
	(void)close(hosts[first]);
	turn();
	is_int(recv(fd, got, sizeof(got), MSG_DONTWAIT), 0, "the end, too");
	(void)close(fd);
}

static void test_many(void)
{
	int fd = asker(SOCK_DGRAM);
	unsigned int first = n_hosts;
	char got[64];

	for (unsigned int i = 0; i <= AGENT_MAX_QUERIES; i++) {
		is_int(send(fd, plain, sizeof(plain) - 1, 0), sizeof(plain) - 1, "query %u",
		       i);
		turn();
	}
	is_int(n_hosts, first + AGENT_MAX_QUERIES + 1, "all are carried");
	is_int(read(hosts[first], got, sizeof(got)), sizeof(plain) + 1, "the first, too");
	is_int(read(hosts[first], got, sizeof(got)), 0, "which has made room");
	(void)close(hosts[first + 1]);
	turn();
	is_int(recv(fd, got, sizeof(got), MSG_DONTWAIT), -1, "no answer is none");
	(void)close(fd);
}

static void test_cut(void)
{
	unsigned char answer[2000] = { 0 };

	memcpy(answer, plain, sizeof(plain) - 1);
	answer[7] = 9;
	is_int(resolver_cut(plain, sizeof(plain) - 1, answer, 512), 512, "what fits");
	is_int(resolver_cut(edns, sizeof(edns) - 1, answer, 1200), 1200, "fits with EDNS");
	ok(!(answer[2] & 2), "is not marked");
	is_int(resolver_cut(edns, sizeof(edns) - 1, answer, 1201), sizeof(plain) - 1,
	       "what does not is cut to its question");
	ok(answer[2] & 2 && !answer[7], "and marked");
	is_int(resolver_cut(plain, sizeof(plain) - 1, answer, 513), sizeof(plain) - 1,
	       "512 bytes without EDNS");
	for (size_t n = 0; n < sizeof(edns) - 1; n++)
		(void)resolver_cut(edns, n, answer, 1000);
	for (size_t n = 0; n < 40; n++) {
		memset(answer, 0xff, sizeof(answer));
		ok(resolver_cut(edns, sizeof(edns) - 1, answer, n) <= n, "%zu bytes", n);
	}
	is_int(resolver_cut(plain, 0, answer, 600), 12, "an answer without a question");
}

static void test_wanted(void)
{
	char dir[] = "/tmp/hull-resolver-test-XXXXXX";
	int root = mkdtemp(dir) ? open(dir, O_PATH | O_DIRECTORY) : -1;
	static const struct {
		const char *text;
		bool wanted;
	} files[] = {
		{ "nameserver 127.0.0.11\noptions ndots:0\n", true },
		{ "search x\n\tnameserver\t127.0.0.11", true },
		{ "nameserver 127.0.0.1\n", false },
		{ "#nameserver 127.0.0.11\n", false },
		{ "", false },
	};

	ok(!resolver_wanted(root), "no folder");
	(void)mkdirat(root, "etc", 0755);
	ok(!resolver_wanted(root), "no file");
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int fd = openat(root, "etc/resolv.conf", O_WRONLY | O_CREAT | O_TRUNC, 0644);

		(void)!write(fd, files[i].text, strlen(files[i].text));
		(void)close(fd);
		is_int(resolver_wanted(root), files[i].wanted, "resolv.conf %zu", i);
	}
	(void)unlinkat(root, "etc/resolv.conf", 0);
	(void)unlinkat(root, "etc", AT_REMOVEDIR);
	(void)rmdir(dir);
}

int main(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	struct resolver *r = NULL, *second = NULL;
	struct err err = ERR_INIT;

	is_int(unshare(CLONE_NEWNET), 0, "a network of our own");
	is_int(ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &ifr), 0, "loopback");
	is_int(watch_loop_init(&agent.loop, &err), 0, "a loop");
	is_int(resolver_new(&agent, &r, &err), 0, "a name server");
	is_int(resolver_new(&agent, &second, &err), -EADDRINUSE, "one only");
	is_str(err.msg, "name server: bind to 127.0.0.11: Address already in use", "named");
	test_udp();
	test_tcp();
	test_many();
	test_cut();
	test_wanted();
	resolver_free(r);
	watch_loop_release(&agent.loop);
	return tap_done();
}
