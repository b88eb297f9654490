/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/io.h"
#include "oci/cpu_list.h"
#include "oci/spec.h"
#include "rootfs/agent/launch.h"
#include "rootfs/agent/spawn.h"

/* Linux include/uapi/linux/sched/types.h, which no other header can stand beside. */
struct sched_attr {
	uint32_t size;
	uint32_t sched_policy;
	uint64_t sched_flags;
	int32_t sched_nice;
	uint32_t sched_priority;
	uint64_t sched_runtime; /* (ns) */
	uint64_t sched_deadline;
	uint64_t sched_period;
};

static_assert(sizeof(struct sched_attr) == 48, "SCHED_ATTR_SIZE_VER0");

static int set_rlimits(const struct oci_process *p, struct err *err)
{
	for (size_t i = 0; i < p->rlimits.n; i++) {
		const struct oci_rlimit *r = &p->rlimits.v[i];
		const struct rlimit lim = { .rlim_cur = r->soft, .rlim_max = r->hard };
		const char *name = oci_rlimit_name(r->type);

		if (setrlimit((__rlimit_resource_t)r->type, &lim) < 0)
			return err_set(err, errno, "error setting rlimit %s",
				       name ? name : "?");
	}
	return 0;
}

static int set_scheduler(const struct oci_scheduler *s, struct err *err)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = (uint32_t)s->policy - 1,
		.sched_nice = s->nice,
		.sched_priority = (uint32_t)s->priority,
		.sched_runtime = s->runtime,
		.sched_deadline = s->deadline,
		.sched_period = s->period,
	};

	for (size_t i = 0; i < s->flags.n; i++)
		attr.sched_flags |= (unsigned int)s->flags.v[i];
	if (syscall(SYS_sched_setattr, 0, &attr, 0) < 0)
		return err_set(err, errno, "error setting scheduler");
	return 0;
}

static int set_io_priority(const struct oci_io_priority *p, struct err *err)
{
	int value = IOPRIO_PRIO_VALUE((int)p->class, p->priority);

	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) < 0)
		return err_set(err, errno, "failed to set io priority");
	return 0;
}

static int set_affinity(const char *list, struct err *err)
{
	struct oci_cpu_set cpus = { 0 };

	if (oci_cpu_list(list, &cpus) < 0)
		return err_msg(err, EINVAL, "process.execCPUAffinity: \"%s\"", list);
	if (syscall(SYS_sched_setaffinity, 0, sizeof(cpus), &cpus) < 0)
		return err_set(err, errno, "error setting CPU affinity");
	return 0;
}

int limits_apply(const struct launch *l, struct err *err)
{
	const struct oci_process *p = l->process;
	const struct oci_linux *linux_ = l->spec->linux_;
	int ret = set_rlimits(p, err);

	if (ret == 0 && p->scheduler)
		ret = set_scheduler(p->scheduler, err);
	if (ret == 0 && p->io_priority)
		ret = set_io_priority(p->io_priority, err);
	if (ret == 0 && linux_->personality &&
	    personality(linux_->personality->domain == OCI_PER_LINUX32 ? PER_LINUX32
								       : PER_LINUX) < 0)
		ret = err_set(err, errno, "error setting personality");
	if (ret == 0 && l->init_pidfd >= 0 && p->exec_cpu_affinity &&
	    p->exec_cpu_affinity->final)
		ret = set_affinity(p->exec_cpu_affinity->final, err);
	return ret;
}

int limits_raise(pid_t pid, const struct oci_process *p, struct err *err)
{
	for (size_t i = 0; i < p->rlimits.n; i++) {
		__rlimit_resource_t type = (__rlimit_resource_t)p->rlimits.v[i].type;
		struct rlimit lim;

		if (prlimit(pid, type, NULL, &lim) < 0)
			return err_set(err, errno, "prlimit");
		if (lim.rlim_max >= p->rlimits.v[i].hard)
			continue;
		lim.rlim_max = p->rlimits.v[i].hard;
		if (prlimit(pid, type, &lim, NULL) < 0)
			return err_set(err, errno, "error setting rlimit %s",
				       oci_rlimit_name((int)type));
	}
	return 0;
}

int limits_oom_score(pid_t pid, const struct oci_process *p, struct err *err)
{
	char path[64] = "/proc/self/oom_score_adj";
	char text[16];
	int ret;

	if (!p->oom_score_adj.set)
		return 0;
	(void)!snprintf(text, sizeof(text), "%d", p->oom_score_adj.value);
	if (pid)
		(void)!snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	ret = io_write_file(AT_FDCWD, path, text, err);
	return ret < 0 ? ret : 0;
}
