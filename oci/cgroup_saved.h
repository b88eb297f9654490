/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the limits of a cgroup that has processes: all, or none.
 *
 *	saved = cgroup_saved_new();		NULL: no memory
 *	cgroup_saved_add(saved, dir, "pids.max", NULL);
 *	ret = ...;				write into the files
 *	if (ret < 0)
 *		cgroup_put_back(saved);
 *	cgroup_saved_free(saved);
 *
 * The kernel takes limits one file at a time.  So the files that may be written are
 * read before, and those that have changed since get their old contents again.
 */
#ifndef HULL_OCI_CGROUP_SAVED_H
#define HULL_OCI_CGROUP_SAVED_H

#include "lib/cleanup.h"

struct cgroup_saved;

struct cgroup_saved *cgroup_saved_new(void);

/*
 * cgroup_saved_add() - remember what the file @name in @dir says; no error where it is
 * not there.
 * @dir: borrowed, until the contents have been put back
 * @lift: the file has a line for each device that has limits: what stands behind the
 *	device's number where it has none; else NULL
 * Return: 0 or -ENOMEM
 */
int cgroup_saved_add(struct cgroup_saved *s, int dir, const char *name, const char *lift);

/* cgroup_put_back() - as far as the kernel takes it back; @saved may be NULL. */
void cgroup_put_back(const struct cgroup_saved *saved);

void cgroup_saved_free(struct cgroup_saved *saved); /* @saved may be NULL */
DEFINE_CLEANUP(cgroup_saved, struct cgroup_saved, cgroup_saved_free)
#define auto_cgroup_saved auto_call(cleanup_cgroup_saved_)

#endif
