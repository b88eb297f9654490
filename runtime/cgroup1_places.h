/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a cgroup is on a host with cgroup v1: one folder in each hierarchy that is
 * mounted (Linux Documentation/admin-guide/cgroup-v1/cgroups.rst; proc(5), mountinfo;
 * cgroups(7), /proc/PID/cgroup).
 */
#ifndef HULL_RUNTIME_CGROUP1_PLACES_H
#define HULL_RUNTIME_CGROUP1_PLACES_H

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct err;

/* A hierarchy, and the cgroup's folder in it. */
struct cgroup1_place {
	/*
	 * Those of its controllers that runc knows: "memory", "cpu,cpuacct", or
	 * "name=systemd"; "" is the v2 tree of a hybrid host.
	 */
	const char *controllers;
	const char *mount; /* its mount point */
	const char *path; /* mount and what is below it */
};

struct cgroup1_places {
	struct cgroup1_place *v; /* in the arena */
	size_t n;
};

/* cgroup1_is_mounted() - is any hierarchy of v1? */
bool cgroup1_is_mounted(void);

/* cgroup1_has() - is @controller one of @controllers? */
bool cgroup1_has(const char *controllers, const char *controller);

/* cgroup1_is_optional() - nothing is limited there: runc does without it where it fails. */
bool cgroup1_is_optional(const char *controllers);

/*
 * cgroup1_find() - the places of the cgroup @name: below the mount points when it is
 * absolute, else below the caller's own cgroups.
 */
int cgroup1_find(const char *name, struct arena *arena, struct cgroup1_places *ret,
		 struct err *err);

/*
 * cgroup1_find_in() - the same.
 * @mountinfo: of /proc/self/mountinfo
 * @self: of /proc/self/cgroup
 * Return: 0 or -ENOMEM
 */
int cgroup1_find_in(const char *mountinfo, const char *self, const char *name,
		    struct arena *arena, struct cgroup1_places *ret, struct err *err);

#endif
