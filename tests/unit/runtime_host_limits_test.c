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
#include "oci/spec.h"
#include "tests/unit/tap.h"

#define MIB (UINT64_C(1) << 20)

static char dir[] = "/tmp/hull-limits-test-XXXXXX";
static int dir_fd;

/* apply() - @resources for a machine of 640 MiB and 3 vCPUs. */
static int apply(const char *resources, struct err *err)
{
	static const struct machine machine = { .memory = 640 * MIB, .vcpus = 3 };
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf b = BUF_INIT;

	buf_printf(&b, "{\"ociVersion\":\"1.0.2\",\"linux\":{\"resources\":{%s}}}",
		   resources);
	if (oci_spec_parse(b.data, b.len, &spec, err) < 0)
		return -EINVAL;
	return host_limits_set(dir_fd, spec->linux_->resources, &machine, err);
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

int main(void)
{
	struct err err = ERR_INIT;

	if (!mkdtemp(dir))
		return 1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is_int(host_limits_set(dir_fd, NULL, &(struct machine){ 0 }, NULL), 0,
	       "no limits");
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
	is_int(apply("\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":0}],"
		     "\"unified\":{\"memory.high\":\"1\"},\"cpu\":{\"burst\":5}",
		     NULL),
	       0, "these are the guest's alone");
	is_int(apply("\"pids\":{\"limit\":10}", &err), -ENOENT, "no such controller");
	is_str(err.msg,
	       "host: cgroup: write '45' to 'pids.max': No such file or directory",
	       "is named");
	(void)rmdir(dir);
	return tap_done();
}
