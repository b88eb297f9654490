/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's counters as `runc events` prints them on a host with cgroup v2.
 */
#ifndef HULL_RUNTIME_STATS_JSON_H
#define HULL_RUNTIME_STATS_JSON_H

#include <stdint.h>

struct buf;
struct cgroup_stats;
struct intel_rdt;

/*
 * stats_event() - append the line of a "stats" event of the container @id; 0, -ENOMEM.
 * @rdt: its resctrl groups on the host
 */
int stats_event(const char *id, const struct cgroup_stats *stats,
		const struct intel_rdt *rdt, struct buf *b);

/* oom_event() - append the line of an "oom" event; 0, -ENOMEM. */
int oom_event(const char *id, struct buf *b);

/* freeze_event() - by whom first. */
int freeze_event(const char *id, uint32_t pid, uint32_t uid, struct buf *b);

/* thaw_event() - @why: enum control_thaw */
int thaw_event(const char *id, uint32_t why, struct buf *b);

#endif
