/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New limits for a running container (AGENT_UPDATE): all of them, or none
 * (oci/cgroup2_saved.h).
 */
#ifndef HULL_AGENT_UPDATE_H
#define HULL_AGENT_UPDATE_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct oci_resources;

/*
 * update_apply() - what @res has is changed in @cgroup (a descriptor), all else stays.
 * Values that belong together (quota and period, memory and swap) are completed
 * with what the cgroup has now, in @res itself.
 * @memory: (bytes) of the machine, more than which no limit can promise
 * Return: 0; -errno: @err names the field or file, and the files hold what they
 *	held before, as far as the kernel takes it back
 */
int update_apply(int cgroup, struct oci_resources *res, uint64_t memory, struct err *err);

/* update_parse() - apply the `linux.resources` object (JSON) that @json has. */
int update_parse(int cgroup, const char *json, size_t len, uint64_t memory,
		 struct err *err);

#endif
