/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limits that `hull update` is asked for: its options, or a file, as a
 * linux.resources object.
 */
#ifndef HULL_RUNTIME_NEW_LIMITS_H
#define HULL_RUNTIME_NEW_LIMITS_H

struct cli;
struct err;
struct oci_spec;

/*
 * new_limits_load() - what the options of @cli say, or with --resources what the file has:
 * then the other options count for nothing, as in runc.
 * @ret: a spec in which only linux.resources is set, checked; free it with
 *	oci_spec_free()
 * Return: 0; -EINVAL; -ENOTSUP: a limit that cannot be honoured, by name
 */
int new_limits_load(const struct cli *cli, struct oci_spec **ret, struct err *err);

#endif
