/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's network namespace on the host, and who carries its interfaces into
 * the machine: hull-net (vmm/net/helper), a process in that namespace, in hull-vmm's pid
 * namespace (whose end is its end) and in the container's cgroup.
 *
 * There is one only where there is an interface: `create` looks once the hooks have
 * run, `start` looks again, since docker and others fill the namespace between the two.
 *
 * Calling sequence: network_check, (namespaces_plan), network_plan, (hull-vmm),
 * network_follow at create or start; network_clean at the end.
 */
#ifndef HULL_RUNTIME_NETWORK_H
#define HULL_RUNTIME_NETWORK_H

#include <stdbool.h>
#include <sys/types.h>

struct container;
struct err;
struct host_cgroup;
struct hull_net_options;
struct hull_options;
struct launch_params;
struct oci_spec;
struct vm_config;

/*
 * network_check() - refuse what a machine cannot have: the caller's own network, unless
 * @opt allows for none instead (taken out of @spec), and another container's.  Remembers in @c what
 * network_follow() and network_clean() need.
 */
int network_check(struct oci_spec *spec, const struct hull_options *opt,
		  struct container *c, struct err *err);

/* network_plan() - how many cards the machine is to have from the start. */
int network_plan(const struct oci_spec *spec, const struct launch_params *launch,
		 struct vm_config *config, struct err *err);

/*
 * network_move() - linux.netDevices into hull-vmm's network namespace.
 * @restored: one that has been there since the container was saved stays
 */
int network_move(const struct oci_spec *spec, const struct container *c, bool restored,
		 struct err *err);

/*
 * network_follow() - start a hull-net if there is an interface and none is there yet.
 * @cgroup: the container's, open; NULL: opened when it is needed
 * @wait: for hull-vmm to take it; not while hull-vmm waits for the caller
 */
int network_follow(struct container *c, const struct host_cgroup *cgroup, bool wait,
		   struct err *err);

/*
 * network_change() - limits that @set has, of a container that lives: hull-net sets them,
 * for all interfaces or none, and they are kept for one that is started later.  Under the
 * lock of the state folder.
 * @ret_before: what held, for network_put_back()
 */
int network_change(struct container *c, const char *const *set, size_t n_set,
		   struct hull_net_options *ret_before, struct err *err);

/* network_put_back() - what an update that failed has changed. */
void network_put_back(struct container *c, const struct hull_net_options *before);

/* network_clean() - what a hull-net that was killed has left in a namespace that stays. */
void network_clean(const struct container *c);

#endif
