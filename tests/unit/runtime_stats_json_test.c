/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of `hull events`, byte for byte. */
#include "runtime/stats_json.h"

#include "lib/buf.h"
#include "runtime/intel_rdt.h"
#include "tests/unit/tap.h"
#include "vmm/cgroup_stats.h"
#include "vmm/control.h"

static const struct intel_rdt no_rdt;

#define CPUSET                                                                           \
	"\"cpuset\":{\"cpu_exclusive\":0,\"mem_hardwall\":0,\"mem_exclusive\":0,"        \
	"\"memory_migrate\":0,\"memory_spread_page\":0,\"memory_spread_slab\":0,"        \
	"\"memory_pressure\":0,\"sched_load_balance\":0,"                                \
	"\"sched_relax_domain_level\":0}"
#define NO_ENTRY "{\"limit\":0,\"failcnt\":0}"
#define NO_PRESSURE "{\"avg10\":0,\"avg60\":0,\"avg300\":0,\"total\":0}"

static void test_empty(void)
{
	static const struct cgroup_stats none;
	auto_buf struct buf b = BUF_INIT;

	is_int(stats_event("c1", &none, &no_rdt, &b), 0, "nothing to tell");
	is_str(b.data,
	       "{\"type\":\"stats\",\"id\":\"c1\",\"data\":{"
	       "\"cpu\":{\"usage\":{\"kernel\":0,\"user\":0},\"throttling\":{}}," CPUSET
	       ","
	       "\"memory\":{\"usage\":" NO_ENTRY ",\"swap\":" NO_ENTRY
	       ",\"kernel\":" NO_ENTRY ",\"kernelTCP\":" NO_ENTRY "},"
	       "\"pids\":{},\"blkio\":{},\"hugetlb\":{},\"intel_rdt\":{},"
	       "\"network_interfaces\":null}}\n",
	       "every object is there");
}

static void test_full(void)
{
	static const struct cgroup_stats s = {
		.have = CGROUP_HAVE_PSI << CGROUP_PSI_CPU | CGROUP_HAVE_PSI
								    << CGROUP_PSI_IO,
		.cpu_total = 30,
		.cpu_user = 20,
		.cpu_system = 10,
		.cpu_periods = 3,
		.cpu_throttled_periods = 2,
		.cpu_throttled = 1000,
		.memory_usage = 500,
		.memory_peak = 600,
		.memory_limit = 1000,
		.swap_usage = 5,
		.swap_limit = 50,
		.memory_failures = 4,
		.memory_keys = 1ull << CGROUP_MEMORY_file | 1ull << CGROUP_MEMORY_anon |
			       1ull << CGROUP_MEMORY_active_anon,
		.memory[CGROUP_MEMORY_file] = 11,
		.memory[CGROUP_MEMORY_anon] = 12,
		.pids = 3,
		.pids_limit = 77,
		.psi[CGROUP_PSI_CPU].some = { .avg10 = 125, .avg60 = 10, .total = 99 },
		.n_io = 1,
		.io[0] = { 8, 0, 1, 2, 3, 4 },
		.n_hugetlb = 2,
		.hugetlb[0] = { 2 << 20, 4 << 20, 1 },
		.hugetlb[1] = { 1 << 30, 0, 0 },
	};
	auto_buf struct buf b = BUF_INIT;

	is_int(stats_event("c1", &s, &no_rdt, &b), 0, "everything");
	is_str(b.data,
	       "{\"type\":\"stats\",\"id\":\"c1\",\"data\":{"
	       "\"cpu\":{\"usage\":{\"total\":30,\"kernel\":10,\"user\":20},"
	       "\"throttling\":{\"periods\":3,\"throttledPeriods\":2,"
	       "\"throttledTime\":1000},\"psi\":{"
	       "\"some\":{\"avg10\":1.25,\"avg60\":0.1,\"avg300\":0,\"total\":99},"
	       "\"full\":" NO_PRESSURE "}}," CPUSET ","
	       "\"memory\":{\"cache\":11,"
	       "\"usage\":{\"limit\":1000,\"usage\":500,\"max\":600,\"failcnt\":4},"
	       "\"swap\":{\"limit\":1050,\"usage\":505,\"failcnt\":0},"
	       "\"kernel\":" NO_ENTRY ",\"kernelTCP\":" NO_ENTRY ","
	       "\"raw\":{\"active_anon\":0,\"anon\":12,\"file\":11}},"
	       "\"pids\":{\"current\":3,\"limit\":77},"
	       "\"blkio\":{\"ioServiceBytesRecursive\":["
	       "{\"major\":8,\"op\":\"Read\",\"value\":1},"
	       "{\"major\":8,\"op\":\"Write\",\"value\":2}],"
	       "\"ioServicedRecursive\":["
	       "{\"major\":8,\"op\":\"Read\",\"value\":3},"
	       "{\"major\":8,\"op\":\"Write\",\"value\":4}],"
	       "\"psi\":{\"some\":" NO_PRESSURE ",\"full\":" NO_PRESSURE "}},"
	       "\"hugetlb\":{\"2MB\":{\"usage\":4194304,\"failcnt\":1},"
	       "\"1GB\":{\"failcnt\":0}},"
	       "\"intel_rdt\":{},\"network_interfaces\":null}}\n",
	       "as runc names it");
}

static void test_no_limits(void)
{
	static const struct cgroup_stats s = {
		.memory_usage = 1,
		.memory_limit = CGROUP_NO_LIMIT,
		.swap_limit = CGROUP_NO_LIMIT,
		.pids = 1,
		.pids_limit = CGROUP_NO_LIMIT,
	};
	auto_buf struct buf b = BUF_INIT;

	is_int(stats_event("c1", &s, &no_rdt, &b), 0, "no limits");
	ok(strstr(b.data, "\"usage\":{\"limit\":18446744073709551615,\"usage\":1,"),
	   "of memory");
	ok(strstr(b.data, "\"swap\":{\"limit\":18446744073709551615,\"usage\":1,"),
	   "of memory and swap: no overflow");
	ok(strstr(b.data, "\"pids\":{\"current\":1}"), "of processes");
}

static void test_oom(void)
{
	auto_buf struct buf b = BUF_INIT;

	is_int(oom_event("c\"1", &b), 0, "out of memory");
	is_str(b.data, "{\"type\":\"oom\",\"id\":\"c\\\"1\"}\n", "its line");
}

static void test_freeze(void)
{
	auto_buf struct buf b = BUF_INIT;

	is_int(freeze_event("c1", 12, 0, &b), 0, "frozen");
	is_int(thaw_event("c1", CONTROL_THAW_DEADLINE, &b), 0, "thawed");
	is_int(thaw_event("c1", 99, &b), 0, "for a reason that is not known");
	is_str(b.data,
	       "{\"type\":\"freeze\",\"id\":\"c1\",\"data\":{\"pid\":12,\"uid\":0}}\n"
	       "{\"type\":\"thaw\",\"id\":\"c1\",\"data\":{\"reason\":\"deadline\"}}\n"
	       "{\"type\":\"thaw\",\"id\":\"c1\",\"data\":{\"reason\":\"unknown\"}}\n",
	       "their lines");
}

int main(void)
{
	test_empty();
	test_full();
	test_no_limits();
	test_oom();
	test_freeze();
	return tap_done();
}
