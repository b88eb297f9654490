/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AGENT_OOM: the kernel counts in memory.events how many processes of a cgroup
 * it has killed; inotify tells when the file changes.
 */
#ifndef HULL_AGENT_OOM_H
#define HULL_AGENT_OOM_H

struct agent;
struct container;

/*
 * oom_watch() - begin to look at @c.  Without the memory controller there is
 * nothing to look at, and no error.
 */
void oom_watch(struct agent *a, struct container *c);
void oom_unwatch(struct agent *a, struct container *c);

#endif
