/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a running hull-vmm (vmm/control.h).
 */
#ifndef HULL_RUNTIME_CONTROL_CLIENT_H
#define HULL_RUNTIME_CONTROL_CLIENT_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct container;
struct err;

/* control_connect() - -ESRCH "container not running" when nobody listens. */
int control_connect(const struct container *c, int *ret_sock, struct err *err);

/* control_send() - one message. @fds are borrowed. */
int control_send(int sock, uint32_t type, uint32_t a, uint32_t b, const void *payload,
		 size_t len, const int *fds, unsigned int n_fds, struct err *err);

struct control_answer {
	uint32_t type;
	uint32_t a;
	uint32_t b;
};

/*
 * control_receive() - one message from hull-vmm.
 * @payload: what came with it is appended; may be NULL
 * Return: 1; 0: hull-vmm has gone; a CONTROL_RESULT that tells of a failure becomes
 *	the error itself
 */
int control_receive(int sock, struct control_answer *ret, struct buf *payload,
		    struct err *err);

/*
 * control_call() - a request on a connection of its own, and its answer.
 * -ESRCH "container not running" when hull-vmm went away before it answered
 */
int control_call(const struct container *c, uint32_t type, uint32_t a, uint32_t b,
		 struct control_answer *ret, struct buf *payload, struct err *err);

#endif
