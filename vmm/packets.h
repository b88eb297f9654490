/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct packets - a SOCK_SEQPACKET socket on one side, a vsock connection on the other
 * that carries its messages with their lengths (struct agent_packet).
 *
 * As struct stream: a peer that takes nothing stalls its own connection only, since the
 * guest runs out of credit; at most VSOCK_BUF_ALLOC bytes from the guest and one
 * message to it are kept.  A message longer than AGENT_MAX_PACKET ends the connection, in
 * either direction, as do descriptors that somebody passes (SCM_RIGHTS): both are told in
 * the log.  An empty message from the host's side is its end of file.
 * The loop's thread only.
 */
#ifndef HULL_VMM_PACKETS_H
#define HULL_VMM_PACKETS_H

#include <stdbool.h>

struct err;
struct loop;
struct packets;
struct vsock_conn;

/*
 * packets_new() - @conn is its from now on.
 * @fd: connected, SOCK_NONBLOCK; owned from now on, also when it fails
 * @name: for the log; static
 * Errors: ENOMEM
 */
int packets_new(struct loop *loop, int fd, const char *name, struct vsock_conn *conn,
		struct packets **ret, struct err *err);
/* packets_ended() - nothing will come any more, in either direction. */
bool packets_ended(const struct packets *p);
/* packets_free() - NULL will do; resets the connection when there still is one. */
void packets_free(struct packets *p);

#endif
