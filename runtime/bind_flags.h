/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a bind mount takes over from the mount that its source lies on (mount(8), and
 * mount_namespaces(7) for user namespaces).  The mount is made in the guest, where the
 * source has no flags: so they are written into its options.
 */
#ifndef HULL_RUNTIME_BIND_FLAGS_H
#define HULL_RUNTIME_BIND_FLAGS_H

#include <stdbool.h>

struct err;
struct oci_mount;
struct oci_mount_options;
struct oci_spec;

/*
 * bind_flags_inherit() - all flags, if no option is about flags; else those of the
 * access time, if no option is about that.
 * @source: its path on the host
 * @locked: in a user namespace of the container's own, where what protects the source
 *	cannot be taken off: it stays, and an option that takes it off fails, and one
 *	that changes the access time
 * @opt: the options of @m; read again when there are more
 * @ret_writable: the source is read-only, and the mount is not
 * Return: 0; -EPERM; -ENOMEM; what statvfs() of @source says
 */
int bind_flags_inherit(struct oci_spec *spec, struct oci_mount *m, const char *source,
		       bool locked, struct oci_mount_options *opt, bool *ret_writable,
		       struct err *err);

#endif
