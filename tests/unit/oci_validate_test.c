/* SPDX-License-Identifier: Apache-2.0 */
/* What values mean: each mistake and the exact text about it. */
#include "tests/unit/oci_check.h"

static void version(const char *v, const char *want)
{
	char text[256];

	(void)!snprintf(text, sizeof(text),
			"{\"ociVersion\":\"%s\",\"root\":{\"path\":\"r\"},\"process\":"
			"{\"cwd\":\"/\",\"args\":[\"a\"]}}",
			v);
	whole(text, want);
}

static void test_versions(void)
{
	static const char *const bad[] = { "1",     "1.0",    "1.0.0.0", "v1.0.0",
					   "1.0.x", "01.0.0", "1.0.0-",  "1.0.0-a b",
					   "1..0",  "1.0.0x" };
	char want[128];

	version("1.0.0", NULL);
	version("1.0.2-dev", NULL);
	version("1.1.0+dev", NULL);
	version("1.2.1", NULL);
	version("1.3.99", NULL);
	version("1.3.0-rc.1+x-y", NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)!snprintf(
			want, sizeof(want),
			"config.json: ociVersion: \"%s\" is not a version like 1.2.3",
			bad[i]);
		version(bad[i], want);
	}
	version("1.4.0",
		"config.json: ociVersion: \"1.4.0\" is not supported, only 1.0.0 to 1.3.0");
	version("0.9.0",
		"config.json: ociVersion: \"0.9.0\" is not supported, only 1.0.0 to 1.3.0");
	version("2.0.0",
		"config.json: ociVersion: \"2.0.0\" is not supported, only 1.0.0 to 1.3.0");
	version("99999999999999999999.0.0",
		"config.json: ociVersion: \"99999999999999999999.0.0\" is "
		"not a version like 1.2.3");
}

static void test_required(void)
{
	whole("{\"ociVersion\":\"1.0.0\"}",
	      "config.json: process: process property must not be empty");
	whole("{\"ociVersion\":\"1.0.0\",\"process\":{}}",
	      "config.json: process.cwd: Cwd property must not be empty");
	whole("{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"x\"}}",
	      "config.json: process.cwd: Cwd must be an absolute path");
	whole("{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\"}}",
	      "config.json: process.args: args must not be empty");
	whole("{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"args\":[]}}",
	      "config.json: process.args: args must not be empty");
	whole("{\"ociVersion\":\"1.0.0\",\"process\":{\"cwd\":\"/\",\"args\":[\"a\"]}}",
	      "config.json: root: root must be specified");
	check("", "", "", NULL);
}

static void test_process(void)
{
	process(",\"env\":[\"A=\",\"B=1\"]", NULL);
	process(",\"env\":[\"A=1\",\"B\"]",
		"process.env[1]: invalid environment variable: missing '='");
	process(",\"env\":[\"=1\"]",
		"process.env[0]: invalid environment variable: name cannot be empty");
	process(",\"user\":{\"uid\":4294967295}",
		"process.user.uid: 4294967295 is not a user");
	process(",\"user\":{\"gid\":4294967295}",
		"process.user.gid: 4294967295 is not a group");
	process(",\"user\":{\"additionalGids\":[0,4294967295]}",
		"process.user.additionalGids[1]: 4294967295 is not a group");
	process(",\"user\":{\"umask\":511,\"uid\":4294967294}", NULL);
	process(",\"user\":{\"umask\":512}",
		"process.user.umask: 512 is not between 0 and 511");
	process(",\"consoleSize\":{\"height\":65535,\"width\":0}", NULL);
	process(",\"consoleSize\":{\"height\":65536,\"width\":1}",
		"process.consoleSize: 65536 rows and 1 columns are not between 0 and 65535");
	process(",\"oomScoreAdj\":-1000", NULL);
	process(",\"oomScoreAdj\":1001",
		"process.oomScoreAdj: 1001 is not between -1000 and 1000");
	process(",\"oomScoreAdj\":-1001",
		"process.oomScoreAdj: -1001 is not between -1000 and 1000");
	process(",\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":7}", NULL);
	process(",\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8}",
		"process.ioPriority.priority: invalid ioPriority.Priority: 8");
	process(",\"execCPUAffinity\":{\"initial\":\"0-1\",\"final\":\"x\"}",
		"process.execCPUAffinity.final: \"x\" is not a list of CPUs like 0-3,5");
	process(",\"execCPUAffinity\":{\"initial\":\"2-1\"}",
		"process.execCPUAffinity.initial: \"2-1\" is not a list of CPUs like 0-3,5");
}

static void test_rlimits(void)
{
	process(",\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1},"
		"{\"type\":\"RLIMIT_CORE\",\"soft\":0,\"hard\":18446744073709551615}]",
		NULL);
	process(",\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1,\"hard\":1},"
		"{\"type\":\"RLIMIT_CPU\",\"soft\":2,\"hard\":2}]",
		"process.rlimits[1]: duplicated RLIMIT_CPU");
	process(",\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":2,\"hard\":1}]",
		"process.rlimits[0]: soft 2 is above hard 1");
}

static void test_scheduler(void)
{
	process(",\"scheduler\":{}", "process.scheduler: scheduler policy is required");
	process(",\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":19}", NULL);
	process(",\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":20}",
		"process.scheduler: invalid scheduler.nice: 20 when scheduler.policy is SCHED_BATCH");
	process(",\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"nice\":-21}",
		"process.scheduler: invalid scheduler.nice: -21 when scheduler.policy is SCHED_OTHER");
	process(",\"scheduler\":{\"policy\":\"SCHED_FIFO\",\"priority\":5}", NULL);
	process(",\"scheduler\":{\"policy\":\"SCHED_IDLE\",\"priority\":5}",
		"process.scheduler: scheduler.priority can only be specified for SchedFIFO or SchedRR "
		"policy");
	process(",\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":1,\"period\":2}",
		NULL);
	process(",\"scheduler\":{\"policy\":\"SCHED_RR\",\"deadline\":1}",
		"process.scheduler: scheduler runtime/deadline/period can only be specified for "
		"SchedDeadline policy");
}

static void test_names(void)
{
	static const char no_uts[] =
		"{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"%s\":\"x\",\"process\":{\"cwd\":"
		"\"/\",\"args\":[\"a\"]},\"linux\":{\"namespaces\":[{\"type\":\"pid\"}]}}";
	char text[512];

	top(",\"hostname\":\"a\",\"domainname\":\"b\"", NULL);
	(void)!snprintf(text, sizeof(text), no_uts, "hostname");
	whole(text,
	      "config.json: hostname: unable to set hostname without a private UTS namespace");
	(void)!snprintf(text, sizeof(text), no_uts, "domainname");
	whole(text,
	      "config.json: domainname: unable to set domainname without a private UTS namespace");
	top(",\"hostname\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
	    "hostname: longer than 64 bytes");
	top(",\"annotations\":{\"\":\"x\"}", "annotations: a key is empty");
}

static void test_mounts(void)
{
	top(",\"mounts\":[{\"destination\":\"x\",\"type\":\"tmpfs\"}]", NULL);
	top(",\"mounts\":[{\"destination\":\"/x\",\"type\":\"none\",\"source\":\"y\",\"options\":"
	    "[\"rbind\",\"ro\",\"private\"]}]",
	    NULL);
	top(",\"mounts\":[{\"destination\":\"/x\",\"options\":[\"bind\"]}]",
	    "mounts[0].source: a bind mount needs one");
	top(",\"mounts\":[{\"destination\":\"/x\",\"type\":\"proc\"},{\"destination\":\"/x\","
	    "\"source\":\"/y\",\"options\":[\"bind\",\"size=5\",\"z\"]}]",
	    "mounts[1].options: bind mounts cannot have any filesystem-specific options applied: "
	    "size=5,z");
	top(",\"mounts\":[{\"destination\":\"/x\"}]",
	    "mounts[0].type: is required for '/x'");
	top(",\"mounts\":[{\"destination\":\"/x\",\"options\":[\"remount\",\"ro\"]}]",
	    NULL);
	top(",\"mounts\":[{\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"tmpcopyup\"]}]",
	    NULL);
	top(",\"mounts\":[{\"destination\":\"/x\",\"type\":\"proc\",\"options\":[\"tmpcopyup\"]}]",
	    "mounts[0].options: tmpcopyup is for tmpfs");
	top(",\"mounts\":[{\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"idmap\"]}]",
	    "mounts[0]: id-mapped mounts are only supported for bind-mounts");
	top(",\"mounts\":[{\"destination\":\"/x\",\"source\":\"/y\",\"options\":[\"bind\"],"
	    "\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}]}]",
	    "mounts[0]: id-mapped mounts must have both uid and gid mappings specified");
	top(",\"mounts\":[{\"destination\":\"/x\",\"source\":\"/y\",\"options\":[\"bind\",\"ridmap\"]}]",
	    "mounts[0]: id-mapped mounts without mappings need those of a user namespace");
	top(",\"mounts\":[{\"destination\":\"/x\",\"source\":\"/y\",\"options\":[\"bind\"],"
	    "\"uidMappings\":[{\"containerID\":0,\"hostID\":5,\"size\":1}],"
	    "\"gidMappings\":[{\"containerID\":0,\"hostID\":5,\"size\":1}]}]",
	    NULL);
	top(",\"mounts\":[{\"destination\":\"/x\",\"source\":\"/y\",\"options\":[\"bind\"],"
	    "\"uidMappings\":[{\"containerID\":0,\"hostID\":5,\"size\":1}],"
	    "\"gidMappings\":[{\"containerID\":0,\"hostID\":5,\"size\":0}]}]",
	    "mounts[0].gidMappings[0].size: 0 ids");
	top(",\"mounts\":[{\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"private\",\"slave\","
	    "\"private\",\"slave\",\"private\",\"slave\",\"private\",\"slave\",\"shared\"]}]",
	    "mounts[0].options: mount '/x': more than 8 propagation options");
}

static void test_hooks(void)
{
	static const char *const kinds[] = { "prestart",        "createRuntime",
					     "createContainer", "startContainer",
					     "poststart",       "poststop" };
	char text[256];
	char want[256];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		(void)!snprintf(text, sizeof(text),
				",\"hooks\":{\"%s\":[{\"path\":\"/x\"},"
				"{\"path\":\"bin/x\"}]}",
				kinds[i]);
		(void)!snprintf(want, sizeof(want),
				"hooks.%s[1].path: 'bin/x' is not an absolute path",
				kinds[i]);
		top(text, want);
	}
	top(",\"hooks\":{\"poststop\":[{\"path\":\"/x\",\"timeout\":1,\"env\":[\"A=1\"]}]}",
	    NULL);
	top(",\"hooks\":{\"poststop\":[{\"path\":\"/x\",\"timeout\":0}]}",
	    "hooks.poststop[0].timeout: 0 is not above 0");
	top(",\"hooks\":{\"prestart\":[{\"path\":\"/x\",\"env\":[\"A\"]}]}",
	    "hooks.prestart[0].env[0]: invalid environment variable: missing '='");
}

static void test_vm(void)
{
	top(",\"vm\":{\"kernel\":{\"path\":\"/k\",\"initrd\":\"/i\"},\"image\":{\"path\":\"/i\"},"
	    "\"hypervisor\":{\"path\":\"/h\"}}",
	    NULL);
	top(",\"vm\":{\"kernel\":{\"path\":\"k\"}}",
	    "vm.kernel.path: 'k' is not an absolute path");
	top(",\"vm\":{\"kernel\":{\"path\":\"/k\",\"initrd\":\"i\"}}",
	    "vm.kernel.initrd: 'i' is not an absolute path");
	top(",\"vm\":{\"image\":{\"path\":\"i\"}}",
	    "vm.image.path: 'i' is not an absolute path");
	top(",\"vm\":{\"hypervisor\":{\"path\":\"h\"}}",
	    "vm.hypervisor.path: 'h' is not an absolute path");
}

static void test_own_process(void)
{
	static const char text[] = "{\"cwd\":\"x\",\"args\":[\"a\"]}";
	auto_oci_spec struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;

	is_int(oci_process_parse(text, strlen(text), &spec, &err), 0,
	       "a process of its own");
	if (!spec)
		return;
	is_int(oci_validate_process(spec->process, &err), -EINVAL, "is checked too");
	is_str(err.msg, "process.cwd: Cwd must be an absolute path", "the message");
}

static void test_warnings(void)
{
	static const char text[] =
		"{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":\"/\",\"args\":"
		"[\"a\"],\"apparmorProfile\":\"docker-default\",\"capabilities\":{\"bounding\":"
		"[\"CAP_KILL\",\"CAP_X\"],\"effective\":[\"CAP_X\"],\"inheritable\":[\"CAP_X\"],"
		"\"permitted\":[\"CAP_X\"],\"ambient\":[\"CAP_X\"]}},\"mounts\":[{\"destination\":\"x\","
		"\"type\":\"tmpfs\"}],\"linux\":{\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"x\"]},"
		"\"resources\":{\"memory\":{\"kernel\":1,\"disableOOMKiller\":true},\"cpu\":"
		"{\"realtimeRuntime\":1,\"realtimePeriod\":1},\"blockIO\":{\"leafWeight\":10},"
		"\"network\":{\"classID\":1},\"devices\":[{\"allow\":true,\"access\":\"rwa\"}]}}}";
	static const char *const want[] = {
		"process.capabilities.bounding: ignoring unknown or unavailable capabilities: [CAP_X]\n",
		"process.capabilities.effective: ",
		"process.capabilities.inheritable: ",
		"process.capabilities.permitted: ",
		"process.capabilities.ambient: ",
		"process.apparmorProfile: \"docker-default\" is not applied",
		"mounts[0]: mount destination x is not absolute. Support for non-absolute ",
		"linux.personality.flags: ignoring unsupported personality flags\n",
		"linux.resources.memory: Kernel memory settings are ignored and will be removed\n",
		"linux.resources.memory.disableOOMKiller: ignored, cgroup v2 has none\n",
		"linux.resources.cpu.realtimeRuntime: ignored, cgroup v2 has none\n",
		"linux.resources.cpu.realtimePeriod: ignored, cgroup v2 has none\n",
		"linux.resources.blockIO: leafWeight: ignored, cgroup v2 has none\n",
		"linux.resources.network: ignored, cgroup v2 has none\n",
		"linux.resources.devices[0].access: ignoring other letters than rwm in \"rwa\"\n",
	};
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf lines = BUF_INIT;
	auto_buf struct buf on_v1 = BUF_INIT;
	struct err err = ERR_INIT;

	is_int(oci_spec_parse(text, strlen(text), &spec, &err), 0, "parse");
	if (!spec)
		return;
	is_int(oci_validate(spec, &err), 0, "valid");
	is_int(oci_warnings(spec, false, &lines), 0, "warnings");
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		ok(lines.data && strstr(lines.data, want[i]), "a line: %.*s",
		   (int)strcspn(want[i], "\n"), want[i]);
	ok(!strstr(lines.data, "CAP_KILL"), "nothing about what is known");
	is_int(oci_warnings(spec, true, &on_v1), 0, "on a host with cgroup v1");
	ok(strstr(on_v1.data, "Kernel memory"), "the others stay");
	ok(!strstr(on_v1.data, "cgroup v2"), "these are done");
}

int main(void)
{
	test_versions();
	test_required();
	test_process();
	test_rlimits();
	test_scheduler();
	test_names();
	test_mounts();
	test_hooks();
	test_vm();
	test_own_process();
	test_warnings();
	return tap_done();
}
