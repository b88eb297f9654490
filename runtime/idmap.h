/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Id-mapped mounts (runtime-spec 1.3 config.md#mounts, uidMappings and gidMappings).
 */
#ifndef HULL_RUNTIME_IDMAP_H
#define HULL_RUNTIME_IDMAP_H

#include <stdbool.h>

struct err;
struct oci_id_mappings;

/*
 * idmap_mount() - have the detached mount @mnt show its files' owners as @uids and
 * @gids say: what is `containerID` in the file system is `hostID` through the mount.
 * @recursive: and all mounts below it
 */
int idmap_mount(int mnt, bool recursive, const struct oci_id_mappings *uids,
		const struct oci_id_mappings *gids, struct err *err);

#endif
