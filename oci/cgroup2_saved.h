/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of a cgroup of version 2 say before its limits change
 * (oci/cgroup_saved.h).
 */
#ifndef HULL_OCI_CGROUP2_SAVED_H
#define HULL_OCI_CGROUP2_SAVED_H

#include <stdint.h>

#include "oci/cgroup_saved.h"

struct oci_resources;

/*
 * cgroup_save() - what the files say now that cgroup_set() may write for @res.
 * @cgroup: borrowed, as by cgroup_saved_add()
 * Return: NULL: no memory
 */
struct cgroup_saved *cgroup_save(int cgroup, const struct oci_resources *res);

/*
 * cgroup_read_limit() - the only number of a file; "max" is -1.
 * Return: 0; -ENOENT: there is no such file
 */
int cgroup_read_limit(int cgroup, const char *name, int64_t *ret);

/* cgroup_read_cpu_max() - the same for cpu.max: quota (-1: none) and period. */
int cgroup_read_cpu_max(int cgroup, int64_t *ret_quota, uint64_t *ret_period);

#endif
