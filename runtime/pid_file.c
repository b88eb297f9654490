/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/pid_file.h"

#include <limits.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"

int pid_file_write(const char *path, pid_t pid, struct err *err)
{
	char folder[PATH_MAX];
	const char *name;
	auto_fd int dir = io_open_folder(path, folder, &name);
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", (int)pid);

	if (dir < 0)
		return err_set(err, -dir, "pid file '%s'", path);
	return io_replace_file(dir, name, text, (size_t)n, 0644, err);
}
