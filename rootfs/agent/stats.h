/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counters of a container's cgroup (AGENT_STATS).
 */
#ifndef HULL_AGENT_STATS_H
#define HULL_AGENT_STATS_H

struct cgroup_stats;

/*
 * stats_read() - what the files of @cgroup (a descriptor) say.  A controller that
 * is not there has zeroes; files that the kernel does not have are no error.
 * Return: 0; -ENOMEM
 */
int stats_read(int cgroup, struct cgroup_stats *ret);

#endif
