/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host namespaces that hull-vmm stands in (docs/design.md, "Namespaces").
 *
 * The container's own namespaces are made inside the guest.  hull-vmm is put into
 * namespaces of the same kinds on the host: as handles for callers, who look at
 * /proc/PID/ns, and as part of its jail.
 */
#ifndef HULL_RUNTIME_NAMESPACES_H
#define HULL_RUNTIME_NAMESPACES_H

struct err;
struct launch_params;
struct oci_spec;

/*
 * namespaces_plan() - fill in what hull-vmm joins and what is made for it, and take
 * the host's paths out of @spec, because the guest makes all of them new.
 */
int namespaces_plan(struct oci_spec *spec, struct launch_params *params,
		    struct err *err);

/* namespaces_release() - close what namespaces_plan() opened. */
void namespaces_release(struct launch_params *params);

#endif
