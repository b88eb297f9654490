/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/mountinfo (proc(5)), line by line. */
#ifndef HULL_AGENT_MOUNTINFO_H
#define HULL_AGENT_MOUNTINFO_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct mount_line {
	dev_t dev;
	const char *escaped; /* the mount point as it stands there, in the text */
	char path[PATH_MAX]; /* the same, decoded */
	const char *type; /* in the text */
	bool fs_readonly; /* the file system itself, not only this mount */
};

/*
 * mount_line_next() - the next line of *@rest, which it cuts up; those that cannot be
 * read are left out.
 * Return: false at the end
 */
bool mount_line_next(char **rest, struct mount_line *ret);

#endif
