/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of containers' cgroups that tell of events: the kernel raises inotify when
 * it changes one.  One inotify serves all containers; when it wakes, each container
 * is asked to look (container_check_oom(), container_check_frozen()), and the guest's
 * memory (memory_check()).
 */
#ifndef HULL_AGENT_CGROUP_WATCH_H
#define HULL_AGENT_CGROUP_WATCH_H

struct agent;
struct container;

/* cgroup_watch_file() - begin to look at @name of @c's cgroup; the watch or -errno. */
int cgroup_watch_file(struct agent *a, const struct container *c, const char *name);

/* cgroup_watch_all() - likewise for the cgroup that has all containers' in it. */
int cgroup_watch_all(struct agent *a, const char *name);

/* cgroup_unwatch() - end *@watch (-1: it is not there) and forget it. */
void cgroup_unwatch(struct agent *a, int *watch);

#endif
