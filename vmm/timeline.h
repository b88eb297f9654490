/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timeline of a container's start: named moments, on the host's clock and, for
 * those that the agent tells, on the guest's.
 *
 * One table for the process, like the log; filled by the main thread, printed once at debug
 * level: phase, ms since the command began, ms since the line before, and the
 * guest's uptime.  A guest mark is placed by its uptime; the moment of boot is
 * taken from the first of them (its uptime cannot be later than its arrival).
 */
#ifndef HULL_VMM_TIMELINE_H
#define HULL_VMM_TIMELINE_H

#include <stdint.h>

#define TIMELINE_MAX 64u /* later marks are dropped */
#define TIMELINE_NAME 40u /* (bytes) a longer name is cut */

/* timeline_now() - (CLOCK_MONOTONIC ns) */
int64_t timeline_now(void);

/* timeline_start() - forget all, zero is @start_ns (CLOCK_MONOTONIC). */
void timeline_start(int64_t start_ns);

void timeline_mark(const char *name);
void timeline_mark_at(const char *name, int64_t host_ns);

/* timeline_guest_mark() - @uptime_ns: when, since the guest booted (untrusted) */
void timeline_guest_mark(const char *name, uint64_t uptime_ns);

/* timeline_log() - at debug level, one line for each mark, in the order of time. */
void timeline_log(void);

#endif
