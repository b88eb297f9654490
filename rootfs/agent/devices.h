/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices of a container: the nodes in its /dev, and the rules which of them may
 * be used (a BPF program on its cgroup).
 */
#ifndef HULL_AGENT_DEVICES_H
#define HULL_AGENT_DEVICES_H

#include <stddef.h>

struct bpf_insn;
struct err;
struct oci_resources;
struct oci_spec;

/*
 * devices_make() - nodes, ptmx and the links of /dev below @root_fd.
 * The caller's umask is 0.
 */
int devices_make(int root_fd, const struct oci_spec *spec, struct err *err);

/*
 * devices_prepare() - in the agent, for a container with a user namespace: the nodes
 * that its devices_make() can only bind.
 */
int devices_prepare(const struct oci_spec *spec, struct err *err);

/* devices_restrict() - let the cgroup use only what @res allows and the default set. */
int devices_restrict(int cgroup, const struct oci_resources *res, struct err *err);

/*
 * devices_restrict_nothing() - attach a program that allows all.  With the first one the
 * kernel rewrites instructions of its own (a static key), for as long as there is one.  A
 * machine that goes on from a template would have a copy of these to itself, and with it
 * small pages for 2 MiB of the kernel: 160 exits in each start.
 */
int devices_restrict_nothing(int cgroup, struct err *err);

/*
 * devices_program() - the rules as a BPF program (BPF_PROG_TYPE_CGROUP_DEVICE).
 * @insns: room for @max instructions
 * Return: how many; 0: everything is allowed, no program is needed; -E2BIG
 */
int devices_program(const struct oci_resources *res, struct bpf_insn *insns, size_t max);

#endif
