/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rootfs/agent/frame.h"
#include "tests/unit/tap.h"
#include "vmm/control.h"

static const struct agent_frame ps = { .type = AGENT_PS, .seq = 1 };

static void test_check(void)
{
	struct agent_frame f = ps;

	is_int(frame_check(&f), 0, "a request");
	f.seq = 0;
	is_int(frame_check(&f), -EPROTO, "no number");
	f = ps;
	f.type = AGENT_HELLO;
	is_int(frame_check(&f), -EPROTO, "an event is no request");
	f.type = 0;
	is_int(frame_check(&f), -EPROTO, "no type");
	f = ps;
	f.container = AGENT_MAX_CONTAINERS;
	is_int(frame_check(&f), -EPROTO, "container out of range");
	f = ps;
	f.proc = AGENT_MAX_PROCS;
	is_int(frame_check(&f), -EPROTO, "process out of range");
	f = ps;
	f.len = 1;
	is_int(frame_check(&f), -EPROTO, "a payload where none belongs");
	f.type = AGENT_CREATE;
	is_int(frame_check(&f), 0, "a payload where it belongs");
	f.len = AGENT_MAX_PAYLOAD + 1;
	is_int(frame_check(&f), -EPROTO, "a payload too long");
	f.len = 1;
	f.type = AGENT_UPDATE;
	is_int(frame_check(&f), 0, "new limits");
	f.type = AGENT_STATS;
	is_int(frame_check(&f), -EPROTO, "counters are asked for without words");
	f.len = 0;
	is_int(frame_check(&f), 0, "so");
	f.type = AGENT_NET;
	f.len = 1;
	is_int(frame_check(&f), 0, "what the network is");
	f.arg = 1;
	is_int(frame_check(&f), -EPROTO, "with a number that means nothing");
	f = ps;
	f.type = AGENT_WAKE;
	is_int(frame_check(&f), -EPROTO, "a machine that wakes up to nothing");
	f.len = sizeof(struct agent_wake) - 1;
	is_int(frame_check(&f), -EPROTO, "to a byte less");
	f.len += 2;
	is_int(frame_check(&f), -EPROTO, "to a byte more");
	f.len--;
	is_int(frame_check(&f), 0, "to what it is to be told");
	f = ps;
	f.type = AGENT_SOCKET;
	f.arg = AGENT_SOCKET_TOP << 16 | SOCK_SEQPACKET;
	is_int(frame_check(&f), 0, "a socket of the host's");
	f.arg = 0;
	is_int(frame_check(&f), 0, "taken away");
	f.arg = SOCK_DGRAM;
	is_int(frame_check(&f), -EPROTO, "of a type that is not carried");
	f.arg = (AGENT_SOCKET_TOP + 1) << 16 | SOCK_STREAM;
	is_int(frame_check(&f), -EPROTO, "in a root that there is not");
	f = ps;
	f.type = AGENT_NOTICES;
	f.len = sizeof(struct agent_notice);
	is_int(frame_check(&f), 0, "changes on the host");
	f.arg = 1;
	is_int(frame_check(&f), -EPROTO, "with a number that means nothing");
	f = ps;
	f.type = AGENT_NOTICES + 1;
	is_int(frame_check(&f), -EPROTO, "a type behind the last");
	f = ps;
	f.flags = CONTROL_EXEC_TTY;
	is_int(frame_check(&f), -EPROTO, "flags where none belong");
	f.type = AGENT_EXEC;
	is_int(frame_check(&f), -EPROTO, "exec of init's number");
	f.proc = 1;
	is_int(frame_check(&f), 0, "exec with a terminal");
	f.flags = CONTROL_EXEC_TTY | CONTROL_EXEC_NO_CR;
	is_int(frame_check(&f), 0, "and one that leaves out CR");
	f.flags = 4;
	is_int(frame_check(&f), -EPROTO, "an unknown flag");
	f.type = AGENT_CREATE;
	f.flags = CONTROL_EXEC_NO_CR;
	is_int(frame_check(&f), 0, "a container's terminal leaves out CR");
	f.flags = CONTROL_EXEC_TTY;
	is_int(frame_check(&f), -EPROTO, "whether it has one is in its configuration");
	f.flags = 0;
	f.arg = 0xffffffff;
	is_int(frame_check(&f), 0, "a container with 16 descriptors besides stdio");
	f.arg = AGENT_FD_READ | AGENT_FD_BOTH << 2;
	is_int(frame_check(&f), 0, "or with two");
	f.arg = AGENT_FD_READ | AGENT_FD_BOTH << 4;
	is_int(frame_check(&f), -EPROTO, "but none is left out");
	f.type = AGENT_EXEC;
	f.proc = 1;
	is_int(frame_check(&f), -EPROTO, "nor for an exec");
	f = ps;
	f.proc = AGENT_KILL_ALL;
	is_int(frame_check(&f), -EPROTO, "all processes, but not to kill");
	f.type = AGENT_KILL;
	is_int(frame_check(&f), 0, "kill all processes");
	f.seq = 0;
	is_int(frame_check(&f), -EPROTO, "kill all without a number");
}

static void test_split(void)
{
	const char *id;
	const char *config;
	size_t len;

	is_int(frame_split_create("id\0{}", 5, &id, &config, &len), 0, "id and config");
	is_str(id, "id", "id");
	ok(len == 2 && memcmp(config, "{}", 2) == 0, "config");
	is_int(frame_split_create("id", 2, &id, &config, &len), -EPROTO,
	       "no end of the id");
	is_int(frame_split_create("\0{}", 3, &id, &config, &len), -EPROTO, "empty id");
	is_int(frame_split_create("", 0, &id, &config, &len), -EPROTO, "nothing");
	is_int(frame_split_create("id\0", 3, &id, &config, &len), 0,
	       "no config: the parser's");
	is_int(len, 0, "its length");
}

static void test_split_exec(void)
{
	static char longest[3 + PATH_MAX] = "{}";
	char cgroup[PATH_MAX];
	size_t len = 9;

	is_int(frame_split_exec("{}", 2, &len, cgroup), 0, "a process alone");
	ok(len == 2 && !*cgroup, "all of it, and no cgroup");
	is_int(frame_split_exec("{}\0a/b", 6, &len, cgroup), 0, "with a cgroup");
	ok(len == 2 && strcmp(cgroup, "a/b") == 0, "both");
	is_int(frame_split_exec("{}\0", 3, &len, cgroup), -EPROTO, "an empty cgroup");
	is_int(frame_split_exec("{}\0a\0b", 6, &len, cgroup), -EPROTO, "a 0 too many");
	memset(longest + 3, 'x', PATH_MAX);
	is_int(frame_split_exec(longest, PATH_MAX + 2, &len, cgroup), 0, "the longest");
	is_int(strlen(cgroup), PATH_MAX - 1, "all of it");
	is_int(frame_split_exec(longest, 3 + PATH_MAX, &len, cgroup), -EPROTO,
	       "a longer one");
}

/* Byte by byte, several at once, and one larger than the first buffer. */
static void test_reader(void)
{
	const size_t big = 300000;
	struct frame_reader r = { 0 };
	struct agent_frame f = ps;
	const char *payload;
	char *data = malloc(big);
	unsigned int frames = 0;
	size_t sent = 0;
	int pair[2];
	int ret;

	ok(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socket pair");
	for (size_t i = 0; i < sizeof(f); i++) {
		ok(write(pair[1], (const char *)&f + i, 1) == 1 &&
			   frame_reader_fill(&r, pair[0]) == 1,
		   "byte %zu", i);
		ret = frame_reader_next(&r, &f, &payload);
		ok(ret == (i == sizeof(f) - 1), "whole only with the last byte");
	}
	frame_reader_drop(&r);
	is_int(r.len, 0, "nothing is left");
	is_int(frame_reader_fill(&r, pair[0]), -EAGAIN, "nothing there");

	for (int i = 0; i < 3; i++)
		(void)!write(pair[1], &ps, sizeof(ps));
	(void)frame_reader_fill(&r, pair[0]);
	while (frame_reader_next(&r, &f, &payload) == 1) {
		frames++;
		frame_reader_drop(&r);
	}
	is_int(frames, 3, "three at once");

	memset(data, 'x', big);
	f.type = AGENT_CREATE;
	f.len = (uint32_t)big;
	(void)!write(pair[1], &f, sizeof(f));
	(void)fcntl(pair[1], F_SETFL, O_NONBLOCK);
	while ((ret = frame_reader_next(&r, &f, &payload)) == 0) {
		ssize_t n = write(pair[1], data + sent, big - sent);

		sent += n > 0 ? (size_t)n : 0;
		(void)frame_reader_fill(&r, pair[0]);
	}
	ok(ret == 1 && f.len == big && memcmp(payload, data, big) == 0, "a long one");
	frame_reader_drop(&r);
	is_int(r.len, 0, "and nothing behind it");

	f.type = 99;
	(void)!write(pair[1], &f, sizeof(f));
	(void)frame_reader_fill(&r, pair[0]);
	is_int(frame_reader_next(&r, &f, &payload), -EPROTO, "an unknown type");
	(void)close(pair[1]);
	is_int(frame_reader_fill(&r, pair[0]), 0, "end of file");
	(void)close(pair[0]);
	frame_reader_release(&r);
	free(data);
}

static void test_writer(void)
{
	struct agent_frame f = { .type = AGENT_RESULT, .seq = 1, .len = 100000 };
	struct frame_writer w = { 0 };
	char *data = calloc(1, f.len);
	char *got = malloc(8u << 20);
	size_t want = 0;
	size_t have = 0;
	int pair[2];
	ssize_t n;

	ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0, "socket pair");
	w.fd = pair[0];
	is_int(frame_write(&w, &ps, NULL, true), 0, "held back");
	is_int(recv(pair[1], got, 1, MSG_DONTWAIT), -1, "nothing was sent");
	want += sizeof(ps);
	for (int i = 0; i < 20; i++) {
		data[0] = (char)i;
		if (frame_write(&w, &f, data, false) < 0)
			break;
		want += sizeof(f) + f.len;
	}
	ok(w.pending.len > 0, "what the socket does not take is kept");
	while (have < want) {
		n = recv(pair[1], got + have, (8u << 20) - have, MSG_DONTWAIT);
		have += n > 0 ? (size_t)n : 0;
		if (frame_writer_flush(&w) < 0)
			break;
	}
	is_int(have, want, "all comes, in the end");
	ok(memcmp(got, &ps, sizeof(ps)) == 0, "what was held back comes first");
	is_int(got[sizeof(ps) + 19 * (sizeof(f) + f.len) + sizeof(f)], 19, "in order");
	(void)close(pair[1]);
	is_int(frame_write(&w, &ps, NULL, false), -EPIPE, "a lost connection");
	(void)close(pair[0]);
	buf_release(&w.pending);
	free(data);
	free(got);
}

int main(void)
{
	test_check();
	test_split();
	test_split_exec();
	test_reader();
	test_writer();
	return tap_done();
}
