/* SPDX-License-Identifier: Apache-2.0 */
/* The host's messages in words, for errors: "route 10.1.0.0/16 via 10.0.0.1". */
#ifndef HULL_AGENT_NET_TEXT_H
#define HULL_AGENT_NET_TEXT_H

#include "rootfs/agent/net.h"

#define NET_TEXT_SIZE 192

/* net_text() - of an address, a route, a neighbour or a rule, well-formed or not */
void net_text(struct net *n, const struct netlink_in *in, char ret[NET_TEXT_SIZE]);

#endif
