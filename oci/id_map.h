/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mappings of ids as the kernel takes them: /proc/PID/uid_map and gid_map
 * (user_namespaces(7)).
 */
#ifndef HULL_OCI_ID_MAP_H
#define HULL_OCI_ID_MAP_H

#include <sys/types.h>

struct err;
struct oci_id_mappings;

/*
 * oci_id_map_write() - the map of the user namespace that @pid is in, once only.
 * @file: "uid_map" or "gid_map"
 * @field: of config.json, for the error
 */
int oci_id_map_write(pid_t pid, const char *file, const struct oci_id_mappings *map,
		     const char *field, struct err *err);

#endif
