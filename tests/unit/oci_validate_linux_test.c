/* SPDX-License-Identifier: Apache-2.0 */
/* The same of linux, but its resources: each mistake and the exact text about it. */
#include "tests/unit/oci_check.h"

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
	lin(",\"memoryPolicy\":{\"nodes\":\"0\"}",
	    "linux.memoryPolicy.mode: invalid memory policy mode \"\"");
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

int main(void)
{
	test_namespaces();
	test_many_mappings();
	test_time();
	test_devices();
	test_paths();
	test_sysctl();
	test_seccomp();
	test_policies();
	return tap_done();
}
