/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources as cgroup v2 files, on a directory that looks like a cgroup;
 * device rules as BPF, by interpreting the programs; /proc/PID/stat.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/cgroup2.h"
#include "oci/honoured.h"
#include "oci/spec.h"
#include "rootfs/agent/devices.h"
#include "rootfs/agent/ps.h"
#include "tests/unit/tap.h"
#include "vmm/control.h"

static char dir[] = "/tmp/hull-cgroup-test-XXXXXX";
static int dir_fd;

static struct oci_spec *parse(const char *resources)
{
	struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	struct oci_spec *spec = NULL;

	buf_printf(&b, "{\"ociVersion\":\"1.0.2\",\"linux\":{\"resources\":{%s}}}",
		   resources);
	if (oci_spec_parse(b.data, b.len, &spec, &err) < 0)
		(void)printf("# %s\n", err.msg);
	buf_release(&b);
	return spec;
}

/* has() - apply @resources to a cgroup that has only @file: what is in it now? */
static void has(const char *resources, const char *file, const char *want)
{
	struct oci_spec *spec = parse(resources);
	struct buf got = BUF_INIT;
	struct err err = ERR_INIT;
	int ret;

	(void)close(openat(dir_fd, file, O_CREAT | O_WRONLY | O_TRUNC, 0600));
	ret = spec ? cgroup_set(dir_fd, spec->linux_->resources, OCI_BY_AGENT, &err) : -1;
	is_int(ret, 0, "%s", resources);
	(void)io_read_file(dir_fd, file, 4096, &got, NULL);
	is_str(got.data ? got.data : "", want, "%s", file);
	(void)unlinkat(dir_fd, file, 0);
	buf_release(&got);
	oci_spec_free(spec);
}

static void fails(const char *resources, const char *why)
{
	struct oci_spec *spec = parse(resources);
	struct err err = ERR_INIT;

	ok(cgroup_set(dir_fd, spec->linux_->resources, OCI_BY_AGENT, &err) < 0,
	   "%s fails", resources);
	ok(strstr(err.msg, why), "it says why");
	oci_spec_free(spec);
}

static void test_resources(void)
{
	has("\"memory\":{\"limit\":1048576}", "memory.max", "1048576");
	has("\"memory\":{\"limit\":-1,\"swap\":0}", "memory.max", "max");
	has("\"memory\":{\"reservation\":4096}", "memory.low", "4096");
	has("\"pids\":{\"limit\":77}", "pids.max", "77");
	has("\"pids\":{\"limit\":-1}", "pids.max", "max");
	has("\"pids\":{\"limit\":0}", "pids.max", "1");
	has("\"cpu\":{\"shares\":1024}", "cpu.weight", "100");
	has("\"cpu\":{\"quota\":50000,\"period\":200000}", "cpu.max", "50000 200000");
	has("\"cpu\":{\"quota\":50000}", "cpu.max", "50000 100000");
	has("\"cpu\":{\"quota\":-1}", "cpu.max", "max 100000");
	has("\"cpu\":{\"idle\":1}", "cpu.idle", "1");
	has("\"cpu\":{\"cpus\":\"7\"}", "cpuset.cpus", ""); /* the host's */
	has("\"blockIO\":{\"weight\":10}", "io.weight", "1");
	has("\"blockIO\":{\"weight\":1000}", "io.weight", "10000");
	has("\"blockIO\":{\"weight\":500}", "io.bfq.weight", "500");
	has("\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":1,\"rate\":9}]}",
	    "io.max", "8:1 rbps=9");
	has("\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}]",
	    "hugetlb.2MB.max", "4194304");
	has("\"unified\":{\"memory.high\":\"5000\"}", "memory.high", "5000");
	has("\"unified\":{\"io.max\":\"8:0 riops=5\"}", "io.max", ""); /* the host's */
	has("\"unified\":{\"io.weight\":\"42\"}", "io.weight", "42");
	has("\"unified\":{\"cpu.weight\":\"42\"}", "cpu.weight", "42");
	fails("\"unified\":{\"memory.high\":\"5000\"}",
	      "unable to set unified resource \"memory.high\": write '5000': No such file");
	fails("\"unified\":{\"../memory.high\":\"5000\"}", "no slashes");
	fails("\"memory\":{\"limit\":1048576}", "memory.max");
	fails("\"memory\":{\"swap\":1048576}", "without memory limit");
}

static void test_swap(void)
{
	struct oci_spec *spec = parse("\"memory\":{\"limit\":1000,\"swap\":1000}");
	struct buf got = BUF_INIT;
	struct err err = ERR_INIT;

	(void)close(openat(dir_fd, "memory.max", O_CREAT | O_WRONLY, 0600));
	is_int(cgroup_set(dir_fd, spec->linux_->resources, OCI_BY_AGENT, &err), 0,
	       "no swap to limit on a kernel without swap");
	(void)close(openat(dir_fd, "memory.swap.max", O_CREAT | O_WRONLY, 0600));
	oci_spec_free(spec);
	spec = parse("\"memory\":{\"limit\":1000,\"swap\":1500}");
	is_int(cgroup_set(dir_fd, spec->linux_->resources, OCI_BY_AGENT, &err), 0,
	       "memory and swap");
	(void)io_read_file(dir_fd, "memory.swap.max", 64, &got, NULL);
	is_str(got.data, "500", "the swap's share");
	(void)unlinkat(dir_fd, "memory.max", 0);
	(void)unlinkat(dir_fd, "memory.swap.max", 0);
	buf_release(&got);
	oci_spec_free(spec);
}

static void test_conversions(void)
{
	/* Shares, and the weight that runc 1.5 writes for them. */
	static const uint64_t shares[][2] = {
		{ 0, 0 },          { 2, 1 },          { 3, 2 },
		{ 1024, 100 },     { 512, 59 },       { 2048, 174 },
		{ 262143, 10000 }, { 262144, 10000 }, { 999999, 10000 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(shares); i++)
		is_int(cgroup_weight_of_shares(shares[i][0]), shares[i][1],
		       "weight of %llu shares", (unsigned long long)shares[i][0]);
	is_int(cgroup_io_weight(0), 0, "no blkio weight");
	is_int(cgroup_io_weight(10), 1, "least blkio weight");
	is_int(cgroup_io_weight(505), 5000, "middle blkio weight");
}

/* ---- device rules ----------------------------------------------------------------- */

/* run() - interpret; jumps must stay inside, and end in an answer. */
static int run(const struct bpf_insn *insns, int n, uint32_t access, uint32_t type,
	       uint32_t major, uint32_t minor)
{
	const struct bpf_cgroup_dev_ctx ctx = { access << 16 | type, major, minor };
	uint32_t reg[16] = { 0 };

	for (int pc = 0; pc < n; pc++) {
		const struct bpf_insn *i = &insns[pc];

		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			memcpy(&reg[i->dst_reg], (const char *)&ctx + i->off, 4);
			break;
		case BPF_ALU | BPF_X | BPF_MOV:
			reg[i->dst_reg] = reg[i->src_reg];
			break;
		case BPF_ALU | BPF_K | BPF_MOV:
			reg[i->dst_reg] = (uint32_t)i->imm;
			break;
		case BPF_ALU | BPF_K | BPF_AND:
			reg[i->dst_reg] &= (uint32_t)i->imm;
			break;
		case BPF_ALU | BPF_K | BPF_RSH:
			reg[i->dst_reg] >>= i->imm;
			break;
		case BPF_JMP32 | BPF_K | BPF_JNE:
			pc += reg[i->dst_reg] != (uint32_t)i->imm ? i->off : 0;
			break;
		case BPF_JMP32 | BPF_K | BPF_JEQ:
			pc += reg[i->dst_reg] == (uint32_t)i->imm ? i->off : 0;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int)reg[0];
		default:
			return -1;
		}
	}
	return -2;
}

#define C BPF_DEVCG_DEV_CHAR
#define B BPF_DEVCG_DEV_BLOCK
#define M BPF_DEVCG_ACC_MKNOD
#define R BPF_DEVCG_ACC_READ
#define W BPF_DEVCG_ACC_WRITE

static void test_rules(void)
{
	static struct bpf_insn insns[4096];
	struct oci_spec *spec = parse(
		"\"devices\":[{\"allow\":true,\"type\":\"c\",\"major\":9,\"minor\":9,\"access\":\"rwm\"},"
		"{\"allow\":false,\"access\":\"rwm\"},"
		"{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":200,\"access\":\"rw\"},"
		"{\"allow\":true,\"type\":\"b\",\"major\":8,\"access\":\"r\"},"
		"{\"allow\":true,\"type\":\"b\",\"minor\":3,\"access\":\"w\"},"
		"{\"allow\":false,\"type\":\"b\",\"major\":8,\"minor\":5,\"access\":\"r\"}]");
	int n = devices_program(spec->linux_->resources, insns, 4096);

	ok(n > 0, "a program");
	is_int(run(insns, n, R | W, C, 10, 200), 1, "what is allowed");
	is_int(run(insns, n, R, C, 10, 200), 1, "a part of it");
	is_int(run(insns, n, R | W | M, C, 10, 200), 1, "making nodes is always allowed");
	is_int(run(insns, n, R, C, 10, 201), 0, "another minor number");
	is_int(run(insns, n, R, B, 10, 200), 0, "another type");
	is_int(run(insns, n, R, C, 9, 9), 0, "what stands before \"deny all\" is moot");
	is_int(run(insns, n, R, B, 8, 77), 1, "any minor number");
	is_int(run(insns, n, W, B, 8, 77), 0, "but not for writing");
	is_int(run(insns, n, R | W, B, 8, 3), 1, "two rules together");
	is_int(run(insns, n, R | W, B, 9, 3), 0, "one of them is not enough");
	is_int(run(insns, n, R, B, 8, 5), 0, "denied again");
	is_int(run(insns, n, R | W, C, 1, 3), 1, "/dev/null");
	is_int(run(insns, n, R | W, C, 136, 7), 1, "a terminal");
	is_int(run(insns, n, R, C, 1, 1), 0, "/dev/mem");
	oci_spec_free(spec);

	n = devices_program(NULL, insns, 4096);
	ok(n > 0, "without rules there are the usual ones");
	is_int(run(insns, n, R, C, 1, 1), 0, "and no others");
	spec = parse("\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
		     "{\"allow\":true,\"access\":\"rwm\"}]");
	is_int(devices_program(spec->linux_->resources, insns, 4096), 0,
	       "no program where all is allowed");
	oci_spec_free(spec);
}

static void test_many_rules(void)
{
	static struct bpf_insn insns[4096];
	struct buf b = BUF_INIT;
	struct oci_spec *spec;

	buf_puts(&b, "\"devices\":[");
	for (unsigned int i = 0; i < 1000; i++)
		buf_printf(&b,
			   "%s{\"allow\":true,\"type\":\"c\",\"major\":%u,\"minor\":1,"
			   "\"access\":\"rwm\"}",
			   i ? "," : "", i);
	buf_puts(&b, "]");
	spec = parse(b.data);
	is_int(devices_program(spec->linux_->resources, insns, 4096), -E2BIG,
	       "more rules than fit");
	oci_spec_free(spec);
	buf_release(&b);
}

static void test_stat(void)
{
	struct control_ps ps = { 0 };
	pid_t ppid = 0;

	is_int(ps_parse_stat(
		       "7 (a (b) c) S 5 7 7 34816 7 4194560 1 2 3 4 150 50 0 0 20 -5 2 0 "
		       "1234 4096 20 18446744073709551615",
		       &ps, &ppid),
	       0, "stat");
	is_str(ps.comm, "a (b) c", "a name with parentheses");
	is_int(ppid, 5, "parent");
	is_int(ps.cpu_ns, 2000000000, "time used");
	is_int(ps.start_ns, 12340000000, "time of start");
	is_int(ps.tty, 34816, "terminal");
	is_int(ps.vsize, 4096, "size");
	is_int(ps.rss, 20 * sysconf(_SC_PAGESIZE), "resident pages, in bytes");
	is_int(ps.threads, 2, "threads");
	is_str(ps.stat, "S<sl+", "leader in the foreground, with threads, nice below 0");
	is_int(ps_parse_stat("8 (b) D 5 7 7 0 -1 0 1 2 3 4 150 50 0 0 20 9 1 0 0 0 0", &ps,
			     &ppid),
	       0, "no terminal");
	is_str(ps.stat, "DN", "nice above 0");
	is_int(ps_parse_stat("7 (x", &ps, &ppid), -EINVAL, "no end of the name");
	is_int(ps_parse_stat("7 (x) S 1", &ps, &ppid), -EINVAL, "too short");
	is_int(ps_parse_stat("", &ps, &ppid), -EINVAL, "empty");
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_resources();
	test_swap();
	test_conversions();
	test_rules();
	test_many_rules();
	test_stat();
	(void)rmdir(dir);
	return tap_done();
}
