/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/systemd_properties.c: limits as systemd's words. */
#include "runtime/systemd_properties.h"

#include <errno.h>
#include <inttypes.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "runtime/cpuset.h"
#include "tests/unit/tap.h"

/* says() - what becomes of @resources; on failure the error. */
static void says(const char *resources, const char *want)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_arena struct arena arena = ARENA_INIT;
	auto_buf struct buf got = BUF_INIT;
	char *word[SYSTEMD_MAX_PROPERTIES + 1] = { 0 };
	struct oci_strings words = { .v = word };
	struct err err = ERR_INIT;
	struct oci_resources *res;
	struct cpuset set;

	if (oci_resources_parse(resources, strlen(resources), &spec, &err) < 0 ||
	    cpuset_take(spec, &set, &err) < 0) {
		ok(false, "%s: %s", resources, err.msg);
		return;
	}
	res = spec->linux_->resources;
	if (res->cpu)
		systemd_round(res->cpu);
	if (systemd_properties(res, &set, &words, &arena, &err) < 0)
		(void)buf_puts(&got, err.msg);
	for (size_t i = 0; i < words.n; i++)
		(void)buf_printf(&got, "%s%s", i ? " " : "", words.v[i]);
	is_str(got.data ? got.data : "", want, "%s", resources);
}

/* rounds() - a quota, and what is left of it. */
static void rounds(int64_t quota, uint64_t period, int64_t want)
{
	struct oci_cpu c = { .quota = { true, quota },
			     .period = { period != 0, period } };

	systemd_round(&c);
	is_int(c.quota.value, want, "%" PRId64 " of %" PRIu64, quota, period);
}

int main(void)
{
	says("{}", "");
	says("{\"memory\":{\"limit\":1048576,\"reservation\":4096,\"swap\":1048576}}",
	     "MemoryMax=1048576 MemoryLow=4096 MemorySwapMax=0");
	says("{\"memory\":{\"limit\":-1}}", "MemoryMax=infinity MemorySwapMax=infinity");
	says("{\"memory\":{\"limit\":1048576,\"swap\":3145728}}",
	     "MemoryMax=1048576 MemorySwapMax=2097152");
	says("{\"memory\":{\"limit\":0}}", "");
	says("{\"memory\":{\"swap\":5}}",
	     "unable to set swap limit without memory limit");
	says("{\"cpu\":{\"shares\":1024}}", "CPUWeight=100");
	says("{\"cpu\":{\"shares\":0}}", "");
	says("{\"cpu\":{\"idle\":1,\"shares\":1024}}", "CPUWeight=0");
	says("{\"cpu\":{\"idle\":0}}", "");
	says("{\"cpu\":{\"quota\":50000}}", "CPUQuotaPerSecUSec=500000");
	says("{\"cpu\":{\"quota\":5555,\"period\":10000}}",
	     "CPUQuotaPeriodUSec=10000 CPUQuotaPerSecUSec=560000");
	says("{\"cpu\":{\"period\":10000}}",
	     "CPUQuotaPeriodUSec=10000 CPUQuotaPerSecUSec=infinity");
	says("{\"cpu\":{\"quota\":-1}}", "CPUQuotaPerSecUSec=infinity");
	says("{\"cpu\":{\"cpus\":\"0-3,8\",\"mems\":\"0\"}}",
	     "AllowedCPUs=0f01 AllowedMemoryNodes=01");
	says("{\"cpu\":{\"cpus\":\"1023\"}}",
	     "AllowedCPUs="
	     "0000000000000000000000000000000000000000000000000000000000000000"
	     "0000000000000000000000000000000000000000000000000000000000000000"
	     "0000000000000000000000000000000000000000000000000000000000000000"
	     "0000000000000000000000000000000000000000000000000000000000000080");
	says("{\"pids\":{\"limit\":7}}", "TasksMax=7");
	says("{\"pids\":{\"limit\":0}}", "TasksMax=1");
	says("{\"pids\":{\"limit\":-1}}", "TasksMax=infinity");
	says("{\"blockIO\":{\"weight\":10}}", "IOWeight=1");
	says("{\"memory\":{\"limit\":1,\"reservation\":1,\"swap\":1},\"cpu\":{\"shares\":2,"
	     "\"quota\":1000,\"period\":1000,\"cpus\":\"0\",\"mems\":\"0\"},"
	     "\"pids\":{\"limit\":1},\"blockIO\":{\"weight\":1000}}",
	     "MemoryMax=1 MemoryLow=1 MemorySwapMax=0 CPUWeight=1 CPUQuotaPeriodUSec=1000 "
	     "CPUQuotaPerSecUSec=1000000 TasksMax=1 IOWeight=10000 AllowedCPUs=01 "
	     "AllowedMemoryNodes=01");
	rounds(50000, 0, 50000);
	rounds(50001, 0, 51000);
	rounds(5555, 10000, 5600);
	rounds(1, 1000000, 10000);
	rounds(-1, 1000, -1);
	rounds(0, 1000, 0);
	rounds(INT64_MAX, 1000, INT64_MAX);
	rounds(1000, UINT64_MAX, 1000);
	return tap_done();
}
