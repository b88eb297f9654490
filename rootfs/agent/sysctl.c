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

/* is_of_interface() - "net.ipv4.conf.eth0.forwarding": of one that may come yet. */
static bool is_of_interface(const char *key)
{
	static const char *const kinds[] = { ".conf.", ".neigh." };
	static const char *const there[] = { "all.", "default.", "lo." };
	const char *name = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && !name; i++) {
		name = strncmp(key, "net.", 4) == 0 ? strstr(key, kinds[i]) : NULL;
		name = name ? name + strlen(kinds[i]) : NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(there) && name; i++)
		if (strncmp(name, there[i], strlen(there[i])) == 0)
			return false;
	return name != NULL;
}

/* apply() - the keys of interfaces, or all others. */
static int apply(const struct oci_map *map, bool interfaces, struct err *err)
{
	auto_fd int dir = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_set(err, errno, "open '/proc/sys'");
	for (size_t i = 0; i < map->n; i++) {
		const struct oci_pair *p = &map->v[i];
		auto_fd int fd = -1;

		if (is_of_interface(p->key) != interfaces)
			continue;
		fd = open_key(dir, p->key);
		if (fd < 0)
			return err_set(err, -fd, "linux.sysctl: open '%s'", p->key);
		if (write(fd, p->value, strlen(p->value)) < 0)
			return err_set(err, errno, "linux.sysctl: write '%s' to '%s'",
				       p->value, p->key);
	}
	return 0;
}

int sysctl_apply(const struct oci_spec *spec, struct err *err)
{
	return spec->linux_->sysctl.n ? apply(&spec->linux_->sysctl, false, err) : 0;
}

bool sysctl_has_interfaces(const struct oci_spec *spec)
{
	const struct oci_map *map = &spec->linux_->sysctl;

	for (size_t i = 0; i < map->n; i++)
		if (is_of_interface(map->v[i].key))
			return true;
	return false;
}

int sysctl_apply_interfaces(const struct oci_spec *spec, struct err *err)
{
	return apply(&spec->linux_->sysctl, true, err);
}
