/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/agent/update.h"

#include <errno.h>
#include <inttypes.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/cgroup2.h"
#include "oci/cgroup2_saved.h"
#include "oci/honoured.h"
#include "oci/spec.h"

/* ---- what belongs together -------------------------------------------------------------- */

/* complete_cpu() - quota and period are one file: what is not given stays. */
static void complete_cpu(int cgroup, struct oci_cpu *c)
{
	uint64_t period;
	int64_t quota;

	if (c->quota.set == c->period.set ||
	    cgroup_read_cpu_max(cgroup, &quota, &period) < 0)
		return;
	if (!c->quota.set)
		c->quota = (struct oci_opt_i64){ true, quota };
	else
		c->period = (struct oci_opt_u64){ true, period };
}

/*
 * complete_memory() - linux.resources has memory + swap in one number, cgroup v2 swap
 * alone: when one of the two numbers changes, the other one is the cgroup's.
 */
static void complete_memory(int cgroup, struct oci_memory *m)
{
	bool has_limit = m->limit.set && m->limit.value;
	bool has_swap = m->swap.set && m->swap.value;
	int64_t limit = -1;
	int64_t swap = -1;

	if (has_limit == has_swap || cgroup_read_limit(cgroup, "memory.max", &limit) < 0)
		return;
	if (has_swap && limit >= 0)
		m->limit = (struct oci_opt_i64){ true, limit };
	/* No swap file: the kernel has no swap, and nothing to keep. */
	if (has_swap || m->limit.value < 0 || limit < 0 ||
	    cgroup_read_limit(cgroup, "memory.swap.max", &swap) < 0 || swap < 0)
		return;
	m->swap = (struct oci_opt_i64){ true, limit + swap };
}

/* ---- what cannot be promised -------------------------------------------------------------- */

/* check_usage() - checkBeforeUpdate: no limit that would kill at once. */
static int check_usage(int cgroup, const struct oci_memory *m, struct err *err)
{
	int64_t usage;

	if (!m->check_before_update.value ||
	    cgroup_read_limit(cgroup, "memory.current", &usage) < 0)
		return 0;
	if (m->swap.set && m->swap.value > 0 && usage >= m->swap.value)
		return err_msg(err, EBUSY,
			       "rejecting memory+swap limit %" PRId64 " <= usage %" PRId64,
			       m->swap.value, usage);
	if (m->limit.set && m->limit.value > 0 && usage >= m->limit.value)
		return err_msg(err, EBUSY,
			       "rejecting memory limit %" PRId64 " <= usage %" PRId64,
			       m->limit.value, usage);
	return 0;
}

static int check_size(const struct oci_memory *m, uint64_t memory, struct err *err)
{
	if (m->limit.set && m->limit.value > 0 && (uint64_t)m->limit.value > memory)
		return err_msg(err, ENOTSUP,
			       "linux.resources.memory.limit: %" PRId64
			       " is more than the "
			       "machine's memory, %" PRIu64 ", which cannot grow",
			       m->limit.value, memory);
	return 0;
}

/* ---- the whole ----------------------------------------------------------------------------- */

int update_apply(int cgroup, struct oci_resources *res, uint64_t memory, struct err *err)
{
	auto_cgroup_saved struct cgroup_saved *saved = NULL;
	int ret = 0;

	if (res->cpu)
		complete_cpu(cgroup, res->cpu);
	if (res->memory) {
		/* Before the completion: what there is already may be any. */
		ret = check_size(res->memory, memory, err);
		if (ret == 0)
			ret = check_usage(cgroup, res->memory, err);
		complete_memory(cgroup, res->memory);
	}
	if (ret < 0)
		return ret;
	saved = cgroup_save(cgroup, res);
	if (!saved)
		return err_set(err, ENOMEM, "update");
	ret = cgroup_set(cgroup, res, OCI_BY_AGENT, err);
	if (ret < 0)
		cgroup_put_back(saved);
	return ret;
}

int update_parse(int cgroup, const char *json, size_t len, uint64_t memory,
		 struct err *err)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	int ret = oci_resources_parse(json, len, &spec, err);

	return ret < 0 ? ret :
			 update_apply(cgroup, spec->linux_->resources, memory, err);
}
