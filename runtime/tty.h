/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals of the caller: a new pty handed over a console socket, or the
 * caller's own terminal in raw mode for as long as a command runs.
 */
#ifndef HULL_RUNTIME_TTY_H
#define HULL_RUNTIME_TTY_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

struct err;

/*
 * tty_open_console() - make a pty, send its master over the unix socket at @path
 * (as runc: one message, the pty's name as data), return the slave in raw mode.
 * @ret_slave: the caller owns it
 */
int tty_open_console(const char *path, uint32_t rows, uint32_t cols, int *ret_slave,
		     struct err *err);

/*
 * tty_of_caller() - the terminal whose mode and size are the caller's: the first that
 * is one of stderr, stdout and stdin, else the controlling terminal.  Input and output
 * go through the standard streams all the same, as in runc.
 * Return: a descriptor, the caller's; -errno when there is none
 */
int tty_of_caller(struct err *err);

struct tty_raw {
	int fd; /* borrowed; -1: nothing to restore */
	struct termios saved;
};

/* tty_raw_begin() / tty_raw_end() - the terminal @fd in raw mode, and as it was. */
int tty_raw_begin(struct tty_raw *raw, int fd, struct err *err);
void tty_raw_end(struct tty_raw *raw);

/* tty_size() - rows and columns of @fd, 0 when it has none. */
void tty_size(int fd, uint32_t *ret_rows, uint32_t *ret_cols);

#endif
