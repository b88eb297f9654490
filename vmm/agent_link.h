/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control connection with the agent: frames of vmm/agent_proto.h.
 *
 * Requests go out with a number and come back through their callback, exactly
 * once each, also when the connection ends first (then with ECONNRESET).  What
 * the agent sends is checked here: lengths, types, numbers of requests, which containers
 * and processes can be; the owner checks whether they are.  The first violation
 * closes the connection and is told by failed().
 * The loop's thread only.
 */
#ifndef HULL_VMM_AGENT_LINK_H
#define HULL_VMM_AGENT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/agent_proto.h"

struct agent_link;
struct err;
struct vsock;

#define AGENT_MAX_TEXT 400u /* (bytes) of a message that is kept */
#define AGENT_MAX_NAME 31u /* (bytes) of a mark's name */
#define AGENT_MAX_RESULT (1u << 20) /* (bytes) of payload with a result */
#define AGENT_MAX_REQUESTS 1024u /* under way */

/* What an AGENT_RESULT says. */
struct agent_result {
	uint32_t code; /* 0, or an errno value */
	const char *msg; /* printable, "" when code is 0 */
	uint64_t value;
	const char *payload; /* when code is 0; valid during the callback */
	size_t payload_len;
};

typedef void (*agent_done_fn)(void *opaque, const struct agent_result *result);

struct agent_link_ops {
	void (*hello)(void *opaque, uint64_t uptime_ns);
	void (*exited)(void *opaque, uint32_t container, uint32_t proc, int wait_status);
	void (*mark)(void *opaque, const char *name, uint64_t uptime_ns);
	void (*oom)(void *opaque, uint32_t container);
	/* memory() - the guest wants @bytes beyond what it started with: any number. */
	void (*memory)(void *opaque, uint64_t bytes);
	/* failed() - the connection is over: closed by the guest, or a violation. Once. */
	void (*failed)(void *opaque, const struct err *err);
};

/* agent_link_new() - listen for the agent; @vsock, @ops and @opaque outlive the link. */
int agent_link_new(struct vsock *vsock, const struct agent_link_ops *ops, void *opaque,
		   struct agent_link **ret_link, struct err *err);

/* agent_link_free() - callbacks of requests under way are not called any more. */
void agent_link_free(struct agent_link *link);

bool agent_link_ready(const struct agent_link *link); /* said hello, still there */

/* agent_link_quiet() - ready, and nothing is under way in either direction. */
bool agent_link_quiet(const struct agent_link *link);

/*
 * agent_link_restore() - the agent of a machine that was saved when it was quiet: its
 * connection is there, and hello() was said to another.
 * Errors: EPROTO (no connection)
 */
int agent_link_restore(struct agent_link *link, struct err *err);

struct agent_request {
	enum agent_type type;
	uint32_t container;
	uint32_t proc;
	uint32_t arg;
	uint32_t flags;
	uint64_t value;
	const void *payload; /* copied */
	size_t payload_len;
	agent_done_fn done; /* may be NULL */
	void *opaque;
};

/*
 * agent_request() - send one.
 * Return: 0; -ECONNRESET, -EMSGSIZE, -EBUSY, -ENOMEM: not sent, done will not be called
 */
int agent_request(struct agent_link *link, const struct agent_request *req,
		  struct err *err);

/* agent_forget() - @done of requests with @opaque will not be called any more. */
void agent_forget(struct agent_link *link, const void *opaque);

/* agent_violated() - the owner found a wrong number: close, failed() with this reason. */
void agent_violated(struct agent_link *link, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* agent_clean_text() - @src (not terminated) as printable text: no terminal escapes. */
void agent_clean_text(char *dst, size_t size, const char *src, size_t len);

#endif
