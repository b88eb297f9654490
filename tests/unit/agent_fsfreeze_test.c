/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AGENT_FSFREEZE: the container's freeze hooks, in order and back, those that fail or
 * hang; and mountinfo as it is read for it.  Nothing is frozen here: the file systems on
 * block devices would be this machine's.
 */
#include <sys/sysmacros.h>

#include "rootfs/agent/mountinfo.h"
#include "tests/unit/agent_host.h"

static struct host h;

/* write_hook() - @name in the container's root, a script. */
static void write_hook(const char *name, const char *script)
{
	char path[192];
	FILE *f;

	(void)!snprintf(path, sizeof(path), "%s/root0/%s", h.dir, name);
	f = fopen(path, "we");
	(void)fprintf(f, "#!/bin/sh\n%s\n", script);
	(void)fclose(f);
	(void)chmod(path, 0755);
}

/* is_log() - what the hooks have written since the last look. */
static void is_log(const char *want, const char *what)
{
	char path[192];
	char text[256] = "";
	int fd;

	(void)!snprintf(path, sizeof(path), "%s/root0/log", h.dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	(void)!read(fd, text, sizeof(text) - 1);
	(void)!ftruncate(fd, 0);
	(void)close(fd);
	is_str(text, want, "%s", what);
}

static void create(const char *hooks)
{
	char spec[256];
	int io, errors;

	(void)!snprintf(spec, sizeof(spec),
			",\"annotations\":{\"" AGENT_FREEZE_HOOKS_ANNOTATION "\":\"%s\"}",
			hooks);
	is_int(host_create(&h, 0, "[\"sleep\",\"1000\"]", "", HOST_MOUNTS, "", spec), 0,
	       "create");
	is_int(host_begin(&h, 0), 0, "start");
	io = host_stream(&h, 0, 0, AGENT_STREAM_IO);
	errors = host_stream(&h, 0, 0, AGENT_STREAM_STDERR);
	(void)close(io);
	(void)close(errors);
	write_hook("one", "echo one $1 $# >>/log");
	write_hook("two", "echo two $1 >>/log");
	write_hook("bad",
		   "echo bad $1 >>/log; echo no disk >&2; test $1 = thaw || exit 3");
	write_hook("hang", "echo hang $1 >>/log; test $1 = thaw || exec sleep 1000");
}

static void kill_it(void)
{
	is_int(host_result(&h, host_request(&h, AGENT_KILL, 0, 0, SIGKILL, 0, NULL, 0)),
	       0, "kill");
	is_int(host_exit(&h, 0, 0), SIGKILL, "it ends");
}

static uint32_t request(uint32_t arg)
{
	return host_request(&h, AGENT_FSFREEZE, 0, 0, arg, 0, NULL, 0);
}

static void test_hooks(void)
{
	create("/one:/two");
	is_int(host_result(&h, request(1)), 0, "freeze");
	is_log("one freeze 1\ntwo freeze\n", "the hooks were called, in order");
	is_int(host_result(&h, request(1)), EBUSY, "it is frozen already");
	is_int(host_result(&h, request(0)), 0, "thaw");
	is_log("two thaw\none thaw 1\n", "and in the other order");
	is_int(host_result(&h, request(0)), 0, "thaw what is not frozen");
	is_log("", "calls nobody");
	kill_it();
	create("");
	is_int(host_result(&h, request(1)), 0, "freeze without hooks");
	is_int(host_result(&h, request(0)), 0, "thaw");
	kill_it();
}

static void test_failing(void)
{
	create("/one:/bad:/two");
	is_int(host_result(&h, request(1)), EIO, "a hook fails");
	is_str(h.last_payload, "freeze hook '/bad': exit status 3, output: no disk ",
	       "and is named");
	is_log("one freeze 1\nbad freeze\n", "the next one is not called");
	is_int(host_result(&h, request(0)), 0, "thaw");
	is_log("bad thaw\none thaw 1\n", "those that were called are thawed");
	kill_it();
	create("/none");
	ok(host_result(&h, request(1)) != 0, "a hook that is not there");
	ok(strstr(h.last_payload, "freeze hook '/none'"), "is named: %s", h.last_payload);
	(void)host_result(&h, request(0));
	kill_it();
}

static void test_hanging(void)
{
	char path[192];
	uint32_t freeze, thaw;
	struct stat st;

	create("/one:/hang");
	freeze = request(1);
	(void)!snprintf(path, sizeof(path), "%s/root0/log", h.dir);
	while (stat(path, &st) < 0 || st.st_size < 24)
		(void)poll(NULL, 0, 1);
	thaw = request(0);
	is_int(host_result(&h, freeze), ECANCELED, "a hook that hangs is given up");
	is_int(host_result(&h, thaw), 0, "and thawed");
	is_log("one freeze 1\nhang freeze\nhang thaw\none thaw 1\n", "as the others");
	kill_it();
}

/* The container ends meanwhile. */
static void test_end(void)
{
	uint32_t freeze;

	create("/hang");
	freeze = request(1);
	kill_it();
	ok(host_result(&h, freeze) != 0, "a freeze whose container ends is answered");
	create("/one");
	is_int(host_result(&h, request(1)), 0, "freeze");
	is_int(host_result(&h, host_request(&h, AGENT_SHUTDOWN, 0, 0, 0, 0, NULL, 0)), 0,
	       "a frozen container can be shut down");
	(void)host_exit(&h, 0, 0);
}

static void test_mountinfo(void)
{
	char text[] =
		"22 1 0:21 / / rw,relatime shared:1 master:2 - virtiofs private rw\n"
		"nonsense\n"
		"23 22 7:0 / /with\\040space ro,nosuid - ext4 /dev/loop0 rw,errors=x\n"
		"24 22 8:17 /sub /ro rw - erofs /dev/sdb1 ro\n"
		"25 22 0:5 / /dev rw - tmpfs tmpfs rw,xro";
	char *rest = text;
	struct mount_line m;

	ok(mount_line_next(&rest, &m), "a line");
	is_str(m.type, "virtiofs", "its type");
	is_str(m.path, "/", "its path");
	ok(m.dev == makedev(0, 21), "its device");
	ok(mount_line_next(&rest, &m), "the next that can be read");
	is_str(m.path, "/with space", "a path decoded");
	is_str(m.escaped, "/with\\040space", "and as it stood there");
	ok(m.dev == makedev(7, 0) && !m.fs_readonly, "a read-only mount can be written "
						     "elsewhere");
	ok(mount_line_next(&rest, &m) && m.fs_readonly, "a read-only file system cannot");
	ok(mount_line_next(&rest, &m) && !m.fs_readonly, "options are whole words");
	ok(!mount_line_next(&rest, &m), "the end");
}

int main(void)
{
	if (!host_possible())
		return TAP_SKIP;
	test_mountinfo();
	host_start(&h);
	test_hooks();
	test_failing();
	test_hanging();
	test_end();
	host_stop(&h);
	return tap_done();
}
