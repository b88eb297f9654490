/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"

int pid_file_write(const char *path, pid_t pid, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX] = ".";
	auto_fd int dir = -1;
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", (int)pid);

	if (slash && snprintf(folder, sizeof(folder), "%.*s",
			      slash == path ? 1 : (int)(slash - path), path) >=
			     (int)sizeof(folder))
		return err_set(err, ENAMETOOLONG, "pid file '%s'", path);
	dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, errno, "pid file '%s'", path);
	return io_replace_file(dir, slash ? slash + 1 : path, text, (size_t)n, 0644, err);
}
