/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "rootfs/agent/rootfs.h"

int net_loopback_up(struct err *err)
{
	auto_fd int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo",
			     .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK };

	if (sock < 0)
		return err_set(err, errno, "socket");
	if (ioctl(sock, SIOCSIFFLAGS, &ifr) < 0)
		return err_set(err, errno, "set up loopback interface");
	return 0;
}
