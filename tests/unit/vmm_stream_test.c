/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm/stream.c and vmm/stream_fd.c on real pipes, terminals, sockets and files, with
 * a fake guest behind the vsock device.
 */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

#include "lib/cleanup.h"
#include "tests/unit/fake_vsock.h"
#include "tests/unit/tap.h"
#include "vmm/stream.h"
#include "vmm/stream_fd.h"

#define PORT 1025u
#define BIG ((size_t)100 << 20)

static struct fake_guest g;
static struct stream *accepting; /* what the next connection is for */
static unsigned int changes;

static void on_changed(void *opaque, struct stream *s)
{
	(void)opaque;
	(void)s;
	changes++;
}

static int accept_stream(void *opaque, struct vsock_conn *conn)
{
	(void)opaque;
	if (!accepting)
		return -1;
	stream_attach(accepting, conn);
	accepting = NULL;
	return 0;
}

static void begin(void)
{
	fake_guest_init(&g, 64, FAKE_EVENT_IDX);
	fake_check(vsock_listen(g.vsock, PORT, 100, accept_stream, NULL, NULL) == 0);
}

static void end(void)
{
	fake_guest_release(&g);
}

static struct stream *new_stream(int source_fd, int sink_fd, bool reopen)
{
	const struct stream_params params = {
		.loop = g.loop,
		.source_fd = source_fd,
		.sink_fd = sink_fd,
		.reopen = reopen,
		.name = "stdout",
		.changed = on_changed,
	};
	struct stream *s = NULL;

	fake_check(stream_new(&params, &s, NULL) == 0);
	return s;
}

static struct fake_conn *attach(struct stream *s, uint32_t guest_port)
{
	struct fake_conn *c;

	accepting = s;
	c = fake_connect(&g, guest_port, PORT);
	fake_check(c->answered);
	return c;
}

static void make_pipe(int p[2])
{
	fake_check(pipe2(p, O_CLOEXEC) == 0);
}

/* read_some() - what is in @fd now; 0: nothing, -1: the end. */
static ssize_t read_some(int fd, void *buf, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, 0) != 1)
		return 0;
	n = read(fd, buf, len);
	return n > 0 ? n : -1;
}

/* One 64-bit word of the pattern for each 8 bytes: any shift or loss shows. */
static void fill(char *data, size_t len, uint64_t at)
{
	for (size_t i = 0; i < len; i++, at++)
		data[i] = (char)((at / 8 * 0x9e3779b97f4a7c15ull) >> (at % 8 * 8));
}

static bool matches(const char *data, size_t len, uint64_t at)
{
	for (size_t i = 0; i < len; i++, at++)
		if (data[i] != (char)((at / 8 * 0x9e3779b97f4a7c15ull) >> (at % 8 * 8)))
			return false;
	return true;
}

/* ---- much data ------------------------------------------------------------------------ */

/* pour() - @total bytes from the guest through @s to @fd, read as fast as they come. */
static bool pour(struct fake_conn *c, int fd, size_t total)
{
	static char chunk[64 << 10];
	static char back[64 << 10];
	size_t sent = 0;
	size_t got = 0;
	unsigned int idle = 0;

	while (got < total && idle < 1000) {
		size_t want = total - sent < sizeof(chunk) ? total - sent : sizeof(chunk);
		ssize_t n;

		if (want > fake_credit(c))
			want = fake_credit(c);
		if (want) {
			fill(chunk, want, sent);
			sent += fake_send(&g, c, chunk, want);
		}
		fake_turn(&g);
		idle++;
		while ((n = read_some(fd, back, sizeof(back))) > 0) {
			if (!matches(back, (size_t)n, got))
				return false;
			got += (size_t)n;
			idle = 0;
		}
		if (n < 0)
			return false;
	}
	return got == total;
}

static void test_big_from_guest(bool reopen, size_t total, const char *how)
{
	struct stream_stats before = *stream_stats();
	struct fake_conn *c;
	struct stream *s;
	char byte;
	int p[2];

	begin();
	make_pipe(p);
	s = new_stream(-1, p[1], reopen);
	c = attach(s, 5000);
	ok(pour(c, p[0], total), "%zu MiB from the guest into a pipe, byte for byte (%s)",
	   total >> 20, how);
	is_int(stream_stats()->from_guest - before.from_guest, total, "and counted");
	ok(stream_idle(s) && !stream_ended(s), "nothing is left in between");
	fake_packet(&g, c, VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND, NULL, 0);
	fake_run(&g);
	is_int(read_some(p[0], &byte, 1), -1, "the guest's end of file closes the pipe");
	ok(stream_ended(s), "the stream has ended");
	stream_free(s);
	(void)close(p[0]);
	end();
}

static uint64_t checked;
static bool check_good;

static void check_bytes(struct fake_conn *c, const char *data, size_t len)
{
	(void)c;
	check_good = check_good && matches(data, len, checked);
	checked += len;
}

static void test_big_to_guest(bool reopen, size_t total, const char *how)
{
	static char chunk[64 << 10];
	struct stream_stats before = *stream_stats();
	struct fake_conn *c;
	struct stream *s;
	size_t sent = 0;
	uint64_t reads;
	int p[2];

	begin();
	make_pipe(p);
	fake_check(fcntl(p[1], F_SETFL, O_NONBLOCK) == 0);
	s = new_stream(p[0], -1, reopen);
	c = attach(s, 5000);
	c->check = check_bytes;
	checked = 0;
	check_good = true;
	for (unsigned int idle = 0; checked < total && idle < 1000; idle++) {
		uint64_t was = checked;
		size_t len = total - sent < sizeof(chunk) ? total - sent : sizeof(chunk);
		ssize_t n;

		fill(chunk, len, sent);
		n = len ? write(p[1], chunk, len) : 0;
		if (n > 0)
			sent += (size_t)n;
		fake_turn(&g);
		if (checked != was)
			idle = 0;
	}
	ok(checked == total && check_good,
	   "%zu MiB from a pipe to the guest, byte for byte (%s)", total >> 20, how);
	reads = stream_stats()->reads - before.reads;
	ok(reads < total / (16 << 10), "in large pieces: %llu reads",
	   (unsigned long long)reads);
	is_int(c->shut, 0, "no end of file yet");
	(void)close(p[1]);
	fake_run(&g);
	is_int(c->shut, VSOCK_SHUT_SEND, "the pipe's end is the guest's end of file");
	ok(!stream_ended(s), "the other direction is still open");
	stream_free(s);
	fake_run(&g);
	ok(c->reset, "a stream that is freed resets its connection");
	end();
}

/* ---- stalls -------------------------------------------------------------------------- */

static void test_stalled_beside_live(void)
{
	static char junk[64 << 10];
	struct fake_conn *stalled_conn;
	struct fake_conn *live_conn;
	struct stream *stalled;
	struct stream *live;
	size_t sent = 0;
	int a[2];
	int b[2];

	begin();
	make_pipe(a);
	make_pipe(b);
	stalled = new_stream(-1, a[1], true);
	live = new_stream(-1, b[1], true);
	stalled_conn = attach(stalled, 5000);
	live_conn = attach(live, 5001);
	for (unsigned int i = 0; i < 50; i++) {
		sent += fake_send(&g, stalled_conn, junk, sizeof(junk));
		fake_run(&g);
	}
	/* What went into the pipe is less than half of the credit: not told yet. */
	is_int(sent, VSOCK_BUF_ALLOC, "nobody reads: the guest uses up its credit");
	is_int(stream_pending(stalled), VSOCK_BUF_ALLOC - (64 << 10),
	       "and what the pipe does not hold waits in the ring");
	ok(pour(live_conn, b[0], 4 << 20),
	   "4 MiB go through the stream beside it meanwhile");
	ok(!stalled_conn->reset && !stream_ended(stalled), "the stalled one only waits");

	/* A reader comes: everything arrives and the guest gets credit again. */
	sent = 0;
	for (unsigned int i = 0; i < 100; i++) {
		ssize_t n = read_some(a[0], junk, sizeof(junk));

		sent += n > 0 ? (size_t)n : 0;
		fake_turn(&g);
	}
	is_int(sent, VSOCK_BUF_ALLOC, "all of it arrives late");
	ok(stream_idle(stalled) && fake_credit(stalled_conn) >= VSOCK_BUF_ALLOC / 2,
	   "and the guest may send again");
	stream_free(stalled);
	stream_free(live);
	(void)close(a[0]);
	(void)close(b[0]);
	end();
}

static void test_hurry(bool reopen)
{
	static char data[VSOCK_BUF_ALLOC];
	static char back[sizeof(data)];
	struct fake_conn *c;
	struct stream *s;
	size_t sent = 0;
	int p[2];

	fill(data, sizeof(data), 0);
	begin();
	make_pipe(p);
	s = new_stream(-1, p[1], reopen);
	c = attach(s, 5000);
	for (unsigned int i = 0; i < 20; i++) {
		sent += fake_send(&g, c, data + sent, sizeof(data) - sent);
		fake_run(&g);
	}
	ok(sent == sizeof(data) && stream_pending(s), "a pipe is full, much is pending");
	changes = 0;
	stream_hurry(s);
	ok(stream_idle(s) && changes, "in a hurry the pipe grows and takes all");
	is_int(read(p[0], back, sizeof(back)), sizeof(back), "which is there to be read");
	ok(matches(back, sizeof(back), 0), "byte for byte");
	stream_free(s);
	(void)close(p[0]);
	end();
}

/* ---- ends ------------------------------------------------------------------------------ */

static void test_reader_gone(void)
{
	struct fake_conn *c;
	struct stream *s;
	int p[2];

	begin();
	make_pipe(p);
	s = new_stream(-1, p[1], true);
	c = attach(s, 5000);
	fake_send(&g, c, "abc", 3);
	fake_run(&g);
	is_int(c->shut & VSOCK_SHUT_RCV, 0, "a reader is there");
	(void)close(p[0]);
	fake_run(&g);
	is_int(c->shut & VSOCK_SHUT_RCV, VSOCK_SHUT_RCV,
	       "it goes: the guest is told before it writes again");
	ok(stream_ended(s), "the stream has ended");
	fake_send(&g, c, "more", 4);
	fake_run(&g);
	ok(!c->reset, "what was under way does no harm");
	stream_free(s);
	end();
}

static void test_reader_gone_while_full(void)
{
	static char junk[128 << 10];
	struct fake_conn *c;
	struct stream *s;
	int p[2];

	begin();
	make_pipe(p);
	s = new_stream(-1, p[1], true);
	c = attach(s, 5000);
	fake_send(&g, c, junk, sizeof(junk));
	fake_run(&g);
	ok(stream_pending(s) > 0, "bytes wait for a reader");
	(void)close(p[0]);
	fake_run(&g);
	ok(stream_ended(s) && !stream_pending(s) && c->shut & VSOCK_SHUT_RCV,
	   "it goes away: they are dropped, the guest is told");
	stream_free(s);
	end();
}

static void test_guest_reader_gone(void)
{
	struct fake_conn *c;
	struct stream *s;
	int p[2];

	begin();
	make_pipe(p);
	s = new_stream(p[0], -1, true);
	c = attach(s, 5000);
	fake_packet(&g, c, VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUT_RCV, NULL, 0);
	fake_run(&g);
	ok(write(p[1], "x", 1) == -1 && errno == EPIPE,
	   "a guest that reads no more: the caller's writes get EPIPE");
	stream_free(s);
	(void)close(p[1]);
	end();
}

static void test_guest_closes_with_rest(void)
{
	static char data[200 << 10];
	static char back[64 << 10];
	struct fake_conn *c;
	struct stream *s;
	size_t got = 0;
	ssize_t n = 0;
	int p[2];

	fill(data, sizeof(data), 0);
	begin();
	make_pipe(p);
	s = new_stream(-1, p[1], true);
	c = attach(s, 5000);
	fake_send(&g, c, data, sizeof(data));
	fake_packet(&g, c, VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUT_RCV | VSOCK_SHUT_SEND,
		    NULL, 0);
	fake_run(&g);
	ok(c->reset && !stream_ended(s) && stream_pending(s),
	   "the guest has closed, a rest still waits for the reader");
	for (unsigned int i = 0; i < 100 && n >= 0; i++) {
		n = read_some(p[0], back, sizeof(back));
		if (n > 0 && matches(back, (size_t)n, got))
			got += (size_t)n;
		fake_turn(&g);
	}
	ok(n < 0 && got == sizeof(data), "who gets it, and then the end");
	ok(stream_ended(s), "the stream has ended");
	stream_free(s);
	(void)close(p[0]);
	end();
}

/* ---- kinds of descriptors ------------------------------------------------------------------ */

static void test_absent(void)
{
	struct fake_conn *c;
	struct stream *s;

	begin();
	s = new_stream(-1, -1, true);
	c = attach(s, 5000);
	is_int(c->shut, VSOCK_SHUT_SEND, "no stdin: end of file at once");
	fake_send(&g, c, "abc", 3);
	fake_run(&g);
	ok(stream_idle(s) && !stream_ended(s), "no stdout: everything is taken");
	fake_packet(&g, c, VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND, NULL, 0);
	fake_run(&g);
	ok(stream_ended(s), "to its end");
	stream_free(s);
	end();
}

static void test_dev_null(void)
{
	struct fake_conn *c;
	struct stream *s;

	begin();
	s = new_stream(open("/dev/null", O_RDONLY | O_CLOEXEC),
		       open("/dev/null", O_WRONLY | O_CLOEXEC), true);
	c = attach(s, 5000);
	is_int(c->shut, VSOCK_SHUT_SEND, "/dev/null: end of file at once");
	fake_send(&g, c, "abc", 3);
	fake_run(&g);
	is_int(stream_progress(s), 3, "/dev/null takes what comes");
	stream_free(s);
	end();
}

static void test_files(void)
{
	static char data[300 << 10];
	char in_name[] = "/tmp/hull-stream-in-XXXXXX";
	char out_name[] = "/tmp/hull-stream-out-XXXXXX";
	int in = mkostemp(in_name, O_CLOEXEC);
	int out = mkostemp(out_name, O_CLOEXEC | O_APPEND);
	static char back[sizeof(data)];
	struct fake_conn *c;
	struct stream *s;

	fill(data, sizeof(data), 0);
	fake_check(in >= 0 && out >= 0);
	fake_check(write(in, data, sizeof(data)) == sizeof(data) &&
		   lseek(in, 0, SEEK_SET) == 0);
	fake_check(write(out, "before", 6) == 6 && lseek(out, 0, SEEK_SET) == 0);
	begin();
	s = new_stream(fcntl(in, F_DUPFD_CLOEXEC, 3), fcntl(out, F_DUPFD_CLOEXEC, 3),
		       true);
	c = attach(s, 5000);
	fake_run(&g);
	ok(c->in.len == sizeof(data) && matches(c->in.data, c->in.len, 0) &&
		   c->shut == VSOCK_SHUT_SEND,
	   "stdin from a file: all of it and its end");
	is_int(lseek(in, 0, SEEK_CUR), sizeof(data),
	       "the caller's offset has moved with it");
	for (size_t sent = 0; sent < sizeof(data); fake_run(&g))
		sent += fake_send(&g, c, data + sent, sizeof(data) - sent);
	fake_check(pread(out, back, 6, 0) == 6);
	ok(!memcmp(back, "before", 6), "stdout to a file opened for appending: kept");
	ok(pread(out, back, sizeof(back), 6) == sizeof(back) &&
		   matches(back, sizeof(back), 0),
	   "and appended to");
	stream_free(s);
	(void)close(in);
	(void)close(out);
	(void)unlink(in_name);
	(void)unlink(out_name);
	end();
}

static void test_disk_full(void)
{
	struct fake_conn *c;
	struct stream *s;

	begin();
	s = new_stream(-1, open("/dev/full", O_WRONLY | O_CLOEXEC), true);
	c = attach(s, 5000);
	fake_send(&g, c, "abc", 3);
	fake_run(&g);
	ok(c->shut & VSOCK_SHUT_RCV && stream_ended(s), "a full disk ends the stream");
	stream_free(s);
	end();
}

static void test_wrong_direction(void)
{
	struct fake_conn *c;
	struct stream *s;
	int p[2];

	begin();
	make_pipe(p);
	/* stdin is the pipe's writing end, stdout its reading end. */
	s = new_stream(p[1], p[0], true);
	c = attach(s, 5000);
	fake_run(&g);
	fake_send(&g, c, "abc", 3);
	fake_run(&g);
	ok(c->shut == (VSOCK_SHUT_SEND | VSOCK_SHUT_RCV),
	   "descriptors opened for the other direction: end of file, EPIPE");
	stream_free(s);
	end();
}

static void test_socket(void)
{
	static char data[600 << 10];
	static char back[64 << 10];
	struct fake_conn *c;
	struct stream *s;
	size_t sent = 0;
	size_t got = 0;
	ssize_t n = 0;
	int p[2];

	fill(data, sizeof(data), 0);
	begin();
	fake_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p) == 0);
	s = new_stream(p[1], fcntl(p[1], F_DUPFD_CLOEXEC, 3), true);
	c = attach(s, 5000);
	fake_check(write(p[0], "hello", 5) == 5);
	fake_run(&g);
	ok(c->in.len == 5 && !memcmp(c->in.data, "hello", 5), "from a socket");
	for (unsigned int i = 0; i < 50; i++) {
		sent += fake_send(&g, c, data + sent, sizeof(data) - sent);
		fake_run(&g);
	}
	ok(sent < sizeof(data) && stream_pending(s), "a full socket does not block");
	for (unsigned int i = 0; i < 500 && got < sizeof(data); i++) {
		n = read_some(p[0], back, sizeof(back));
		if (n > 0 && matches(back, (size_t)n, got))
			got += (size_t)n;
		sent += fake_send(&g, c, data + sent, sizeof(data) - sent);
		fake_turn(&g);
	}
	is_int(got, sizeof(data), "all of it arrives");
	is_int(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0, "its flags are as they were");
	fake_check(shutdown(p[0], SHUT_WR) == 0);
	fake_run(&g);
	is_int(c->shut, VSOCK_SHUT_SEND, "half closed by the peer");
	(void)close(p[0]);
	fake_run(&g);
	is_int(c->shut, VSOCK_SHUT_SEND | VSOCK_SHUT_RCV, "and then wholly");
	stream_free(s);
	end();
}

static void test_terminal(bool reopen)
{
	struct termios raw;
	struct fake_conn *c;
	struct stream *s;
	int master;
	int slave;

	fake_check(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	fake_check(tcgetattr(slave, &raw) == 0);
	cfmakeraw(&raw);
	fake_check(tcsetattr(slave, TCSANOW, &raw) == 0);
	begin();
	s = new_stream(fcntl(slave, F_DUPFD_CLOEXEC, 3), fcntl(slave, F_DUPFD_CLOEXEC, 3),
		       reopen);
	c = attach(s, 5000);
	fake_check(write(master, "typed\r", 6) == 6);
	fake_run_for(&g, c, 6);
	ok(c->in.len == 6 && !memcmp(c->in.data, "typed\r", 6),
	   "terminal: keys reach the guest");
	fake_send(&g, c, "shown", 5);
	fake_run(&g);
	ok(fake_screen(master, "shown", 5), "and its output the screen");
	is_int(fcntl(slave, F_GETFL) & O_NONBLOCK, 0,
	       "the caller's flags are as they were");

	/* Nobody looks at the screen: it does not block. */
	for (unsigned int i = 0; i < 40; i++) {
		static char junk[16 << 10];

		fake_send(&g, c, junk, sizeof(junk));
		fake_run(&g);
	}
	ok(stream_pending(s) > 0, "a stalled screen makes bytes wait");
	(void)close(slave);
	(void)close(master);
	fake_run(&g);
	ok(c->shut == (VSOCK_SHUT_RCV | VSOCK_SHUT_SEND) && stream_ended(s),
	   "a terminal that hangs up ends both directions");
	stream_free(s);
	end();
}

static void test_same_pipe_for_both(void)
{
	struct fake_conn *c;
	struct fake_conn *d;
	struct stream *out;
	struct stream *err;
	char text[64];
	int p[2];

	begin();
	make_pipe(p);
	out = new_stream(-1, fcntl(p[1], F_DUPFD_CLOEXEC, 3), true);
	err = new_stream(-1, p[1], true);
	c = attach(out, 5000);
	d = attach(err, 5001);
	fake_send(&g, c, "one ", 4);
	fake_send(&g, d, "two ", 4);
	fake_send(&g, c, "three", 5);
	fake_run(&g);
	ok(read_some(p[0], text, sizeof(text)) == 13 &&
		   !memcmp(text, "one two three", 13),
	   "stdout and stderr into one pipe: in the order of writing");
	fake_packet(&g, c, VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND, NULL, 0);
	fake_run(&g);
	is_int(read_some(p[0], text, 1), 0, "one end of file is not the pipe's");
	fake_packet(&g, d, VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND, NULL, 0);
	fake_run(&g);
	is_int(read_some(p[0], text, 1), -1, "both are");
	stream_free(out);
	stream_free(err);
	(void)close(p[0]);
	end();
}

/* ---- descriptors alone ------------------------------------------------------------------------ */

static void test_modes(void)
{
	struct stream_fd sf;
	struct iovec iov;
	char text[64];
	int other;
	int p[2];

	make_pipe(p);
	other = fcntl(p[0], F_DUPFD_CLOEXEC, 3);
	stream_fd_open(&sf, other, false, true);
	ok(sf.mode == STREAM_FD_PLAIN && fcntl(sf.fd, F_GETFL) & O_NONBLOCK,
	   "a pipe is opened anew, non-blocking");
	is_int(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0, "the caller's stays as it was");
	iov = (struct iovec){ .iov_base = text, .iov_len = sizeof(text) };
	is_int(stream_fd_readv(&sf, &iov, 1), -EAGAIN, "an empty pipe: EAGAIN");
	fake_check(write(p[1], "abc", 3) == 3);
	is_int(stream_fd_readv(&sf, &iov, 1), 3, "then what is there");
	stream_fd_close(&sf);

	stream_fd_open(&sf, fcntl(p[0], F_DUPFD_CLOEXEC, 3), false, false);
	is_int(stream_fd_readv(&sf, &iov, 1), -EAGAIN, "without /proc: EAGAIN as well");
	fake_check(write(p[1], "abc", 3) == 3);
	is_int(stream_fd_readv(&sf, &iov, 1), 3, "then what is there");
	is_int(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0, "the caller's stays as it was");
	stream_fd_close(&sf);

	/* What Linux < 6.4 and named pipes need. */
	stream_fd_open(&sf, fcntl(p[0], F_DUPFD_CLOEXEC, 3), false, false);
	fake_check(pipe2(sf.relay, O_CLOEXEC | O_NONBLOCK) == 0);
	sf.mode = STREAM_FD_SPLICE;
	is_int(stream_fd_readv(&sf, &iov, 1), -EAGAIN, "by splice: EAGAIN as well");
	fake_check(write(p[1], "abcdef", 6) == 6);
	iov.iov_len = 4;
	ok(stream_fd_readv(&sf, &iov, 1) == 4 && stream_fd_readv(&sf, &iov, 1) == 2,
	   "then what is there, in pieces as asked for");
	(void)close(p[1]);
	is_int(stream_fd_readv(&sf, &iov, 1), 0, "then the end");
	stream_fd_close(&sf);
	(void)close(p[0]);
}

static void test_splice_sink(void)
{
	static char data[150 << 10];
	static char back[64 << 10];
	struct stream_fd sf;
	size_t sent = 0;
	size_t got = 0;
	ssize_t n = 0;
	int p[2];

	fill(data, sizeof(data), 0);
	make_pipe(p);
	stream_fd_open(&sf, fcntl(p[1], F_DUPFD_CLOEXEC, 3), true, false);
	fake_check(pipe2(sf.relay, O_CLOEXEC | O_NONBLOCK) == 0);
	sf.mode = STREAM_FD_SPLICE;
	while (sent < sizeof(data)) {
		struct iovec iov = { data + sent, sizeof(data) - sent };

		n = stream_fd_writev(&sf, &iov, 1);
		if (n < 0)
			break;
		sent += (size_t)n;
	}
	ok(n == -EAGAIN && sent >= 64 << 10 && sf.held, "by splice: full, some is held");
	for (unsigned int i = 0; i < 100 && got < sizeof(data); i++) {
		struct iovec iov = { data + sent, sizeof(data) - sent };

		n = read_some(p[0], back, sizeof(back));
		if (n > 0 && matches(back, (size_t)n, got))
			got += (size_t)n;
		n = iov.iov_len ? stream_fd_writev(&sf, &iov, 1) : stream_fd_flush(&sf);
		if (n > 0)
			sent += (size_t)n;
	}
	ok(got == sizeof(data) && !sf.held, "all of it arrives, in order");
	(void)close(p[0]);
	is_int(stream_fd_writev(&sf, &(struct iovec){ data, 1 }, 1), -EPIPE,
	       "a reader that has gone: EPIPE");
	stream_fd_close(&sf);
	(void)close(p[1]);
}

static void test_named_pipe(void)
{
	char dir[] = "/tmp/hull-stream-XXXXXX";
	char path[64];
	struct stream_fd sf;
	struct iovec iov;
	char text[8];
	int reader;
	int writer;

	fake_check(mkdtemp(dir) && snprintf(path, sizeof(path), "%s/fifo", dir) > 0);
	fake_check(mkfifo(path, 0600) == 0);
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	writer = open(path, O_WRONLY | O_CLOEXEC);
	fake_check(fcntl(reader, F_SETFL, 0) == 0);
	stream_fd_open(&sf, reader, false, false);
	iov = (struct iovec){ .iov_base = text, .iov_len = sizeof(text) };
	is_int(stream_fd_readv(&sf, &iov, 1), -EAGAIN,
	       "a named pipe does not block either");
	fake_check(write(writer, "abc", 3) == 3);
	is_int(stream_fd_readv(&sf, &iov, 1), 3, "then what is there");
	(void)close(writer);
	is_int(stream_fd_readv(&sf, &iov, 1), 0, "then the end");
	stream_fd_close(&sf);
	(void)unlink(path);
	(void)rmdir(dir);
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	test_modes();
	test_splice_sink();
	test_named_pipe();
	test_big_from_guest(true, BIG, "opened anew");
	test_big_from_guest(false, 8 << 20, "as it is");
	test_big_to_guest(true, BIG, "opened anew");
	test_big_to_guest(false, 8 << 20, "as it is");
	test_stalled_beside_live();
	test_hurry(true);
	test_hurry(false);
	test_reader_gone();
	test_reader_gone_while_full();
	test_guest_reader_gone();
	test_guest_closes_with_rest();
	test_absent();
	test_dev_null();
	test_files();
	test_disk_full();
	test_wrong_direction();
	test_socket();
	test_terminal(true);
	test_terminal(false);
	test_same_pipe_for_both();
	return tap_done();
}
