/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers with a user namespace, made by the agent on this machine: ids, the other
 * namespaces that belong to it, mounts, devices, limits, exec.
 */
#include "tests/unit/agent_host.h"

#include "oci/spec.h"
#include "rootfs/agent/userns.h"

#define FIRST_ID 300000 /* of the container's ids, as the agent knows them */
#define USER_NS                                                                          \
	"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},"  \
	"{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"cgroup\"},"                 \
	"{\"type\":\"user\"}],"                                                          \
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":300000,\"size\":1000},"          \
	"{\"containerID\":1000,\"hostID\":400000,\"size\":10}],"                         \
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":300000,\"size\":2000}]"
#define SYSFS                                                                            \
	"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"options\":[\"ro\",\"nosuid\",\"noexec\",\"nodev\"]}"
#define CGROUP                                                                           \
	"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]}"
#define MQUEUE                                                                           \
	"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]}"
#define MOUNTS "[" HOST_USR "," HOST_PROC "," HOST_DEV "," SYSFS "," CGROUP "," MQUEUE "]"

static void test_ids(void)
{
	struct oci_id_mapping v[] = { { 0, 100, 10 }, { 4294967290u, 7, 6 } };
	const struct oci_id_mappings map = { .v = v, .n = 2 };

	is_int(userns_id(&map, 0), 100, "the first id");
	is_int(userns_id(&map, 9), 109, "the last of a range");
	is_int(userns_id(&map, 10), UINT32_MAX, "none");
	is_int(userns_id(&map, 4294967295u), 12, "the last of all");
}

/* own_root() - the container's root file system belongs to the container's root. */
static void own_root(const struct host *h)
{
	char command[192];

	(void)!snprintf(command, sizeof(command),
			"mkdir -p %s/root0/sys && chown -hR %d:%d %s/root0", h->dir,
			FIRST_ID, FIRST_ID, h->dir);
	(void)!system(command);
}

/* sh_in() - a script in such a container; is its output @want? */
static void sh_in(struct host *h, const char *name, const char *script,
		  const char *process, const char *want)
{
	char args[2048];
	char *out = NULL;
	int status;

	(void)!snprintf(args, sizeof(args), "[\"sh\",\"-c\",\"%s\"]", script);
	status = host_run(h, 0, args, process, MOUNTS, USER_NS, "", &out);
	is_str(out ? out : h->last_payload, want, "%s", name);
	is_int(status, 0, "%s: status", name);
	free(out);
}

static void test_who(struct host *h)
{
	sh_in(h, "root, and its map",
	      "id -u; id -g; cat /proc/self/uid_map | tr -s ' ' | head -n 1; cat /proc/self/setgroups",
	      "", "0\n0\n 0 300000 1000\nallow\n");
	sh_in(h, "a user, with groups", "id -u; id -g; id -G",
	      ",\"user\":{\"uid\":1001,\"gid\":7,\"additionalGids\":[8,9]}",
	      "1001\n7\n7 8 9\n");
	sh_in(h, "all capabilities that it is given", "grep CapEff /proc/self/status",
	      ",\"capabilities\":{" HOST_CAPS3 "}", "CapEff:\t0000000000000021\n");
}

static void test_files(struct host *h)
{
	char path[128];
	struct stat st;

	sh_in(h, "owners are mapped",
	      "stat -c '%u %g' /etc/passwd /usr; echo x >/tmp/f; chown 1000:5 /tmp/f; stat -c '%u %g' /tmp/f",
	      "", "0 0\n65534 65534\n1000 5\n");
	(void)!snprintf(path, sizeof(path), "%s/root0/tmp/f", h->dir);
	ok(stat(path, &st) == 0 && st.st_uid == 400000 && st.st_gid == FIRST_ID + 5,
	   "the agent sees the ids outside");
}

static void test_mounts(struct host *h)
{
	sh_in(h, "mounts, all of the container's own",
	      "for d in proc sysfs cgroup2 mqueue devpts; do grep -c \\\" - $d \\\" /proc/self/mountinfo; done | sort | uniq -c | tr -s ' '; "
	      "ls /sys/class/net; grep ^0 /proc/self/cgroup",
	      "", " 5 1\nlo\n0::/\n");
	sh_in(h, "a cgroup below its own",
	      "mkdir /sys/fs/cgroup/x && echo $$ >/sys/fs/cgroup/x/cgroup.procs && grep ^0 /proc/self/cgroup",
	      "", "0::/x\n");
	sh_in(h, "devices",
	      "echo x >/dev/null && head -c 3 /dev/zero | wc -c; stat -c '%t %T %a' /dev/full; test -e /dev/ptmx && echo ptmx",
	      "", "3\n1 7 666\nptmx\n");
	sh_in(h, "loopback is up", "ip -o link show lo | grep -c LOOPBACK,UP", "", "1\n");
	sh_in(h, "stdio can be opened again", "echo again >/dev/stdout", "", "again\n");
}

/* A mount's access time is locked in there: the agent has set that of its source. */
static void test_access_time(struct host *h)
{
	static const char script[] =
		"[\"sh\",\"-c\",\"grep -E ' /(b|c) ' /proc/mounts | cut -d' ' -f2,4 | sort\"]";
	static const char mounts[] =
		"[" HOST_USR "," HOST_PROC ",{\"destination\":\"/b\",\"source\":\"/usr/share\","
		"\"options\":[\"bind\",\"ro\",\"noatime\",\"nodiratime\"]},"
		"{\"destination\":\"/c\",\"source\":\"/etc/passwd\",\"options\":[\"bind\",\"strictatime\"]}]";
	char *out = NULL;

	is_int(host_run(h, 0, script, "", mounts, USER_NS, "", &out), 0,
	       "bind mounts with access times of their own");
	ok(out && strstr(out, "/b ro,noatime,nodiratime"), "%s", out ? out : h->last_payload);
	ok(out && strstr(out, "/c rw") && !strstr(strstr(out, "/c rw"), "atime"),
	   "a file's is strict");
	free(out);
}

static void test_limits(struct host *h)
{
	sh_in(h, "limits and an oom score",
	      "ulimit -Hl; ulimit -Sl; cat /proc/self/oom_score_adj",
	      ",\"oomScoreAdj\":500,\"rlimits\":[{\"type\":\"RLIMIT_MEMLOCK\",\"soft\":1048576,"
	      "\"hard\":4194304}]",
	      "4096\n1024\n500\n");
}

static void test_exec(struct host *h)
{
	static const char process[] =
		"{\"user\":{\"uid\":1000,\"gid\":1},\"cwd\":\"/\",\"env\":" HOST_ENV
		",\"rlimits\":[{\"type\":\"RLIMIT_MEMLOCK\",\"soft\":1048576,"
		"\"hard\":4194304}],\"args\":[\"sh\",\"-c\","
		"\"id -u; ulimit -Hl; tr -s ' ' </proc/self/uid_map | head -n 1; cat /proc/1/comm\"]}";
	char *out;

	is_int(host_create(h, 0, "[\"sleep\",\"1000\"]", "", MOUNTS, USER_NS, ""), 0,
	       "create");
	is_int(host_begin(h, 0), 0, "start");
	is_int(host_result(h, host_request(h, AGENT_EXEC, 0, 1, 0, 0, process,
					   strlen(process))),
	       0, "exec");
	out = host_read_all(host_stream(h, 0, 1, AGENT_STREAM_IO));
	is_str(out, "1000\n4096\n 0 300000 1000\nsleep\n", "it has joined the container");
	free(out);
	is_int(host_exit(h, 0, 1), 0, "it ends");
	is_int(host_result(h, host_request(h, AGENT_KILL, 0, 0, SIGKILL, 0, NULL, 0)), 0,
	       "kill");
	is_int(host_exit(h, 0, 0), SIGKILL, "the container ends");
}

static void test_errors(struct host *h)
{
	is_int(host_create(h, 0, "[\"true\"]", ",\"user\":{\"uid\":5000,\"gid\":0}",
			   MOUNTS, USER_NS, ""),
	       EINVAL, "a user without an id outside");
	is_str(h->last_payload, "setuid 5000: Invalid argument", "message");
	is_int(host_create(
		       h, 0, "[\"true\"]", "", HOST_MOUNTS,
		       "\"namespaces\":[{\"type\":\"user\"}],\"uidMappings\":[{\"containerID\":0,"
		       "\"hostID\":4294967290,\"size\":100}],\"gidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}]",
		       ""),
	       EINVAL, "a map that the kernel refuses");
	is_str(h->last_payload, "linux.uidMappings: Invalid argument", "message");
}

/* tidy() - the nodes that an agent makes in a /dev of its own. */
static void tidy(void)
{
	static const char *const nodes[] = { "1-3", "1-5", "1-7", "1-8", "1-9", "5-0" };
	char path[32];

	for (unsigned int i = 0; i < ARRAY_SIZE(nodes); i++) {
		(void)!snprintf(path, sizeof(path), "/dev/.c-%s", nodes[i]);
		(void)unlink(path);
	}
}

int main(void)
{
	static struct host h;
	char path[128];

	test_ids();
	if (!host_possible() || access("/proc/self/ns/user", F_OK) < 0)
		return TAP_SKIP;
	/* The agent covers the sources of mounts. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		abort();
	host_start(&h);
	host_root(&h, "root0", path);
	own_root(&h);
	test_who(&h);
	test_files(&h);
	test_mounts(&h);
	test_access_time(&h);
	test_limits(&h);
	test_exec(&h);
	test_errors(&h);
	host_stop(&h);
	tidy();
	return tap_done();
}
