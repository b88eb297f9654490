/* SPDX-License-Identifier: Apache-2.0 */
/* What values mean: each mistake and the exact text about it. */
#include "oci/validate.h"

#include <errno.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "tests/unit/tap.h"

#define ALL_NS                                                                            \
	"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"mount\"}," \
	"{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"cgroup\"}]"

/*
 * check() - a small configuration with @process in its process, @top at the top and
 * @lin in linux; each begins with a comma or is empty.
 * @want: the message without "config.json: ", or NULL: it is valid
 */
static void check(const char *process, const char *top, const char *lin, const char *want)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	char message[600];
	int ret;

	(void)buf_printf(
		&text,
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"]%s},"
		"\"root\":{\"path\":\"rootfs\"}%s,\"linux\":{" ALL_NS "%s}}",
		process, top, lin);
	ret = oci_spec_parse(text.data, text.len, &spec, &err);
	if (ret < 0) {
		ok(false, "%s%s%s: %s", process, top, lin, err.msg);
		return;
	}
	ret = oci_validate(spec, &err);
	is_int(ret, want ? -EINVAL : 0, "%.60s%.60s%.60s", process, top, lin);
	if (want)
		(void)!snprintf(message, sizeof(message), "config.json: %s", want);
	is_str(err.msg, want ? message : "", "the message");
}

static void process(const char *members, const char *want)
{
	check(members, "", "", want);
}

static void top(const char *members, const char *want)
{
	check("", members, "", want);
}

static void lin(const char *members, const char *want)
{
	check("", "", members, want);
}

static void resources(const char *members, const char *want)
{
	char text[512];

	(void)!snprintf(text, sizeof(text), ",\"resources\":{%s}", members);
	lin(text, want);
}

/* whole() - a configuration as it is. */
static void whole(const char *text, const char *want)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	struct err err = ERR_INIT;

	if (oci_spec_parse(text, strlen(text), &spec, &err) < 0) {
		ok(false, "%s: %s", text, err.msg);
		return;
	}
	is_int(oci_validate(spec, &err), want ? -EINVAL : 0, "%.100s", text);
	is_str(err.msg, want ? want : "", "the message");
}

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

/* with_ns() - only the namespaces and the rest of linux that are given. */
static void with_ns(const char *ns, const char *rest, const char *want)
{
	char text[1024];

	(void)!snprintf(
		text, sizeof(text),
		"{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":\"/\","
		"\"args\":[\"a\"]},\"linux\":{\"namespaces\":[%s]%s}}",
		ns, rest);
	whole(text, want);
}

static void test_namespaces(void)
{
	static const char user[] = "{\"type\":\"user\"}";
	static const char map[] = "[{\"containerID\":0,\"hostID\":0,\"size\":1}]";
	char rest[512];

	with_ns("{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"pid\",\"path\":\"/x\"}",
		"",
		"config.json: linux.namespaces[2]: malformed spec file: duplicated ns \"pid\"");
	with_ns("{\"type\":\"pid\",\"path\":\"x\"}", "",
		"config.json: linux.namespaces[0].path: 'x' is not an absolute path");
	with_ns(user, "",
		"config.json: linux.namespaces: user namespaces enabled, but no namespace path to join "
		"nor mappings to apply specified");
	with_ns("{\"type\":\"user\",\"path\":\"/x\"}", "", NULL);
	(void)!snprintf(rest, sizeof(rest), ",\"uidMappings\":%s,\"gidMappings\":%s", map,
			map);
	with_ns(user, rest, NULL);
	with_ns("", rest,
		"config.json: linux.uidMappings: user namespace mappings specified, but user namespace "
		"isn't enabled in the config");
	with_ns(user, ",\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":0}]",
		"config.json: linux.uidMappings[0].size: 0 ids");
	with_ns(user,
		",\"gidMappings\":[{\"containerID\":4294967295,\"hostID\":0,\"size\":2}]",
		"config.json: linux.gidMappings[0]: 2 ids reach past the last one");
	with_ns(user,
		",\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":10},"
		"{\"containerID\":10,\"hostID\":9,\"size\":1}]",
		"config.json: linux.uidMappings[1]: overlaps with [0]");
	with_ns(user,
		",\"uidMappings\":[{\"containerID\":5,\"hostID\":100,\"size\":10},"
		"{\"containerID\":0,\"hostID\":0,\"size\":6}]",
		"config.json: linux.uidMappings[1]: overlaps with [0]");
	with_ns(user,
		",\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":10},"
		"{\"containerID\":10,\"hostID\":10,\"size\":4294967285}],\"gidMappings\":"
		"[{\"containerID\":0,\"hostID\":7,\"size\":1}]",
		NULL);
	with_ns(user, ",\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":10}]",
		"config.json: linux.gidMappings: containerID 0 is not mapped");
	with_ns(user, ",\"uidMappings\":[{\"containerID\":1,\"hostID\":0,\"size\":10}]",
		"config.json: linux.uidMappings: containerID 0 is not mapped");
	with_ns("{\"type\":\"user\",\"path\":\"/x\"}", rest,
		"config.json: linux.uidMappings: user namespace enabled, but both namespace "
		"path and mapping specified -- you may only provide one");
}

static void test_many_mappings(void)
{
	auto_buf struct buf text = BUF_INIT;

	(void)buf_puts(
		&text,
		"{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":"
		"\"/\",\"args\":[\"a\"]},\"linux\":{\"namespaces\":[{\"type\":\"user\"}],"
		"\"uidMappings\":[");
	for (int i = 0; i < 341; i++)
		(void)buf_printf(&text, "%s{\"containerID\":%d,\"hostID\":%d,\"size\":1}",
				 i ? "," : "", i, i);
	(void)buf_puts(&text, "]}}");
	whole(text.data, "config.json: linux.uidMappings: more than 340 lines");
}

static void test_time(void)
{
	static const char ns[] = "{\"type\":\"time\"}";

	with_ns(ns,
		",\"timeOffsets\":{\"monotonic\":{\"secs\":-5},\"boottime\":{\"nanosecs\":5}}",
		NULL);
	with_ns("", ",\"timeOffsets\":{\"monotonic\":{\"secs\":5}}",
		"config.json: linux.timeOffsets: time namespace offsets specified, but time namespace "
		"isn't enabled in the config");
	with_ns("{\"type\":\"time\",\"path\":\"/x\"}",
		",\"timeOffsets\":{\"monotonic\":{}}",
		"config.json: linux.timeOffsets: time namespace enabled, but both namespace path and "
		"time offsets specified -- you may only provide one");
	with_ns(ns, ",\"timeOffsets\":{\"realtime\":{}}",
		"config.json: linux.timeOffsets: no clock \"realtime\"");
	with_ns(ns, ",\"timeOffsets\":{\"boottime\":{\"nanosecs\":1000000000}}",
		"config.json: linux.timeOffsets.boottime.nanosecs: 1000000000 is not below 1000000000");
}

static void test_devices(void)
{
	lin(",\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":4095,\"minor\":1048575,"
	    "\"fileMode\":8630}]",
	    NULL);
	lin(",\"devices\":[{\"path\":\"/dev/x\",\"type\":\"p\",\"major\":-1}]", NULL);
	lin(",\"devices\":[{\"path\":\"dev/x\",\"type\":\"c\"}]",
	    "linux.devices[0].path: 'dev/x' is not an absolute path");
	lin(",\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":4096}]",
	    "linux.devices[0].major: 4096 is not between 0 and 4095");
	lin(",\"devices\":[{\"path\":\"/dev/x\",\"type\":\"b\",\"minor\":-1}]",
	    "linux.devices[0].minor: -1 is not between 0 and 1048575");
	lin(",\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"fileMode\":65536}]",
	    "linux.devices[0].fileMode: 65536 is not a mode");
	lin(",\"netDevices\":{\"eth0\":{\"name\":\"e0\"},\"eth1\":{}}", NULL);
	lin(",\"netDevices\":{\"a/b\":{}}",
	    "linux.netDevices: invalid network device name \"a/b\"");
	lin(",\"netDevices\":{\"eth0\":{\"name\":\"0123456789abcdef\"}}",
	    "linux.netDevices: invalid network device name \"0123456789abcdef\"");
	lin(",\"netDevices\":{\"..\":{}}",
	    "linux.netDevices: invalid network device name \"..\"");
	with_ns("", ",\"netDevices\":{\"eth0\":{}}",
		"config.json: linux.netDevices: unable to move network devices without a NET namespace");
}

static void test_paths(void)
{
	lin(",\"maskedPaths\":[\"/a\"],\"readonlyPaths\":[\"/b\"]", NULL);
	lin(",\"maskedPaths\":[\"/a\",\"b\"]",
	    "linux.maskedPaths[1]: 'b' is not an absolute path");
	lin(",\"readonlyPaths\":[\"\"]",
	    "linux.readonlyPaths[0]: '' is not an absolute path");
	with_ns("", ",\"maskedPaths\":[\"/a\"]",
		"config.json: linux.maskedPaths: unable to restrict sys entries without a private MNT "
		"namespace");
	with_ns("", ",\"readonlyPaths\":[\"/a\"]",
		"config.json: linux.readonlyPaths: unable to restrict sys entries without a private MNT "
		"namespace");
}

static void test_sysctl(void)
{
	lin(",\"sysctl\":{\"kernel.shmmax\":\"1\",\"net.ipv4.ip_forward\":\"1\",\"fs.mqueue.x\":\"1\","
	    "\"kernel/sem\":\"1\",\"net/ipv4/conf/eth0.1/rp_filter\":\"1\",\"kernel.domainname\":\"x\"}",
	    NULL);
	lin(",\"sysctl\":{\"kernel.panic\":\"1\"}",
	    "linux.sysctl: sysctl \"kernel.panic\" is not in a separate kernel namespace");
	lin(",\"sysctl\":{\"kernel.hostname\":\"x\"}",
	    "linux.sysctl: sysctl \"kernel.hostname\" is not allowed as it conflicts with the OCI "
	    "\"hostname\" field");
	lin(",\"sysctl\":{\"user.max_user_namespaces\":\"1\"}",
	    "linux.sysctl: setting ucounts without a user namespace not allowed: "
	    "user.max_user_namespaces");
	lin(",\"sysctl\":{\"vm/swappiness\":\"1\"}",
	    "linux.sysctl: sysctl \"vm.swappiness\" is not in a separate kernel namespace");
	lin(",\"sysctl\":{\"net/../../x\":\"1\"}",
	    "linux.sysctl: \"net/../../x\" is not the name of a sysctl");
	lin(",\"sysctl\":{\"net...x\":\"1\"}",
	    "linux.sysctl: \"net...x\" is not the name of a sysctl");
	lin(",\"sysctl\":{\"net.//.//x\":\"1\"}",
	    "linux.sysctl: \"net.//.//x\" is not the name of a sysctl");
	lin(",\"sysctl\":{\"\":\"1\"}", "linux.sysctl: \"\" is not the name of a sysctl");
	with_ns("{\"type\":\"uts\"}", ",\"sysctl\":{\"kernel.sem\":\"1\"}",
		"config.json: linux.sysctl: sysctl \"kernel.sem\" is not allowed in the hosts ipc "
		"namespace");
	with_ns("", ",\"sysctl\":{\"net.core.somaxconn\":\"1\"}",
		"config.json: linux.sysctl: sysctl \"net.core.somaxconn\" not allowed in host network "
		"namespace");
	with_ns("{\"type\":\"user\",\"path\":\"/x\"}",
		",\"sysctl\":{\"user.max_user_namespaces\":\"1\"}", NULL);
	lin(",\"sysctl\":{\"net.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "\":\"1\"}",
	    "linux.sysctl: a name is longer than 255 bytes");
}

static void test_rules(void)
{
	resources(
		"\"devices\":[{\"allow\":false,\"access\":\"rwm\"},{\"allow\":true,\"type\":\"a\","
		"\"major\":-1,\"minor\":-1,\"access\":\"r\"}]",
		NULL);
	resources(
		"\"devices\":[{\"allow\":false}]",
		"linux.resources.devices[0].access: device access at 0 field cannot be empty");
	resources(
		"\"devices\":[{\"allow\":false,\"access\":\"rwx\"}]",
		"linux.resources.devices[0].access: \"rwx\" has other letters than rwm");
	resources("\"devices\":[{\"allow\":false,\"access\":\"r\",\"type\":\"p\"}]",
		  "linux.resources.devices[0].type: invalid cgroup device type \"p\"");
	resources("\"devices\":[{\"allow\":false,\"access\":\"r\",\"major\":-2}]",
		  "linux.resources.devices[0].major: -2");
	resources("\"devices\":[{\"allow\":false,\"access\":\"r\",\"minor\":4294967296}]",
		  "linux.resources.devices[0].minor: 4294967296");
}

static void test_memory(void)
{
	resources(
		"\"memory\":{\"limit\":100,\"swap\":100,\"reservation\":-1,\"swappiness\":100}",
		NULL);
	resources("\"memory\":{\"limit\":-1,\"swap\":5}", NULL);
	resources("\"memory\":{\"swap\":-1}", NULL);
	resources("\"memory\":{\"limit\":-2}",
		  "linux.resources.memory.limit: invalid memory value: -2");
	resources("\"memory\":{\"reservation\":-2}",
		  "linux.resources.memory.reservation: invalid memory value: -2");
	resources("\"memory\":{\"swap\":-2}",
		  "linux.resources.memory.swap: invalid memory value: -2");
	resources(
		"\"memory\":{\"swap\":5}",
		"linux.resources.memory.swap: unable to set swap limit without memory limit");
	resources(
		"\"memory\":{\"limit\":10,\"swap\":5}",
		"linux.resources.memory.swap: memory+swap limit should be >= memory limit");
	resources(
		"\"memory\":{\"swappiness\":101}",
		"linux.resources.memory.swappiness: invalid memory swappiness value: 101 (valid range "
		"is 0-100)");
}

static void test_cpu(void)
{
	resources(
		"\"cpu\":{\"shares\":2,\"quota\":-1,\"period\":0,\"idle\":1,\"cpus\":\"0\","
		"\"mems\":\"0\",\"burst\":0}",
		NULL);
	resources("\"cpu\":{\"period\":999}",
		  "linux.resources.cpu.period: 999 is not between 1000 and 1000000");
	resources("\"cpu\":{\"period\":1000001}",
		  "linux.resources.cpu.period: 1000001 is not between 1000 and 1000000");
	resources("\"cpu\":{\"quota\":999}",
		  "linux.resources.cpu.quota: 999 is below 1000");
	resources("\"cpu\":{\"quota\":1000,\"burst\":1001}",
		  "linux.resources.cpu.burst: 1001 is above the quota");
	resources("\"cpu\":{\"idle\":2}", "linux.resources.cpu.idle: 2 is not 0 or 1");
	resources("\"cpu\":{\"cpus\":\"a\"}",
		  "linux.resources.cpu.cpus: \"a\" is not a list of CPUs like 0-3,5");
	resources("\"cpu\":{\"mems\":\"1-\"}",
		  "linux.resources.cpu.mems: \"1-\" is not a list of nodes like 0-1");
}

static void test_other_resources(void)
{
	resources(
		"\"blockIO\":{\"weight\":0,\"leafWeight\":1000,\"weightDevice\":[{\"major\":1,"
		"\"minor\":1,\"weight\":10}]}",
		NULL);
	resources("\"blockIO\":{\"weight\":9}",
		  "linux.resources.blockIO.weight: 9 is not between 10 and 1000");
	resources("\"blockIO\":{\"leafWeight\":1001}",
		  "linux.resources.blockIO.leafWeight: 1001 is not between 10 and 1000");
	resources(
		"\"blockIO\":{\"weightDevice\":[{\"major\":1,\"minor\":1,\"weight\":1}]}",
		"linux.resources.blockIO.weightDevice.weight: 1 is not between 10 and 1000");
	resources(
		"\"blockIO\":{\"weightDevice\":[{\"major\":1,\"minor\":1,\"leafWeight\":1}]}",
		"linux.resources.blockIO.weightDevice.leafWeight: 1 is not between 10 and 1000");
	resources(
		"\"hugepageLimits\":[{\"pageSize\":\"64KB\",\"limit\":0},{\"pageSize\":\"1GB\","
		"\"limit\":1}]",
		NULL);
	resources(
		"\"hugepageLimits\":[{\"pageSize\":\"64kB\",\"limit\":0}]",
		"linux.resources.hugepageLimits[0].pageSize: \"64kB\" is not a size like 2MB");
	resources(
		"\"hugepageLimits\":[{\"pageSize\":\"2M\",\"limit\":0}]",
		"linux.resources.hugepageLimits[0].pageSize: \"2M\" is not a size like 2MB");
	resources(
		"\"hugepageLimits\":[{\"pageSize\":\"0MB\",\"limit\":0}]",
		"linux.resources.hugepageLimits[0].pageSize: \"0MB\" is not a size like 2MB");
	resources(
		"\"hugepageLimits\":[{\"pageSize\":\"5\",\"limit\":0}]",
		"linux.resources.hugepageLimits[0].pageSize: \"5\" is not a size like 2MB");
	resources("\"unified\":{\"memory.high\":\"1\"}", NULL);
	resources(
		"\"unified\":{\"../memory.high\":\"1\"}",
		"linux.resources.unified: unified resource \"../memory.high\" must be a file name (no "
		"slashes)");
	resources(
		"\"unified\":{\"memory\":\"1\"}",
		"linux.resources.unified: unified resource \"memory\" must be in the form "
		"CONTROLLER.PARAMETER");
}

static void seccomp(const char *members, const char *want)
{
	char text[512];

	(void)!snprintf(text, sizeof(text), ",\"seccomp\":{%s}", members);
	lin(text, want);
}

static void test_seccomp(void)
{
	seccomp("", NULL);
	seccomp("\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_ALLOW\"}]",
		"linux.seccomp.defaultAction: is required");
	seccomp("\"defaultAction\":\"SCMP_ACT_NOTIFY\"",
		"linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be used as default action");
	seccomp("\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":4095", NULL);
	seccomp("\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":4096",
		"linux.seccomp.defaultErrnoRet: 4096 is not between 0 and 4095");
	seccomp("\"defaultAction\":\"SCMP_ACT_TRACE\",\"defaultErrnoRet\":65536",
		"linux.seccomp.defaultErrnoRet: 65536 is not between 0 and 65535");
	seccomp("\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1",
		"linux.seccomp.defaultErrnoRet: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE have one");
	seccomp("\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[],\"action\":"
		"\"SCMP_ACT_LOG\"}]",
		"linux.seccomp.syscalls[0].names: empty");
	seccomp("\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a\",\"\"],\"action\":"
		"\"SCMP_ACT_LOG\"}]",
		"linux.seccomp.syscalls[0].names[1]: empty string is not a valid syscall");
	seccomp("\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"write\"],\"action\":"
		"\"SCMP_ACT_NOTIFY\"}]",
		"linux.seccomp.syscalls[0]: SCMP_ACT_NOTIFY cannot be used for the write syscall");
	seccomp("\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a\"],\"action\":"
		"\"SCMP_ACT_LOG\",\"errnoRet\":1}]",
		"linux.seccomp.syscalls[0].errnoRet: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE have one");
	seccomp("\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a\"],\"action\":"
		"\"SCMP_ACT_LOG\",\"args\":[{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}]",
		"linux.seccomp.syscalls[0].args[0].index: 6 is not between 0 and 5");
}

static void test_policies(void)
{
	lin(",\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"0\"}", NULL);
	lin(",\"memoryPolicy\":{\"mode\":\"MPOL_PREFERRED\"}", NULL);
	lin(",\"memoryPolicy\":{\"mode\":\"MPOL_INTERLEAVE\"}",
	    "linux.memoryPolicy: memory policy mode requires at least one node but got 0");
	lin(",\"memoryPolicy\":{\"mode\":\"MPOL_LOCAL\",\"nodes\":\"0-1\"}",
	    "linux.memoryPolicy: memory policy mode requires 0 nodes but got 2");
	lin(",\"memoryPolicy\":{\"mode\":\"MPOL_BIND\",\"nodes\":\"z\"}",
	    "linux.memoryPolicy.nodes: invalid memory policy nodes \"z\"");
	lin(",\"intelRdt\":{\"closID\":\"a\"}", NULL);
	lin(",\"intelRdt\":{\"closID\":\"/\"}", NULL);
	lin(",\"intelRdt\":{\"closID\":\"..\"}",
	    "linux.intelRdt.closID: invalid intelRdt.ClosID \"..\"");
	lin(",\"intelRdt\":{\"closID\":\"a/b\"}",
	    "linux.intelRdt.closID: invalid intelRdt.ClosID \"a/b\"");
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
		"\"resources\":{\"memory\":{\"kernel\":1}}}}";
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
	};
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf lines = BUF_INIT;
	struct err err = ERR_INIT;

	is_int(oci_spec_parse(text, strlen(text), &spec, &err), 0, "parse");
	if (!spec)
		return;
	is_int(oci_validate(spec, &err), 0, "valid");
	is_int(oci_warnings(spec, &lines), 0, "warnings");
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		ok(lines.data && strstr(lines.data, want[i]), "a line: %.*s",
		   (int)strcspn(want[i], "\n"), want[i]);
	ok(!strstr(lines.data, "CAP_KILL"), "nothing about what is known");
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
	test_namespaces();
	test_many_mappings();
	test_time();
	test_devices();
	test_paths();
	test_sysctl();
	test_rules();
	test_memory();
	test_cpu();
	test_other_resources();
	test_seccomp();
	test_policies();
	test_vm();
	test_own_process();
	test_warnings();
	return tap_done();
}
