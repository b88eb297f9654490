/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unix sockets of the host's, offered to the container's processes: the agent binds a
 * socket to the guest's inode of each (AGENT_SOCKET_DIR in vmm/agent_proto.h) and carries
 * what connects to it over a vsock connection of its own.
 *
 * A child of the agent's does that, made for the first one: bind() makes a request to the
 * file server, which may wait for a file system of the host's, and a container's bulk data
 * is not to hold up the control connection.  Should it end, who connects is refused until
 * the host asks for the socket again.
 */
#ifndef HULL_AGENT_SOCKETS_H
#define HULL_AGENT_SOCKETS_H

#include <assert.h>
#include <stdint.h>

struct agent;
struct agent_frame;

/* sockets_request() - AGENT_SOCKET; answered when it is done. */
void sockets_request(struct agent *a, const struct agent_frame *f);

/* sockets_end() - end the child, with all that it holds open, and wait for that. */
void sockets_end(struct agent *a);

/* From the agent to its child, with the folder's descriptor unless `type` is 0; and
 * back, without. */
struct sockets_msg {
	uint64_t node;
	uint32_t type;
	uint32_t seq; /* of the host's request */
	uint32_t code; /* back: 0, or an errno value */
	uint32_t reserved;
};

static_assert(sizeof(struct sockets_msg) == 24, "no holes");

/* sockets_child() - what it does; @sock: to the agent, whose end is its own. */
void sockets_child(struct agent *a, int sock) __attribute__((noreturn));

#endif
