/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told to hull-vmm (vmm/net/proto.h).  All functions return 0 or -errno:
 * there is nobody any more to tell (EPIPE, ECONNRESET).
 */
#ifndef HULL_VMM_NET_HELPER_OUT_H
#define HULL_VMM_NET_HELPER_OUT_H

#include <stdint.h>

#include "lib/buf.h"

struct err;
struct net_nic;
struct nlmsghdr;

int out_plain(int sock, uint32_t type, uint32_t nic, uint32_t arg);

/* out_text() - @text: its first ERR_MSG_SIZE bytes are sent */
int out_text(int sock, uint32_t type, uint32_t arg, const char *text);

/* out_failed() - NET_FAILED with the text of @why. */
int out_failed(int sock, const struct err *why);

/* out_nic() - NET_NIC_ADD. @fds: borrowed */
int out_nic(int sock, uint32_t nic, const struct net_nic *n, const int *fds,
	    unsigned int n_fds);

/* Messages for the agent, put together to packets. */
struct out_config {
	int sock; /* borrowed */
	struct buf packet;
};

#define OUT_CONFIG(sock_) ((struct out_config){ .sock = (sock_) })

int out_config_add(struct out_config *c, const struct nlmsghdr *nlh);
int out_config_flush(struct out_config *c);
void out_config_release(struct out_config *c);

#define auto_out_config __attribute__((__cleanup__(out_config_release)))

#endif
