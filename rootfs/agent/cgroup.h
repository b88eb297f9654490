/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's cgroup v2 of a container: made, emptied, removed (oci/cgroup2.h: limited).
 */
#ifndef HULL_AGENT_CGROUP_H
#define HULL_AGENT_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

/*
 * cgroup_make() - a fresh cgroup @name below @dirfd.
 * Return: its descriptor (O_DIRECTORY); -errno
 */
int cgroup_make(int dirfd, const char *name, struct err *err);

/* cgroup_kill() - SIGKILL to everything in it and below; 0 or -errno. */
int cgroup_kill(int cgroup);

/* cgroup_populated() - is any process left in it or below? */
bool cgroup_populated(int cgroup);

/* cgroup_frozen() - has every process in it and below stopped (cgroup.freeze)? */
bool cgroup_frozen(int cgroup);

/*
 * cgroup_pids() - all processes in it and below, as the agent sees them.
 * @max: room in @pids
 * Return: how many (more than @max: those that fit were stored); -errno
 */
ssize_t cgroup_pids(int cgroup, pid_t *pids, size_t max);

/*
 * cgroup_memory_event() - a counter of memory.events, which is open as @fd; 0: it is not
 * there.
 * @line: how its line begins, and what comes before: "\nhigh "
 */
uint64_t cgroup_memory_event(int fd, const char *line);

/* cgroup_remove() - @name below @dirfd, with all cgroups that were made in it. */
void cgroup_remove(int dirfd, const char *name);

#endif
