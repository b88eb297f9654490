/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pidfd-kill [--pid-file FILE] [--signal NAME] SOCKET
 *
 * Waits on SOCKET for a pidfd (--pidfd-socket) and for SIGTERM, then sends the signal
 * through the pidfd; as the suites of runc call it.
 */
#include <getopt.h>
#include <signal.h>
#include <sys/syscall.h>

#include "runtime/signals.h"
#include "tests/conformance/receive_fd.h"

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "pid-file", required_argument, NULL, 'p' },
		{ "signal", required_argument, NULL, 's' },
		{ 0 },
	};
	const char *pid_file = NULL;
	struct err err = ERR_INIT;
	int sig = SIGKILL;
	sigset_t term;
	int fd, option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'p')
			pid_file = optarg;
		else if (option == 's')
			sig = signal_parse(optarg, &err);
		else
			return 2;
	}
	if (optind + 1 != argc)
		return 2;
	if (sig < 0)
		die(&err);
	(void)sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &term, NULL);
	if (pid_file)
		save_pid(pid_file);
	fd = receive_fd(wait_on(argv[optind]));
	if (fd < 0 || sigwait(&term, &option) != 0 ||
	    syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) < 0) {
		(void)err_set(&err, errno, "pidfd_send_signal");
		die(&err);
	}
	return 0;
}
