/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams between processes and the host: all bytes in order, each end by
 * itself, nobody waits for a reader that does not read.
 */
#include "tests/unit/agent_host.h"

#define MANY (100u << 20)

static void begin(struct host *h, uint16_t c, const char *script)
{
	char args[512];

	(void)!snprintf(args, sizeof(args), "[\"sh\",\"-c\",\"%s\"]", script);
	is_int(host_create(h, c, args, "", HOST_MOUNTS, "", ""), 0, "create: %s", script);
	is_int(host_begin(h, c), 0, "start");
}

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 31 + (i >> 12) * 7 + (i >> 20));
}

/* 100 MB there and back: the same bytes. */
static void test_many(struct host *h)
{
	static unsigned char out[65536];
	static unsigned char in[65536];
	size_t sent = 0;
	size_t got = 0;
	bool same = true;
	int io;

	begin(h, 0, "cat");
	io = host_stream(h, 0, 0, AGENT_STREAM_IO);
	(void)fcntl(io, F_SETFL, O_NONBLOCK);
	while (got < MANY) {
		struct pollfd p = {
			.fd = io, .events = (short)(POLLIN | (sent < MANY ? POLLOUT : 0))
		};
		ssize_t n;

		(void)poll(&p, 1, -1);
		if (sent < MANY && p.revents & POLLOUT) {
			for (size_t i = 0; i < sizeof(out); i++)
				out[i] = pattern(sent + i);
			n = write(io, out, sizeof(out));
			sent += n > 0 ? (size_t)n : 0;
			if (sent >= MANY)
				(void)shutdown(io, SHUT_WR);
		}
		n = read(io, in, sizeof(in));
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		for (ssize_t i = 0; i < n; i++)
			same &= in[i] == pattern(got + (size_t)i);
		got += n > 0 ? (size_t)n : 0;
	}
	ok(got >= MANY, "100 MB come back");
	ok(same, "the same bytes");
	(void)close(io);
	is_int(host_exit(h, 0, 0), 0, "half-closed stdin ends it");
}

static void test_ends(struct host *h)
{
	char byte;
	int io;
	int e;

	begin(h, 0, "exec >&-; read x; echo $x >&2; exec 2>&-; read y; exit 3");
	io = host_stream(h, 0, 0, AGENT_STREAM_IO);
	e = host_stream(h, 0, 0, AGENT_STREAM_STDERR);
	is_int(read(io, &byte, 1), 0, "stdout ends by itself");
	is_int(write(io, "x\n", 2), 2, "stdin goes on");
	is_int(read(e, &byte, 1), 1, "stderr goes on");
	is_int(read(e, &byte, 1), 1, "with a whole line");
	is_int(read(e, &byte, 1), 0, "stderr ends by itself");
	is_int(write(io, "y\n", 2), 2, "stdin still goes on");
	is_int(host_exit(h, 0, 0), 3 << 8, "status");
	is_int(read(io, &byte, 1), 0, "the connection ends with the process");
	(void)close(io);
	(void)close(e);
}

/* A reader that goes away: the writer is told at its very next write. */
static void test_reader_gone(struct host *h)
{
	char *out;
	int io;
	int e;

	begin(h, 0,
	      "echo ready; read x; (echo lost; echo never >&2); echo $? >&2; exit 5");
	io = host_stream(h, 0, 0, AGENT_STREAM_IO);
	e = host_stream(h, 0, 0, AGENT_STREAM_STDERR);
	free(host_read_until(io, "\n"));
	(void)shutdown(io, SHUT_RD);
	is_int(write(io, "go\n", 3), 3, "stdin works without a reader of stdout");
	/* Not in the shell itself: the init of a pid namespace ignores the signal. */
	out = host_read_all(e);
	is_str(out, "141\n", "SIGPIPE");
	free(out);
	is_int(host_exit(h, 0, 0), 5 << 8, "exit");
	(void)close(io);
}

/* A process that closes its stdin: the host is told without writing. */
static void test_stdin_closed(struct host *h)
{
	struct pollfd p;
	int io;

	begin(h, 0, "exec <&-; echo closed; sleep 1000");
	io = host_stream(h, 0, 0, AGENT_STREAM_IO);
	free(host_read_until(io, "\n"));
	/* On a unix socket the peer's SHUT_RD shows as a broken pipe. */
	do {
		p = (struct pollfd){ .fd = io, .events = POLLOUT };
		(void)poll(&p, 1, -1);
	} while (send(io, "x", 1, MSG_NOSIGNAL) == 1);
	is_int(errno, EPIPE, "nobody reads stdin");
	is_int(host_result(h, host_request(h, AGENT_KILL, 0, 0, SIGKILL, 0, NULL, 0)), 0,
	       "kill");
	is_int(host_exit(h, 0, 0), SIGKILL, "end");
	(void)close(io);
}

/* A host that never reads stalls that stream only, and delays no exit. */
static void test_stalled(struct host *h)
{
	int stalled;
	int io;
	int e;
	char *out;

	begin(h, 0, "yes | head -c 200000 & echo begun >&2; read x; wait; exit 4");
	begin(h, 1, "yes | head -c 3000000; exit 0");
	stalled = host_stream(h, 1, 0, AGENT_STREAM_IO);
	io = host_stream(h, 0, 0, AGENT_STREAM_IO);
	e = host_stream(h, 0, 0, AGENT_STREAM_STDERR);
	out = host_read_until(e, "\n");
	is_str(out, "begun\n", "the stderr of another process");
	free(out);
	is_int(write(io, "go\n", 3), 3, "its stdin");
	(void)shutdown(io, SHUT_WR);
	out = host_read_all(io);
	is_int(strlen(out), 200000, "its stdout");
	free(out);
	is_int(host_exit(h, 0, 0), 4 << 8, "its exit");
	out = host_read_all(stalled);
	is_int(strlen(out), 3000000, "the stalled one goes on when it is read");
	free(out);
	is_int(host_exit(h, 1, 0), 0, "and ends");
	(void)close(e);
}

/* The exit is told although nobody reads what is left in the pipe. */
static void test_exit_stalled(struct host *h)
{
	char *out;
	int io;
	size_t n;

	begin(h, 0,
	      "dd if=/dev/zero bs=1M count=9 >/dev/null 2>&1; "
	      "head -c 60000 /dev/zero | tr '\\\\0' x; kill -0 $$; exit 8");
	is_int(host_exit(h, 0, 0), 8 << 8, "an exit without a reader");
	io = host_stream(h, 0, 0, AGENT_STREAM_IO);
	(void)shutdown(io, SHUT_WR);
	out = host_read_all(io);
	n = strlen(out);
	is_int(n, 60000, "what it wrote comes nevertheless");
	free(out);
}

/* What was written before the exit is there before the exit is told. */
static void test_order(struct host *h)
{
	static char got[50000];
	size_t have = 0;
	ssize_t n;
	int io;

	begin(h, 0, "printf %050000d 1; exit 0");
	io = host_stream(h, 0, 0, AGENT_STREAM_IO);
	is_int(host_exit(h, 0, 0), 0, "exit");
	while (have < sizeof(got) &&
	       (n = recv(io, got + have, sizeof(got) - have, MSG_DONTWAIT)) > 0)
		have += (size_t)n;
	is_int(have, sizeof(got), "all of the output was there already");
	(void)close(io);
}

/*
 * A child that stays behind keeps the stream of an exec open. A shell gives a
 * background job /dev/null as stdin, so that the job reads a copy made before.
 */
static void test_background(struct host *h)
{
	static const char process[] =
		"{\"user\":{\"uid\":0,\"gid\":0},\"cwd\":\"/\",\"env\":" HOST_ENV
		",\"args\":[\"sh\",\"-c\",\"exec 3<&0; (read x <&3; echo late) & exit 6\"]}";
	char *out;
	int io;

	begin(h, 0, "sleep 1000");
	is_int(host_result(h, host_request(h, AGENT_EXEC, 0, 1, 0, 0, process,
					   strlen(process))),
	       0, "exec");
	io = host_stream(h, 0, 1, AGENT_STREAM_IO);
	is_int(host_exit(h, 0, 1), 6 << 8, "the exec'd process ends");
	is_int(write(io, "x\n", 2), 2, "its child still has stdin");
	out = host_read_all(io);
	is_str(out, "late\n", "and stdout");
	free(out);
	is_int(host_result(h, host_request(h, AGENT_KILL, 0, 0, SIGKILL, 0, NULL, 0)), 0,
	       "kill");
	is_int(host_exit(h, 0, 0), SIGKILL, "end");
}

/* Connections opened ahead that the host has closed meanwhile are not used. */
static void test_spares(struct host *h)
{
	static const char process[] =
		"{\"user\":{\"uid\":0,\"gid\":0},\"cwd\":\"/\",\"env\":" HOST_ENV
		",\"args\":[\"echo\",\"out\"]}";
	unsigned int closed = 0;
	char *out;

	begin(h, 0, "sleep 1000");
	for (uint32_t i = 1; i < 4; i++) {
		is_int(host_result(h, host_request(h, AGENT_EXEC, 0, i, 0, 0, process,
						   strlen(process))),
		       0, "exec");
		out = host_read_all(host_stream(h, 0, i, AGENT_STREAM_IO));
		is_str(out, "out\n", "its output");
		free(out);
		is_int(host_exit(h, 0, i), 0, "its exit");
		if (i != 2)
			continue;
		while (host_take_connection(h, false))
			;
		host_read_headers(h);
		for (unsigned int n = 0; n < h->n_streams; n++) {
			struct host_stream *s = &h->streams[n];

			if (s->fd < 0 || s->header.kind)
				continue;
			(void)close(s->fd);
			s->fd = -1;
			closed++;
		}
	}
	is_int(closed, 2, "two were ready");
	is_int(host_result(h, host_request(h, AGENT_KILL, 0, 0, SIGKILL, 0, NULL, 0)), 0,
	       "kill");
	is_int(host_exit(h, 0, 0), SIGKILL, "end");
}

int main(void)
{
	static struct host h;

	if (!host_possible())
		return TAP_SKIP;
	host_start(&h);
	test_many(&h);
	test_ends(&h);
	test_reader_gone(&h);
	test_stdin_closed(&h);
	test_stalled(&h);
	test_exit_stalled(&h);
	test_order(&h);
	test_background(&h);
	test_spares(&h);
	host_stop(&h);
	return tap_done();
}
