/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preserved descriptors in the guest: numbers, directions and ends as the process sees
 * them, and as the host does.
 */
#include "tests/unit/agent_host.h"

#define WAYS (AGENT_FD_READ | AGENT_FD_WRITE << 2 | AGENT_FD_BOTH << 4)

/* exec() - process @proc of container 0 runs @script with descriptors 3, 4 and 5. */
static void exec(struct host *h, uint32_t proc, const char *script)
{
	char process[1024];

	(void)!snprintf(process, sizeof(process),
			"{\"user\":{\"uid\":%u,\"gid\":0},\"cwd\":\"/\",\"env\":" HOST_ENV
			",\"args\":[\"sh\",\"-c\",\"%s\"]}",
			strstr(script, "id -u") ? 1000u : 0u, script);
	is_int(host_result(h, host_request(h, AGENT_EXEC, 0, proc, WAYS, 0, process,
					   strlen(process))),
	       0, "exec: %s", script);
}

/* close_io() - what the process has for stdio is of no interest. */
static void close_io(struct host *h, uint32_t proc)
{
	(void)close(host_stream(h, 0, proc, AGENT_STREAM_IO));
	(void)close(host_stream(h, 0, proc, AGENT_STREAM_STDERR));
}

static void say(int fd, const char *text)
{
	is_int(send(fd, text, strlen(text), MSG_NOSIGNAL), (long long)strlen(text),
	       "to the process");
}

static void test_bytes(struct host *h)
{
	char *out;
	int in;
	int sock;

	exec(h, 1,
	     "echo /proc/self/fd/*; cat <&3 >&4; cat <&5 | tr a-z A-Z >&5; "
	     "id -u >&4; cat /proc/self/fd/3 && exit 3");
	in = host_stream(h, 0, 1, AGENT_STREAM_FD);
	sock = host_stream(h, 0, 1, AGENT_STREAM_FD + 2);
	say(in, "one\n");
	(void)shutdown(in, SHUT_WR);
	say(sock, "both\n");
	(void)shutdown(sock, SHUT_WR);
	is_int(host_exit(h, 0, 1), 3 << 8, "it has come to its end");
	out = host_read_all(host_stream(h, 0, 1, AGENT_STREAM_FD + 1));
	is_str(out, "one\n1000\n",
	       "descriptor 3 is read, 4 written, 3 opened by its owner");
	free(out);
	out = host_read_all(sock);
	is_str(out, "BOTH\n", "5 is a socket");
	free(out);
	out = host_read_all(host_stream(h, 0, 1, AGENT_STREAM_IO));
	ok(strncmp(out,
		   "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3 "
		   "/proc/self/fd/4 /proc/self/fd/5",
		   95) == 0,
	   "they have these numbers");
	/* A shell has one of its own, to list that folder. */
	ok(strlen(out) <= strlen("/proc/self/fd/0 ") * 7, "and nothing else is open");
	free(out);
	(void)close(host_stream(h, 0, 1, AGENT_STREAM_STDERR));
	(void)close(in);
}

/* What a process closes, the host sees, and it runs on. */
static void test_closed(struct host *h)
{
	char byte;
	int in;
	int out;
	int sock;

	exec(h, 2, "exec 4>&-; read x; exec 3<&-; read x; exec 5<&-; read x");
	in = host_stream(h, 0, 2, AGENT_STREAM_FD);
	out = host_stream(h, 0, 2, AGENT_STREAM_FD + 1);
	sock = host_stream(h, 0, 2, AGENT_STREAM_FD + 2);
	is_int(read(out, &byte, 1), 0, "a pipe to write");
	(void)close(out);
	out = host_stream(h, 0, 2, AGENT_STREAM_IO);
	say(out, "next\n");
	is_int(read(in, &byte, 1), 0, "a pipe to read");
	(void)close(in);
	say(out, "next\n");
	is_int(read(sock, &byte, 1), 0, "a socket");
	is_int(send(sock, "x", 1, MSG_NOSIGNAL), -1, "in both directions");
	(void)close(sock);
	say(out, "next\n");
	is_int(host_exit(h, 0, 2), 0, "and only then does it end");
	(void)close(out);
	(void)close(host_stream(h, 0, 2, AGENT_STREAM_STDERR));
}

/* What the host does not read any more, the process is told. */
static void test_readers_gone(struct host *h)
{
	char *text;
	int io;
	int out;
	int sock;

	exec(h, 3,
	     "read x; (yes >&4) 2>&-; echo $?; (yes >&5) 2>&-; echo $?; "
	     "read x <&5; echo $x");
	io = host_stream(h, 0, 3, AGENT_STREAM_IO);
	out = host_stream(h, 0, 3, AGENT_STREAM_FD + 1);
	sock = host_stream(h, 0, 3, AGENT_STREAM_FD + 2);
	(void)shutdown(out, SHUT_RD);
	(void)shutdown(sock, SHUT_RD);
	say(sock, "still\n");
	say(io, "go\n");
	text = host_read_all(io);
	is_str(text, "141\n141\nstill\n", "SIGPIPE, and the other direction goes on");
	free(text);
	is_int(host_exit(h, 0, 3), 0, "it ends");
	(void)close(out);
	(void)close(sock);
	(void)close(host_stream(h, 0, 3, AGENT_STREAM_FD));
	(void)close(host_stream(h, 0, 3, AGENT_STREAM_STDERR));
}

int main(void)
{
	static struct host h;

	if (!host_possible())
		return TAP_SKIP;
	host_start(&h);
	is_int(host_create(&h, 0, "[\"sleep\",\"1000\"]", "", HOST_MOUNTS, "", ""), 0,
	       "create");
	is_int(host_begin(&h, 0), 0, "start");
	test_bytes(&h);
	test_closed(&h);
	test_readers_gone(&h);
	close_io(&h, 0);
	is_int(host_result(&h, host_request(&h, AGENT_KILL, 0, 0, SIGKILL, 0, NULL, 0)),
	       0, "kill");
	is_int(host_exit(&h, 0, 0), SIGKILL, "end");
	host_stop(&h);
	return tap_done();
}
