/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --pid-file: a pid as decimal text without a newline, put in place atomically.
 */
#ifndef HULL_RUNTIME_PID_FILE_H
#define HULL_RUNTIME_PID_FILE_H

#include <sys/types.h>

struct err;

int pid_file_write(const char *path, pid_t pid, struct err *err);

#endif
