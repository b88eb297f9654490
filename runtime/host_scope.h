/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --systemd-cgroup: hull-vmm's host cgroup as a scope that systemd made and knows.
 *
 * A scope lasts as long as it has processes, and systemd makes none without one.
 * hull-vmm is to be born in its cgroup, so another process holds the place:
 * hull-systemd itself stands in the scope that it asked for, until hull-vmm is there.  So
 * no process is ever moved that has started threads or taken memory, and the scope is
 * neither empty nor ownerless at any moment: if hull dies, hull-systemd ends, and the
 * scope with it.
 */
#ifndef HULL_RUNTIME_HOST_SCOPE_H
#define HULL_RUNTIME_HOST_SCOPE_H

struct container;
struct cpuset;
struct err;
struct host_cgroup;
struct host_limits;
struct oci_spec;
struct systemd_call;

/*
 * host_scope_create() - make the scope with these limits, remember it in @c.
 * @limits: rounded to what systemd can keep, for host_limits_set()
 * @ret_holder: systemd_end() it when hull-vmm is in the cgroup, or will never be
 * @ret_cgroup: owned by the caller
 */
int host_scope_create(const struct oci_spec *spec, struct container *c,
		      struct host_limits *limits, const struct cpuset *set,
		      struct systemd_call *ret_holder, struct host_cgroup *ret_cgroup,
		      struct err *err);

/*
 * host_scope_update() - new limits for a container's scope, until systemd_end().
 * @limits: rounded
 */
int host_scope_update(const struct container *c, struct host_limits *limits,
		      const struct cpuset *set, struct systemd_call *ret_change,
		      struct err *err);

/* host_scope_stop() - end the container's scope; what is gone already is no error. */
int host_scope_stop(const struct container *c, struct err *err);

#endif
