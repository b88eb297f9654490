/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's name server at AGENT_RESOLVER, for one that docker has given such an
 * address: it is on the host, on the loopback interface of the container's network
 * namespace there.  What is asked here, by UDP or TCP, is carried to it by
 * AGENT_PORT_RESOLVER (vmm/agent_proto.h).
 */
#ifndef HULL_AGENT_RESOLVER_H
#define HULL_AGENT_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>

struct agent;
struct err;
struct resolver;

/* resolver_wanted() - is it a name server in the file etc/resolv.conf below @root? */
bool resolver_wanted(int root);

/*
 * resolver_new() - listen in the current network namespace.
 * Return: 0; -errno, EADDRINUSE: somebody else does
 */
int resolver_new(struct agent *a, struct resolver **ret, struct err *err);
void resolver_free(struct resolver *r);

/*
 * resolver_cut() - what of an answer by UDP its receiver takes (RFC 1035 §4.2.1, RFC 6891
 * §6.2.3): if it is longer, its header and question, marked as truncated.
 * @query, @query_len: what was asked
 * Return: (bytes) of @answer that are to be sent
 */
size_t resolver_cut(const unsigned char *query, size_t query_len, unsigned char *answer,
		    size_t len);

#endif
