/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/selinux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/io.h"
#include "runtime/mountinfo.h"

#define MAX_LABEL 4096u /* (bytes) the kernel takes a page */

const struct selinux selinux_host = {
	.fs = "/sys/fs/selinux",
	.magic = SELINUX_MAGIC,
	.proc = "/proc",
};

/* is_mounted() - read-only it is a container's view of the host's policy. */
static bool is_mounted(const struct selinux *s, const char *path)
{
	struct statfs st;

	return statfs(path, &st) == 0 && st.f_type == s->magic &&
	       !(st.f_flags & ST_RDONLY);
}

/* has_policy() - before one is loaded, all processes have the label of the kernel. */
static bool has_policy(const struct selinux *s)
{
	auto_buf struct buf label = BUF_INIT;
	char path[PATH_MAX];

	(void)!snprintf(path, sizeof(path), "%s/thread-self/attr/current", s->proc);
	return io_read_file(AT_FDCWD, path, MAX_LABEL, &label, NULL) < 0 || !label.data ||
	       strcmp(label.data, "kernel") != 0;
}

bool selinux_enabled(const struct selinux *s)
{
	char mounts[PATH_MAX];
	char point[PATH_MAX];

	(void)!snprintf(mounts, sizeof(mounts), "%s/self/mountinfo", s->proc);
	return (is_mounted(s, s->fs) ||
		(mountinfo_find(mounts, "selinuxfs", point) == 0 &&
		 is_mounted(s, point))) &&
	       has_policy(s);
}

int selinux_check(const struct selinux *s, const char *label, struct err *err)
{
	if (!label || !*label || selinux_enabled(s))
		return 0;
	return err_msg(err, ENOTSUP,
		       "process.selinuxLabel: selinux label is specified in config, but "
		       "selinux is disabled or not supported");
}

int selinux_check_exec(const struct selinux *s, const char *label,
		       const char *of_container, struct err *err)
{
	const char *has = of_container ? of_container : "";
	int ret = selinux_check(s, label, err);

	if (ret < 0 || !label || !*label || strcmp(label, has) == 0)
		return ret;
	return err_msg(err, ENOTSUP,
		       "process.selinuxLabel: '%.160s' is not the container's, which its "
		       "whole machine has: '%.160s'",
		       label, has);
}

int selinux_label_exec(const struct selinux *s, const char *label, struct err *err)
{
	char path[PATH_MAX];
	int ret;

	if (!label || !*label)
		return 0;
	(void)!snprintf(path, sizeof(path), "%s/thread-self/attr/exec", s->proc);
	ret = io_write_file(AT_FDCWD, path, label, NULL);
	return ret < 0 ? err_set(err, -ret,
				 "process.selinuxLabel: write '%.256s' to '%s'", label,
				 path)
		       : 0;
}
