/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who honours which field of config.json: the closed list.
 *
 * Every field that oci/schema.h knows has a line.  What is refused fails create
 * by its name; nothing is ignored in silence: what is accepted without effect
 * has its reason in the table, and a line of oci_warnings() where a user could
 * miss the effect.
 */
#ifndef HULL_OCI_HONOURED_H
#define HULL_OCI_HONOURED_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct oci_process;
struct oci_resources;
struct oci_spec;

enum oci_honourer {
	OCI_BY_AGENT = 1 << 0, /* in the guest: rootfs/agent */
	OCI_BY_HOST = 1 << 1, /* runtime/ or hull-vmm */
	OCI_ACCEPTED = 1 << 2, /* has no effect, for the reason in the note */
	OCI_REFUSED = 1 << 3, /* fails create, unless 0, false or empty */
};

struct oci_honoured {
	const char *path; /* "linux.resources.memory.limit", no indices */
	unsigned int by; /* enum oci_honourer */
	const char *note; /* why, or what to know; NULL */
};

/* oci_honoured() - the lines in the order of the spec; NULL past the last. */
const struct oci_honoured *oci_honoured(size_t index);

/* Fields that are honoured, but not for every value. */
bool oci_honours_seccomp_action(int action); /* enum oci_seccomp_action */
bool oci_honours_seccomp_flag(int flag); /* enum oci_seccomp_flag */

/*
 * oci_check_honoured() - fail for the first thing in @spec that is refused.
 * Return: 0; -ENOTSUP "config.json: linux.netDevices is not supported"
 */
int oci_check_honoured(const struct oci_spec *spec, struct err *err);

/* oci_check_honoured_process() - the same for a process of its own (exec). */
int oci_check_honoured_process(const struct oci_process *process, struct err *err);

/* oci_check_honoured_resources() - the same for new limits (update). */
int oci_check_honoured_resources(const struct oci_resources *resources, struct err *err);

#endif
