/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hull-net gives up before it looks at anything that others can shape.
 */
#ifndef HULL_VMM_NET_HELPER_CONFINE_H
#define HULL_VMM_NET_HELPER_CONFINE_H

struct err;

#define CONFINE_UID 65534 /* nobody's; owns no file */

/*
 * confine() - an empty root, a user of no account with CAP_NET_ADMIN only (which
 * counts in the container's network namespace), limits, and the filter of JAIL_NET.
 */
int confine(struct err *err);

#endif
