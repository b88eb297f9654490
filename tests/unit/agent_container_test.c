/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole containers, made by the agent on this machine: its requests and events,
 * two side by side, exec, signals, terminals, streams, shutdown.
 */
#include <dirent.h>

#include "lib/cleanup.h"
#include "tests/unit/agent_host.h"
#include "vmm/cgroup_stats.h"
#include "vmm/control.h"

#define PROCESS(args)                                                                    \
	"{\"user\":{\"uid\":0,\"gid\":0},\"cwd\":\"/\",\"env\":" HOST_ENV                \
	",\"args\":" args "}"

static uint32_t host_exec(struct host *h, uint16_t c, uint32_t proc, uint32_t flags,
			  const char *process)
{
	return host_result(h, host_request(h, AGENT_EXEC, c, proc, 0, flags, process,
					   strlen(process)));
}

static void test_hello(struct host *h)
{
	const struct host_event *e = host_event(h, AGENT_HELLO, 0, 0);

	is_int(e->frame.arg, AGENT_PROTO_VERSION, "hello tells the version");
	ok(e->frame.value > 0, "hello tells the uptime");
}

static void test_run(struct host *h)
{
	char *out;

	is_int(host_sh(h, "echo hi; exit 7", "", "", &out), 7 << 8, "exit status");
	is_str(out, "hi\n", "stdout");
	free(out);
	is_int(host_sh(h, "kill -9 $$; exit 3", "", "", &out), 3 << 8,
	       "an init does not kill itself");
	free(out);
}

static void test_two(struct host *h)
{
	char *net[2];
	int in[2];
	char *out;

	for (uint16_t i = 0; i < 2; i++) {
		is_int(host_create(
			       h, i,
			       "[\"sh\",\"-c\",\"echo $$ $(hostname); readlink /proc/self/ns/net; read x; exit $x\"]",
			       "", HOST_MOUNTS, "",
			       i ? ",\"hostname\":\"two\"" : ",\"hostname\":\"one\""),
		       0, "create %u", i);
		is_int(host_begin(h, i), 0, "start %u", i);
	}
	for (uint16_t i = 0; i < 2; i++) {
		in[i] = host_stream(h, i, 0, AGENT_STREAM_IO);
		out = host_read_until(in[i], "\n");
		is_str(out, i ? "1 two\n" : "1 one\n",
		       "container %u has its own pid and name", i);
		free(out);
		net[i] = host_read_until(in[i], "\n");
	}
	ok(strncmp(net[0], "net:[", 5) == 0 && strcmp(net[0], net[1]) != 0,
	   "each has its own network");
	free(net[0]);
	free(net[1]);
	is_int(write(in[1], "5\n", 2), 2, "write to the second");
	is_int(host_exit(h, 1, 0), 5 << 8, "the second ends");
	is_int(write(in[0], "4\n", 2), 2, "write to the first");
	is_int(host_exit(h, 0, 0), 4 << 8, "the first ends");
	(void)close(in[0]);
	(void)close(in[1]);
}

static void test_created(struct host *h)
{
	is_int(host_create(h, 0, "[\"true\"]", "", HOST_MOUNTS, "", ""), 0, "create");
	is_int(host_create(h, 0, "[\"true\"]", "", HOST_MOUNTS, "", ""), EEXIST,
	       "the same number again");
	is_int(host_result(h, host_request(h, AGENT_KILL, 0, 0, SIGKILL, 0, NULL, 0)), 0,
	       "kill what was only created");
	is_int(host_exit(h, 0, 0), SIGKILL, "it ends by the signal");
	is_int(host_begin(h, 0), ESRCH, "it cannot be started any more");
	is_int(host_create(h, 0, "[\"true\"]", "", HOST_MOUNTS, "", ""), 0, "create");
	is_int(host_result(h, host_request(h, AGENT_KILL, 0, 0, SIGTERM, 0, NULL, 0)), 0,
	       "terminate what was only created");
	is_int(host_exit(h, 0, 0), (128 + SIGTERM) << 8, "it ends");
}

static void test_exec(struct host *h)
{
	char *out;
	int io;

	is_int(host_create(h, 0, "[\"sleep\",\"1000\"]", "", HOST_MOUNTS, "", ""), 0,
	       "create");
	is_int(host_begin(h, 0), 0, "start");
	is_int(host_begin(h, 0), EBUSY, "start again");
	is_int(host_exec(h, 0, 1, 0,
			 PROCESS("[\"sh\",\"-c\",\"echo $$; cat /proc/1/comm; cat\"]")),
	       0, "exec");
	ok(h->last_value > 1, "exec tells the pid in the container");
	io = host_stream(h, 0, 1, AGENT_STREAM_IO);
	is_int(write(io, "through\n", 8), 8, "write to its stdin");
	(void)shutdown(io, SHUT_WR);
	out = host_read_all(io);
	ok(strstr(out, "\nsleep\nthrough\n"),
	   "it sees the container's init and its stdin");
	is_int(strtol(out, NULL, 10), h->last_value, "the pid is what it sees itself");
	free(out);
	is_int(host_exit(h, 0, 1), 0, "exec'd process ends");
	is_int(host_exec(h, 0, 2, 0, PROCESS("[\"nonexistent\"]")), ENOENT,
	       "exec of nothing");
	is_str(h->last_payload,
	       "exec: \"nonexistent\": executable file not found in $PATH", "message");
	is_int(host_exec(h, 0, 2, 0, PROCESS("[\"sh\",\"-c\",\"exit 9\"]")), 0,
	       "the number of a failed exec can be used again");
	is_int(host_exit(h, 0, 2), 9 << 8, "its status");
	is_int(host_exec(h, 0, 3, 0, PROCESS("[\"sleep\",\"1000\"]")), 0, "exec");
	is_int(host_exec(h, 0, 3, 0, PROCESS("[\"sleep\",\"1000\"]")), EEXIST,
	       "a number that is in use");
	is_int(host_result(h, host_request(h, AGENT_KILL, 0, 3, SIGTERM, 0, NULL, 0)), 0,
	       "signal the exec'd process");
	is_int(host_exit(h, 0, 3), SIGTERM, "it ends by the signal");
	is_int(host_exec(h, 0, 4, 0, PROCESS("[\"sleep\",\"1000\"]")), 0, "exec");
	is_int(host_result(h, host_request(h, AGENT_KILL, 0, 0, SIGKILL, 0, NULL, 0)), 0,
	       "kill init");
	is_int(host_exit(h, 0, 4), SIGKILL, "the exec'd process goes with it");
	is_int(host_exit(h, 0, 0), SIGKILL, "init");
	is_int(host_exec(h, 0, 5, 0, PROCESS("[\"true\"]")), ESRCH,
	       "exec in a gone container");
}

/* exec_in() - the same in a cgroup below the container's */
static uint32_t exec_in(struct host *h, uint32_t proc, const char *cgroup,
			const char *process)
{
	auto_buf struct buf b = BUF_INIT;

	(void)buf_printf(&b, "%s", process);
	(void)buf_append(&b, "", 1);
	(void)buf_puts(&b, cgroup);
	return host_result(h, host_request(h, AGENT_EXEC, 0, proc, 0, 0, b.data, b.len));
}

/* where_in() - what such a process sees as its cgroup; the caller frees */
static char *where_in(struct host *h, uint32_t proc, const char *cgroup)
{
	char *text;

	is_int(exec_in(h, proc, cgroup, PROCESS("[\"grep\",\"^0::\",\"/proc/self/cgroup\"]")),
	       0, "exec in '%s'", cgroup);
	text = host_read_until(host_stream(h, 0, proc, AGENT_STREAM_IO), "\n");
	is_int(host_exit(h, 0, proc), 0, "its end");
	return text;
}

static void test_exec_cgroup(struct host *h)
{
	char path[sizeof(h->cgroup) + 32];
	char *where;

	is_int(host_create(h, 0, "[\"sleep\",\"1000\"]", "", HOST_MOUNTS, "", ""), 0,
	       "create");
	is_int(host_begin(h, 0), 0, "start");
	(void)!snprintf(path, sizeof(path), "%s/0", h->cgroup);
	is_int(access(path, F_OK), 0, "the container's cgroup");
	(void)!snprintf(path, sizeof(path), "%s/0/sub", h->cgroup);
	is_int(mkdir(path, 0755), 0, "one below");
	where = where_in(h, 1, "sub");
	is_str(where, "0::/sub\n", "there it is");
	free(where);
	where = where_in(h, 1, "/");
	is_str(where, "0::/\n", "the container's own");
	free(where);
	is_int(exec_in(h, 1, "none", PROCESS("[\"true\"]")), ENOENT, "one that is not there");
	is_str(h->last_payload, "open cgroup 'none': No such file or directory", "message");
	is_int(exec_in(h, 1, "sub/../..", PROCESS("[\"true\"]")), EINVAL,
	       "one that leads out");
	is_str(h->last_payload, "bad sub cgroup path: sub/../..", "message");
	is_int(exec_in(h, 1, "cgroup.procs", PROCESS("[\"true\"]")), ENOTDIR, "a file");
	is_int(exec_in(h, 1, "", PROCESS("[\"true\"]")), EPROTO, "none");
	is_int(host_result(h, host_request(h, AGENT_KILL, 0, AGENT_KILL_ALL, SIGKILL, 0,
					   NULL, 0)),
	       0, "kill all");
	is_int(host_exit(h, 0, 0), SIGKILL, "init ends");
}

static void test_ps(struct host *h)
{
	const struct control_ps *ps;
	size_t n;

	is_int(host_create(
		       h, 0,
		       "[\"sh\",\"-c\",\"exec 4<&0; (read x <&4; exit) & echo; wait; exit\"]",
		       "", HOST_MOUNTS, "", ""),
	       0, "create");
	is_int(host_begin(h, 0), 0, "start");
	free(host_read_until(host_stream(h, 0, 0, AGENT_STREAM_IO), "\n"));
	is_int(host_exec(h, 0, 1, 0, PROCESS("[\"sleep\",\"1000\"]")), 0, "exec");
	is_int(host_result(h, host_request(h, AGENT_PS, 0, 0, 0, 0, NULL, 0)), 0, "ps");
	n = h->last_len / sizeof(*ps);
	ps = (const struct control_ps *)(const void *)h->last_payload;
	is_int(n, 3, "three processes");
	if (n == 3) {
		is_int(ps[0].pid, 1, "init is 1");
		is_int(ps[0].ppid, 0, "init has no parent");
		is_int(ps[1].ppid, 1, "the next one's parent is init");
		is_int(ps[2].ppid, 0, "the exec'd one has none");
		is_str(ps[2].comm, "sleep", "name");
		is_str(ps[2].args, "sleep 1000", "arguments");
		ok(ps[2].start_ns >= ps[0].start_ns, "start time");
	}
	is_int(host_result(h, host_request(h, AGENT_KILL, 0, AGENT_KILL_ALL, SIGKILL, 0,
					   NULL, 0)),
	       0, "kill all");
	is_int(host_exit(h, 0, 0), SIGKILL, "init ends");
	is_int(host_exit(h, 0, 1), SIGKILL, "the exec'd process too");
}

static void test_freeze(struct host *h)
{
	uint32_t seq;
	char *out;
	int io;

	is_int(host_create(h, 0, "[\"sh\",\"-c\",\"while read x; do echo $x; done\"]", "",
			   HOST_MOUNTS, "", ""),
	       0, "create");
	is_int(host_begin(h, 0), 0, "start");
	io = host_stream(h, 0, 0, AGENT_STREAM_IO);
	is_int(host_result(h, host_request(h, AGENT_FREEZE, 0, 0, 1, 0, NULL, 0)), 0,
	       "freeze");
	is_int(write(io, "late\n", 5), 5, "write to its stdin");
	is_int(poll(&(struct pollfd){ .fd = io, .events = POLLIN }, 1, 300), 0,
	       "it does not answer");
	is_int(host_result(h, host_request(h, AGENT_FREEZE, 0, 0, 1, 0, NULL, 0)), 0,
	       "freezing what is frozen");
	is_int(host_result(h, host_request(h, AGENT_FREEZE, 0, 0, 0, 0, NULL, 0)), 0,
	       "thaw");
	out = host_read_until(io, "\n");
	is_str(out, "late\n", "it goes on");
	free(out);
	is_int(host_result(h, host_request(h, AGENT_FREEZE, 0, 0, 1, 0, NULL, 0)), 0,
	       "freeze");
	seq = host_request(h, AGENT_KILL, 0, 0, SIGKILL, 0, NULL, 0);
	is_int(host_result(h, seq), 0, "kill what is frozen");
	is_int(host_exit(h, 0, 0), SIGKILL, "it ends");
	is_int(host_result(h, host_request(h, AGENT_FREEZE, 0, 0, 1, 0, NULL, 0)), ESRCH,
	       "freeze what has gone");
}

static void test_counters_and_limits(struct host *h)
{
	is_int(host_create(h, 0, "[\"sleep\",\"1000\"]", "", HOST_MOUNTS, "", ""), 0,
	       "create");
	is_int(host_result(h, host_request(h, AGENT_STATS, 0, 0, 0, 0, NULL, 0)), 0,
	       "counters of a created container");
	is_int(h->last_len, sizeof(struct cgroup_stats), "all of them");
	is_int(host_result(h, host_request(h, AGENT_UPDATE, 0, 0, 0, 0, "{}", 2)), 0,
	       "no new limits");
	is_int(host_result(h, host_request(h, AGENT_UPDATE, 0, 0, 0, 0, "{", 1)), EINVAL,
	       "no JSON");
	is_int(host_result(h, host_request(h, AGENT_UPDATE, 0, 0, 0, 0,
					   "{\"unified\":{\"a.b\":\"1\"}}", 23)),
	       ENOENT, "a limit that the kernel does not have");
	is_str(h->last_payload,
	       "unified resource \"a.b\" can't be set: controller \"a\" not available",
	       "by its file");
	is_int(host_result(h, host_request(h, AGENT_STATS, 1, 0, 0, 0, NULL, 0)), ESRCH,
	       "counters of a container that is not there");
	is_int(host_result(h, host_request(h, AGENT_KILL, 0, 0, SIGKILL, 0, NULL, 0)), 0,
	       "kill");
	is_int(host_exit(h, 0, 0), SIGKILL, "it ends");
}

static void test_errors(struct host *h)
{
	is_int(host_create(h, 0, "[\"nonexistent\"]", "", HOST_MOUNTS, "", ""), ENOENT,
	       "program that is not there");
	is_str(h->last_payload,
	       "exec: \"nonexistent\": executable file not found in $PATH", "message");
	is_int(host_create(h, 0, "[\"/etc/passwd\"]", "", HOST_MOUNTS, "", ""), EACCES,
	       "program that cannot be run");
	is_str(h->last_payload, "exec: \"/etc/passwd\": permission denied", "message");
	is_int(host_create(h, 0, "[\"/nope\"]", "", HOST_MOUNTS, "", ""), ENOENT,
	       "no such path");
	is_str(h->last_payload, "exec: \"/nope\": stat /nope: no such file or directory",
	       "message");
	is_int(host_create(h, 0, "[\"/etc\"]", "", HOST_MOUNTS, "", ""), EACCES,
	       "a directory");
	is_str(h->last_payload, "exec: \"/etc\": permission denied", "message");
	is_int(host_create(h, 0, "[\"true\"]", "",
			   "[{\"destination\":\"/proc/x\",\"type\":\"nofs\"}]", "", ""),
	       ENODEV, "unknown file system");
	ok(strstr(h->last_payload, "nofs"), "the message names it");
	is_int(host_result(h, host_request(h, AGENT_CREATE, 0, 0, 0, 0, "a\0{]", 4)),
	       EINVAL, "broken configuration");
	is_int(host_result(h, host_request(h, AGENT_START, 9, 0, 0, 0, NULL, 0)), ESRCH,
	       "start of what does not exist");
}

/* A script whose interpreter is missing: only execve() finds out. */
static void test_start_error(struct host *h)
{
	auto_free char *text = NULL;
	char path[192];
	char root[128];
	FILE *f;

	host_root(h, "root0", root);
	(void)!snprintf(path, sizeof(path), "%s/tmp/script", root);
	f = fopen(path, "we");
	(void)fputs("#!/nope\n", f);
	(void)fclose(f);
	(void)chmod(path, 0755);
	is_int(host_create(h, 0, "[\"/tmp/script\"]", "", HOST_MOUNTS, "", ""), 0,
	       "create");
	is_int(host_begin(h, 0), 0, "it is started");
	text = host_read_until(host_stream(h, 0, 0, AGENT_STREAM_STDERR), "\n");
	is_str(text, "exec /tmp/script: no such file or directory\n",
	       "and that is its output");
	is_int(host_exit(h, 0, 0), 255 << 8, "its end");
}

static int count_fds(const struct host *h)
{
	char path[64];
	DIR *dir;
	int n = 0;

	(void)!snprintf(path, sizeof(path), "/proc/%d/fd", h->agent);
	dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		(void)closedir(dir);
	return n;
}

/* Containers and processes of all fates: the agent holds nothing of them. */
static void test_leaks(struct host *h)
{
	int before = 0;
	bool good = true;
	char *out;

	for (int i = 0; i < 12; i++) {
		good &= host_run(h, 0, "[\"echo\",\"x\"]", "", HOST_MOUNTS, "", "",
				 &out) == 0;
		free(out);
		good &= host_create(h, 0, "[\"nope\"]", "", HOST_MOUNTS, "", "") ==
			ENOENT;
		good &= host_create(h, 0, "[\"sleep\",\"9\"]", ",\"terminal\":true",
				    HOST_MOUNTS, "", "") == 0;
		good &= host_begin(h, 0) == 0;
		good &= host_exec(h, 0, 1, 0, PROCESS("[\"nope\"]")) == ENOENT;
		good &= host_exec(h, 0, 2, 0, PROCESS("[\"true\"]")) == 0;
		good &= host_exit(h, 0, 2) == 0;
		good &= host_result(h, host_request(h, AGENT_KILL, 0, 0, SIGKILL, 0, NULL,
						    0)) == 0;
		good &= host_exit(h, 0, 0) == SIGKILL;
		host_forget_streams(h, 0);
		/* Its own answer to this comes after all that it closes. */
		(void)host_result(h, host_request(h, AGENT_START, 0, 0, 0, 0, NULL, 0));
		if (i == 1)
			before = count_fds(h);
	}
	ok(good, "twelve rounds");
	is_int(count_fds(h), before, "no descriptor more than after two");
}

static void test_tty(struct host *h)
{
	char *out;
	int io;

	is_int(host_create(
		       h, 0,
		       "[\"sh\",\"-c\",\"tty; stty size; read x; stty size; echo [$x]; "
		       "ls -l /dev/console | cut -c1; exit 6\"]",
		       ",\"terminal\":true,\"consoleSize\":{\"height\":11,\"width\":33}",
		       HOST_MOUNTS, "", ""),
	       0, "create with a terminal");
	io = host_stream(h, 0, 0, AGENT_STREAM_IO);
	is_int(host_begin(h, 0), 0, "start");
	out = host_read_until(io, "11 33\r\n");
	is_str(out, "/dev/pts/0\r\n11 33\r\n",
	       "a terminal of the container's, of the size asked for");
	free(out);
	is_int(host_result(h, host_request(h, AGENT_WINSIZE, 0, 0, 22 << 16 | 44, 0, NULL,
					   0)),
	       0, "resize");
	is_int(write(io, "in\n", 3), 3, "type");
	out = host_read_all(io);
	is_str(out, "in\r\n22 44\r\n[in]\r\nc\r\n",
	       "echo, the new size, input, /dev/console");
	free(out);
	is_int(host_exit(h, 0, 0), 6 << 8, "status");
}

static void test_exec_tty(struct host *h)
{
	char *out;

	is_int(host_create(h, 0, "[\"sleep\",\"1000\"]", "", HOST_MOUNTS, "", ""), 0,
	       "create");
	is_int(host_begin(h, 0), 0, "start");
	is_int(host_exec(h, 0, 1, CONTROL_EXEC_TTY,
			 PROCESS("[\"sh\",\"-c\",\"tty; ps -o tty= -p $$; exit 2\"]")),
	       0, "exec with a terminal");
	out = host_read_all(host_stream(h, 0, 1, AGENT_STREAM_IO));
	is_str(out, "/dev/pts/0\r\npts/0\r\n", "it is the controlling one");
	free(out);
	is_int(host_exit(h, 0, 1), 2 << 8, "status");
	is_int(host_result(h, host_request(h, AGENT_KILL, 0, 0, SIGKILL, 0, NULL, 0)), 0,
	       "kill");
	is_int(host_exit(h, 0, 0), SIGKILL, "end");
}

static void test_shutdown(struct host *h)
{
	char path[128];

	for (uint16_t i = 0; i < 2; i++) {
		is_int(host_create(h, i, "[\"sh\",\"-c\",\"sleep 1000 & wait\"]", "",
				   HOST_MOUNTS, "", ""),
		       0, "create %u", i);
		if (i)
			is_int(host_begin(h, i), 0, "start %u", i);
	}
	is_int(host_result(h, host_request(h, AGENT_SHUTDOWN, 0, 0, 0, 0, NULL, 0)), 0,
	       "shutdown");
	is_int(host_exit(h, 0, 0), SIGKILL, "what was created is killed");
	is_int(host_exit(h, 1, 0), SIGKILL, "what ran is killed");
	(void)!snprintf(path, sizeof(path), "%s/finished", h->dir);
	is_int(access(path, F_OK), 0, "all was written back");
}

int main(void)
{
	static struct host h;

	if (!host_possible())
		return TAP_SKIP;
	host_start(&h);
	test_hello(&h);
	test_run(&h);
	test_two(&h);
	test_created(&h);
	test_exec(&h);
	test_exec_cgroup(&h);
	test_ps(&h);
	test_freeze(&h);
	test_counters_and_limits(&h);
	test_errors(&h);
	test_start_error(&h);
	test_leaks(&h);
	test_tty(&h);
	test_exec_tty(&h);
	test_shutdown(&h);
	host_stop(&h);
	return tap_done();
}
