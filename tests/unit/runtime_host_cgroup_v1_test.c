/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/host_cgroup_v1.c, cgroup1_places.c and cgroup1_limits.c, on folders that look
 * like the hierarchies of cgroup v1: their files have to be made before, and stay.
 */
#include "runtime/host_cgroup_v1.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/cgroup_saved.h"
#include "oci/spec.h"
#include "runtime/cgroup1_limits.h"
#include "runtime/cgroup1_places.h"
#include "runtime/container.h"
#include "runtime/cpuset.h"
#include "runtime/host_cgroup.h"
#include "runtime/host_cgroup_ops.h"
#include "runtime/host_limits.h"
#include "tests/unit/tap.h"

#define MIB (UINT64_C(1) << 20)

static char root[] = "/tmp/hull-cgroup1-test-XXXXXX";

/* ---- where the folders are ---------------------------------------------------------- */

static const char mountinfo[] =
	"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
	"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
	"33 31 0:30 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	"34 31 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
	"35 31 0:32 / /sys/fs/cgroup/mine rw - cgroup cgroup rw,name=mine\n"
	"36 31 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	"37 31 0:34 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
	"38 31 0:29 / /elsewhere rw - cgroup cgroup rw,cpu,cpuacct\n"
	"39 31 0:36 / /v2 rw - cgroup2 cgroup2 rw\n"
	"cut off\n";

static const char self[] =
	"5:pids:/\n4:memory:/docker/abc/inner\n3:cpuacct,cpu:/user.slice\n"
	"2:name=systemd:/init.scope\n0::/init.scope\n";

static void found(const char *name, const char *const want[][3], size_t n)
{
	auto_arena struct arena arena = ARENA_INIT;
	struct cgroup1_places p;

	is_int(cgroup1_find_in(mountinfo, self, name, &arena, &p, NULL), 0, "'%s'", name);
	is_int(p.n, n, "as many hierarchies");
	for (size_t i = 0; i < n && i < p.n; i++) {
		is_str(p.v[i].controllers, want[i][0], "controllers");
		is_str(p.v[i].mount, want[i][1], "mounted at");
		is_str(p.v[i].path, want[i][2], "the folder");
	}
}

static void test_places(void)
{
	static const char *const absolute[][3] = {
		{ "cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct",
		  "/sys/fs/cgroup/cpu,cpuacct/a/b" },
		{ "memory", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/a/b" },
		{ "name=systemd", "/sys/fs/cgroup/systemd",
		  "/sys/fs/cgroup/systemd/a/b" },
		{ "", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified/a/b" },
		{ "pids", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/pids/a/b" },
	};
	static const char *const relative[][3] = {
		{ "cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct",
		  "/sys/fs/cgroup/cpu,cpuacct/user.slice/c" },
		{ "memory", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/inner/c" },
		{ "name=systemd", "/sys/fs/cgroup/systemd",
		  "/sys/fs/cgroup/systemd/init.scope/c" },
		{ "", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified/c" },
		{ "pids", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/pids/c" },
	};
	auto_arena struct arena arena = ARENA_INIT;
	struct cgroup1_places p;

	found("/a/b", absolute, 5);
	found("c", relative, 5);
	is_int(cgroup1_find_in("", "", "c", &arena, &p, NULL), 0, "nothing is mounted");
	is_int(p.n, 0, "no places");
	ok(cgroup1_has("cpu,cpuacct", "cpu") && cgroup1_has("cpu,cpuacct", "cpuacct"),
	   "both");
	ok(!cgroup1_has("cpuset", "cpu") && !cgroup1_has("", "cpu"), "not a part of one");
}

/* ---- the folders -------------------------------------------------------------------- */

static void put(const char *name, const char *text)
{
	char path[256];
	int fd;

	(void)!snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *p = path + sizeof(root); (p = strchr(p, '/')); *p++ = '/') {
		*p = 0;
		(void)mkdir(path, 0700);
	}
	fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	ok(fd >= 0 && io_write_full(fd, text, strlen(text)) == 0, "%s is there", name);
	(void)close(fd);
}

static void holds(const char *name, const char *want)
{
	auto_buf struct buf b = BUF_INIT;
	char path[256];

	(void)!snprintf(path, sizeof(path), "%s/%s", root, name);
	(void)io_read_file(AT_FDCWD, path, 4096, &b, NULL);
	is_str(b.data ? b.data : "", want, "%s", name);
}

static bool there(const char *name)
{
	char path[256];

	(void)!snprintf(path, sizeof(path), "%s/%s", root, name);
	return access(path, F_OK) == 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void clean(void)
{
	(void)nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	(void)mkdir(root, 0700);
}

/* Hierarchies below root, with the container's folder @name in each. */
struct fake {
	struct cgroup1_places places;
	struct arena arena;
	struct container c;
};

static void fake_release(struct fake *f)
{
	arena_release(&f->arena);
	arena_release(&f->c.arena);
}
#define auto_fake auto_call(fake_release)

static void fake_init(struct fake *f, const char *name, const char *const *mounts)
{
	*f = (struct fake){ 0 };
	f->places.v = arena_array(&f->arena, 8, sizeof(*f->places.v));
	for (size_t i = 0; mounts[i]; i++) {
		struct cgroup1_place *p = &f->places.v[f->places.n++];

		p->controllers = mounts[i];
		p->mount = arena_printf(&f->arena, "%s/%s", root, mounts[i]);
		p->path = arena_printf(&f->arena, "%s/%s", p->mount, name);
		(void)mkdir(p->mount, 0700);
	}
}

static void test_folders(void)
{
	static const char *const mounts[] = { "memory", "freezer", "name=systemd", NULL };
	auto_fake struct fake f;
	struct host_cgroup h = { 0 };
	struct err err = ERR_INIT;

	clean();
	fake_init(&f, "outer/leaf", mounts);
	put("name=systemd/outer", "a folder cannot be made here");
	ok(host_cgroup_v1_create(&f.places, &f.c, &err) == 0, "made: %s", err.msg);
	ok(there("memory/outer/leaf") && there("freezer/outer/leaf"), "in each");
	is_int(f.c.cgroup1.n, 2, "but where it is of no use");
	is_str(f.c.cgroup1.v[1].key, "freezer", "remembered by its controllers");
	is_int(host_cgroup_open(&f.c, &h, &err), 0, "open");
	is_int(h.n, 2, "both");
	is_int(host_cgroup_birthplace(&h), -1, "nobody is born in v1");
	put("memory/outer/leaf/cgroup.procs", "");
	is_int(host_cgroup_join(&h, &err), -ENOENT, "a folder that takes nobody");
	is_str(err.msg, "join the cgroup of freezer: No such file or directory",
	       "is told");
	put("freezer/outer/leaf/cgroup.procs", "");
	is_int(host_cgroup_join(&h, &err), 0, "join");
	holds("memory/outer/leaf/cgroup.procs", "0");
	holds("freezer/outer/leaf/cgroup.procs", "0");
	host_cgroup_close(&h);
	is_int(h.n, 0, "closed");
}

static void test_remove(void)
{
	static const char *const mounts[] = { "memory", "pids", NULL };
	auto_fake struct fake f;
	struct err err = ERR_INIT;

	clean();
	fake_init(&f, "leaf", mounts);
	is_int(host_cgroup_v1_create(&f.places, &f.c, &err), 0, "made");
	put("memory/leaf/file", "");
	is_int(host_cgroup_remove(&f.c, &err), -ENOTEMPTY, "one cannot go");
	ok(strstr(err.msg, "remove cgroup '") && strstr(err.msg, "memory/leaf'"),
	   "is named: %s", err.msg);
	ok(!there("pids/leaf"), "the others go");
	clean();
	is_int(host_cgroup_remove(&f.c, &err), 0, "what is gone is no error");
}

/* refused() - because of @file; nothing is made beside it. */
static void refused(const char *file, const char *text, const char *why)
{
	static const char *const mounts[] = { "memory", "freezer", NULL };
	auto_fake struct fake f;
	struct err err = ERR_INIT;

	put(file, text);
	fake_init(&f, "leaf", mounts);
	is_int(host_cgroup_v1_create(&f.places, &f.c, &err), -EBUSY, "refused");
	ok(strstr(err.msg, why) == err.msg, "%s", err.msg);
	ok(!there("memory/leaf") || !there("freezer/leaf"), "none is made");
	is_int(f.c.cgroup1.n, 0, "none is ours");
	clean();
}

static void test_refused(void)
{
	static const char *const mounts[] = { "freezer", NULL };
	static const char frozen[] = "container's cgroup unexpectedly frozen: '";
	auto_fake struct fake f;

	clean();
	refused("memory/leaf/cgroup.procs", "1\n", "container's cgroup is not empty: '");
	refused("memory/leaf/below/cgroup.procs", "1\n",
		"container's cgroup is not empty: '");
	refused("freezer/leaf/freezer.state", "FROZEN\n", frozen);
	refused("freezer/leaf/freezer.state", "FREEZING\n", frozen);
	put("freezer/leaf/freezer.state", "FROZEN\n");
	put("freezer/leaf/freezer.self_freezing", "0\n");
	fake_init(&f, "leaf", mounts);
	is_int(host_cgroup_v1_create(&f.places, &f.c, NULL), 0,
	       "frozen with what is above it");
	host_cgroup_thaw(&f.c);
	holds("freezer/leaf/freezer.state", "FROZEN\n");
	put("freezer/leaf/freezer.self_freezing", "1\n");
	host_cgroup_thaw(&f.c);
	holds("freezer/leaf/freezer.state", "THAWED\n");
}

static void test_cpuset(void)
{
	static const char *const mounts[] = { "cpuset", NULL };
	auto_fake struct fake f;
	struct host_cgroup h;
	struct host_limits none = { 0 };
	struct host_limits some = { .cpu.cpus = strdupa("1") };
	struct err err = ERR_INIT;

	clean();
	put("cpuset/cpuset.cpus", "0-3\n");
	put("cpuset/cpuset.mems", "0\n");
	put("cpuset/outer/cpuset.cpus", "\n");
	put("cpuset/outer/cpuset.mems", "1\n");
	fake_init(&f, "outer/leaf", mounts);
	ok(host_cgroup_v1_create(&f.places, &f.c, &err) == 0, "made: %s", err.msg);
	holds("cpuset/outer/cpuset.cpus", "0-3");
	holds("cpuset/outer/cpuset.mems", "1\n");
	put("cpuset/outer/leaf/cpuset.cpus", "");
	put("cpuset/outer/leaf/cpuset.mems", "");
	is_int(host_cgroup_open(&f.c, &h, NULL), 0, "open");
	ok(host_limits_set(&h, &none, &err) == 0, "no limits: %s", err.msg);
	holds("cpuset/outer/leaf/cpuset.cpus", "0-3");
	holds("cpuset/outer/leaf/cpuset.mems", "1");
	put("cpuset/outer/leaf/cpuset.cpus", "");
	is_int(host_limits_set(&h, &some, &err), 0, "its own CPUs");
	holds("cpuset/outer/leaf/cpuset.cpus", "1");
	host_cgroup_close(&h);
}

/* ---- limits ------------------------------------------------------------------------- */

static const char *const all[] = { "cpu,cpuacct", "memory",           "pids", "blkio",
				   "hugetlb",     "net_cls,net_prio", NULL };

/* resources() - what @text, the inside of linux.resources, makes of @limits. */
static struct oci_spec *resources(const char *text, struct cpuset *set)
{
	struct oci_spec *spec = NULL;
	auto_buf struct buf b = BUF_INIT;
	struct err err = ERR_INIT;

	(void)buf_printf(&b, "{%s}", text);
	ok(oci_resources_parse(b.data, b.len, &spec, &err) == 0 &&
		   cpuset_take(spec, set, &err) == 0,
	   "%s %s", text, err.msg);
	return spec;
}

/* set() - for a machine of 640 MiB and 3 vCPUs. */
static int set(struct host_cgroup *h, const char *text, struct err *err)
{
	static const struct machine machine = { .memory = 640 * MIB, .vcpus = 3 };
	struct cpuset set;
	auto_oci_spec struct oci_spec *spec = resources(text, &set);
	struct host_limits limits;

	host_limits_of(spec->linux_->resources, &set, &machine, &limits);
	return host_limits_set(h, &limits, err);
}

/* update() - the same as `hull update` does. */
static int update(struct host_cgroup *h, const char *text,
		  struct cgroup_saved **ret_saved, struct err *err)
{
	static const struct machine machine = { .memory = 640 * MIB, .vcpus = 3 };
	struct cpuset set;
	auto_oci_spec struct oci_spec *spec = resources(text, &set);
	struct host_limits limits;

	host_limits_changed(h, spec->linux_->resources, &set, &machine, &limits);
	*ret_saved = host_limits_save(h, &limits);
	return host_limits_set(h, &limits, err);
}

/* has() - what @text writes into @file, which says @before. */
static void has(struct host_cgroup *h, const char *text, const char *file,
		const char *before, const char *want)
{
	struct err err = ERR_INIT;
	char path[256];

	put(file, before);
	ok(set(h, text, &err) == 0, "set: %s", err.msg);
	holds(file, want);
	(void)!snprintf(path, sizeof(path), "%s/%s", root, file);
	(void)unlink(path);
}

static void test_limits(struct host_cgroup *h)
{
	struct err err = ERR_INIT;

	is_int(set(h, "", NULL), 0, "none");
	/* 640 + 64 + 10 MiB, and what the container may swap */
	has(h, "\"memory\":{\"limit\":536870912}", "memory/leaf/memory.limit_in_bytes",
	    "", "748683264");
	has(h, "\"memory\":{\"reservation\":4096}",
	    "memory/leaf/memory.soft_limit_in_bytes", "", "4096");
	has(h, "\"memory\":{\"swappiness\":0}", "memory/leaf/memory.swappiness", "", "0");
	has(h, "\"memory\":{\"disableOOMKiller\":true}", "memory/leaf/memory.oom_control",
	    "", "1");
	has(h, "\"cpu\":{\"shares\":2000}", "cpu,cpuacct/leaf/cpu.shares", "", "2000");
	has(h, "\"cpu\":{\"quota\":50000}", "cpu,cpuacct/leaf/cpu.cfs_quota_us", "",
	    "75000");
	has(h, "\"cpu\":{\"quota\":-1}", "cpu,cpuacct/leaf/cpu.cfs_quota_us", "", "-1");
	has(h, "\"cpu\":{\"period\":200000}", "cpu,cpuacct/leaf/cpu.cfs_period_us", "",
	    "200000");
	has(h, "\"cpu\":{\"idle\":1}", "cpu,cpuacct/leaf/cpu.idle", "", "1");
	has(h, "\"cpu\":{\"realtimeRuntime\":950000}",
	    "cpu,cpuacct/leaf/cpu.rt_runtime_us", "", "950000");
	has(h, "\"cpu\":{\"realtimePeriod\":1000000}",
	    "cpu,cpuacct/leaf/cpu.rt_period_us", "", "1000000");
	has(h, "\"pids\":{\"limit\":10}", "pids/leaf/pids.max", "", "45");
	has(h, "\"pids\":{\"limit\":-1}", "pids/leaf/pids.max", "", "max");
	has(h, "\"blockIO\":{\"weight\":10}", "blkio/leaf/blkio.bfq.weight", "", "10");
	has(h, "\"blockIO\":{\"weight\":10}", "blkio/leaf/blkio.weight", "", "10");
	has(h, "\"blockIO\":{\"leafWeight\":20}", "blkio/leaf/blkio.leaf_weight", "",
	    "20");
	has(h,
	    "\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":500}]}",
	    "blkio/leaf/blkio.bfq.weight_device", "", "8:0 500");
	has(h,
	    "\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"leafWeight\":50}]}",
	    "blkio/leaf/blkio.leaf_weight_device", "", "8:0 50");
	has(h,
	    "\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":7}]}",
	    "blkio/leaf/blkio.throttle.read_bps_device", "", "8:0 7");
	has(h,
	    "\"blockIO\":{\"throttleWriteBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":7}]}",
	    "blkio/leaf/blkio.throttle.write_bps_device", "", "8:0 7");
	has(h,
	    "\"blockIO\":{\"throttleReadIOPSDevice\":[{\"major\":8,\"minor\":0,\"rate\":7}]}",
	    "blkio/leaf/blkio.throttle.read_iops_device", "", "8:0 7");
	has(h,
	    "\"blockIO\":{\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":0,\"rate\":7}]}",
	    "blkio/leaf/blkio.throttle.write_iops_device", "", "8:0 7");
	has(h, "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}]",
	    "hugetlb/leaf/hugetlb.2MB.limit_in_bytes", "", "4194304");
	has(h, "\"network\":{\"classID\":1048577}",
	    "net_cls,net_prio/leaf/net_cls.classid", "", "1048577");
	has(h, "\"network\":{\"priorities\":[{\"name\":\"lo\",\"priority\":5}]}",
	    "net_cls,net_prio/leaf/net_prio.ifpriomap", "", "lo 5");
	has(h, "\"cpu\":{\"burst\":5000}", "cpu,cpuacct/leaf/cpu.cfs_burst_us", "0",
	    "5000");
	is_int(set(h, "\"cpu\":{\"burst\":5000,\"cpus\":\"0\"}", NULL), 0,
	       "a kernel without bursts, and a hierarchy that threads can do without");
	is_int(set(h, "\"pids\":{\"limit\":10}", &err), -ENOENT, "no such file");
	is_str(err.msg,
	       "host: cgroup: write '45' to 'pids.max': No such file or directory",
	       "is named");
	is_int(set(h, "\"rdma\":{\"x\":{\"hcaHandles\":1}}", &err), -ENOENT,
	       "no such controller");
	is_str(err.msg,
	       "host: cannot set rdma limit: container could not join or create cgroup",
	       "is named");
}

/* The kernel keeps a number of shares within its bounds. */
static void test_shares(struct host_cgroup *h)
{
	struct err err = ERR_INIT;

	/* Nine digits: what is behind the four that are written stays. */
	put("cpu,cpuacct/leaf/cpu.shares", "000000000");
	is_int(set(h, "\"cpu\":{\"shares\":2000}", &err), -EINVAL, "another one is kept");
	is_str(err.msg,
	       "host: linux.resources.cpu.shares: the minimum allowed cpu-shares is "
	       "200000000",
	       "it is named");
}

/* memory and swap together: 536870912 of swap. */
static void test_swap(struct host_cgroup *h)
{
	static const char file[] = "memory/leaf/memory.memsw.limit_in_bytes";
	static const char limit[] = "memory/leaf/memory.limit_in_bytes";
	struct host_limits l = { .memory = { .limit = { true, 1 },
					     .swap = { true, 1 } } };

	put(limit, "9223372036854771712");
	has(h, "\"memory\":{\"limit\":536870912,\"swap\":1073741824}", file, "",
	    "1285554176");
	put(limit, "");
	is_int(set(h, "\"memory\":{\"limit\":-1}", NULL), 0,
	       "none, and swap is not counted");
	holds(limit, "-1");
	put(limit, "");
	has(h, "\"memory\":{\"limit\":-1}", file, "", "-1");
	is_int(host_limits_hard(h, &l), 1, "a machine that ends at its limit");
	l.memory.disable_oom_killer.value = true;
	is_int(host_limits_hard(h, &l), 0, "nobody ends there then");
}

/* test_swap_order() - a limit that cannot be written shows which is first. */
static void test_swap_order(struct host_cgroup *h)
{
	static const char both[] = "\"memory\":{\"limit\":536870912,\"swap\":1073741824}";
	static const char limit[] = "memory/leaf/memory.limit_in_bytes";
	struct err err = ERR_INIT;

	put("memory/leaf/memory.memsw.limit_in_bytes/no", "");
	put(limit, "1");
	is_int(set(h, both, &err), -EISDIR, "grow");
	is_str(err.msg,
	       "host: cgroup: write '1285554176' to 'memory.memsw.limit_in_bytes': "
	       "Is a directory",
	       "it is named");
	holds(limit, "1");
	put(limit, "9223372036854771712");
	is_int(set(h, both, &err), -EISDIR, "shrink");
	holds(limit, "7486832646854771712"); /* the new one, and what was behind it */
}

static void test_update(struct host_cgroup *h)
{
	static const char quota[] = "cpu,cpuacct/leaf/cpu.cfs_quota_us";
	static const char period[] = "cpu,cpuacct/leaf/cpu.cfs_period_us";
	static const char disk[] = "blkio/leaf/blkio.throttle.read_bps_device";
	struct cgroup_saved *saved = NULL;
	struct err err = ERR_INIT;

	put(quota, "130000");
	put(period, "200000");
	put(disk, "");
	put("memory/leaf/memory.oom_control", "0");
	is_int(update(h, "\"cpu\":{\"period\":100000}", &saved, &err), 0, "a period");
	holds(quota, "105000"); /* the container's 80000, and other room */
	holds(period, "100000");
	cgroup_put_back(saved);
	holds(quota, "130000");
	holds(period, "200000");
	cgroup_saved_free(saved);
	is_int(update(h,
		      "\"memory\":{\"disableOOMKiller\":true},\"blockIO\":"
		      "{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":1,\"rate\":9}]}",
		      &saved, &err),
	       0, "a disk");
	holds(disk, "8:1 9");
	holds("memory/leaf/memory.oom_control", "0");
	cgroup_put_back(saved);
	holds(disk, "8:1 0");
	cgroup_saved_free(saved);
}

static void test_all_limits(void)
{
	auto_fake struct fake f;
	struct host_cgroup h;

	clean();
	fake_init(&f, "leaf", all);
	is_int(host_cgroup_v1_create(&f.places, &f.c, NULL), 0, "made");
	is_int(host_cgroup_open(&f.c, &h, NULL), 0, "open");
	test_limits(&h);
	test_shares(&h);
	test_swap(&h);
	test_swap_order(&h);
	test_update(&h);
	host_cgroup_close(&h);
}

int main(void)
{
	if (!mkdtemp(root))
		return 1;
	test_places();
	test_folders();
	test_remove();
	test_refused();
	test_cpuset();
	test_all_limits();
	clean();
	(void)rmdir(root);
	return tap_done();
}
