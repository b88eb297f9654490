/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cgroup's limits as properties of systemd's unit (systemd.resource-control(5)).
 *
 * systemd writes a unit's cgroup files anew whenever it likes (daemon-reload, a change of
 * one of them), with its own idea of the values.  So it is told all that it has a
 * property for; cgroup_set() then writes the same values, and what remains.
 */
#ifndef HULL_RUNTIME_SYSTEMD_PROPERTIES_H
#define HULL_RUNTIME_SYSTEMD_PROPERTIES_H

#include "oci/spec.h"

struct arena;
struct cpuset;
struct err;

/* Most that systemd_properties() may add. */
#define SYSTEMD_MAX_PROPERTIES 16u

/*
 * systemd_round() - make the quota one that systemd can keep: it remembers a whole per cent
 * of a CPU.  Rounded up, as runc does.
 */
void systemd_round(struct oci_cpu *cpu);

/*
 * systemd_properties() - append what @res and @set say, as "NAME=VALUE"
 * (runtime/systemd/protocol.h).
 * @res: rounded; the host's part (runtime/host_limits.h)
 * @words: with room for SYSTEMD_MAX_PROPERTIES behind @words->n; the strings are in @arena
 * Return: 0; -EINVAL: limits that contradict each other; -ENOMEM
 */
int systemd_properties(const struct oci_resources *res, const struct cpuset *set,
		       struct oci_strings *words, struct arena *arena, struct err *err);

#endif
