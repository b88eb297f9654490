/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources on cgroup v2 (OCI runtime-spec 1.3 config-linux.md#control-groups;
 * Linux Documentation/admin-guide/cgroup-v2.rst).
 */
#include "oci/cgroup2.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/io.h"
#include "oci/honoured.h"
#include "oci/spec.h"
#include "oci/unified.h"

#define CPU_PERIOD_DEFAULT 100000u /* (us) */

bool cgroup_has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = text; (p = strstr(p, word)); p += len)
		if ((p == text || p[-1] == ' ') &&
		    (p[len] == ' ' || p[len] == '\n' || !p[len]))
			return true;
	return false;
}

static int set_text(int cgroup, const char *name, const char *text, struct err *err)
{
	int ret = io_write_file(cgroup, name, text, NULL);

	return ret < 0 ? err_set(err, -ret, "cgroup: write '%s' to '%s'", text, name) : 0;
}

static int set_number(int cgroup, const char *name, uint64_t value, struct err *err)
{
	char text[24];

	(void)!snprintf(text, sizeof(text), "%" PRIu64, value);
	return set_text(cgroup, name, text, err);
}

/* set_limit() - -1 is "max", 0 is left as it is. */
static int set_limit(int cgroup, const char *name, struct oci_opt_i64 limit,
		     struct err *err)
{
	if (!limit.set || !limit.value)
		return 0;
	if (limit.value < 0)
		return set_text(cgroup, name, "max", err);
	return set_number(cgroup, name, (uint64_t)limit.value, err);
}

/* log2_of() - of a number >= 1, as exact as the conversion needs. */
static double log2_of(uint64_t n)
{
	int whole = 63 - __builtin_clzll(n);
	double x = (double)n / (double)(UINT64_C(1) << whole);
	double ret = whole;

	for (double bit = 0.5; bit > 1e-16; bit /= 2) {
		x *= x;
		if (x >= 2) {
			x /= 2;
			ret += bit;
		}
	}
	return ret;
}

/* power_of_10() - 0 <= @x < 10 */
static double power_of_10(double x)
{
	const double ln10 = 2.302585092994045684;
	double term = 1;
	double sum = 1;
	double whole = 1;

	for (; x >= 1; x -= 1)
		whole *= 10;
	for (int i = 1; i < 40; i++) {
		term *= x * ln10 / i;
		sum += term;
	}
	return whole * sum;
}

uint64_t cgroup_weight_of_shares(uint64_t shares)
{
	double l;
	double weight;

	if (!shares)
		return 0;
	if (shares <= 2)
		return 1;
	if (shares == 1024)
		return 100; /* default to default, whatever the rounding */
	if (shares >= 262144)
		return 10000;
	l = log2_of(shares);
	weight = power_of_10((l * l + 125 * l) / 612.0 - 7.0 / 34.0);
	return (uint64_t)weight + (weight > (double)(uint64_t)weight);
}

uint64_t cgroup_io_weight(uint16_t blkio_weight)
{
	if (!blkio_weight)
		return 0;
	return 1 + (uint64_t)(blkio_weight < 10 ? 0 : blkio_weight - 10) * 9999 / 990;
}

int cgroup_swap_max(const struct oci_memory *m, struct oci_opt_i64 *ret, struct err *err)
{
	int64_t swap = m->swap.set ? m->swap.value : 0;
	int64_t limit = m->limit.set ? m->limit.value : 0;

	if (limit == -1 && !swap)
		swap = -1;
	*ret = (struct oci_opt_i64){ .set = swap != 0 };
	if (!swap)
		return 0;
	if (swap > 0 && !limit)
		return err_msg(err, EINVAL,
			       "unable to set swap limit without memory limit");
	if (swap > 0 && limit > 0 && swap < limit)
		return err_msg(err, EINVAL,
			       "memory+swap limit should be >= memory limit");
	ret->value = swap < 0 ? -1 : limit > 0 ? swap - limit : swap;
	return 0;
}

static int set_swap(int cgroup, const struct oci_memory *m, struct err *err)
{
	const char *name = "memory.swap.max";
	struct oci_opt_i64 swap;
	char text[24] = "max";
	int ret = cgroup_swap_max(m, &swap, err);

	if (ret < 0 || !swap.set)
		return ret;
	if (swap.value >= 0)
		(void)!snprintf(text, sizeof(text), "%" PRId64, swap.value);
	ret = io_write_file(cgroup, name, text, NULL);
	/* A kernel without swap has no such file, and nothing to limit. */
	if (ret == -ENOENT && swap.value <= 0)
		return 0;
	return ret < 0 ? err_set(err, -ret, "cgroup: write '%s' to '%s'", text, name) : 0;
}

static int set_memory(int cgroup, const struct oci_memory *m, struct err *err)
{
	int ret = set_swap(cgroup, m, err);

	if (ret == 0)
		ret = set_limit(cgroup, "memory.max", m->limit, err);
	if (ret == 0)
		ret = set_limit(cgroup, "memory.low", m->reservation, err);
	return ret;
}

uint64_t cgroup_cpu_period(const struct oci_cpu *c)
{
	return c->period.set && c->period.value ? c->period.value : CPU_PERIOD_DEFAULT;
}

static int set_cpu_max(int cgroup, const struct oci_cpu *c, struct err *err)
{
	int64_t quota = c->quota.set ? c->quota.value : 0;
	uint64_t period = cgroup_cpu_period(c);
	char text[48];

	if (!quota && !(c->period.set && c->period.value))
		return 0;
	if (quota > 0)
		(void)!snprintf(text, sizeof(text), "%" PRId64 " %" PRIu64, quota,
				period);
	else
		(void)!snprintf(text, sizeof(text), "max %" PRIu64, period);
	return set_text(cgroup, "cpu.max", text, err);
}

/* lacks() - on the host, where it is an addition, a file of a newer kernel may be missing. */
static bool lacks(int cgroup, const char *name, unsigned int by)
{
	return by == OCI_BY_HOST && faccessat(cgroup, name, F_OK, 0) < 0;
}

static int set_cpu(int cgroup, const struct oci_cpu *c, unsigned int by, struct err *err)
{
	bool burst = c->burst.set && !lacks(cgroup, "cpu.max.burst", by);
	int ret = 0;

	if (c->idle.set)
		ret = set_number(cgroup, "cpu.idle", (uint64_t)c->idle.value, err);
	if (ret == 0 && c->shares.set && c->shares.value)
		ret = set_number(cgroup, "cpu.weight",
				 cgroup_weight_of_shares(c->shares.value), err);
	/* A burst may not exceed the quota: where it falls it goes first ... */
	if (ret == 0 && burst)
		(void)set_number(cgroup, "cpu.max.burst", c->burst.value, NULL);
	if (ret == 0)
		ret = set_cpu_max(cgroup, c, err);
	/* ... and where it rises, behind it. */
	if (ret == 0 && burst)
		ret = set_number(cgroup, "cpu.max.burst", c->burst.value, err);
	return ret;
}

static int set_pids(int cgroup, const struct oci_pids *p, struct err *err)
{
	if (!p->limit.set)
		return 0;
	if (p->limit.value < 0)
		return set_text(cgroup, "pids.max", "max", err);
	/* 0 would not even let the init be; runc writes 1 as well. */
	return set_number(cgroup, "pids.max",
			  p->limit.value ? (uint64_t)p->limit.value : 1, err);
}

static int set_throttle(int cgroup, const struct oci_throttle_devices *list,
			const char *key, struct err *err)
{
	char text[96];
	int ret = 0;

	for (size_t i = 0; i < list->n && ret == 0; i++) {
		const struct oci_throttle_device *d = &list->v[i];

		(void)!snprintf(text, sizeof(text), "%" PRId64 ":%" PRId64 " %s=%" PRIu64,
				d->major, d->minor, key, d->rate);
		ret = set_text(cgroup, "io.max", text, err);
	}
	return ret;
}

static int set_io(int cgroup, const struct oci_block_io *b, struct err *err)
{
	char text[64];
	bool bfq = faccessat(cgroup, "io.bfq.weight", W_OK, 0) == 0;
	int ret = 0;

	if (b->weight.set && b->weight.value && bfq)
		ret = set_number(cgroup, "io.bfq.weight", b->weight.value, err);
	else if (b->weight.set && b->weight.value)
		ret = set_number(cgroup, "io.weight", cgroup_io_weight(b->weight.value),
				 err);
	for (size_t i = 0; i < b->weight_device.n && ret == 0 && bfq; i++) {
		const struct oci_weight_device *d = &b->weight_device.v[i];

		if (!d->weight.set)
			continue;
		(void)!snprintf(text, sizeof(text), "%" PRId64 ":%" PRId64 " %u",
				d->major, d->minor, d->weight.value);
		ret = set_text(cgroup, "io.bfq.weight", text, err);
	}
	if (ret == 0)
		ret = set_throttle(cgroup, &b->throttle_read_bps, "rbps", err);
	if (ret == 0)
		ret = set_throttle(cgroup, &b->throttle_write_bps, "wbps", err);
	if (ret == 0)
		ret = set_throttle(cgroup, &b->throttle_read_iops, "riops", err);
	if (ret == 0)
		ret = set_throttle(cgroup, &b->throttle_write_iops, "wiops", err);
	return ret;
}

static int set_hugepages(int cgroup, const struct oci_hugepage_limit *h, unsigned int by,
			 struct err *err)
{
	char name[64];
	char text[24];
	int ret;

	(void)!snprintf(name, sizeof(name), "hugetlb.%.24s.max", h->page_size);
	if (lacks(cgroup, name, by))
		return 0;
	ret = set_number(cgroup, name, h->limit, err);
	if (ret < 0)
		return ret;
	(void)!snprintf(name, sizeof(name), "hugetlb.%.24s.rsvd.max", h->page_size);
	(void)!snprintf(text, sizeof(text), "%" PRIu64, h->limit);
	ret = io_write_file(cgroup, name, text, NULL);
	/* Older kernels do not count reservations. */
	return ret < 0 && ret != -ENOENT
		       ? err_set(err, -ret, "cgroup: write '%s' to '%s'", text, name)
		       : 0;
}

static int set_rdma(int cgroup, const struct oci_resources *res, struct err *err)
{
	char text[320];
	int ret = 0;

	for (size_t i = 0; i < res->rdma.n && ret == 0; i++) {
		char handles[40] = "";
		char objects[40] = "";

		if (res->rdma.v[i].hca_handles.set)
			(void)!snprintf(handles, sizeof(handles), " hca_handle=%u",
					res->rdma.v[i].hca_handles.value);
		if (res->rdma.v[i].hca_objects.set)
			(void)!snprintf(objects, sizeof(objects), " hca_object=%u",
					res->rdma.v[i].hca_objects.value);
		(void)!snprintf(text, sizeof(text), "%.200s%s%s", res->rdma.v[i].key,
				handles, objects);
		ret = set_text(cgroup, "rdma.max", text, err);
	}
	return ret;
}

int cgroup_set(int cgroup, const struct oci_resources *res, unsigned int by,
	       struct err *err)
{
	int ret = 0;

	if (!res)
		return 0;
	if (res->pids)
		ret = set_pids(cgroup, res->pids, err);
	if (ret == 0 && res->memory)
		ret = set_memory(cgroup, res->memory, err);
	if (ret == 0 && res->block_io)
		ret = set_io(cgroup, res->block_io, err);
	if (ret == 0 && res->cpu)
		ret = set_cpu(cgroup, res->cpu, by, err);
	for (size_t i = 0; i < res->hugepage_limits.n && ret == 0; i++)
		ret = set_hugepages(cgroup, &res->hugepage_limits.v[i], by, err);
	if (ret == 0)
		ret = set_rdma(cgroup, res, err);
	if (ret == 0)
		ret = unified_set(cgroup, &res->unified, by, err);
	return ret;
}
