/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AGENT_FSFREEZE: the guest's part of freezing a container's file systems.
 *
 * All of it may take long, or hang: hooks, writing back, the file systems themselves.
 * So a child of the agent's does it, one to freeze and one to thaw, and tells what it
 * has done in messages; the agent goes on serving, and ends a child that is not wanted
 * any more.  What a child has frozen the agent keeps as descriptors, which
 * outlive the child.
 */
#ifndef HULL_AGENT_FSFREEZE_H
#define HULL_AGENT_FSFREEZE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "rootfs/agent/watch.h"

struct agent;
struct container;

#define FSFREEZE_MAX_BLOCKS 64u /* file systems on block devices */
#define FSFREEZE_MAX_HOOKS 32u
#define FSFREEZE_HOOK_TIMEOUT 10 /* (s) of each */

enum fsfreeze_msg_type {
	FSFREEZE_HOOK = 1, /* the next hook begins; its pidfd goes with it */
	FSFREEZE_MOUNT, /* text: a line of AGENT_FSFREEZE's payload; perhaps with the file
			   system, which is frozen now */
	FSFREEZE_ERROR, /* err */
	FSFREEZE_DONE,
};

/* From the child; as much of it as the type needs. */
struct fsfreeze_msg {
	uint32_t type;
	union {
		char text[PATH_MAX + 16]; /* terminated */
		struct err err;
	};
};

struct fsfreeze {
	pid_t child; /* 0: none */
	bool thawing; /* that is what the child does */
	bool done; /* what the child said last */
	struct err error; /* likewise; code 0: none */
	uint32_t freeze_seq; /* to be answered when the child ends; 0: none */
	uint32_t thaw_seq;
	struct watch messages;
	int hook; /* pidfd of the one at work, or -1 */
	unsigned int n_hooks; /* of these, begun: to be thawed */
	int blocks[FSFREEZE_MAX_BLOCKS];
	unsigned int n_blocks;
	struct buf mounts;
};

void fsfreeze_init(struct fsfreeze *f);

/* fsfreeze_request() - do it and answer @seq, later. */
void fsfreeze_request(struct agent *a, struct container *c, uint32_t seq, bool freeze);

/* fsfreeze_reaped() - a child of the agent's has ended; false: it is not one of these. */
bool fsfreeze_reaped(struct agent *a, pid_t pid);

/* fsfreeze_end() - the container goes: thaw what is frozen, without its hooks. */
void fsfreeze_end(struct agent *a, struct container *c);

/* ---- fsfreeze_child.c: the children, after the fork --------------------------- */

/* @sock: struct fsfreeze_msg to the agent */
void fsfreeze_child(struct agent *a, struct container *c, int sock)
	__attribute__((noreturn));
void fsfreeze_thaw_child(struct agent *a, struct container *c, int sock)
	__attribute__((noreturn));

/* ---- fsfreeze_hooks.c ---------------------------------------------------------- */

struct fsfreeze_hooks {
	char *text; /* owned */
	const char *path[FSFREEZE_MAX_HOOKS];
	unsigned int n;
};

int fsfreeze_hooks_find(const struct container *c, struct fsfreeze_hooks *ret,
			struct err *err);

/*
 * fsfreeze_hook_run() - in the container, as its process would run, with @verb as the
 * argument; until it ends.
 * @begun: called with its pidfd (borrowed); may be NULL
 */
int fsfreeze_hook_run(struct agent *a, struct container *c, const char *path,
		      const char *verb, void (*begun)(void *opaque, int pidfd),
		      void *opaque, struct err *err);

#endif
