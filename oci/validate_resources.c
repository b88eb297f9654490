/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources and linux.seccomp. */
#include "oci/cgroup2.h"
#include "oci/cpu_list.h"
#include "oci/validate-internal.h"
#include "oci/validate.h"

#define SYSCALL_ARGS 6u
#define ERRNO_MAX 4095u /* Linux: MAX_ERRNO */

static int validate_device_rule(const struct oci_device_rule *r, size_t i,
				struct err *err)
{
	if (!r->access)
		return invalid(err,
			       "linux.resources.devices[%zu].access: device access at "
			       "%zu field cannot be empty",
			       i, i);
	if (r->type && strcmp(r->type, "a") != 0 && strcmp(r->type, "b") != 0 &&
	    strcmp(r->type, "c") != 0)
		return invalid(err,
			       "linux.resources.devices[%zu].type: invalid cgroup device "
			       "type \"%.80s\"",
			       i, r->type);
	if (r->major.set && (r->major.value < -1 || r->major.value > UINT32_MAX))
		return invalid(err, "linux.resources.devices[%zu].major: %lld", i,
			       (long long)r->major.value);
	if (r->minor.set && (r->minor.value < -1 || r->minor.value > UINT32_MAX))
		return invalid(err, "linux.resources.devices[%zu].minor: %lld", i,
			       (long long)r->minor.value);
	return 0;
}

/*
 * validate_swap() - cgroup v2 limits swap alone: the difference must make sense.
 * @update: a limit that is absent is the one that the container has
 */
static int validate_swap(const struct oci_memory *m, bool update, struct err *err)
{
	int64_t limit = m->limit.set ? m->limit.value : 0;
	int64_t swap = m->swap.set ? m->swap.value : 0;

	if (swap == -1 || swap == 0 || limit == -1)
		return 0;
	if (limit == 0 && update)
		return 0;
	if (limit == 0)
		return invalid(err,
			       "linux.resources.memory.swap: unable to set swap limit "
			       "without memory limit");
	if (swap < limit)
		return invalid(err,
			       "linux.resources.memory.swap: memory+swap limit should "
			       "be >= memory limit");
	return 0;
}

static int validate_memory(const struct oci_memory *m, bool update, struct err *err)
{
	if (m->limit.set && m->limit.value < -1)
		return invalid(err,
			       "linux.resources.memory.limit: invalid memory value: %lld",
			       (long long)m->limit.value);
	if (m->reservation.set && m->reservation.value < -1)
		return invalid(
			err,
			"linux.resources.memory.reservation: invalid memory value: "
			"%lld",
			(long long)m->reservation.value);
	if (m->swap.set && m->swap.value < -1)
		return invalid(err,
			       "linux.resources.memory.swap: invalid memory value: %lld",
			       (long long)m->swap.value);
	if (m->swappiness.set && m->swappiness.value > 100)
		return invalid(err,
			       "linux.resources.memory.swappiness: invalid memory "
			       "swappiness value: %llu (valid range is 0-100)",
			       (unsigned long long)m->swappiness.value);
	return validate_swap(m, update, err);
}

static int validate_cpu(const struct oci_cpu *c, struct err *err)
{
	uint64_t period = cgroup_cpu_period(c);

	/* The kernel's bounds: 1 ms to 1 s. */
	if (period < 1000 || period > 1000000)
		return invalid(err,
			       "linux.resources.cpu.period: %llu is not between 1000 and "
			       "1000000",
			       (unsigned long long)period);
	if (c->quota.set && c->quota.value > 0 && c->quota.value < 1000)
		return invalid(err, "linux.resources.cpu.quota: %lld is below 1000",
			       (long long)c->quota.value);
	if (c->burst.set && c->burst.value && c->quota.set && c->quota.value > 0 &&
	    c->burst.value > (uint64_t)c->quota.value)
		return invalid(err, "linux.resources.cpu.burst: %llu is above the quota",
			       (unsigned long long)c->burst.value);
	if (c->idle.set && c->idle.value != 0 && c->idle.value != 1)
		return invalid(err, "linux.resources.cpu.idle: %lld is not 0 or 1",
			       (long long)c->idle.value);
	if (c->cpus && oci_cpu_list(c->cpus, NULL) < 0)
		return invalid(
			err,
			"linux.resources.cpu.cpus: \"%.80s\" is not a list of CPUs "
			"like 0-3,5",
			c->cpus);
	if (c->mems && oci_cpu_list(c->mems, NULL) < 0)
		return invalid(
			err,
			"linux.resources.cpu.mems: \"%.80s\" is not a list of nodes "
			"like 0-1",
			c->mems);
	return 0;
}

static int validate_weight(const char *place, const struct oci_opt_u16 *w,
			   struct err *err)
{
	if (w->set && w->value && (w->value < 10 || w->value > 1000))
		return invalid(err, "%s: %u is not between 10 and 1000", place, w->value);
	return 0;
}

static int validate_block_io(const struct oci_block_io *b, struct err *err)
{
	int ret = validate_weight("linux.resources.blockIO.weight", &b->weight, err);

	if (ret == 0)
		ret = validate_weight("linux.resources.blockIO.leafWeight",
				      &b->leaf_weight, err);
	for (size_t i = 0; i < b->weight_device.n && ret == 0; i++) {
		ret = validate_weight("linux.resources.blockIO.weightDevice.weight",
				      &b->weight_device.v[i].weight, err);
		if (ret == 0)
			ret = validate_weight(
				"linux.resources.blockIO.weightDevice.leafWeight",
				&b->weight_device.v[i].leaf_weight, err);
	}
	return ret;
}

/* validate_page_size() - "64KB", "2MB", "1GB". */
static int validate_page_size(const struct oci_hugepage_limit *h, size_t i,
			      struct err *err)
{
	const char *p = h->page_size;
	size_t digits = strspn(p, "0123456789");

	if (!digits || p[0] == '0' || !p[digits] || !strchr("KMG", p[digits]) ||
	    strcmp(p + digits + 1, "B") != 0)
		return invalid(
			err,
			"linux.resources.hugepageLimits[%zu].pageSize: \"%.80s\" is "
			"not a size like 2MB",
			i, p);
	return 0;
}

static int validate_unified(const struct oci_map *unified, struct err *err)
{
	for (size_t i = 0; i < unified->n; i++) {
		const char *key = unified->v[i].key;

		if (strchr(key, '/'))
			return invalid(
				err,
				"linux.resources.unified: unified resource \"%.80s\" "
				"must be a file name (no slashes)",
				key);
		if (!strchr(key, '.') || key[0] == '.')
			return invalid(
				err,
				"linux.resources.unified: unified resource \"%.80s\" "
				"must be in the form CONTROLLER.PARAMETER",
				key);
	}
	return 0;
}

static int validate_all(const struct oci_resources *r, bool update, struct err *err)
{
	int ret = 0;

	for (size_t i = 0; i < r->devices.n && ret == 0; i++)
		ret = validate_device_rule(&r->devices.v[i], i, err);
	if (ret == 0 && r->memory)
		ret = validate_memory(r->memory, update, err);
	if (ret == 0 && r->cpu)
		ret = validate_cpu(r->cpu, err);
	if (ret == 0 && r->block_io)
		ret = validate_block_io(r->block_io, err);
	for (size_t i = 0; i < r->hugepage_limits.n && ret == 0; i++)
		ret = validate_page_size(&r->hugepage_limits.v[i], i, err);
	if (ret == 0)
		ret = validate_unified(&r->unified, err);
	return ret;
}

int validate_resources(const struct oci_resources *r, struct err *err)
{
	return validate_all(r, false, err);
}

int oci_validate_update(const struct oci_resources *resources, struct err *err)
{
	return validate_all(resources, true, err);
}

/* ---- seccomp ------------------------------------------------------------------------ */

/* validate_errno() - @place: "linux.seccomp.defaultErrnoRet", ... */
static int validate_errno(const char *place, const struct oci_opt_u32 *errno_ret,
			  enum oci_seccomp_action action, struct err *err)
{
	if (!errno_ret->set)
		return 0;
	if (action != OCI_ACT_ERRNO && action != OCI_ACT_TRACE)
		return invalid(err, "%s: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE have one",
			       place);
	if (action == OCI_ACT_ERRNO && errno_ret->value > ERRNO_MAX)
		return invalid(err, "%s: %u is not between 0 and %u", place,
			       errno_ret->value, ERRNO_MAX);
	if (errno_ret->value > UINT16_MAX)
		return invalid(err, "%s: %u is not between 0 and %u", place,
			       errno_ret->value, UINT16_MAX);
	return 0;
}

static int validate_syscall(const struct oci_syscall *s, size_t i, struct err *err)
{
	char place[64];

	if (!s->names.n)
		return invalid(err, "linux.seccomp.syscalls[%zu].names: empty", i);
	for (size_t j = 0; j < s->names.n; j++) {
		if (!s->names.v[j][0])
			return invalid(err,
				       "linux.seccomp.syscalls[%zu].names[%zu]: empty "
				       "string is not a valid syscall",
				       i, j);
		if (s->action == OCI_ACT_NOTIFY && strcmp(s->names.v[j], "write") == 0)
			return invalid(err,
				       "linux.seccomp.syscalls[%zu]: SCMP_ACT_NOTIFY "
				       "cannot be used for the write syscall",
				       i);
	}
	for (size_t j = 0; j < s->args.n; j++)
		if (s->args.v[j].index >= SYSCALL_ARGS)
			return invalid(
				err,
				"linux.seccomp.syscalls[%zu].args[%zu].index: %u is "
				"not between 0 and %u",
				i, j, s->args.v[j].index, SYSCALL_ARGS - 1);
	(void)!snprintf(place, sizeof(place), "linux.seccomp.syscalls[%zu].errnoRet", i);
	return validate_errno(place, &s->errno_ret, s->action, err);
}

int validate_seccomp(const struct oci_seccomp *s, struct err *err)
{
	int ret;

	if (!s->default_action)
		return invalid(err, "linux.seccomp.defaultAction: is required");
	if (s->default_action == OCI_ACT_NOTIFY)
		return invalid(err,
			       "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be "
			       "used as default action");
	ret = validate_errno("linux.seccomp.defaultErrnoRet", &s->default_errno_ret,
			     s->default_action, err);
	for (size_t i = 0; i < s->syscalls.n && ret == 0; i++)
		ret = validate_syscall(&s->syscalls.v[i], i, err);
	return ret;
}
