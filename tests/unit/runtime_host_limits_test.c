/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/host_limits.c, on a folder that looks like a cgroup. */
#include "runtime/host_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/cgroup2_saved.h"
#include "oci/spec.h"
#include "runtime/cpuset.h"
#include "runtime/host_cgroup.h"
#include "runtime/host_cgroup_ops.h"
#include "tests/unit/tap.h"

#define MIB (UINT64_C(1) << 20)

static char dir[] = "/tmp/hull-limits-test-XXXXXX";
static int dir_fd;
static struct host_cgroup cgroup; /* it */
static const struct cpuset no_cpuset;

/* apply() - @resources for a machine of 640 MiB and 3 vCPUs. */
static int apply(const char *resources, struct err *err)
{
	static const struct machine machine = { .memory = 640 * MIB, .vcpus = 3 };
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf b = BUF_INIT;
	struct host_limits limits;

	buf_printf(&b, "{\"ociVersion\":\"1.0.2\",\"linux\":{\"resources\":{%s}}}",
		   resources);
	if (oci_spec_parse(b.data, b.len, &spec, err) < 0)
		return -EINVAL;
	host_limits_of(spec->linux_->resources, &no_cpuset, &machine, &limits);
	return host_limits_set(&cgroup, &limits, err);
}

/* has() - what @resources write into @file, the only one there is. */
static void has(const char *resources, const char *file, const char *want)
{
	auto_buf struct buf got = BUF_INIT;
	struct err err = ERR_INIT;

	(void)close(openat(dir_fd, file, O_CREAT | O_WRONLY | O_TRUNC, 0600));
	ok(apply(resources, &err) == 0, "%s: %s", resources, err.msg);
	(void)io_read_file(dir_fd, file, 4096, &got, NULL);
	is_str(got.data ? got.data : "", want, "%s", file);
	(void)unlinkat(dir_fd, file, 0);
}

/* change() - as `hull update` does; on failure all is as it was. */
static int change(const struct oci_resources *res, const struct machine *machine,
		  struct cgroup_saved **ret_saved, struct err *err)
{
	struct host_limits limits;
	int ret;

	host_limits_changed(&cgroup, res, &no_cpuset, machine, &limits);
	*ret_saved = host_limits_save(&cgroup, &limits);
	ret = host_limits_set(&cgroup, &limits, err);
	if (ret < 0)
		cgroup_put_back(*ret_saved);
	return ret;
}

/* test_idle() - systemd's one property for both needs the weight that the kernel gives. */
static void test_idle(void)
{
	static const char text[] = "{\"cpu\":{\"idle\":0}}";
	auto_oci_spec struct oci_spec *spec = NULL;
	struct host_limits limits;
	int fd = openat(dir_fd, "cpu.idle", O_CREAT | O_WRONLY, 0600);

	is_int(oci_resources_parse(text, strlen(text), &spec, NULL), 0, "not idle any more");
	ok(write(fd, "0\n", 2) == 2, "it was not");
	host_limits_changed(&cgroup, spec->linux_->resources, &no_cpuset,
			    &(struct machine){ 0 }, &limits);
	ok(!limits.cpu.shares.set, "its weight stays");
	ok(pwrite(fd, "1\n", 2, 0) == 2, "it was");
	host_limits_changed(&cgroup, spec->linux_->resources, &no_cpuset,
			    &(struct machine){ 0 }, &limits);
	ok(limits.cpu.shares.set && limits.cpu.shares.value == 1024, "the default weight");
	(void)close(fd);
	(void)unlinkat(dir_fd, "cpu.idle", 0);
}

/* update() - @resources change in a cgroup that says @before in @file. */
static void update(const char *resources, const char *file, const char *before,
		   const char *want)
{
	static const struct machine machine = { .memory = 640 * MIB, .vcpus = 3 };
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_cgroup_saved struct cgroup_saved *saved = NULL;
	auto_buf struct buf got = BUF_INIT;
	auto_buf struct buf back = BUF_INIT;
	struct err err = ERR_INIT;
	int fd = openat(dir_fd, file, O_CREAT | O_WRONLY | O_TRUNC, 0600);

	ok(write(fd, before, strlen(before)) == (ssize_t)strlen(before) &&
		   oci_resources_parse(resources, strlen(resources), &spec, &err) == 0,
	   "update %s", resources);
	ok(change(spec->linux_->resources, &machine, &saved, &err) == 0,
	   "done: %s", err.msg);
	(void)io_read_file(dir_fd, file, 4096, &got, NULL);
	is_str(got.data, want, "%s", file);
	cgroup_put_back(saved);
	(void)io_read_file(dir_fd, file, 4096, &back, NULL);
	is_str(back.data, before, "put back");
	(void)close(fd);
	(void)unlinkat(dir_fd, file, 0);
}

/* lines() - such files keep what is behind a write, so the longer line comes first. */
static void lines(const char *file)
{
	auto_buf struct buf b = BUF_INIT;

	buf_printf(&b, "\"unified\":{\"%s\":\"8:16 a=4444\\n8:0 b=5\\n\"}", file);
	has(b.data, file, "8:0 b=54444");
}

static void fails_for(const char *key, const char *want)
{
	auto_buf struct buf b = BUF_INIT;
	struct err err = ERR_INIT;

	buf_printf(&b, "\"unified\":{\"%s\":\"1\"}", key);
	is_int(apply(b.data, &err), -ENOENT, "%s", key);
	is_str(err.msg, want, "it is named");
}

/* What of resources.unified is the host's. */
static void test_unified(void)
{
	int fd;

	lines("io.max");
	lines("io.weight");
	lines("io.latency");
	lines("rdma.max");
	lines("misc.max");
	has("\"unified\":{\"io.weight\":\"default 42\"}", "io.weight", "default 42");
	has("\"unified\":{\"cpu.weight\":\"42\"}", "cpu.weight", "42");
	has("\"unified\":{\"memory.min\":\"42\"}", "memory.min", "42");
	has("\"unified\":{\"memory.max\":\"42\"}", "memory.max", "");
	has("\"unified\":{\"pids.max\":\"42\"}", "pids.max", "");
	fails_for("io.max", "host: unable to set unified resource \"io.max\": write '1': "
			    "No such file or directory");
	fd = openat(dir_fd, "cgroup.controllers", O_CREAT | O_WRONLY, 0600);
	ok(write(fd, "cpuset cpu io pids\n", 19) == 19, "controllers");
	(void)close(fd);
	fails_for("misc.max", "host: unified resource \"misc.max\" can't be set: "
			      "controller \"misc\" not available");
	fails_for("io.max", "host: unable to set unified resource \"io.max\": write '1': "
			    "No such file or directory");
	(void)unlinkat(dir_fd, "cgroup.controllers", 0);
}

/* These files name only devices with limits: one that is new gets none again. */
static void new_device(const char *text, const char *file, const char *want,
		       const char *nothing)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_cgroup_saved struct cgroup_saved *saved = NULL;
	auto_buf struct buf got = BUF_INIT;
	auto_buf struct buf back = BUF_INIT;

	(void)close(openat(dir_fd, file, O_CREAT | O_WRONLY, 0600));
	is_int(oci_resources_parse(text, strlen(text), &spec, NULL), 0, "a device");
	is_int(change(spec->linux_->resources, &(struct machine){ 0 }, &saved, NULL), 0,
	       "gets a limit");
	(void)io_read_file(dir_fd, file, 4096, &got, NULL);
	is_str(got.data, want, "%s", file);
	cgroup_put_back(saved);
	(void)io_read_file(dir_fd, file, 4096, &back, NULL);
	is_str(back.data, nothing, "put back");
	(void)unlinkat(dir_fd, file, 0);
}

static void test_new_device(void)
{
	new_device("{\"blockIO\":{\"throttleReadBpsDevice\":"
		   "[{\"major\":8,\"minor\":1,\"rate\":9}]}}",
		   "io.max", "8:1 rbps=9", "8:1 rbps=max wbps=max riops=max wiops=max");
	new_device("{\"unified\":{\"io.max\":\"8:1 wbps=9\"}}", "io.max", "8:1 wbps=9",
		   "8:1 rbps=max wbps=max riops=max wiops=max");
	new_device("{\"unified\":{\"io.latency\":\"8:1 target=9\"}}", "io.latency",
		   "8:1 target=9", "8:1 target=max");
	new_device("{\"unified\":{\"io.weight\":\"8:1 9\"}}", "io.weight", "8:1 9",
		   "8:1 default");
}

/* Values are as long as the ones before: such files keep what is behind a write. */
static void test_update(void)
{
	struct oci_spec *spec = NULL;
	struct cgroup_saved *saved = NULL;
	struct err err = ERR_INIT;
	static const char two[] = "{\"pids\":{\"limit\":5},\"cpu\":{\"shares\":1024}}";

	update("{\"memory\":{\"limit\":1048576}}", "memory.max", "100000000",
	       "748683264");
	update("{\"memory\":{\"limit\":-1}}", "memory.max", "123", "max");
	update("{\"memory\":{\"swap\":1048576}}", "memory.swap.max", "1", "1");
	update("{\"memory\":{\"swap\":-1}}", "memory.swap.max", "123", "max");
	update("{\"pids\":{\"limit\":20}}", "pids.max", "45", "55");
	update("{\"cpu\":{\"quota\":50000}}", "cpu.max", "130000 200000\n",
	       "100000 200000\n");
	update("{\"cpu\":{\"period\":200000}}", "cpu.max", "125000 100000\n",
	       "150000 200000\n");
	update("{\"cpu\":{\"period\":200000}}", "cpu.max", "max 100000\n",
	       "max 200000\n");
	(void)close(openat(dir_fd, "pids.max", O_CREAT | O_WRONLY, 0600));
	is_int(oci_resources_parse(two, strlen(two), &spec, &err), 0, "two limits");
	is_int(change(spec->linux_->resources, &(struct machine){ .vcpus = 1 }, &saved,
		      &err),
	       -ENOENT, "of which one has no file");
	is_str(err.msg,
	       "host: cgroup: write '100' to 'cpu.weight': No such file or directory",
	       "it is named");
	cgroup_saved_free(saved);
	(void)unlinkat(dir_fd, "pids.max", 0);
	oci_spec_free(spec);
}

int main(void)
{
	struct host_limits none;
	struct err err = ERR_INIT;

	if (!mkdtemp(dir))
		return 1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cgroup = (struct host_cgroup){ .ops = &host_cgroup_v2,
				       .n = 1,
				       .dir = { { .controllers = "", .fd = dir_fd } } };
	host_limits_of(NULL, &no_cpuset, &(struct machine){ 0 }, &none);
	is_int(host_limits_set(&cgroup, &none, NULL), 0, "no limits");
	is_int(apply("", NULL), 0, "an empty object");
	/* 640 + 64 + 10 MiB */
	has("\"memory\":{\"limit\":536870912}", "memory.max", "748683264");
	has("\"memory\":{\"limit\":-1}", "memory.max", "max");
	has("\"memory\":{\"reservation\":4096}", "memory.low", "4096");
	has("\"cpu\":{\"quota\":50000}", "cpu.max", "75000 100000");
	has("\"cpu\":{\"quota\":2000,\"period\":10000}", "cpu.max", "4500 10000");
	has("\"cpu\":{\"quota\":-1,\"period\":10000}", "cpu.max", "max 10000");
	has("\"cpu\":{\"shares\":1024}", "cpu.weight", "100");
	has("\"pids\":{\"limit\":10}", "pids.max", "45");
	has("\"pids\":{\"limit\":-1}", "pids.max", "max");
	has("\"blockIO\":{\"weight\":10}", "io.weight", "1");
	has("\"blockIO\":{\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":0,\"rate\":7}]}",
	    "io.max", "8:0 wiops=7");
	has("\"cpu\":{\"burst\":5}", "cpu.max.burst", "5");
	has("\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4096}]",
	    "hugetlb.2MB.max", "4096");
	is_int(apply("\"unified\":{\"memory.high\":\"1\"}", NULL), 0,
	       "the guest's alone");
	is_int(apply("\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":0}],"
		     "\"cpu\":{\"burst\":5}",
		     NULL),
	       0, "a host that has no such files");
	is_int(apply("\"pids\":{\"limit\":10}", &err), -ENOENT, "no such controller");
	is_str(err.msg,
	       "host: cgroup: write '45' to 'pids.max': No such file or directory",
	       "is named");
	test_update();
	test_idle();
	test_new_device();
	test_unified();
	(void)rmdir(dir);
	return tap_done();
}
