/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the values of a config.json mean, checked before anything is made.
 *
 * Only what the document itself tells is checked: whether a path exists or a
 * file is executable shows when it is used.  Messages name the place; where
 * runc has a message for the same mistake, it follows in runc's words:
 *
 *	config.json: process.cwd: Cwd must be an absolute path
 */
#ifndef HULL_OCI_VALIDATE_H
#define HULL_OCI_VALIDATE_H

#include <stdbool.h>

struct buf;
struct err;
struct oci_process;
struct oci_resources;
struct oci_spec;

/* The versions of the runtime-spec that are accepted. */
#define OCI_VERSION_MIN "1.0.0"
#define OCI_VERSION_MAX "1.3.0"

/* oci_validate() - 0 or -EINVAL. */
int oci_validate(const struct oci_spec *spec, struct err *err);

/* oci_validate_process() - a `process` object of its own (exec); 0 or -EINVAL. */
int oci_validate_process(const struct oci_process *process, struct err *err);

/*
 * oci_validate_update() - new limits (update): what is absent there is not missing, the
 * container has it.  0 or -EINVAL.
 */
int oci_validate_update(const struct oci_resources *resources, struct err *err);

/*
 * oci_warnings() - append what is accepted but not done as written, one line each:
 * unknown capabilities, deprecated fields, a profile that a VM has no use for.
 * For the log of the creating command.
 * @cgroup1: the host has controllers of cgroup v1
 * Return: 0 or -ENOMEM
 */
int oci_warnings(const struct oci_spec *spec, bool cgroup1, struct buf *lines);

#endif
