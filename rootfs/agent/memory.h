/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that comes when it is needed.
 *
 * The guest starts with little RAM; hull-vmm has more for it (AGENT_CREATE says how much)
 * and plugs it when the agent asks (AGENT_MEMORY).  All containers are below one cgroup,
 * whose memory.high stays below what is plugged: who gets there waits for a moment, the
 * kernel counts it in memory.events, and the agent asks.  When new memory is online the
 * kernel sends a uevent, and memory.high rises.  Once all is plugged memory.max stands in
 * its place: what a container without a limit takes beyond it is its own end, not that
 * of the guest.
 *
 * The containers' own files, memory.high too, are theirs: the smaller value counts.
 */
#ifndef HULL_AGENT_MEMORY_H
#define HULL_AGENT_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "rootfs/agent/watch.h"

struct agent;
struct err;
struct oci_spec;

struct memory {
	uint64_t more; /* (bytes) that can be plugged; 0: this guest does not grow */
	uint64_t boot; /* (bytes) of RAM, as the kernel counts it, with nothing plugged */
	uint64_t asked; /* (bytes) plugged, or to be plugged */
	uint64_t seen; /* `high` of memory.events when it was last looked at */
	int events_fd; /* memory.events of the containers' cgroup; -1 */
	struct watch uevents;
};

void memory_init(struct memory *m);
void memory_release(struct agent *a);

/*
 * memory_begin() - the host has @more bytes for this guest.  The first caller counts: it
 * is said with every container.
 * Return: 0 or -errno
 */
int memory_begin(struct agent *a, uint64_t more, struct err *err);

/* memory_check() - memory.events may have changed: ask for more if need be. */
void memory_check(struct agent *a);

/* memory_ceiling() - (bytes) of RAM that this guest can have. */
uint64_t memory_ceiling(const struct memory *m);

/* ---- what the kernel sizes by RAM (memory_sizes.c) --------------------------------------- */

/*
 * memory_scale_kernel() - limits that the kernel made for @boot bytes of RAM are made for
 * @ceiling: threads, open files, watches, memory of sockets, RLIMIT_NPROC.
 */
void memory_scale_kernel(uint64_t boot, uint64_t ceiling);

/*
 * memory_scale() - numbers of such a file, in @text of @size bytes, where they are from
 * @first on. @max: no larger than that; 0: any
 * Return: (bytes) the new text's length; -1: it has no numbers
 */
int memory_scale(char *text, size_t size, unsigned int first, uint64_t max, uint64_t boot,
		 uint64_t ceiling);

/*
 * memory_size_tmpfs() - a tmpfs of @spec without a size, or with one in per cent, gets that
 * of @ceiling.
 */
int memory_size_tmpfs(struct oci_spec *spec, uint64_t ceiling, struct err *err);

/* ---- the policy ------------------------------------------------------------------------ */

/*
 * memory_limit() - (bytes) what containers may take of @ram, of which @plugged came later:
 * the kernel and the agent have the rest.
 */
uint64_t memory_limit(uint64_t ram, uint64_t plugged);

/*
 * memory_wanted() - (bytes) to have plugged next, when @boot and @plugged of @more are not
 * enough: twice the RAM there is.
 */
uint64_t memory_wanted(uint64_t boot, uint64_t plugged, uint64_t more);

#endif
