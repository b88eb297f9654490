/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recvtty [--mode single|null] [--pid-file FILE] [--no-stdin] SOCKET
 *
 * The other end of --console-socket, as the suites of runc call it: waits for terminals
 * on SOCKET. null: any number of them, what they say is thrown away; single (when
 * nothing is said): one, copied to stdout, and stdin to it.
 */
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>

#include "tests/conformance/receive_fd.h"

#define MAX_TERMINALS 64

/* copy() - what is there now; false at the end, which is EIO on a terminal. */
static bool copy(int from, int to)
{
	char data[4096];
	ssize_t n = read(from, data, sizeof(data));

	for (ssize_t at = 0, w; to >= 0 && at < n; at += w) {
		w = write(to, data + at, (size_t)(n - at));
		if (w <= 0)
			return false;
	}
	return n > 0;
}

static void serve_one(int tty, bool with_stdin)
{
	struct pollfd p[] = {
		{ .fd = tty, .events = POLLIN },
		{ .fd = with_stdin ? STDIN_FILENO : -1, .events = POLLIN },
	};

	for (;;) {
		if (poll(p, 2, -1) < 0)
			return;
		if (p[0].revents && !copy(tty, STDOUT_FILENO))
			return;
		if (p[1].revents && !copy(STDIN_FILENO, tty))
			p[1].fd = -1;
	}
}

static void serve_all(int listener)
{
	struct pollfd p[1 + MAX_TERMINALS] = { { .fd = listener, .events = POLLIN } };
	nfds_t n = 1;

	for (;;) {
		if (poll(p, n, -1) < 0)
			return;
		for (nfds_t i = n; i-- > 1;) {
			if (!p[i].revents || copy(p[i].fd, -1))
				continue;
			(void)close(p[i].fd);
			p[i] = p[--n];
		}
		if (p[0].revents && n <= MAX_TERMINALS) {
			p[n] = (struct pollfd){ .fd = receive_fd(listener),
						.events = POLLIN };
			n += p[n].fd >= 0;
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "pid-file", required_argument, NULL, 'p' },
		{ "no-stdin", no_argument, NULL, 'n' },
		{ 0 },
	};
	bool null = false, with_stdin = true;
	int listener, option;

	while ((option = getopt_long(argc, argv, "m:", options, NULL)) != -1) {
		if (option == 'm')
			null = strcmp(optarg, "null") == 0;
		else if (option == 'p')
			save_pid(optarg);
		else if (option == 'n')
			with_stdin = false;
		else
			return 2;
	}
	if (optind + 1 != argc)
		return 2;
	listener = wait_on(argv[optind]);
	if (null)
		serve_all(listener);
	serve_one(receive_fd(listener), with_stdin);
	return 0;
}
