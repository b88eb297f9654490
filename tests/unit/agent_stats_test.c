/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of a cgroup, from a directory that looks like one. */
#include "rootfs/agent/stats.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tests/unit/tap.h"
#include "vmm/cgroup_stats.h"

static char dir[] = "/tmp/hull-stats-test-XXXXXX";
static int dir_fd;

static void file(const char *name, const char *text)
{
	auto_fd int fd =
		openat(dir_fd, name, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
}

static void test_nothing(void)
{
	static const struct cgroup_stats zero;
	struct cgroup_stats s;

	memset(&s, 0xff, sizeof(s));
	is_int(stats_read(dir_fd, &s), 0, "a cgroup without controllers");
	ok(memcmp(&s, &zero, sizeof(s)) == 0, "has no numbers");
}

static void write_all(void)
{
	file("cpu.stat", "usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\n"
			 "core_sched.force_idle_usec 0\nnr_periods 7\nnr_throttled 3\n"
			 "throttled_usec 44\nnr_bursts 0\nburst_usec 0\n");
	file("memory.stat", "anon 4096\nfile 8192\nkernel 100\npgfault 7\n"
			    "thp_collapse_alloc 2\nnot_known_yet 5\n");
	file("memory.current", "12288\n");
	file("memory.peak", "16384\n");
	file("memory.max", "max\n");
	file("memory.swap.current", "10\n");
	file("memory.swap.max", "20\n");
	file("memory.events", "low 0\nhigh 1\nmax 9\noom 3\noom_kill 2\n");
	file("pids.current", "4\n");
	file("pids.max", "77\n");
	file("cpu.pressure", "some avg10=1.25 avg60=0.05 avg300=100.00 total=12345\n"
			     "full avg10=0.00 avg60=0.50 avg300=0.00 total=6\n");
	file("memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
				"full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	file("io.stat", "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n"
			"254:0 \n253:1 rbytes=9\n");
	file("hugetlb.2MB.current", "4194304\n");
	file("hugetlb.2MB.events", "max 3\n");
}

static void test_all(void)
{
	struct cgroup_stats s;

	write_all();
	is_int(stats_read(dir_fd, &s), 0, "a cgroup");
	is_int(s.cpu_total, 5000000, "CPU time in ns");
	is_int(s.cpu_user, 3000000, "the user's");
	is_int(s.cpu_system, 2000000, "the kernel's");
	is_int(s.cpu_periods, 7, "periods");
	is_int(s.cpu_throttled_periods, 3, "throttled ones");
	is_int(s.cpu_throttled, 44000, "throttled time in ns");
	is_int(s.memory_usage, 12288, "memory");
	is_int(s.memory_peak, 16384, "its peak");
	ok(s.memory_limit == CGROUP_NO_LIMIT, "no limit");
	is_int(s.memory_failures, 9, "how often it was reached");
	is_int(s.swap_usage, 10, "swap");
	is_int(s.swap_limit, 20, "its limit");
	is_int(s.memory[CGROUP_MEMORY_anon], 4096, "memory.stat: the first");
	is_int(s.memory[CGROUP_MEMORY_pgfault], 7, "one between");
	is_int(s.memory[CGROUP_MEMORY_thp_collapse_alloc], 2, "the last");
	is_int(__builtin_popcountll(s.memory_keys), 5, "what is unknown is left out");
	is_int(s.pids, 4, "processes");
	is_int(s.pids_limit, 77, "their limit");
	is_int(s.have,
	       CGROUP_HAVE_PSI << CGROUP_PSI_CPU | CGROUP_HAVE_PSI << CGROUP_PSI_MEMORY,
	       "two of three pressures are there");
	is_int(s.psi[CGROUP_PSI_CPU].some.avg10, 125, "pressure in hundredths");
	is_int(s.psi[CGROUP_PSI_CPU].some.avg60, 5, "a small one");
	is_int(s.psi[CGROUP_PSI_CPU].some.avg300, 10000, "a full one");
	is_int(s.psi[CGROUP_PSI_CPU].some.total, 12345, "in all");
	is_int(s.psi[CGROUP_PSI_CPU].full.avg60, 50, "the second line");
	is_int(s.n_io, 3, "block devices");
	ok(s.io[0].major == 8 && s.io[0].minor == 16 && s.io[0].rbytes == 1 &&
		   s.io[0].wbytes == 2 && s.io[0].rios == 3 && s.io[0].wios == 4,
	   "one of them");
	is_int(s.io[2].rbytes, 9, "behind one without numbers");
	is_int(s.n_hugetlb, 1, "sizes of huge pages");
	is_int(s.hugetlb[0].page_size, 2 << 20, "their size");
	is_int(s.hugetlb[0].usage, 4194304, "usage");
	is_int(s.hugetlb[0].failures, 3, "failures");
}

static void test_many_devices(void)
{
	char text[1024] = "";
	struct cgroup_stats s;

	for (unsigned int i = 0; i < CGROUP_MAX_IO + 5; i++)
		(void)!snprintf(text + strlen(text), sizeof(text) - strlen(text),
				"8:%u rbytes=%u\n", i, i);
	file("io.stat", text);
	is_int(stats_read(dir_fd, &s), 0, "more devices than fit");
	is_int(s.n_io, CGROUP_MAX_IO, "the rest is left out");
}

static void test_garbage(void)
{
	static const char *const names[] = { "cpu.stat",     "memory.stat", "memory.max",
					     "cpu.pressure", "io.stat",     "pids.max",
					     "memory.events" };
	static const char *const texts[] = { "",        "\n",     "x",      " ",
					     "some",    "8:",     ":\n8:8", "a b c",
					     "avg10=.", "=\n= =", "8:1 =" };
	struct cgroup_stats s;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(names); k++)
			file(names[k], texts[i]);
		is_int(stats_read(dir_fd, &s), 0, "files that no kernel writes: %zu", i);
	}
}

static void remove_files(void)
{
	auto_dir DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		(void)unlinkat(dir_fd, e->d_name, 0);
	(void)rmdir(dir);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	test_nothing();
	test_all();
	test_many_devices();
	test_garbage();
	remove_files();
	return tap_done();
}
