/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/systemd_properties.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "lib/arena.h"
#include "lib/err.h"
#include "oci/cgroup2.h"
#include "runtime/cpuset.h"

#define PERCENT_USEC 10000u /* (us of CPU time in a second) a hundredth of a CPU */

/* Words that are being added. */
struct writer {
	struct oci_strings *words;
	struct arena *arena;
	int ret; /* -ENOMEM once there was none */
};

static void put(struct writer *w, const char *name, const char *value)
{
	char *word = w->ret < 0 ? NULL : arena_printf(w->arena, "%s=%s", name, value);

	if (word)
		w->words->v[w->words->n++] = word;
	else
		w->ret = -ENOMEM;
}

/* put_limit() - a negative one is none. */
static void put_limit(struct writer *w, const char *name, int64_t value)
{
	char text[24] = "infinity";

	if (value >= 0)
		(void)!snprintf(text, sizeof(text), "%" PRId64, value);
	put(w, name, text);
}

/* put_weight() - 0 was not given. */
static void put_weight(struct writer *w, const char *name, uint64_t value)
{
	if (value)
		put_limit(w, name, (int64_t)value);
}

/* put_set() - the bytes of a bit mask, the lowest first, in hexadecimal. */
static void put_set(struct writer *w, const char *name, const struct oci_cpu_set *set)
{
	char text[2 * sizeof(set->bits) + 1] = "";
	size_t used = 0;

	for (size_t i = 0; i < sizeof(set->bits); i++) {
		unsigned int byte =
			(unsigned int)(set->bits[i / 8] >> (i % 8 * 8)) & 0xff;

		(void)!snprintf(text + 2 * i, 3, "%02x", byte);
		if (byte)
			used = 2 * i + 2;
	}
	text[used] = 0;
	put(w, name, text);
}

/* percent_of() - of one CPU, rounded up. */
static uint64_t percent_of(uint64_t quota, uint64_t period)
{
	uint64_t whole = quota / period;

	return whole * 100 + (quota % period * 100 + period - 1) / period;
}

/* can_be_rounded() - no overflow; the kernel's own bounds are far below (1 s). */
static bool can_be_rounded(const struct oci_cpu *c)
{
	return c->quota.set && c->quota.value > 0 && c->quota.value < INT64_MAX / 200 &&
	       cgroup_cpu_period(c) < UINT32_MAX;
}

void systemd_round(struct oci_cpu *c)
{
	if (can_be_rounded(c))
		c->quota.value = (int64_t)(percent_of((uint64_t)c->quota.value,
						      cgroup_cpu_period(c)) *
					   cgroup_cpu_period(c) / 100);
}

static void put_quota(struct writer *w, const struct oci_cpu *c)
{
	bool has_period = c->period.set && c->period.value;

	if (has_period)
		put_weight(w, "CPUQuotaPeriodUSec", c->period.value);
	if (can_be_rounded(c))
		put_weight(w, "CPUQuotaPerSecUSec",
			   percent_of((uint64_t)c->quota.value, cgroup_cpu_period(c)) *
				   PERCENT_USEC);
	else if (has_period || (c->quota.set && c->quota.value))
		put(w, "CPUQuotaPerSecUSec", "infinity");
}

static void put_cpu(struct writer *w, const struct oci_cpu *c)
{
	/* Of the two files systemd knows one property: idle is the weight 0. */
	if (c->idle.set && c->idle.value == 1)
		put_limit(w, "CPUWeight", 0);
	else if (c->shares.set)
		put_weight(w, "CPUWeight", cgroup_weight_of_shares(c->shares.value));
	put_quota(w, c);
}

static int put_memory(struct writer *w, const struct oci_memory *m, struct err *err)
{
	struct oci_opt_i64 swap;
	int ret = cgroup_swap_max(m, &swap, err);

	if (ret < 0)
		return ret;
	if (m->limit.set && m->limit.value)
		put_limit(w, "MemoryMax", m->limit.value);
	if (m->reservation.set && m->reservation.value)
		put_limit(w, "MemoryLow", m->reservation.value);
	if (swap.set)
		put_limit(w, "MemorySwapMax", swap.value);
	return 0;
}

int systemd_properties(const struct oci_resources *res, const struct cpuset *set,
		       struct oci_strings *words, struct arena *arena, struct err *err)
{
	struct writer w = { .words = words, .arena = arena };

	if (res->memory) {
		int ret = put_memory(&w, res->memory, err);

		if (ret < 0)
			return ret;
	}
	if (res->cpu)
		put_cpu(&w, res->cpu);
	if (res->pids && res->pids->limit.set)
		put_limit(&w, "TasksMax",
			  res->pids->limit.value ? res->pids->limit.value : 1);
	if (res->block_io && res->block_io->weight.set)
		put_weight(&w, "IOWeight", cgroup_io_weight(res->block_io->weight.value));
	if (set->has_cpus)
		put_set(&w, "AllowedCPUs", &set->cpus);
	if (set->has_mems)
		put_set(&w, "AllowedMemoryNodes", &set->mems);
	return w.ret < 0 ? err_set(err, ENOMEM, "systemd properties") : 0;
}
