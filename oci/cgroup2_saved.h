/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the limits of a cgroup of version 2 that has processes: all, or none.
 *
 *	saved = cgroup_save(cgroup, res);	NULL: no memory
 *	ret = cgroup_set(cgroup, res, err);
 *	if (ret < 0)
 *		cgroup_put_back(cgroup, saved);
 *	cgroup_saved_free(saved);
 *
 * The kernel takes limits one file at a time.  So the files that cgroup_set() may
 * write are read before, and those that have changed since get their old contents again.
 */
#ifndef HULL_OCI_CGROUP2_SAVED_H
#define HULL_OCI_CGROUP2_SAVED_H

#include <stdint.h>

#include "lib/cleanup.h"

struct cgroup_saved;
struct oci_resources;

/* cgroup_save() - what the files say now that cgroup_set() may write for @res. */
struct cgroup_saved *cgroup_save(int cgroup, const struct oci_resources *res);

/* cgroup_put_back() - as far as the kernel takes it back; @saved may be NULL. */
void cgroup_put_back(int cgroup, const struct cgroup_saved *saved);

void cgroup_saved_free(struct cgroup_saved *saved); /* @saved may be NULL */
DEFINE_CLEANUP(cgroup_saved, struct cgroup_saved, cgroup_saved_free)
#define auto_cgroup_saved auto_call(cleanup_cgroup_saved_)

/*
 * cgroup_read_limit() - the only number of a file; "max" is -1.
 * Return: 0; -ENOENT: there is no such file
 */
int cgroup_read_limit(int cgroup, const char *name, int64_t *ret);

/* cgroup_read_cpu_max() - the same for cpu.max: quota (-1: none) and period. */
int cgroup_read_cpu_max(int cgroup, int64_t *ret_quota, uint64_t *ret_period);

#endif
