/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/cgroup2_saved.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/io.h"
#include "oci/spec.h"

#define MAX_FILE 4096u /* (bytes) of a file with limits */

/* Files that tell only of the devices that have something, and what takes it away. */
static const struct {
	const char *name;
	const char *lift;
} of_devices[] = {
	{ "io.max", "rbps=max wbps=max riops=max wiops=max" },
	{ "io.latency", "target=max" },
	{ "io.weight", "default" },
	{ "io.bfq.weight", "default" },
};

static int save_file(struct cgroup_saved *s, int cgroup, const char *name)
{
	const char *lift = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(of_devices); i++)
		if (strcmp(name, of_devices[i].name) == 0)
			lift = of_devices[i].lift;
	return cgroup_saved_add(s, cgroup, name, lift);
}

static int save_hugepages(struct cgroup_saved *s, int cgroup, const char *size)
{
	static const char *const kinds[] = { "max", "rsvd.max" };
	char name[64];
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && ret == 0; i++) {
		(void)!snprintf(name, sizeof(name), "hugetlb.%.24s.%s", size, kinds[i]);
		ret = save_file(s, cgroup, name);
	}
	return ret;
}

static int save_all(struct cgroup_saved *s, int cgroup, const struct oci_resources *res)
{
	static const char *const files[] = {
		"pids.max",      "memory.swap.max", "memory.max", "memory.low",
		"io.bfq.weight", "io.weight",       "cpu.idle",   "cpu.weight",
		"cpu.max",       "cpu.max.burst",   "io.max",
	};
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && ret == 0; i++)
		ret = save_file(s, cgroup, files[i]);
	for (size_t i = 0; i < res->hugepage_limits.n && ret == 0; i++)
		ret = save_hugepages(s, cgroup, res->hugepage_limits.v[i].page_size);
	for (size_t i = 0; i < res->unified.n && ret == 0; i++)
		if (!strchr(res->unified.v[i].key, '/'))
			ret = save_file(s, cgroup, res->unified.v[i].key);
	return ret;
}

struct cgroup_saved *cgroup_save(int cgroup, const struct oci_resources *res)
{
	struct cgroup_saved *s = cgroup_saved_new();

	if (!s || save_all(s, cgroup, res) == 0)
		return s;
	cgroup_saved_free(s);
	return NULL;
}

int cgroup_read_limit(int cgroup, const char *name, int64_t *ret)
{
	auto_buf struct buf b = BUF_INIT;

	if (io_read_file(cgroup, name, MAX_FILE, &b, NULL) < 0 || !b.data)
		return -ENOENT;
	*ret = strncmp(b.data, "max", 3) == 0 ? -1 : strtoll(b.data, NULL, 10);
	return 0;
}

int cgroup_read_cpu_max(int cgroup, int64_t *ret_quota, uint64_t *ret_period)
{
	auto_buf struct buf b = BUF_INIT;
	const char *period;

	if (io_read_file(cgroup, "cpu.max", MAX_FILE, &b, NULL) < 0 || !b.data)
		return -ENOENT;
	period = strchr(b.data, ' ');
	if (!period)
		return -ENOENT;
	*ret_quota = strncmp(b.data, "max", 3) == 0 ? -1 : strtoll(b.data, NULL, 10);
	*ret_period = strtoull(period, NULL, 10);
	return 0;
}
