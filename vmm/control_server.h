/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: connections of commands (vmm/control.h).
 *
 * The server frames and checks; what requests mean is the owner's.  Each request is
 * handed over once, and the owner answers it once, now or later:
 *
 *	request(client, msg)	-> control_result()
 *	CONTROL_EXEC		-> control_result(), and when that was good,
 *				   control_exit() once; between the two and before,
 *				   further() tells of signals and window sizes
 *	CONTROL_EVENTS		-> the same without further(); control_event() between
 *	CONTROL_FREEZE		-> as an exec; further() tells of CONTROL_THAW
 *	CONTROL_CHECKPOINT	-> without CONTROL_CHECKPOINT_LEAVE as an exec; further()
 *				   tells of CONTROL_STOP
 *
 * A client that goes away while the owner has not finished with it: gone() is
 * called, `client` stays valid, answers go nowhere but still have to be given.
 * The loop's thread only.
 */
#ifndef HULL_VMM_CONTROL_SERVER_H
#define HULL_VMM_CONTROL_SERVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmm/control.h"

struct control_client;
struct control_server;
struct err;
struct loop;

#define CONTROL_MAX_CLIENTS 320u /* connections at the same time */
#define CONTROL_MAX_EXECS 256u /* of these, with a process */

struct control_server_ops {
	/*
	 * request() - @msg is checked for its form and has @len bytes of payload
	 * (followed by a 0 that does not count).
	 * @fds: @n_fds descriptors (as vmm/control.h has them), owned from now on
	 */
	void (*request)(void *opaque, struct control_client *client,
			const struct control_msg *msg, size_t len, int *fds,
			unsigned int n_fds);
	/* further() - CONTROL_SIGNAL or CONTROL_WINSIZE on an exec's connection,
	 * CONTROL_THAW on that of a CONTROL_FREEZE, CONTROL_STOP on that of a
	 * CONTROL_CHECKPOINT. */
	void (*further)(void *opaque, struct control_client *client,
			const struct control_msg *msg);
	void (*gone)(void *opaque, struct control_client *client);
};

/* control_server_new() - @listen_fd: bound and listening; owned when this succeeds. */
int control_server_new(struct loop *loop, int listen_fd,
		       const struct control_server_ops *ops, void *opaque,
		       struct control_server **ret_server, struct err *err);

/* control_server_free() - closes every connection, without callbacks. */
void control_server_free(struct control_server *server);

/* The owner's data of a client, NULL at first. */
void control_client_set(struct control_client *client, void *data);
void *control_client_get(const struct control_client *client);

/* control_client_uid() - of who has connected. */
uid_t control_client_uid(const struct control_client *client);

/*
 * control_result() - answer: @code 0 or an errno value.
 * @payload: the message when @code is not 0 (text without a final 0)
 * More than CONTROL_MAX_PAYLOAD bytes go out in several CONTROL_RESULTs; b of all but
 * the last is 1 (only CONTROL_PS can be that long; its parts are whole entries).
 * The client is the server's again, unless a CONTROL_EXEC, CONTROL_EVENTS or
 * CONTROL_FREEZE was answered with 0.
 */
void control_result(struct control_client *client, uint32_t code, uint32_t b,
		    const void *payload, size_t len);

/* control_error() - the same with the text of @err. */
void control_error(struct control_client *client, const struct err *err);

/*
 * control_event() - tell a client of CONTROL_EVENTS.  One that does not read misses
 * it: what the guest can cause as often as it likes must not pile up.
 */
void control_event(struct control_client *client, uint32_t type, uint32_t a, uint32_t b);

/*
 * control_exit() - the process (for CONTROL_EVENTS: the container; for CONTROL_FREEZE:
 * the freeze) has ended; the client is the server's again.
 */
void control_exit(struct control_client *client, uint32_t status);

#endif
