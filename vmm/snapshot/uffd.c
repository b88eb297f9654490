/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/snapshot/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"

static int check_api(int uffd, struct err *err)
{
	struct uffdio_api api = { .api = UFFD_API };

	if (ioctl(uffd, UFFDIO_API, &api) < 0)
		return err_set(err, errno, "userfaultfd: UFFDIO_API");
	if (!(api.ioctls & UINT64_C(1) << _UFFDIO_REGISTER))
		return err_msg(err, ENOTSUP, "userfaultfd: no UFFDIO_REGISTER");
	return 0;
}

int uffd_open(struct err *err)
{
	auto_fd int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	int code = errno;
	int ret;

	if (uffd < 0 && code == EPERM) { /* an administrator may have given that away */
		auto_fd int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);

		if (dev >= 0)
			uffd = ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	}
	if (uffd < 0)
		return err_set(err, code, "userfaultfd");
	ret = check_api(uffd, err);
	return ret < 0 ? ret : take_fd(&uffd);
}
