/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/mountinfo (proc(5)): where a file system is that may be mounted anywhere. */
#ifndef HULL_RUNTIME_MOUNTINFO_H
#define HULL_RUNTIME_MOUNTINFO_H

#include <limits.h>

/*
 * mountinfo_find() - the first mount of a file system of @type.
 * @file: the path of the mountinfo
 * Return: 0, or -ENOENT also when it cannot be read
 */
int mountinfo_find(const char *file, const char *type, char ret_point[PATH_MAX]);

#endif
