/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/unix_socket.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"

#define BACKLOG 64

/*
 * make_socket() - a socket of @type (owned by the caller) and the address of @name:
 * the folder goes by its descriptor, because 108 bytes are not many.
 */
static int make_socket(int dir, const char *name, int type, struct sockaddr_un *addr,
		       struct err *err)
{
	int sock;

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (snprintf(addr->sun_path, sizeof(addr->sun_path), "/proc/self/fd/%d/%s", dir,
		     name) >= (int)sizeof(addr->sun_path))
		return err_set(err, ENAMETOOLONG, "socket '%s'", name);
	sock = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	return sock >= 0 ? sock : err_set(err, errno, "socket");
}

int unix_connect(int dir, const char *name, int type, int *ret_sock, struct err *err)
{
	struct sockaddr_un addr;
	auto_fd int sock = make_socket(dir, name, type, &addr, err);

	if (sock < 0)
		return sock;
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_set(err, errno, "connect to '%s'", name);
	*ret_sock = take_fd(&sock);
	return 0;
}

int unix_listen(int dir, const char *name, int type, int *ret_sock, struct err *err)
{
	struct sockaddr_un addr;
	auto_fd int sock = make_socket(dir, name, type, &addr, err);

	if (sock < 0)
		return sock;
	/* The mode of the file is the socket's own, and'ed with our umask. */
	if (fchmod(sock, 0600) < 0 ||
	    bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_set(err, errno, "bind '%s'", name);
	if (listen(sock, BACKLOG) < 0)
		return err_set(err, errno, "listen on '%s'", name);
	*ret_sock = take_fd(&sock);
	return 0;
}

int unix_send_fd(const char *path, const char *data, int fd, struct err *err)
{
	char folder[PATH_MAX];
	const char *name;
	auto_fd int dir = io_open_folder(path, folder, &name);
	auto_fd int sock = -1;
	int ret;

	if (dir == -ENAMETOOLONG)
		return err_set(err, ENAMETOOLONG, "socket '%s'", path);
	if (dir < 0)
		return err_set(err, -dir, "open '%s'", folder);
	ret = unix_connect(dir, name, SOCK_STREAM, &sock, err);
	if (ret < 0)
		return ret;
	ret = sock_send(sock, data, strlen(data), &fd, 1);
	return ret < 0 ? err_set(err, -ret, "send to '%s'", path) : 0;
}
