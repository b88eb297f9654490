/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unix sockets by path, also where the path is too long for an address.
 */
#ifndef HULL_RUNTIME_UNIX_SOCKET_H
#define HULL_RUNTIME_UNIX_SOCKET_H

struct err;

/*
 * unix_connect() - connect to the socket @name in the folder @dir.
 * @type: SOCK_STREAM or SOCK_SEQPACKET
 */
int unix_connect(int dir, const char *name, int type, int *ret_sock, struct err *err);

/* unix_listen() - make the socket @name in the folder @dir, mode 0600. */
int unix_listen(int dir, const char *name, int type, int *ret_sock, struct err *err);

/*
 * unix_send_fd() - connect to the stream socket at @path, send @data with @fd, and
 * close: how callers receive a console or a pidfd.
 */
int unix_send_fd(const char *path, const char *data, int fd, struct err *err);

#endif
