/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/intel_rdt.c on a folder that looks like resctrl, but for what the kernel does by
 * itself: a new group has no files here, and one with files cannot be removed.
 */
#include "runtime/intel_rdt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/json.h"
#include "oci/spec.h"
#include "tests/unit/tap.h"

static char root[] = "/tmp/hull-rdt-test-XXXXXX";
static int root_fd;

static void folder(const char *name)
{
	ok(mkdirat(root_fd, name, 0700) == 0, "folder %s", name);
}

static void put(const char *name, const char *text)
{
	auto_fd int fd =
		openat(root_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ok(fd >= 0 && io_write_full(fd, text, strlen(text)) == 0, "file %s", name);
}

static void holds(const char *name, const char *want)
{
	auto_buf struct buf b = BUF_INIT;

	(void)io_read_file(root_fd, name, 4096, &b, NULL);
	is_str(b.data ? b.data : "", want, "%s", name);
}

static bool there(const char *name)
{
	return faccessat(root_fd, name, F_OK, 0) == 0;
}

static struct oci_spec *parse(const char *rdt)
{
	struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;
	auto_buf struct buf b = BUF_INIT;

	buf_printf(&b, "{\"ociVersion\":\"1.3.0\",\"linux\":{\"intelRdt\":{%s}}}", rdt);
	ok(oci_spec_parse(b.data, b.len, &spec, &err) == 0, "{%s} %s", rdt, err.msg);
	return spec;
}

/* create() - for the container c1. */
static int create(const char *rdt, struct arena *arena, struct intel_rdt *ret,
		  struct err *err)
{
	auto_oci_spec struct oci_spec *spec = parse(rdt);

	return intel_rdt_create(root, spec->linux_->intel_rdt, "c1", arena, ret, err);
}

/* fails() - @want: a * is the folder */
static void fails(const char *rdt, const char *want)
{
	auto_arena struct arena arena = ARENA_INIT;
	struct intel_rdt got = { 0 };
	struct err err = ERR_INIT;

	ok(create(rdt, &arena, &got, &err) < 0, "fails");
	ok(strncmp(err.msg, want, strcspn(want, "*")) == 0, "%s", err.msg);
	ok(!strchr(want, '*') || strstr(err.msg, strchr(want, '*') + 1), "to its end");
	ok(!got.group && !got.remove, "nothing is told");
}

static void check(const char *at, const char *rdt, const char *want)
{
	auto_oci_spec struct oci_spec *spec = parse(rdt);
	struct err err = ERR_INIT;

	is_int(intel_rdt_check(at, spec->linux_->intel_rdt, &err), want ? -ENOTSUP : 0,
	       "checked");
	is_str(err.msg, want ? want : "", "says why");
}

static void test_check(void)
{
	is_int(intel_rdt_check(NULL, NULL, NULL), 0, "nothing asked for");
	check(NULL, "",
	      "linux.intelRdt: intelRdt is specified in config, but Intel RDT is not "
	      "enabled");
	check(root, "\"l3CacheSchema\":\"L3:0=f\"",
	      "linux.intelRdt.l3CacheSchema: intelRdt.l3CacheSchema is specified in "
	      "config, but Intel RDT/CAT is not enabled");
	check(root, "\"memBwSchema\":\"MB:0=20\"",
	      "linux.intelRdt.memBwSchema: intelRdt.memBwSchema is specified in config, "
	      "but Intel RDT/MBA is not enabled");
	check(root, "\"closID\":\"a\",\"schemata\":[\"L2:0=f\"]", NULL);
	folder("info");
	folder("info/L3");
	folder("info/MB");
	check(root, "\"l3CacheSchema\":\"L3:0=f\",\"memBwSchema\":\"MB:0=20\"", NULL);
}

/* A group of the container's own. */
static void test_own(void)
{
	auto_arena struct arena arena = ARENA_INIT;
	struct intel_rdt rdt = { 0 };
	struct err err = ERR_INIT;

	is_int(create("", &arena, &rdt, &err), 0, "made: %s", err.msg);
	ok(there("c1"), "it is there");
	ok(rdt.remove == rdt.group && !rdt.monitor, "and is to be removed");
	is_int(intel_rdt_enter(&rdt, &err), -ENOENT, "it has no tasks here");
	ok(strstr(err.msg, "linux.intelRdt: add hull-vmm to '") &&
		   strstr(err.msg, "/c1/tasks': No such file or directory"),
	   "%s", err.msg);
	put("c1/tasks", "");
	is_int(intel_rdt_enter(&rdt, &err), 0, "entered");
	holds("c1/tasks", "0");
	is_int(intel_rdt_remove(&rdt, &err), -ENOTEMPTY,
	       "cannot be removed with files here");
	ok(strstr(err.msg, "unable to remove container's IntelRDT group"), "is told");
	(void)unlinkat(root_fd, "c1/tasks", 0);
	is_int(intel_rdt_remove(&rdt, &err), 0, "removed");
	ok(!there("c1"), "it is gone");
	is_int(intel_rdt_remove(&rdt, &err), 0, "gone already");
	is_int(intel_rdt_remove(&(struct intel_rdt){ 0 }, &err), 0, "none at all");
}

/* Shares are written in the specification's order; what failed leaves nothing. */
static void test_shares(void)
{
	static const char all[] =
		"\"memBwSchema\":\"MB:0=20\",\"schemata\":[\"L2:0=1\",\"L3:0=3\"],"
		"\"l3CacheSchema\":\"L3:0=f\"";
	auto_arena struct arena arena = ARENA_INIT;
	struct intel_rdt rdt = { 0 };
	struct err err = ERR_INIT;

	fails(all, "linux.intelRdt: unable to write 'L3:0=f MB:0=20 L2:0=1 L3:0=3' to '"
		   "*/c1/schemata': No such file or directory");
	ok(!there("c1"), "what was made is gone");
	put("info/last_cmd_status", "Out of\nCLOSIDs\n");
	fails(all, "linux.intelRdt: unable to write '*/c1/schemata': No such file or "
		   "directory, last_cmd_status: Out of CLOSIDs");
	(void)unlinkat(root_fd, "info/last_cmd_status", 0);
	folder("c1");
	put("c1/schemata", "");
	is_int(create(all, &arena, &rdt, &err), 0, "a group that was there: %s", err.msg);
	holds("c1/schemata", "L3:0=f\nMB:0=20\nL2:0=1\nL3:0=3\n");
	ok(!rdt.remove, "and stays");
}

/* A class that config.json names. */
static void test_class(void)
{
	auto_arena struct arena arena = ARENA_INIT;
	struct intel_rdt rdt = { 0 };
	struct err err = ERR_INIT;

	fails("\"closID\":\"gold\"",
	      "linux.intelRdt.closID: clos dir not accessible (must be pre-created when "
	      "schemata, l3CacheSchema and memBwSchema are empty): stat '*/gold': No such file "
	      "or directory");
	ok(!there("gold"), "it is not made");
	folder("gold");
	put("gold/schemata", "    L3:0=00f;1=0ff\n    MB:0= 20;1=100\n");
	put("info/MB/bandwidth_gran", "10\n");
	is_int(create("\"closID\":\"gold\"", &arena, &rdt, &err), 0, "it is there: %s",
	       err.msg);
	ok(!rdt.remove, "and stays");
	is_int(create("\"closID\":\"gold\",\"l3CacheSchema\":\"L3:1=ff;0=f\",\"memBwSchema\":"
		      "\"MB:0=11\"",
		      &arena, &rdt, &err),
	       0, "the same shares, rounded as the kernel does: %s", err.msg);
	put("gold/schemata", "    L3:0=00f;1=0ff\n    MB:0= 20;1=100\n");
	fails("\"closID\":\"gold\",\"l3CacheSchema\":\"L3:0=7\"",
	      "linux.intelRdt.closID: 'gold' exists and has 'L3:0=00f;1=0ff', not 'L3:0=7'");
	fails("\"closID\":\"gold\",\"memBwSchema\":\"MB:0=21\"",
	      "linux.intelRdt.closID: 'gold' exists and has 'MB:0= 20;1=100', not 'MB:0=21'");
	fails("\"closID\":\"gold\",\"l3CacheSchema\":\"L3:2=f\"",
	      "linux.intelRdt.closID: 'gold' exists");
	fails("\"closID\":\"info\"", "linux.intelRdt.closID: '*/info' has no schemata");
	holds("gold/schemata", "    L3:0=00f;1=0ff\n    MB:0= 20;1=100\n");
	put("schemata", "L3:0=fff;1=fff\nMB:0=100;1=100\n");
	is_int(create("\"closID\":\"/\"", &arena, &rdt, &err), 0, "the root: %s",
	       err.msg);
	is_str(rdt.group, root, "its folder");
	ok(!rdt.remove, "and stays");
}

static void test_monitor(void)
{
	auto_arena struct arena arena = ARENA_INIT;
	struct intel_rdt rdt = { 0 };
	struct err err = ERR_INIT;

	fails("\"closID\":\"gold\",\"enableMonitoring\":true",
	      "linux.intelRdt: create '*/gold/mon_groups/c1': No such file or directory");
	ok(there("gold"), "the class stays");
	folder("gold/mon_groups");
	is_int(create("\"closID\":\"gold\",\"enableMonitoring\":true", &arena, &rdt,
		      &err),
	       0, "a monitoring group: %s", err.msg);
	ok(there("gold/mon_groups/c1") && rdt.remove == rdt.monitor, "is to be removed");
	put("gold/tasks", "");
	put("gold/mon_groups/c1/tasks", "");
	is_int(intel_rdt_enter(&rdt, &err), 0, "entered");
	holds("gold/tasks", "0");
	holds("gold/mon_groups/c1/tasks", "0");
	(void)unlinkat(root_fd, "gold/mon_groups/c1/tasks", 0);
	is_int(intel_rdt_remove(&rdt, &err), 0, "removed");
	ok(!there("gold/mon_groups/c1") && there("gold"), "the class stays");
}

static void test_update(void)
{
	auto_arena struct arena arena = ARENA_INIT;
	const struct intel_rdt none = { 0 };
	struct intel_rdt rdt = { 0 };
	struct buf saved = BUF_INIT;
	struct err err = ERR_INIT;

	is_int(create("\"closID\":\"gold\"", &arena, &rdt, &err), 0, "a container");
	is_int(intel_rdt_check_update(NULL, &none, NULL, "", NULL), 0, "nothing new");
	is_int(intel_rdt_check_update(NULL, &rdt, "L3:0=1", NULL, &err), -ENOTSUP,
	       "no CAT");
	is_str(err.msg, "Intel RDT/CAT: l3 cache schema is not enabled", "runc's words");
	is_int(intel_rdt_check_update(NULL, &rdt, NULL, "MB:0=10", &err), -ENOTSUP,
	       "no MBA");
	is_str(err.msg, "Intel RDT/MBA: memory bandwidth schema is not enabled",
	       "runc's words");
	is_int(intel_rdt_check_update(root, &none, "L3:0=1", NULL, &err), -EINVAL,
	       "no group");
	is_str(err.msg,
	       "updating a non-existent Intel RDT configuration is not supported",
	       "runc's words");
	is_int(intel_rdt_check_update(root, &rdt, "L3:0=1", "MB:0=10", NULL), 0, "both");
	put("gold/schemata", "L3:0=f\nMB:0=20\n");
	is_int(intel_rdt_change(&rdt, NULL, NULL, &saved, &err), 0, "nothing new");
	is_int(saved.len, 0, "nothing to put back");
	is_int(intel_rdt_change(&rdt, "L3:0=3", "MB:0=50", &saved, &err), 0,
	       "new shares");
	holds("gold/schemata", "L3:0=3\nMB:0=50\n");
	intel_rdt_put_back(&rdt, &saved);
	holds("gold/schemata", "L3:0=f\nMB:0=20\n");
	buf_release(&saved);
}

static void stats(const struct intel_rdt *rdt, const char *want)
{
	auto_buf struct buf b = BUF_INIT;
	struct json_writer w = JSON_WRITER(&b, NULL);

	json_open_object(&w, NULL);
	intel_rdt_put(&w, rdt);
	json_close_object(&w);
	is_str(b.data, want, "the counters");
}

static void test_stats(void)
{
	auto_arena struct arena arena = ARENA_INIT;
	struct intel_rdt rdt = { 0 };
	struct err err = ERR_INIT;

	stats(&rdt, "{}");
	is_int(create("\"closID\":\"gold\"", &arena, &rdt, &err), 0, "a container");
	put("info/L3/cbm_mask", "fff\n");
	put("info/L3/min_cbm_bits", "1\n");
	put("info/L3/num_closids", "16\n");
	put("info/MB/delay_linear", "0\n");
	put("gold/schemata", "    L3:0=00f\n    MB:0= 20\n");
	folder("info/L3_MON");
	put("info/L3_MON/mon_features", "llc_occupancy\nmbm_total_bytes\n");
	folder("gold/mon_data");
	folder("gold/mon_data/mon_L3_01");
	folder("gold/mon_data/mon_L3_00");
	put("gold/mon_data/mon_L3_00/llc_occupancy", "4096\n");
	put("gold/mon_data/mon_L3_00/mbm_total_bytes", "0\n");
	put("gold/mon_data/mon_L3_01/mbm_total_bytes", "Unavailable\n");
	stats(&rdt,
	      "{\"l3_cache_info\":{\"cbm_mask\":\"fff\",\"min_cbm_bits\":1,\"num_closids\":16},"
	      "\"l3_cache_schema_root\":\"L3:0=fff;1=fff\",\"l3_cache_schema\":\"L3:0=00f\","
	      "\"mem_bw_info\":{\"bandwidth_gran\":10},"
	      "\"mem_bw_schema_root\":\"MB:0=100;1=100\",\"mem_bw_schema\":\"MB:0= 20\","
	      "\"schemata\":[\"L3:0=00f\",\"    MB:0= 20\"],"
	      "\"mbm_stats\":[{\"mbm_total_bytes\":0},{}],"
	      "\"cmt_stats\":[{\"llc_occupancy\":4096},{}]}");
}

int main(void)
{
	char command[64];

	if (!mkdtemp(root))
		return 1;
	root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_check();
	test_own();
	test_shares();
	test_class();
	test_monitor();
	test_update();
	test_stats();
	(void)!snprintf(command, sizeof(command), "rm -r %s", root);
	(void)!system(command);
	return tap_done();
}
