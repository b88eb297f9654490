/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources.unified (OCI runtime-spec 1.3 config-linux.md#unified): files of cgroup
 * v2 by their names.  The container's cgroup is the guest's, but what a file names may be
 * the host's, as its disks are.
 */
#ifndef HULL_OCI_UNIFIED_H
#define HULL_OCI_UNIFIED_H

struct err;
struct oci_map;
struct oci_pair;

/*
 * unified_by() - whose cgroup has the file that means what @entry says.
 * Return: OCI_BY_AGENT, OCI_BY_HOST or both; OCI_REFUSED (oci/honoured.h)
 */
unsigned int unified_by(const struct oci_pair *entry);

/* unified_keep() - leave in @map what acts @by one of these. */
void unified_keep(struct oci_map *map, unsigned int by);

/*
 * unified_set() - write what of @map acts @by one of these into the folder @cgroup, a
 * value of several lines line by line.
 * Return: 0 or -errno; the error names the file, or the controller that is not there
 */
int unified_set(int cgroup, const struct oci_map *map, unsigned int by, struct err *err);

#endif
