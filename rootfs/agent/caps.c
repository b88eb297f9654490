/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdint.h>
#include <sys/capability.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "rootfs/agent/launch.h"

/* caps_mask() - a list of names as bits; unknown ones are left out, as in runc. */
static uint64_t caps_mask(const struct oci_strings *names)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < names->n; i++) {
		int cap = oci_capability(names->v[i]);

		if (cap >= 0 && cap < cap_max_bits())
			mask |= UINT64_C(1) << cap;
	}
	return mask;
}

int caps_limit_bounding(const struct oci_capabilities *caps, struct err *err)
{
	uint64_t keep = caps_mask(&caps->bounding);

	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++)
		if (!(keep & UINT64_C(1) << cap) && cap_drop_bound(cap) < 0)
			return err_set(err, errno, "unable to apply bounding set");
	return 0;
}

static int set_flag(cap_t set, cap_flag_t flag, const struct oci_strings *names)
{
	uint64_t mask = caps_mask(names);
	cap_value_t values[64];
	int n = 0;

	for (cap_value_t cap = 0; cap < 64; cap++)
		if (mask & UINT64_C(1) << cap)
			values[n++] = cap;
	return n ? cap_set_flag(set, flag, n, values, CAP_SET) : 0;
}

int caps_apply(const struct oci_capabilities *caps, struct err *err)
{
	uint64_t ambient = caps_mask(&caps->ambient);
	cap_t set = cap_init();
	int ret = 0;

	if (!set || set_flag(set, CAP_EFFECTIVE, &caps->effective) < 0 ||
	    set_flag(set, CAP_PERMITTED, &caps->permitted) < 0 ||
	    set_flag(set, CAP_INHERITABLE, &caps->inheritable) < 0 ||
	    cap_set_proc(set) < 0)
		ret = err_set(err, errno, "unable to apply caps");
	if (set)
		(void)cap_free(set);
	if (ret < 0)
		return ret;
	/* Nobody has raised any before: there is nothing to reset. */
	for (cap_value_t cap = 0; ambient && cap < cap_max_bits(); cap++)
		if (ambient & UINT64_C(1) << cap)
			/* Refused unless permitted and inheritable: runc only warns. */
			(void)cap_set_ambient(cap, CAP_SET);
	return 0;
}
