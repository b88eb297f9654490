/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cpuset.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "oci/spec.h"
#include "tests/unit/tap.h"

static struct oci_spec *parse(const char *cpu)
{
	struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;
	char text[256];

	(void)!snprintf(
		text, sizeof(text),
		"{\"ociVersion\":\"1.0.0\",\"linux\":{\"resources\":{\"cpu\":{%s}}}}",
		cpu);
	if (oci_spec_parse(text, strlen(text), &spec, &err) < 0)
		(void)printf("# %s\n", err.msg);
	return spec;
}

static void test_take(void)
{
	auto_oci_spec struct oci_spec *spec = parse("\"cpus\":\"1,3\",\"mems\":\"0\"");
	auto_oci_spec struct oci_spec *none = parse("\"shares\":5");
	auto_oci_spec struct oci_spec *bad = parse("\"cpus\":\"x\"");
	struct err err = ERR_INIT;
	struct cpuset set;

	if (!spec || !none || !bad)
		return;
	is_int(cpuset_take(spec, &set, &err), 0, "take both");
	ok(set.has_cpus && oci_cpu_isset(&set.cpus, 3) && !oci_cpu_isset(&set.cpus, 2),
	   "CPUs");
	ok(set.has_mems && oci_cpu_isset(&set.mems, 0), "nodes");
	ok(!spec->linux_->resources->cpu->cpus && !spec->linux_->resources->cpu->mems,
	   "the guest is not told of them");
	is_int(cpuset_take(none, &set, &err), 0, "nothing to take");
	ok(!set.has_cpus && !set.has_mems, "is nothing");
	is_int(cpuset_take(bad, &set, &err), -EINVAL, "a broken list");
}

static void test_unified(void)
{
	static const char text[] =
		"{\"ociVersion\":\"1.0.0\",\"linux\":{\"resources\":{\"unified\":{"
		"\"cpuset.mems\":\"0\",\"pids.max\":\"7\",\"cpuset.cpus\":\"1\"}}}}";
	auto_oci_spec struct oci_spec *spec = NULL;
	const struct oci_resources *res;
	struct err err = ERR_INIT;

	is_int(oci_spec_parse(text, strlen(text), &spec, &err), 0, "parse");
	if (!spec)
		return;
	res = spec->linux_->resources;
	is_int(cpuset_of_unified(spec, &err), 0, "of the unified ones");
	is_str(res->cpu->cpus, "1", "CPUs");
	is_str(res->cpu->mems, "0", "nodes");
	ok(res->unified.n == 1 && strcmp(res->unified.v[0].key, "pids.max") == 0,
	   "the others stay");
}

/* in_child() - what cpuset_apply() of @cpu returns, or how many CPUs are left then. */
static int in_child(const char *cpu)
{
	auto_oci_spec struct oci_spec *spec = parse(cpu);
	struct cpuset set;
	int status;
	pid_t pid;

	if (!spec || cpuset_take(spec, &set, NULL) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		cpu_set_t left;

		if (cpuset_apply(&set, NULL) < 0)
			_exit(100);
		if (sched_getaffinity(0, sizeof(left), &left) < 0)
			_exit(101);
		_exit(CPU_COUNT(&left));
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void test_apply(void)
{
	cpu_set_t ours;
	cpu_set_t first;
	char one[32] = "";

	CPU_ZERO(&first);
	if (!ok(sched_getaffinity(0, sizeof(ours), &ours) == 0, "our own CPUs"))
		return;
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &ours))
			continue;
		(void)!snprintf(one, sizeof(one), "\"cpus\":\"%zu\"", cpu);
		CPU_SET(cpu, &first);
		break;
	}
	is_int(in_child(one), 1, "bound to one of them");
	is_int(sched_setaffinity(0, sizeof(first), &first), 0, "the caller on one CPU");
	ok(in_child("\"shares\":1") >= CPU_COUNT(&ours), "hull-vmm is not bound to it");
	is_int(sched_setaffinity(0, sizeof(ours), &ours), 0, "the caller on all of them");
	is_int(in_child("\"cpus\":\"1023\""), 100, "a CPU that is not there");
}

static volatile sig_atomic_t waiting = 1;

static void *wait_around(void *arg)
{
	(void)arg;
	while (waiting)
		(void)usleep(1000);
	return NULL;
}

/* A process with two threads is moved to one CPU and back. */
static void test_move(void)
{
	struct oci_cpu_set one = { 0 };
	struct oci_cpu_set none = { .bits[OCI_CPU_MAX / 64 - 1] = 1ull << 63 };
	struct oci_cpu_set before;
	struct err err = ERR_INIT;
	cpu_set_t ours;
	cpu_set_t now;
	pthread_t thread;
	unsigned int cpu = 0;

	if (!ok(sched_getaffinity(0, sizeof(ours), &ours) == 0 &&
			pthread_create(&thread, NULL, wait_around, NULL) == 0,
		"two threads"))
		return;
	while (!CPU_ISSET(cpu, &ours))
		cpu++;
	one.bits[cpu / 64] = 1ull << (cpu % 64);
	is_int(cpuset_read(getpid(), &before, &err), 0, "where they are");
	is_int(cpuset_move(getpid(), &one, &err), 0, "move them");
	(void)pthread_getaffinity_np(thread, sizeof(now), &now);
	ok(CPU_COUNT(&now) == 1 && CPU_ISSET(cpu, &now), "the second has moved too");
	ok(oci_cpu_isset(&before, cpu), "where they were before");
	is_int(cpuset_move(getpid(), &none, &err), -EINVAL,
	       "a CPU that is not there");
	ok(strstr(err.msg, "linux.resources.cpu.cpus"), "is named by its field");
	is_int(cpuset_move(getpid(), &before, &err), 0, "and back");
	(void)pthread_getaffinity_np(thread, sizeof(now), &now);
	ok(CPU_EQUAL(&now, &ours), "all of them again");
	waiting = 0;
	(void)pthread_join(thread, NULL);
	is_int(cpuset_move(0x7fffffff, &one, &err), -ESRCH, "no such process");
	is_int(cpuset_read(0x7fffffff, &before, &err), -ESRCH, "nor its CPUs");
}

static void test_mems(void)
{
	struct oci_cpu_set mems = { .bits[0] = 1 };
	struct err err = ERR_INIT;

	if (access("/sys/devices/system/node/node1", F_OK) == 0)
		return; /* on one node there is only one answer */
	is_int(cpuset_check_mems(getpid(), &mems, &err), 0, "the node that it is on");
	mems.bits[0] = 2;
	is_int(cpuset_check_mems(getpid(), &mems, &err), -ENOTSUP, "another one");
	is_str(err.msg,
	       "linux.resources.cpu.mems: the memory of a running machine stays on "
	       "node(s) 0",
	       "the message");
}

int main(void)
{
	test_take();
	test_unified();
	test_apply();
	test_move();
	test_mems();
	return tap_done();
}
