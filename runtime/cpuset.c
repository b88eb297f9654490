/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cpuset.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/err.h"
#include "oci/spec.h"

/* take_list() - *@list, which is NULL then. */
static int take_list(char **list, const char *field, bool *ret_has,
		     struct oci_cpu_set *ret, struct err *err)
{
	if (!*list)
		return 0;
	if (oci_cpu_list(*list, ret) < 0)
		return err_msg(err, EINVAL,
			       "config.json: linux.resources.cpu.%s: '%.80s' is no list",
			       field, *list);
	*ret_has = true;
	*list = NULL;
	return 0;
}

int cpuset_take(struct oci_spec *spec, struct cpuset *ret, struct err *err)
{
	struct oci_resources *res = spec->linux_->resources;
	struct oci_cpu *cpu = res ? res->cpu : NULL;
	int r;

	*ret = (struct cpuset){ 0 };
	if (!cpu)
		return 0;
	r = take_list(&cpu->cpus, "cpus", &ret->has_cpus, &ret->cpus, err);
	if (r == 0)
		r = take_list(&cpu->mems, "mems", &ret->has_mems, &ret->mems, err);
	return r;
}

int cpuset_apply(const struct cpuset *set, struct err *err)
{
	/* The C library's wrapper takes no bits beyond those it knows. */
	if (set->has_cpus &&
	    syscall(SYS_sched_setaffinity, 0, sizeof(set->cpus.bits), set->cpus.bits) < 0)
		return err_set(err, errno, "linux.resources.cpu.cpus: bind hull-vmm");
	if (set->has_mems && syscall(SYS_set_mempolicy, MPOL_BIND, set->mems.bits,
				     (unsigned long)OCI_CPU_MAX) < 0)
		return err_set(err, errno, "linux.resources.cpu.mems: bind hull-vmm");
	return 0;
}
