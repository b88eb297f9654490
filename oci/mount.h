/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of a mount, read (OCI runtime-spec 1.3 config.md#mounts).
 *
 * One table serves the reader and `hull features`.  What no table knows is data
 * for the file system, in the order of the file, joined with commas.
 */
#ifndef HULL_OCI_MOUNT_H
#define HULL_OCI_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oci/spec.h"

/* Most propagation options of one mount. */
#define OCI_MOUNT_MAX_PROPAGATION 8u

struct oci_mount_options {
	unsigned long flags; /* MS_*, with MS_BIND and MS_REC */
	unsigned long cleared; /* MS_* that an option asked to be off ("rw", "suid") */
	unsigned long propagation[OCI_MOUNT_MAX_PROPAGATION]; /* MS_SHARED | MS_REC..:
								 applied in order */
	unsigned int n_propagation;
	uint64_t rec_set; /* MOUNT_ATTR_*, for the mount and all below it */
	uint64_t rec_clear; /* with MOUNT_ATTR__ATIME when rec_set has an atime */
	bool tmpcopyup; /* tmpfs: copy what the rootfs has there into it */
	bool idmap; /* "idmap", "ridmap", or mappings are given */
	bool idmap_recursive;
	const char *data; /* for the file system; "" when none */
};

/*
 * oci_mount_options() - read the options of @m.
 * @arena: holds ret->data
 * Return: 0; -EINVAL (too many propagation options); -ENOMEM
 */
int oci_mount_options(const struct oci_mount *m, struct arena *arena,
		      struct oci_mount_options *ret, struct err *err);

/* oci_mount_is_bind() - an option is "bind" or "rbind". */
bool oci_mount_is_bind(const struct oci_mount *m);

/* oci_mount_option_name() - the options that have a meaning here, sorted; NULL at the end. */
const char *oci_mount_option_name(size_t index);

#endif
