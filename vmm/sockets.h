/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of the guest's processes to unix sockets of the host's: what is between
 * the virtio-fs server, which finds these sockets and connects to them (vmm/fs/offer.h),
 * and the agent, which offers them in the guest (AGENT_SOCKET) and carries each
 * connection over vsock (AGENT_PORT_SOCKET).
 *
 * The process at the other end is hull-vmm, as SO_PEERCRED tells it.  A listener that
 * does not accept stalls its own connection: where its backlog is full there is no event
 * to wait for, so connecting is tried again, less and less often.  An agent that does not
 * answer makes nobody wait for longer than SOCKETS_AGENT_MS.
 *
 * The loop's thread, but for sockets_ask() and sockets_connected().
 */
#ifndef HULL_VMM_SOCKETS_H
#define HULL_VMM_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/agent_link.h"

struct err;
struct loop;
struct sockets;
struct vsock;

#define SOCKETS_AGENT_MS 30000u

struct sockets_params {
	struct loop *loop; /* borrowed, as is vsock */
	struct vsock *vsock;
	/* As container_socket(). */
	int (*ask_agent)(void *opaque, unsigned int root, uint64_t node, int type,
			 agent_done_fn done, void *done_opaque);
	/* As fs_connect(), fs_socket_done() and fs_sockets_off(). */
	int (*connect)(void *opaque, uint64_t node, int type, uint64_t token);
	void (*asked)(void *opaque, uint64_t node, int type, bool ok);
	void (*off)(void *opaque);
	void *opaque;
};

/* sockets_new() - let the guest connect. */
int sockets_new(const struct sockets_params *params, struct sockets **ret,
		struct err *err);
/* sockets_free() - NULL will do.  No other thread calls any more. */
void sockets_free(struct sockets *s);

/* sockets_ask() - fs_params.on_socket, on any thread. */
bool sockets_ask(struct sockets *s, unsigned int root, uint64_t node, int type);
/* sockets_connected() - fs_params.on_connected, on any thread. */
void sockets_connected(struct sockets *s, uint64_t token, int fd);

#endif
