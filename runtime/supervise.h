/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command that stays in the foreground while a process of a container lives:
 * signals go on to the process, sizes of the terminal too.
 */
#ifndef HULL_RUNTIME_SUPERVISE_H
#define HULL_RUNTIME_SUPERVISE_H

#include <stdint.h>

struct err;

struct supervised {
	int fd; /* readable when there is news (a pidfd, a control connection) */
	/* news() - 1: it has ended, *ret_status is its exit status; 0: not yet. */
	int (*news)(struct supervised *s, int *ret_status, struct err *err);
	int (*forward)(struct supervised *s, int sig);
	int (*resize)(struct supervised *s, uint32_t rows, uint32_t cols);
	int tty; /* the caller's terminal, or -1 */
	int signals; /* from supervise_signals() */
};

/*
 * supervise_signals() - block every signal that can be forwarded and return a
 * signalfd for them; call it before the process exists, so that none is lost.
 */
int supervise_signals(struct err *err);

/* supervise() - Return: the exit status (0-255), or -errno. */
int supervise(struct supervised *s, struct err *err);

#endif
