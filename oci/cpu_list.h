/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of CPUs (or memory nodes) as cpuset(7) writes them: "0-3,5".
 */
#ifndef HULL_OCI_CPU_LIST_H
#define HULL_OCI_CPU_LIST_H

#include <stdbool.h>
#include <stdint.h>

#define OCI_CPU_MAX 1024u

struct oci_cpu_set {
	uint64_t bits[OCI_CPU_MAX / 64];
};

/*
 * oci_cpu_list() - read a list.
 * @ret: may be NULL
 * Return: how many different numbers it names; -EINVAL
 */
int oci_cpu_list(const char *text, struct oci_cpu_set *ret);

static inline bool oci_cpu_isset(const struct oci_cpu_set *set, unsigned int cpu)
{
	return cpu < OCI_CPU_MAX && (set->bits[cpu / 64] >> (cpu % 64) & 1);
}

#endif
