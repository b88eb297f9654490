/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration that the agent gets: what the guest has no business with is
 * left out.
 */
#ifndef HULL_RUNTIME_GUEST_SPEC_H
#define HULL_RUNTIME_GUEST_SPEC_H

struct buf;
struct err;
struct oci_resources;
struct oci_spec;

/*
 * guest_spec_write() - append the JSON to @b; the paths in @spec are the guest's
 * already (runtime/roots.h).
 * @bundle: (absolute path) for hooks in the guest
 * @freeze_hooks: the option, or NULL
 *
 * @spec keeps its hooks, which the host has yet to run, and loses what else is of
 * no use to the guest.
 */
int guest_spec_write(struct oci_spec *spec, const char *bundle, const char *freeze_hooks,
		     struct buf *b, struct err *err);

/* guest_resources() - leave in @res (may be NULL) what acts in the guest: the limits of
 * single disks name devices of the host. */
void guest_resources(struct oci_resources *res);

#endif
