/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names are runc's, and so is what is left out: a member whose type says so
 * when it is 0.  Objects are always there.
 */
#include "runtime/stats_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "runtime/freeze_status.h"
#include "runtime/intel_rdt.h"
#include "vmm/cgroup_stats.h"

static const char *const memory_names[] = { CGROUP_MEMORY_KEYS(CGROUP_MEMORY_NAME) };

/* put() - unless it is 0. */
static void put(struct json_writer *w, const char *key, uint64_t n)
{
	if (n)
		json_put_u64(w, key, n);
}

static void put_pressure(struct json_writer *w, const char *key,
			 const struct cgroup_pressure *p)
{
	json_open_object(w, key);
	json_put_hundredths(w, "avg10", p->avg10);
	json_put_hundredths(w, "avg60", p->avg60);
	json_put_hundredths(w, "avg300", p->avg300);
	json_put_u64(w, "total", p->total);
	json_close_object(w);
}

static void put_psi(struct json_writer *w, const struct cgroup_stats *s,
		    enum cgroup_psi which)
{
	if (!(s->have & (uint32_t)CGROUP_HAVE_PSI << which))
		return;
	json_open_object(w, "psi");
	put_pressure(w, "some", &s->psi[which].some);
	put_pressure(w, "full", &s->psi[which].full);
	json_close_object(w);
}

static void put_cpu(struct json_writer *w, const struct cgroup_stats *s)
{
	json_open_object(w, "cpu");
	json_open_object(w, "usage");
	put(w, "total", s->cpu_total);
	json_put_u64(w, "kernel", s->cpu_system);
	json_put_u64(w, "user", s->cpu_user);
	json_close_object(w);
	json_open_object(w, "throttling");
	put(w, "periods", s->cpu_periods);
	put(w, "throttledPeriods", s->cpu_throttled_periods);
	put(w, "throttledTime", s->cpu_throttled);
	json_close_object(w);
	put_psi(w, s, CGROUP_PSI_CPU);
	json_close_object(w);
}

/* put_cpuset() - cgroup v2 tells nothing of it, and runc prints these. */
static void put_cpuset(struct json_writer *w)
{
	static const char *const names[] = {
		"cpu_exclusive",   "mem_hardwall",       "mem_exclusive",
		"memory_migrate",  "memory_spread_page", "memory_spread_slab",
		"memory_pressure", "sched_load_balance", "sched_relax_domain_level",
	};

	json_open_object(w, "cpuset");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		json_put_u64(w, names[i], 0);
	json_close_object(w);
}

static void put_entry(struct json_writer *w, const char *key, uint64_t limit,
		      uint64_t usage, uint64_t max, uint64_t failures)
{
	json_open_object(w, key);
	json_put_u64(w, "limit", limit);
	put(w, "usage", usage);
	put(w, "max", max);
	json_put_u64(w, "failcnt", failures);
	json_close_object(w);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(memory_names[*(const unsigned int *)a],
		      memory_names[*(const unsigned int *)b]);
}

/* put_raw() - memory.stat, sorted as Go prints a map. */
static void put_raw(struct json_writer *w, const struct cgroup_stats *s)
{
	unsigned int keys[ARRAY_SIZE(memory_names)];
	size_t n = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(memory_names); i++)
		if (s->memory_keys >> i & 1)
			keys[n++] = i;
	if (!n)
		return;
	qsort(keys, n, sizeof(keys[0]), by_name);
	json_open_object(w, "raw");
	for (size_t i = 0; i < n; i++)
		json_put_u64(w, memory_names[keys[i]], s->memory[keys[i]]);
	json_close_object(w);
}

/* with() - the sum of two limits, of which each may be none. */
static uint64_t with(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? CGROUP_NO_LIMIT : sum;
}

static void put_memory(struct json_writer *w, const struct cgroup_stats *s)
{
	json_open_object(w, "memory");
	put(w, "cache", s->memory[CGROUP_MEMORY_file]);
	put_entry(w, "usage", s->memory_limit, s->memory_usage, s->memory_peak,
		  s->memory_failures);
	/* memory + swap, as cgroup v1 counted. */
	put_entry(w, "swap", with(s->memory_limit, s->swap_limit),
		  with(s->memory_usage, s->swap_usage), s->swap_peak, 0);
	put_entry(w, "kernel", 0, 0, 0, 0);
	put_entry(w, "kernelTCP", 0, 0, 0, 0);
	put_raw(w, s);
	put_psi(w, s, CGROUP_PSI_MEMORY);
	json_close_object(w);
}

static void put_pids(struct json_writer *w, const struct cgroup_stats *s)
{
	json_open_object(w, "pids");
	put(w, "current", s->pids);
	put(w, "limit", s->pids_limit == CGROUP_NO_LIMIT ? 0 : s->pids_limit);
	json_close_object(w);
}

static void put_io_entry(struct json_writer *w, const struct cgroup_io_stats *io,
			 const char *op, uint64_t value)
{
	json_open_object(w, NULL);
	put(w, "major", io->major);
	put(w, "minor", io->minor);
	json_put_str(w, "op", op);
	put(w, "value", value);
	json_close_object(w);
}

static void put_blkio(struct json_writer *w, const struct cgroup_stats *s)
{
	json_open_object(w, "blkio");
	if (s->n_io) {
		json_open_array(w, "ioServiceBytesRecursive");
		for (uint32_t i = 0; i < s->n_io; i++) {
			put_io_entry(w, &s->io[i], "Read", s->io[i].rbytes);
			put_io_entry(w, &s->io[i], "Write", s->io[i].wbytes);
		}
		json_close_array(w);
		json_open_array(w, "ioServicedRecursive");
		for (uint32_t i = 0; i < s->n_io; i++) {
			put_io_entry(w, &s->io[i], "Read", s->io[i].rios);
			put_io_entry(w, &s->io[i], "Write", s->io[i].wios);
		}
		json_close_array(w);
	}
	put_psi(w, s, CGROUP_PSI_IO);
	json_close_object(w);
}

static void put_hugetlb(struct json_writer *w, const struct cgroup_stats *s)
{
	json_open_object(w, "hugetlb");
	for (uint32_t i = 0; i < s->n_hugetlb; i++) {
		uint64_t kib = s->hugetlb[i].page_size >> 10;
		char name[32];

		if (kib && !(kib & 0xfffff))
			(void)!snprintf(name, sizeof(name), "%lluGB",
					(unsigned long long)(kib >> 20));
		else if (kib && !(kib & 0x3ff))
			(void)!snprintf(name, sizeof(name), "%lluMB",
					(unsigned long long)(kib >> 10));
		else
			(void)!snprintf(name, sizeof(name), "%lluKB",
					(unsigned long long)kib);
		json_open_object(w, name);
		put(w, "usage", s->hugetlb[i].usage);
		json_put_u64(w, "failcnt", s->hugetlb[i].failures);
		json_close_object(w);
	}
	json_close_object(w);
}

static void open_event(struct json_writer *w, const char *type, const char *id)
{
	json_open_object(w, NULL);
	json_put_str(w, "type", type);
	json_put_str(w, "id", id);
}

static int close_event(struct json_writer *w)
{
	json_close_object(w);
	return buf_puts(w->out, "\n");
}

int stats_event(const char *id, const struct cgroup_stats *stats,
		const struct intel_rdt *rdt, struct buf *b)
{
	struct json_writer w = JSON_WRITER(b, NULL);

	open_event(&w, "stats", id);
	json_open_object(&w, "data");
	put_cpu(&w, stats);
	put_cpuset(&w);
	put_memory(&w, stats);
	put_pids(&w, stats);
	put_blkio(&w, stats);
	put_hugetlb(&w, stats);
	json_open_object(&w, "intel_rdt");
	intel_rdt_put(&w, rdt);
	json_close_object(&w);
	/* The guest sees no interfaces of the host. */
	json_put_null(&w, "network_interfaces");
	json_close_object(&w);
	return close_event(&w);
}

int oom_event(const char *id, struct buf *b)
{
	struct json_writer w = JSON_WRITER(b, NULL);

	open_event(&w, "oom", id);
	return close_event(&w);
}

int freeze_event(const char *id, uint32_t pid, uint32_t uid, struct buf *b)
{
	struct json_writer w = JSON_WRITER(b, NULL);

	open_event(&w, "freeze", id);
	json_open_object(&w, "data");
	json_put_u64(&w, "pid", pid);
	json_put_u64(&w, "uid", uid);
	json_close_object(&w);
	return close_event(&w);
}

int thaw_event(const char *id, uint32_t why, struct buf *b)
{
	struct json_writer w = JSON_WRITER(b, NULL);

	open_event(&w, "thaw", id);
	json_open_object(&w, "data");
	json_put_str(&w, "reason", thaw_reason(why));
	json_close_object(&w);
	return close_event(&w);
}
