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

/* struct control_request - what a message says; all of it borrowed */
struct control_request {
	uint32_t type;
	uint32_t a;
	uint32_t b;
	const void *payload;
	size_t len;
	const int *fds;
	unsigned int n_fds;
	int timeout_ms; /* for the answer; 0: none */
};

struct control_answer {
	uint32_t type;
	uint32_t a;
	uint32_t b;
};

/* control_connect() - -ESRCH "container not running" when nobody listens. */
int control_connect(const struct container *c, int *ret_sock, struct err *err);

/* control_send() - one message. */
int control_send(int sock, const struct control_request *request, struct err *err);

/*
 * control_receive() - one message from hull-vmm.
 * @payload: what came with it is appended; may be NULL
 * Return: 1; 0: hull-vmm has gone; a CONTROL_RESULT that tells of a failure becomes
 *	the error itself
 */
int control_receive(int sock, struct control_answer *ret, struct buf *payload,
		    struct err *err);

/*
 * control_exchange() - send a request and receive its answer, a CONTROL_PS list whole.
 * Errors: -ESRCH "container not running" when hull-vmm went away before it answered,
 *	-ETIMEDOUT, -EPROTO
 */
int control_exchange(int sock, const struct control_request *request, struct buf *payload,
		     struct err *err);

/* control_call() - the same on a connection of its own. */
int control_call(const struct container *c, const struct control_request *request,
		 struct buf *payload, struct err *err);

#endif
