/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hull-agent: /init of the guest.
 *
 * The connection is begun first and finished last: the host answers while the
 * agent mounts.  Nothing here ever returns: the guest ends with the host's word,
 * or when the host has gone.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "rootfs/agent/agent.h"
#include "rootfs/agent/boot.h"

/* connect_host() - a non-blocking connection to @port, perhaps not yet made. */
static int connect_host(unsigned int port)
{
	const struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST,
		.svm_port = port,
	};
	auto_fd int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	return take_fd(&fd);
}

static int connect_stream(void *opaque)
{
	(void)opaque;
	return connect_host(AGENT_PORT_STREAM);
}

static int connect_resolver(void *opaque)
{
	(void)opaque;
	return connect_host(AGENT_PORT_RESOLVER);
}

static int connect_socket(void *opaque)
{
	(void)opaque;
	return connect_host(AGENT_PORT_SOCKET);
}

/* wait_connected() - until the host has taken the connection. */
static int wait_connected(int fd, struct err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int code = 0;

	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			return err_set(err, errno, "poll");
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
		code = errno;
	return code ? err_set(err, code, "connect to the host") : 0;
}

static int serve(struct err *err)
{
	struct agent_params params = {
		.cgroup_dir = BOOT_CONTAINERS_DIR,
		.cgroup_root = BOOT_CGROUP_DIR,
		.stream_connect = connect_stream,
		.resolver_connect = connect_resolver,
		.socket_connect = connect_socket,
		.socket_dir = boot_socket_dir,
		.raise_event = boot_raise_event,
		.warn = boot_warn,
		.prepare = boot_prepare,
		.wake = boot_wake,
		.finish = boot_finish,
		.give_network = true,
		.freeze_blocks = true,
		.began_ns = agent_uptime_ns(),
	};
	int ret = boot_modules(err);

	if (ret < 0)
		return ret;
	params.control_fd = connect_host(AGENT_PORT_CONTROL);
	if (params.control_fd < 0)
		return err_set(err, -params.control_fd, "connect to the host");
	ret = boot_mounts(err);
	params.mounted_ns = agent_uptime_ns();
	if (ret == 0)
		ret = wait_connected(params.control_fd, err);
	return ret < 0 ? ret : agent_run(&params, err);
}

int main(void)
{
	struct err err = ERR_INIT;

	if (getpid() != 1) {
		(void)fputs("hull-agent: this is the init of hull's guests\n", stderr);
		return 1;
	}
	if (serve(&err) == 0)
		(void)err_msg(&err, EPIPE, "the host has closed the control connection");
	boot_die(&err);
}
