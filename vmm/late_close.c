/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/late_close.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"

int late_close(int fd)
{
	struct io_uring_params params = { 0 };
	auto_fd int ring = (int)syscall(SYS_io_uring_setup, 1, &params);

	if (ring < 0 ||
	    syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, &fd, 1) < 0)
		return -errno;
	(void)take_fd(&ring); /* open until the end */
	return 0;
}
