/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/selinux.c and runtime/mountinfo.c, on folders that look like the host's. */
#include "runtime/selinux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "runtime/mountinfo.h"
#include "tests/unit/tap.h"

static char dir[] = "/tmp/hull-selinux-test-XXXXXX";

/* put() - the file @name has @text, with what follows it to @len. */
static void put(const char *name, const char *text, size_t len)
{
	char path[PATH_MAX];
	int fd;

	(void)!snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ok(fd >= 0 && write(fd, text, len) == (ssize_t)len, "%s", name);
	(void)close(fd);
}

static void test_enabled(struct selinux *s)
{
	struct err err = ERR_INIT;
	char mounts[512];
	const char *fs = s->fs;

	ok(!selinux_enabled(&(struct selinux){ "/nonexistent", s->magic, s->proc }),
	   "no selinuxfs");
	ok(!selinux_enabled(&(struct selinux){ s->fs, s->magic + 1, s->proc }),
	   "another file system");
	ok(selinux_enabled(s), "selinuxfs");
	put("thread-self/attr/current", "kernel", sizeof("kernel"));
	ok(!selinux_enabled(s), "but no policy");
	is_int(selinux_check(s, NULL, &err), 0, "no label");
	is_int(selinux_check(s, "", &err), 0, "an empty one");
	is_int(selinux_check(s, "u:r:t:s0", &err), -ENOTSUP, "a label");
	is_str(err.msg,
	       "process.selinuxLabel: selinux label is specified in config, but selinux "
	       "is disabled or not supported",
	       "runc's words");
	put("thread-self/attr/current", "u:r:runtime_t:s0", sizeof("u:r:runtime_t:s0"));
	is_int(selinux_check(s, "u:r:t:s0", NULL), 0, "a label, and a policy");
	is_int(selinux_check_exec(s, "u:r:t:s0", "u:r:t:s0", NULL), 0, "exec: the same");
	is_int(selinux_check_exec(s, NULL, "u:r:t:s0", NULL), 0, "exec: none");
	is_int(selinux_check_exec(s, "", NULL, NULL), 0, "exec: none at all");
	is_int(selinux_check_exec(s, "u:r:t:s1", NULL, NULL), -ENOTSUP, "exec: one more");
	is_int(selinux_check_exec(s, "u:r:t:s1", "u:r:t:s0", &err), -ENOTSUP,
	       "exec: another");
	is_str(err.msg,
	       "process.selinuxLabel: 'u:r:t:s1' is not the container's, which its whole "
	       "machine has: 'u:r:t:s0'",
	       "says both");
	/* Mounted elsewhere. */
	s->fs = "/nonexistent";
	(void)!snprintf(mounts, sizeof(mounts),
			"22 1 0:20 / /sys rw - sysfs sysfs rw\n"
			"23 22 0:21 / %s rw,relatime shared:7 - selinuxfs none rw\n",
			fs);
	put("self/mountinfo", mounts, strlen(mounts));
	ok(selinux_enabled(s), "found by its mount");
	s->fs = fs;
}

static void test_label(const struct selinux *s)
{
	auto_buf struct buf got = BUF_INIT;
	struct err err = ERR_INIT;
	char path[PATH_MAX];
	char want[PATH_MAX];

	(void)!snprintf(path, sizeof(path), "%s/thread-self/attr/exec", dir);
	is_int(selinux_label_exec(s, NULL, &err), 0, "no label");
	is_int(selinux_label_exec(s, "", &err), 0, "an empty one");
	is_int(selinux_label_exec(s, "u:r:t:s0", &err), -ENOENT, "no file");
	(void)!snprintf(
		want, sizeof(want),
		"process.selinuxLabel: write 'u:r:t:s0' to '%.200s': No such file "
		"or directory",
		path);
	is_str(err.msg, want, "is named");
	put("thread-self/attr/exec", "", 0);
	is_int(selinux_label_exec(s, "u:r:t:s0:c1,c2", &err), 0, "a label");
	is_int(io_read_file(AT_FDCWD, path, 4096, &got, &err), 0, "is written");
	is_str(got.data, "u:r:t:s0:c1,c2", "as it is");
}

static void find(const char *type, const char *want)
{
	char file[PATH_MAX];
	char point[PATH_MAX] = "";

	(void)!snprintf(file, sizeof(file), "%s/self/mountinfo", dir);
	is_int(mountinfo_find(file, type, point), want ? 0 : -ENOENT, "%s", type);
	is_str(point, want ? want : "", "its place");
}

static void test_mountinfo(void)
{
	static const char text[] =
		"36 35 98:0 /a /mnt/a\\040b\\134 rw,noatime master:1 - ext3 /dev/root rw\n"
		"37 35 98:1 / /one rw shared:1 master:2 - resctrl resctrl rw\n"
		"38 35 98:1 / /two rw - resctrl resctrl rw\n"
		"39 35 98:1 / /resctrl rw - tmpfs - resctrl\n";

	put("self/mountinfo", text, sizeof(text) - 1);
	find("ext3", "/mnt/a b\\");
	find("resctrl", "/one");
	find("tmpfs", "/resctrl");
	find("ext", NULL);
	is_int(mountinfo_find("/nonexistent", "ext3", (char[PATH_MAX]){ 0 }), -ENOENT,
	       "no mountinfo");
}

int main(void)
{
	static const char *const folders[] = { "self", "thread-self",
					       "thread-self/attr" };
	struct selinux s = { .fs = dir, .proc = dir };
	char command[64];
	struct statfs st;

	if (!mkdtemp(dir) || statfs(dir, &st) < 0)
		return 1;
	s.magic = st.f_type;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		char path[PATH_MAX];

		(void)!snprintf(path, sizeof(path), "%s/%s", dir, folders[i]);
		(void)mkdir(path, 0700);
	}
	is_str(selinux_host.fs, "/sys/fs/selinux", "the host's");
	test_enabled(&s);
	test_label(&s);
	test_mountinfo();
	(void)!snprintf(command, sizeof(command), "rm -r %s", dir);
	(void)!system(command);
	return tap_done();
}
