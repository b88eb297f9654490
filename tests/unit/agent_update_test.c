/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New limits on a directory that looks like a cgroup.  Its files keep what is behind the
 * end of a write, so new values are as long as the old ones.
 */
#include "rootfs/agent/update.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/spec.h"
#include "tests/unit/tap.h"

#define MEMORY (512ull << 20) /* (bytes) of the machine */

static char dir[] = "/tmp/hull-update-test-XXXXXX";
static int dir_fd;

static void file(const char *name, const char *text)
{
	auto_fd int fd =
		openat(dir_fd, name, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
}

static void holds(const char *name, const char *want)
{
	auto_buf struct buf got = BUF_INIT;

	(void)io_read_file(dir_fd, name, 4096, &got, NULL);
	is_str(got.data ? got.data : "", want, "%s", name);
}

static void clear(void)
{
	auto_dir DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		(void)unlinkat(dir_fd, e->d_name, 0);
}

static int update(const char *json, struct err *err)
{
	auto_oci_spec struct oci_spec *spec = NULL;

	if (oci_resources_parse(json, strlen(json), &spec, err) < 0)
		return -EINVAL;
	return update_apply(dir_fd, spec->linux_->resources, MEMORY, err);
}

static void works(const char *json)
{
	struct err err = ERR_INIT;

	is_int(update(json, &err), 0, "update %s: %s", json, err.msg);
}

static void fails(const char *json, const char *why)
{
	struct err err = ERR_INIT;

	ok(update(json, &err) < 0, "update %s: fails", json);
	is_str(err.msg, why, "and says why");
}

static void test_nothing(void)
{
	clear();
	works("{}");
	works("{\"memory\":{},\"cpu\":{},\"pids\":{},\"blockIO\":{}}");
	works("{\"memory\":{\"limit\":0},\"pids\":{}}");
}

static void test_cpu(void)
{
	clear();
	file("cpu.max", "20000 100000\n");
	works("{\"cpu\":{\"quota\":50000}}");
	holds("cpu.max", "50000 100000\n");
	file("cpu.max", "20000 100000\n");
	works("{\"cpu\":{\"period\":200000}}");
	holds("cpu.max", "20000 200000\n");
	file("cpu.max", "max 100000\n");
	works("{\"cpu\":{\"period\":200000}}");
	holds("cpu.max", "max 200000\n");
	file("cpu.max", "500 200000\n");
	works("{\"cpu\":{\"quota\":-1}}");
	holds("cpu.max", "max 200000\n");
	file("cpu.max", "50000 100000\n");
	works("{\"cpu\":{\"quota\":60000,\"period\":300000}}");
	holds("cpu.max", "60000 300000\n");
}

static void test_memory(void)
{
	clear();
	file("memory.max", "100000\n");
	file("memory.swap.max", "max\n");
	works("{\"memory\":{\"limit\":200000}}");
	holds("memory.max", "200000\n");
	holds("memory.swap.max", "max\n");
	file("memory.swap.max", "300000\n"); /* 500000 together */
	works("{\"memory\":{\"limit\":350000}}");
	holds("memory.max", "350000\n");
	holds("memory.swap.max", "150000\n");
	fails("{\"memory\":{\"limit\":600000}}",
	      "memory+swap limit should be >= memory limit");
	holds("memory.max", "350000\n");
	works("{\"memory\":{\"swap\":550000}}");
	holds("memory.swap.max", "200000\n");
	fails("{\"memory\":{\"swap\":300000}}",
	      "memory+swap limit should be >= memory limit");
	file("memory.max", "max\n");
	fails("{\"memory\":{\"swap\":300000}}",
	      "unable to set swap limit without memory limit");
	file("memory.max", "100\n");
	file("memory.swap.max", "100\n");
	works("{\"memory\":{\"limit\":-1}}");
	holds("memory.max", "max\n");
	holds("memory.swap.max", "max\n");
}

static void test_size(void)
{
	clear();
	file("memory.max", "100000000");
	fails("{\"memory\":{\"limit\":536870913}}",
	      "linux.resources.memory.limit: 536870913 is more than the machine's memory, "
	      "536870912, which cannot grow");
	holds("memory.max", "100000000");
	works("{\"memory\":{\"limit\":536870912}}");
	holds("memory.max", "536870912");
}

static void test_check(void)
{
	clear();
	file("memory.max", "900000");
	file("memory.swap.max", "max");
	file("memory.current", "500000\n");
	fails("{\"memory\":{\"limit\":400000,\"checkBeforeUpdate\":true}}",
	      "rejecting memory limit 400000 <= usage 500000");
	fails("{\"memory\":{\"swap\":400000,\"checkBeforeUpdate\":true}}",
	      "rejecting memory+swap limit 400000 <= usage 500000");
	holds("memory.max", "900000");
	works("{\"memory\":{\"limit\":600000,\"checkBeforeUpdate\":true}}");
	holds("memory.max", "600000");
	works("{\"memory\":{\"limit\":400000}}");
	holds("memory.max", "400000");
}

/* What was written before the failure gets its old contents again. */
static void test_all_or_none(void)
{
	clear();
	file("pids.max", "10\n");
	file("memory.max", "100000\n");
	file("memory.low", "5000\n");
	file("io.weight", "default 100\n8:0 200\n");
	file("hugetlb.2MB.max", "max\n");
	file("memory.high", "333333\n");
	fails("{\"pids\":{\"limit\":20},\"memory\":{\"limit\":200000,"
	      "\"reservation\":6000},\"cpu\":{\"shares\":1024}}",
	      "cgroup: write '100' to 'cpu.weight': No such file or directory");
	holds("pids.max", "10\n");
	holds("memory.max", "100000\n");
	holds("memory.low", "5000\n");
	fails("{\"unified\":{\"memory.high\":\"444444\",\"none.such\":\"1\"},"
	      "\"pids\":{\"limit\":20}}",
	      "unable to set unified resource \"none.such\": write '1': No such file or directory");
	holds("memory.high", "333333\n");
	holds("pids.max", "10\n");
	fails("{\"unified\":{\"../memory.high\":\"1\"},\"pids\":{\"limit\":20}}",
	      "unified resource \"../memory.high\" must be a file name (no slashes)");
	holds("pids.max", "10\n");
	works("{\"pids\":{\"limit\":20},\"memory\":{\"limit\":200000}}");
	holds("pids.max", "20\n");
	holds("memory.max", "200000\n");
}

static void test_parse(void)
{
	struct err err = ERR_INIT;

	clear();
	file("pids.max", "10\n");
	is_int(update_parse(dir_fd, "{\"pids\":{\"limit\":77}}", 21, MEMORY, &err), 0, "JSON");
	holds("pids.max", "77\n");
	is_int(update_parse(dir_fd, "{", 1, MEMORY, &err), -EINVAL, "no JSON");
	is_int(update_parse(dir_fd, "null", 4, MEMORY, &err), -EINVAL, "no object");
	is_str(err.msg, "resources: expected an object, got null", "it says so");
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_nothing();
	test_cpu();
	test_memory();
	test_size();
	test_check();
	test_all_or_none();
	test_parse();
	clear();
	(void)rmdir(dir);
	return tap_done();
}
