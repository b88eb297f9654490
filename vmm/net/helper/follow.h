/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network namespace that we are in, carried to a guest for as long as hull-vmm
 * listens.
 *
 * DOC: Theory of operation.  Nothing is remembered of an event but that there was
 * one: then all is listed again, and the taps, hull-vmm and the agent are brought
 * in line with it.  So nothing is lost when events are, and no order of them
 * matters.  What the agent was told is kept, and it is told the difference.
 *
 *	follow_new	opens all that needs paths or more than CAP_NET_ADMIN
 *	(confine)
 *	follow_run	until hull-vmm has gone
 */
#ifndef HULL_VMM_NET_HELPER_FOLLOW_H
#define HULL_VMM_NET_HELPER_FOLLOW_H

#include <stdbool.h>
#include <sys/types.h>

#include "vmm/net/proto.h"

struct err;
struct follow;

struct follow_params {
	int sock; /* to hull-vmm; borrowed */
	int left; /* a file to be emptied once nothing is left to be cleaned; 0: none */
	unsigned int pairs; /* (1..NET_MAX_PAIRS) of each card's queues */
	bool vhost; /* use vhost-net where it is there */
	struct net_limits limits; /* to begin with */
	uid_t uid; /* who will run it */
};

/* follow_new() - nothing is changed yet. @ret: the caller's */
int follow_new(const struct follow_params *params, struct follow **ret, struct err *err);

/* follow_run() - what is joined is left as it was before when it returns. */
int follow_run(struct follow *f, struct err *err);
void follow_free(struct follow *f);

/* follow_clean() - take away what one has left that was killed, if its taps have gone. */
int follow_clean(struct err *err);

#endif
