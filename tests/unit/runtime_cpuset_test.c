/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cpuset.h"

#include <errno.h>
#include <sched.h>
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
	char one[32] = "";

	if (!ok(sched_getaffinity(0, sizeof(ours), &ours) == 0, "our own CPUs"))
		return;
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &ours))
			continue;
		(void)!snprintf(one, sizeof(one), "\"cpus\":\"%zu\"", cpu);
		break;
	}
	is_int(in_child(one), 1, "bound to one of them");
	is_int(in_child("\"shares\":1"), CPU_COUNT(&ours), "not bound");
	is_int(in_child("\"cpus\":\"1023\""), 100, "a CPU that is not there");
}

int main(void)
{
	test_take();
	test_apply();
	return tap_done();
}
