/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <termios.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "rootfs/agent/inroot.h"
#include "rootfs/agent/launch.h"
#include "rootfs/agent/spawn.h"

static int leave_out_cr(int fd, struct err *err)
{
	struct termios t;

	if (tcgetattr(fd, &t) < 0)
		return err_set(err, errno, "tcgetattr the terminal");
	t.c_oflag &= ~(tcflag_t)ONLCR;
	return tcsetattr(fd, TCSANOW, &t) < 0
		       ? err_set(err, errno, "tcsetattr the terminal")
		       : 0;
}

int tty_open(const struct launch *l, int root, int *ret_master, int *ret_slave,
	     struct err *err)
{
	const struct oci_box *size = l->process->console_size;
	auto_fd int master = inroot_open(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
	struct statfs sfs;
	auto_fd int slave = -1;
	int unlock = 0;
	int ret;

	if (master < 0)
		return err_set(err, -master, "open '/dev/pts/ptmx' in the container");
	if (fstatfs(master, &sfs) < 0 || sfs.f_type != DEVPTS_SUPER_MAGIC)
		return err_msg(err, EINVAL, "/dev/pts of the container is no devpts");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_set(err, errno, "unlock the terminal");
	/* Through the master: no path that somebody could replace. */
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_set(err, errno, "open the terminal");
	if (size && size->height && size->width) {
		const struct winsize ws = { .ws_row = (unsigned short)size->height,
					    .ws_col = (unsigned short)size->width };

		(void)ioctl(slave, TIOCSWINSZ, &ws); /* cannot fail on a terminal */
	}
	ret = l->no_cr ? leave_out_cr(slave, err) : 0;
	if (ret < 0)
		return ret;
	*ret_master = take_fd(&master);
	*ret_slave = take_fd(&slave);
	return 0;
}

int tty_bind_console(int root, int slave, struct err *err)
{
	auto_fd int target = inroot_file(root, "/dev/console", 0600);
	auto_fd int tree = -1;

	if (target < 0)
		return err_set(err, -target, "create '/dev/console'");
	tree = open_tree(slave, "",
			 (unsigned int)(AT_EMPTY_PATH | OPEN_TREE_CLONE |
					OPEN_TREE_CLOEXEC));
	if (tree < 0 || move_mount(tree, "", target, "",
				   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_set(err, errno, "mount the terminal at '/dev/console'");
	return 0;
}
