/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of the host's in the guest: bound where the host says, and carried. */
#include "rootfs/agent/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "rootfs/agent/agent.h"
#include "tests/unit/tap.h"

#define NODE UINT64_C(0x1200000034)
#define PLACE "0000001200000034" /* the name that means it */
#define DEADLINE_MS 20000

static char tmp[64] = "/tmp/hull-agent-sockets-XXXXXX";
static char hosts_path[128]; /* the child connects here as to the host */
static int hosts;

/* ---- what the agent is given, and what it gives back ----------------------------------- */

static int host_connect(void *opaque)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)opaque;
	memcpy(addr.sun_path, hosts_path, strlen(hosts_path));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return take_fd(&fd);
}

static int socket_dir(void *opaque, unsigned int root)
{
	int fd = open(tmp, O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)opaque;
	if (root != 7) {
		close_fd(fd);
		return -ENOENT;
	}
	return fd;
}

static const struct agent_params params = {
	.socket_connect = host_connect,
	.socket_dir = socket_dir,
};
static struct agent agent = { .params = &params, .writer.fd = -1 };
static int control; /* where the agent's answers come out */

/* result() - of the request under way; 0 or the errno value */
static uint32_t result(void)
{
	struct agent_frame f = { 0 };
	char text[512];

	for (;;) {
		struct pollfd p = { .fd = control, .events = POLLIN };
		struct epoll_event ev;

		if (poll(&p, 1, 0) == 1)
			break;
		if (epoll_wait(agent.loop.epoll_fd, &ev, 1, DEADLINE_MS) != 1)
			abort();
		((struct watch *)ev.data.ptr)->ready(ev.data.ptr, ev.events);
	}
	if (read(control, &f, sizeof(f)) != sizeof(f) || f.type != AGENT_RESULT ||
	    (f.len && read(control, text, f.len) != (ssize_t)f.len))
		abort();
	return f.arg;
}

static void ask(unsigned int root, int type)
{
	static uint32_t seq;
	const struct agent_frame f = { .type = AGENT_SOCKET,
				       .seq = ++seq,
				       .arg = root << 16 | (uint32_t)type,
				       .value = NODE };

	sockets_request(&agent, &f);
}

static uint32_t request(unsigned int root, int type)
{
	ask(root, type);
	return result();
}

/* ---- both ends --------------------------------------------------------------------------- */

/* client() - connected to what is offered; -errno */
static int client(int type)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	auto_fd int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	(void)!snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/" PLACE, tmp);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* host() - the connection to the host that follows, with its head */
static int host(int type, bool accepted)
{
	struct agent_socket head = { 0 };
	int fd = accept(hosts, NULL, NULL);

	is_int(io_read_full(fd, &head, sizeof(head)), 0, "a connection to the host");
	ok(head.node == NODE && head.type == (uint32_t)type && !head.reserved,
	   "says where to");
	if (accepted)
		is_int(io_write_full(fd, "", 1), 0, "it is accepted");
	return fd;
}

static void test_stream(void)
{
	int c, h;
	char text[16];

	is_int((long)request(7, SOCK_STREAM), 0, "a stream is offered");
	c = client(SOCK_STREAM);
	is_int(write(c, "early", 5), 5, "a client writes");
	h = host(SOCK_STREAM, false);
	is_int(recv(h, text, 1, MSG_DONTWAIT), -1,
	       "nothing is carried before the answer");
	is_int(io_write_full(h, "\0back", 5), 0, "the answer, and bytes behind it");
	is_int(io_read_full(h, text, 5), 0, "the client's bytes");
	ok(!memcmp(text, "early", 5), "as they were");
	is_int(io_read_full(c, text, 4), 0, "the host's bytes");
	ok(!memcmp(text, "back", 4), "as they were");
	(void)shutdown(c, SHUT_WR);
	is_int(read(h, text, 1), 0, "an end of file");
	is_int(io_write_full(h, "last", 4), 0, "is half of it");
	is_int(io_read_full(c, text, 4), 0, "what comes then arrives");
	(void)close(h);
	is_int(read(c, text, 1), 0, "the host's end");
	(void)close(c);
}

static void test_refused(void)
{
	int c = client(SOCK_STREAM);
	int h = host(SOCK_STREAM, false);
	char byte;

	(void)close(h);
	ok(read(c, &byte, 1) <= 0, "the host cannot connect: the end");
	(void)close(c);
	c = client(SOCK_STREAM);
	h = host(SOCK_STREAM, false);
	(void)close(c);
	is_int(read(h, &byte, 1), 0, "the client leaves before the answer");
	(void)close(h);
}

static void test_rights(void)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} control_data = { 0 };
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control_data,
			      .msg_controllen = sizeof(control_data) };
	int c = client(SOCK_STREAM);
	int h = host(SOCK_STREAM, true);

	control_data.h.cmsg_level = SOL_SOCKET;
	control_data.h.cmsg_type = SCM_RIGHTS;
	control_data.h.cmsg_len = CMSG_LEN(sizeof(int));
	is_int(sendmsg(c, &msg, 0), 1, "a descriptor is passed");
	is_int(read(h, &byte, 1), 0, "the host sees the end");
	ok(read(c, &byte, 1) <= 0, "and so does the client");
	(void)close(c);
	(void)close(h);
}

/* A client that reads nothing: the host is stopped, nothing is lost. */
static void test_bulk(void)
{
	static char data[64 << 10];
	int c = client(SOCK_STREAM);
	int h = host(SOCK_STREAM, true);
	size_t sent = 0, came = 0;
	struct pollfd p = { .fd = h, .events = POLLOUT };
	ssize_t n;

	while (sent < (64u << 20) && poll(&p, 1, 200) == 1) {
		n = send(h, data, sizeof(data), MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
	}
	ok(sent < (8u << 20), "who does not read stops it (%zu KiB)", sent >> 10);
	(void)shutdown(h, SHUT_WR);
	while ((n = read(c, data, sizeof(data))) > 0)
		came += (size_t)n;
	is_int((long)came, (long)sent, "all of it arrives");
	(void)close(c);
	(void)close(h);
}

static void test_packets(void)
{
	struct agent_packet head = { .len = 3 };
	char text[16];
	int c, h;

	is_int((long)request(7, SOCK_SEQPACKET), 0, "messages in its place");
	is_int(client(SOCK_STREAM), -EPROTOTYPE, "and no stream any more");
	c = client(SOCK_SEQPACKET);
	is_int(write(c, "one", 3), 3, "a message");
	is_int(write(c, "2", 1), 1, "and one more");
	h = host(SOCK_SEQPACKET, true);
	is_int(io_read_full(h, text, 2 * sizeof(head) + 4), 0, "arrive");
	memcpy(&head, text, sizeof(head));
	ok(head.len == 3 && !memcmp(text + sizeof(head), "one", 3),
	   "each with its length");
	memcpy(&head, text + sizeof(head) + 3, sizeof(head));
	is_int((long)head.len, 1, "and they stay two");
	head.len = 4;
	is_int(io_write_full(h, &head, sizeof(head)), 0, "a message of the host's");
	is_int(io_write_full(h, "fo", 2), 0, "in pieces");
	is_int(io_write_full(h, "ur", 2), 0, "is one");
	is_int(read(c, text, sizeof(text)), 4, "for the client");
	head.len = AGENT_MAX_PACKET + 1;
	is_int(io_write_full(h, &head, sizeof(head)), 0, "a length that cannot be");
	ok(read(c, text, 1) <= 0, "is the end");
	(void)close(c);
	(void)close(h);
}

static void test_end(void)
{
	pid_t pid = agent.sockets_pid;
	char path[128];

	is_int((long)request(8, SOCK_STREAM), ENOENT, "a root that is not there");
	is_int((long)request(7, 0), 0, "it is taken away");
	is_int(client(SOCK_STREAM), -ECONNREFUSED, "nobody listens any more");
	is_int((long)request(7, SOCK_STREAM), EADDRINUSE,
	       "where there is a name already (but the file server's are not)");
	(void)!snprintf(path, sizeof(path), "%s/" PLACE, tmp);
	(void)unlink(path);
	is_int((long)request(7, SOCK_STREAM), 0, "offered once more");
	(void)kill(pid, SIGSTOP);
	ask(7, SOCK_STREAM);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	is_int((long)result(), ECHILD, "the child has died: that is told");
	(void)unlink(path);
	is_int((long)request(7, SOCK_STREAM), 0, "and a new one begins");
	pid = agent.sockets_pid;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)unlink(path);
	is_int((long)request(7, SOCK_STREAM), 0, "also before anybody has heard of it");
	pid = agent.sockets_pid;
	sockets_end(&agent);
	is_int(kill(pid, 0), -1, "it ends when it is told to");
	(void)unlink(path);
}

int main(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct err err = ERR_INIT;
	int pair[2];

	if (!mkdtemp(tmp) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	(void)alarm(60);
	(void)!snprintf(hosts_path, sizeof(hosts_path), "%s/host", tmp);
	memcpy(addr.sun_path, hosts_path, strlen(hosts_path));
	hosts = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(hosts, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(hosts, 16) < 0)
		abort();
	control = pair[0];
	agent.writer.fd = pair[1];
	is_int(watch_loop_init(&agent.loop, &err), 0, "a loop");
	test_stream();
	test_refused();
	test_rights();
	test_bulk();
	(void)request(7, 0);
	(void)!snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/" PLACE, tmp);
	(void)unlink(addr.sun_path);
	test_packets();
	test_end();
	(void)unlink(hosts_path);
	is_int(rmdir(tmp), 0, "nothing is left");
	return tap_done();
}
