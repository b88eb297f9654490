/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name server that docker puts into a container's network namespace, at
 * 127.0.0.11:53 of the namespace's own loopback, where no packet of the guest's comes.
 * The agent listens at that address in the guest and carries each query over a vsock
 * connection of its own (AGENT_PORT_RESOLVER), as DNS over TCP has it (RFC 1035
 * §4.2.2); here it becomes a TCP connection in the namespace, which hull-vmm stands in.
 *
 * Where nobody listens the connection ends without an answer.  The loop's thread only.
 */
#ifndef HULL_VMM_RESOLVER_H
#define HULL_VMM_RESOLVER_H

#include <stdint.h>

struct err;
struct loop;
struct resolver;
struct vsock;

/*
 * resolver_new() - let the guest connect.  @loop and @vsock outlive it.
 * @address: of the name server, and @port, in host byte order
 */
int resolver_new(struct loop *loop, struct vsock *vsock, uint32_t address, uint16_t port,
		 struct resolver **ret, struct err *err);
void resolver_free(struct resolver *r);

#endif
