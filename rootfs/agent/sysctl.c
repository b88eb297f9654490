/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "rootfs/agent/rootfs.h"

/* open_key() - "net.ipv4.ip_forward" below /proc/sys, and nowhere else. */
static int open_key(int dir, const char *key)
{
	const struct open_how how = {
		.flags = O_WRONLY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	char path[PATH_MAX];
	size_t len = strlen(key);
	long fd;

	if (len >= sizeof(path))
		return -ENAMETOOLONG;
	for (size_t i = 0; i <= len; i++)
		path[i] = key[i] == '.' ? '/' : key[i];
	fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

int sysctl_apply(const struct oci_spec *spec, struct err *err)
{
	const struct oci_map *map = &spec->linux_->sysctl;
	auto_fd int dir = -1;

	if (!map->n)
		return 0;
	dir = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, errno, "open '/proc/sys'");
	for (size_t i = 0; i < map->n; i++) {
		const struct oci_pair *p = &map->v[i];
		auto_fd int fd = open_key(dir, p->key);

		if (fd < 0)
			return err_set(err, -fd, "linux.sysctl: open '%s'", p->key);
		if (write(fd, p->value, strlen(p->value)) < 0)
			return err_set(err, errno, "linux.sysctl: write '%s' to '%s'",
				       p->value, p->key);
	}
	return 0;
}
