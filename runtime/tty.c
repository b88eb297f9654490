/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "runtime/unix_socket.h"

int tty_open_console(const char *path, uint32_t rows, uint32_t cols, int *ret_slave,
		     struct err *err)
{
	auto_fd int master = -1;
	auto_fd int slave = -1;
	struct termios t;
	char name[64];
	int ret;

	master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0)
		return err_set(err, errno, "open '/dev/ptmx'");
	if (grantpt(master) < 0 || unlockpt(master) < 0 ||
	    ptsname_r(master, name, sizeof(name)) != 0)
		return err_set(err, errno, "unlock the console's pty");
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_set(err, errno, "open '%s'", name);
	/* The line discipline is the guest's; this side only carries bytes. */
	if (tcgetattr(slave, &t) < 0)
		return err_set(err, errno, "tcgetattr '%s'", name);
	cfmakeraw(&t);
	if (tcsetattr(slave, TCSANOW, &t) < 0)
		return err_set(err, errno, "tcsetattr '%s'", name);
	if (rows || cols) {
		struct winsize ws = { .ws_row = (unsigned short)rows,
				      .ws_col = (unsigned short)cols };

		if (ioctl(master, TIOCSWINSZ, &ws) < 0)
			return err_set(err, errno, "set the size of '%s'", name);
	}
	ret = unix_send_fd(path, name, master, err);
	if (ret < 0)
		return err_wrap(err, ret, "console socket '%s'", path);
	*ret_slave = take_fd(&slave);
	return 0;
}

int tty_of_caller(struct err *err)
{
	static const int streams[] = { STDERR_FILENO, STDOUT_FILENO, STDIN_FILENO };
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < sizeof(streams) / sizeof(*streams); i++)
		if (isatty(streams[i]))
			fd = fcntl(streams[i], F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	return fd >= 0 ? fd : err_set(err, errno, "no terminal: open '/dev/tty'");
}

int tty_raw_begin(struct tty_raw *raw, int fd, struct err *err)
{
	struct termios t;

	raw->fd = -1;
	if (tcgetattr(fd, &raw->saved) < 0)
		return err_set(err, errno, "tcgetattr the caller's terminal");
	t = raw->saved;
	cfmakeraw(&t);
	/* Where our output goes elsewhere, others write there meanwhile. */
	if (!isatty(STDOUT_FILENO))
		t.c_oflag = raw->saved.c_oflag;
	if (tcsetattr(fd, TCSANOW, &t) < 0)
		return err_set(err, errno, "tcsetattr the caller's terminal");
	raw->fd = fd;
	return 0;
}

void tty_raw_end(struct tty_raw *raw)
{
	if (raw->fd >= 0)
		(void)tcsetattr(raw->fd, TCSANOW, &raw->saved); /* it may be gone */
	raw->fd = -1;
}

void tty_size(int fd, uint32_t *ret_rows, uint32_t *ret_cols)
{
	struct winsize ws = { 0 };

	if (ioctl(fd, TIOCGWINSZ, &ws) < 0)
		ws = (struct winsize){ 0 };
	*ret_rows = ws.ws_row;
	*ret_cols = ws.ws_col;
}
