/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/err.h"
#include "runtime/tty.h"

int supervise_signals(struct err *err)
{
	static const int ours[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP };
	sigset_t set;
	int fd;

	(void)sigfillset(&set);
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		(void)sigdelset(&set, ours[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_set(err, errno, "sigprocmask");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd >= 0 ? fd : err_set(err, errno, "signalfd");
}

static void send_size(struct supervised *s)
{
	uint32_t rows, cols;

	if (s->tty < 0)
		return;
	tty_size(s->tty, &rows, &cols);
	(void)s->resize(s, rows, cols); /* the process may have ended by now */
}

static void forward_all(struct supervised *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		int sig = (int)info.ssi_signo;

		if (sig == SIGWINCH)
			send_size(s);
		else if (sig != SIGCHLD && sig != SIGPIPE)
			(void)s->forward(s, sig); /* it may have ended by now */
	}
}

int supervise(struct supervised *s, struct err *err)
{
	struct pollfd p[] = {
		{ .fd = s->fd, .events = POLLIN },
		{ .fd = s->signals, .events = POLLIN },
	};
	int status = 0;

	send_size(s); /* it may have changed since it was first looked at */
	for (;;) {
		int ret;

		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_set(err, errno, "poll");
		}
		if (p[1].revents)
			forward_all(s);
		if (!p[0].revents)
			continue;
		ret = s->news(s, &status, err);
		if (ret)
			return ret < 0 ? ret : status;
	}
}
