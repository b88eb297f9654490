/* SPDX-License-Identifier: Apache-2.0 */
/* The options of `hull update` as the JSON that the guest gets. */
#include "runtime/new_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "runtime/host_cgroup.h"
#include "runtime/verbs.h"
#include "tests/unit/tap.h"

#define MAX_WORDS 16

static char file[] = "/tmp/hull-limits-test-XXXXXX";

/* load() - `hull update @line` with words of @line between blanks. */
static int load(const char *line, struct oci_spec **ret, struct err *err)
{
	struct cli cli = { .command = &cmd_update };
	char *words[MAX_WORDS + 1] = { 0 };
	char *rest[MAX_WORDS + 1] = { 0 };
	auto_free char *text = strdup(line);
	char *at = text;
	int n = 0;
	int r;

	while (at && n < MAX_WORDS)
		words[n++] = strsep(&at, " ");
	r = cli_parse_options(&cli.options, cmd_update.options, n, words, rest, &cli.argc,
			      false, &cli.help, err);
	if (r >= 0)
		r = new_limits_load(&cli, ret, err);
	cli_release(&cli);
	return r;
}

static void gives(const char *line, const char *json)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf b = BUF_INIT;
	struct err err = ERR_INIT;

	is_int(load(line, &spec, &err), 0, "update %s", line);
	if (spec)
		(void)oci_resources_write(spec->linux_->resources, &b, &err);
	is_str(spec ? b.data : err.msg, json, "its limits");
}

static void fails(const char *line, const char *why)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;

	ok(load(line, &spec, &err) < 0, "update %s: fails", line);
	is_str(err.msg, why, "and says why");
}

static void test_options(void)
{
	gives("id", "{\"memory\":{},\"cpu\":{},\"pids\":{},\"blockIO\":{}}");
	gives("--memory 64m --memory-swap=-1 --memory-reservation 1024 id",
	      "{\"memory\":{\"limit\":67108864,\"reservation\":1024,\"swap\":-1},"
	      "\"cpu\":{},\"pids\":{},\"blockIO\":{}}");
	gives("id --cpu-quota -1 --cpu-period 50000 --cpu-share 512 --cpu-burst 10",
	      "{\"memory\":{},\"cpu\":{\"shares\":512,\"quota\":-1,\"burst\":10,"
	      "\"period\":50000},\"pids\":{},\"blockIO\":{}}");
	gives("--cpuset-cpus 0-1 --cpuset-mems 0 --cpu-idle 1 id",
	      "{\"memory\":{},\"cpu\":{\"cpus\":\"0-1\",\"mems\":\"0\",\"idle\":1},"
	      "\"pids\":{},\"blockIO\":{}}");
	gives("--pids-limit -1 --blkio-weight 500 id",
	      "{\"memory\":{},\"cpu\":{},\"pids\":{\"limit\":-1},"
	      "\"blockIO\":{\"weight\":500}}");
	/* Swap alone: the container may have a limit of memory. */
	gives("--memory-swap 1g id",
	      "{\"memory\":{\"swap\":1073741824},\"cpu\":{},\"pids\":{},\"blockIO\":{}}");
}

static void test_wrong(void)
{
	fails("--memory 12x id", "invalid value for memory: \"12x\" is not a size");
	fails("--memory 9999p id", "invalid value for memory: \"9999p\" is out of range");
	fails("--memory -2 id", "invalid value for memory: \"-2\" is not a size");
	fails("--cpu-share -1 id", "invalid value for cpu-share: \"-1\" is out of range");
	fails("--cpu-quota x id", "invalid value for cpu-quota: \"x\" is not a number");
	fails("--cpu-quota 10000000000000000000 id",
	      "invalid value for cpu-quota: \"10000000000000000000\" is out of range");
	fails("--pids-limit 5.5 id",
	      "invalid value for pids-limit: \"5.5\" is not a number");
	fails("--blkio-weight 5 id",
	      "linux.resources.blockIO.weight: 5 is not between 10 and 1000");
	fails("--cpu-period 10 id",
	      "linux.resources.cpu.period: 10 is not between 1000 and 1000000");
	fails("--cpuset-cpus a id",
	      "linux.resources.cpu.cpus: \"a\" is not a list of CPUs "
	      "like 0-3,5");
	fails("--memory 2m --memory-swap 1m id",
	      "linux.resources.memory.swap: memory+swap limit should be >= memory limit");
}

static void test_refused(void)
{
	gives("--cpu-rt-runtime 1000 id", "{\"memory\":{},\"cpu\":{\"realtimeRuntime\":1000},\"pids\":{},"
	      "\"blockIO\":{}}");
	gives("--cpu-rt-period 1000 id", "{\"memory\":{},\"cpu\":{\"realtimePeriod\":1000},\"pids\":{},"
	      "\"blockIO\":{}}");
	/* No limits of cgroups: runtime_intel_rdt_test. */
	gives("--l3-cache-schema L3:0=f --mem-bw-schema MB:0=20 id",
	      "{\"memory\":{},\"cpu\":{},\"pids\":{},\"blockIO\":{}}");
}

static void write_file(const char *text)
{
	auto_fd int fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
}

static void test_file(void)
{
	char line[128];

	(void)!snprintf(line, sizeof(line), "--memory 1 -r %s id", file);
	write_file("{\"memory\":{\"limit\":4096,\"checkBeforeUpdate\":true},"
		   "\"devices\":[{\"allow\":true,\"access\":\"rwm\"}],"
		   "\"pids\":{\"limit\":9},\"later\":1}");
	gives(line, "{\"memory\":{\"limit\":4096,\"checkBeforeUpdate\":true},"
		    "\"pids\":{\"limit\":9}}");
	write_file("{\"unified\":{\"memory.high\":\"9\"}}");
	if (host_cgroup_is_v1()) /* the host's, whatever the guest has */
		fails(line, "linux.resources.unified: invalid configuration: cannot use "
			    "unified on cgroup v1");
	else
		gives(line, "{\"unified\":{\"memory.high\":\"9\"}}");
	write_file("{\"memory\":{\"limit\":\"4096\"}}");
	fails(line, "resources: memory.limit: expected a number, got a string");
	write_file("");
	fails(line, "resources: line 1, column 1: parse error: premature EOF");
	fails("--resources /nonexistent/file id",
	      "open '/nonexistent/file': No such file or directory");
}

/* test_input() - the same from standard input. */
static void test_input(void)
{
	write_file("{\"pids\":{\"limit\":5}}");
	if (dup2(open(file, O_RDONLY | O_CLOEXEC), STDIN_FILENO) < 0)
		abort();
	gives("--resources - id", "{\"pids\":{\"limit\":5}}");
}

int main(void)
{
	close_fd(mkstemp(file));
	test_options();
	test_wrong();
	test_refused();
	test_file();
	test_input();
	(void)unlink(file);
	return tap_done();
}
