/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources on a cgroup of version 2: the container's in the guest, and with
 * values that fit hull-vmm the one on the host.
 *
 * linux.resources speaks cgroup v1's language; what is written here is what runc
 * writes on a host with cgroup v2 only.
 */
#ifndef HULL_OCI_CGROUP2_H
#define HULL_OCI_CGROUP2_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct oci_cpu;
struct oci_memory;
struct oci_opt_i64;
struct oci_resources;

/*
 * cgroup_set() - apply @res to the cgroup whose folder is @cgroup; NULL: nothing to
 * do.  Device rules, cpu.cpus and cpu.mems are not its business.
 * @by: OCI_BY_HOST or OCI_BY_AGENT (oci/honoured.h): whose part of resources.unified
 * Return: 0 or -errno; what came before the failure has been set
 */
int cgroup_set(int cgroup, const struct oci_resources *res, unsigned int by,
	       struct err *err);

/*
 * cgroup_swap_max() - memory.swap.max: what memory and swap together leave for swap.
 * @ret: (bytes) -1: any; not set: as it is
 * Return: 0; -EINVAL
 */
int cgroup_swap_max(const struct oci_memory *m, struct oci_opt_i64 *ret, struct err *err);

/* cgroup_has_word() - is @word one of the words of @text, as of cgroup.controllers? */
bool cgroup_has_word(const char *text, const char *word);

/* cgroup_cpu_period() - (us) the period that @c has, or the kernel's. */
uint64_t cgroup_cpu_period(const struct oci_cpu *c);

/* Conversions, as runc does them. */
uint64_t cgroup_weight_of_shares(uint64_t shares);
uint64_t cgroup_io_weight(uint16_t blkio_weight);

#endif
