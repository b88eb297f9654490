/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: the folders of cgroup v1 elsewhere than where the host has them. */
#ifndef HULL_RUNTIME_HOST_CGROUP_V1_H
#define HULL_RUNTIME_HOST_CGROUP_V1_H

struct cgroup1_places;
struct container;
struct err;

/* host_cgroup_v1_create() - make the folders @places, remember them in @c. */
int host_cgroup_v1_create(const struct cgroup1_places *places, struct container *c,
			  struct err *err);

#endif
