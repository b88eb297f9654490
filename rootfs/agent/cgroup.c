/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "rootfs/agent/cgroup.h"

#define MAX_DEPTH 16 /* of cgroups that a container makes */

int cgroup_make(int dirfd, const char *name, struct err *err)
{
	int fd;

	if (mkdirat(dirfd, name, 0755) < 0)
		return err_set(err, errno, "make cgroup '%s'", name);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_set(err, errno, "open cgroup '%s'", name) : fd;
}

int cgroup_kill(int cgroup)
{
	int ret = io_write_file(cgroup, "cgroup.kill", "1", NULL);

	return ret < 0 ? ret : 0;
}

/* read_small() - a file of cgroupfs that fits @size; its length or -errno. */
static ssize_t read_small(int dirfd, const char *name, char *text, size_t size)
{
	auto_fd int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (n < 0)
		return -errno;
	text[n] = 0;
	return n;
}

/* has_event() - a line of cgroup.events. */
static bool has_event(int cgroup, const char *line)
{
	char text[128];

	return read_small(cgroup, "cgroup.events", text, sizeof(text)) > 0 &&
	       strstr(text, line);
}

bool cgroup_populated(int cgroup)
{
	return has_event(cgroup, "populated 1");
}

bool cgroup_frozen(int cgroup)
{
	return has_event(cgroup, "frozen 1");
}

uint64_t cgroup_memory_event(int fd, const char *line)
{
	char text[512];
	const char *p;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = 0;
	p = strstr(text, line);
	return p ? strtoull(p + strlen(line), NULL, 10) : 0;
}

/* own_pids() - of one cgroup, without those below. */
static ssize_t own_pids(int cgroup, pid_t *pids, size_t max)
{
	auto_fd int fd = openat(cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char text[4096];
	size_t n = 0;
	pid_t pid = 0;
	ssize_t len;

	if (fd < 0)
		return -errno;
	/* A number a line; a line may go on in the next piece. */
	while ((len = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < len; i++) {
			if (text[i] != '\n') {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			if (n < max)
				pids[n] = pid;
			n++;
			pid = 0;
		}
	}
	return len < 0 ? -errno : (ssize_t)n;
}

static ssize_t walk_pids(int cgroup, pid_t *pids, size_t max, unsigned int depth)
{
	ssize_t n = own_pids(cgroup, pids, max);
	auto_dir DIR *dir = NULL;
	const struct dirent *e;
	int fd;

	if (n < 0 || depth == MAX_DEPTH)
		return n;
	fd = openat(cgroup, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		close_fd(fd);
		return n;
	}
	while ((e = readdir(dir))) {
		auto_fd int sub = -1;
		size_t used = (size_t)n < max ? (size_t)n : max;
		ssize_t more;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		sub = openat(cgroup, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		more = sub < 0 ? 0 : walk_pids(sub, pids + used, max - used, depth + 1);
		n += more > 0 ? more : 0;
	}
	return n;
}

ssize_t cgroup_pids(int cgroup, pid_t *pids, size_t max)
{
	return walk_pids(cgroup, pids, max, 0);
}

/* remove_below() - the cgroups in @dirfd. */
static void remove_below(int dirfd, unsigned int depth)
{
	auto_dir DIR *dir = NULL;
	const struct dirent *e;
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		close_fd(fd);
		return;
	}
	while ((e = readdir(dir))) {
		auto_fd int sub = -1;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		sub = openat(dirfd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (sub >= 0 && depth < MAX_DEPTH)
			remove_below(sub, depth + 1);
		(void)unlinkat(dirfd, e->d_name, AT_REMOVEDIR);
	}
}

void cgroup_remove(int dirfd, const char *name)
{
	auto_fd int fd = -1;

	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	remove_below(fd, 0);
	/* What is still in use goes with the VM. */
	(void)unlinkat(dirfd, name, AT_REMOVEDIR);
}
