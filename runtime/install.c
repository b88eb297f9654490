/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/install.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"

static const struct {
	const char *what;
	const char *env; /* NULL: none */
	const char *places[3]; /* relative to the program's folder */
} files[INSTALL_FILES] = {
	[INSTALL_VMM] = { "hull-vmm", NULL, { "hull-vmm", "../libexec/hull/hull-vmm" } },
	[INSTALL_SYSTEMD] = { "hull-systemd",
			      NULL,
			      { "hull-systemd", "../libexec/hull/hull-systemd" } },
	[INSTALL_NET] = { "hull-net", NULL, { "hull-net", "../libexec/hull/hull-net" } },
	[INSTALL_KERNEL] = { "guest kernel", "HULL_KERNEL",
			     { "../vmlinux", "../lib/hull/vmlinux" } },
	[INSTALL_INITRAMFS] = { "guest initramfs", NULL,
				{ "../initramfs.cpio", "../lib/hull/initramfs.cpio" } },
};

int install_open(enum install_file file, struct err *err)
{
	const char *env = files[file].env ? getenv(files[file].env) : NULL;
	char dir[PATH_MAX];
	char *slash;
	ssize_t n;

	if (env && *env) {
		int fd = open(env, O_RDONLY | O_CLOEXEC);

		return fd >= 0 ? fd : err_set(err, errno, "open %s '%s'", files[file].what, env);
	}
	n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	if (n < 0)
		return err_set(err, errno, "readlink '/proc/self/exe'");
	dir[n] = 0;
	slash = strrchr(dir, '/');
	if (!slash)
		return err_msg(err, EINVAL, "'/proc/self/exe' is '%s'", dir);
	*slash = 0;
	for (size_t i = 0; i < ARRAY_SIZE(files[file].places) && files[file].places[i]; i++) {
		char path[PATH_MAX];
		int fd;

		if (snprintf(path, sizeof(path), "%s/%s", dir, files[file].places[i]) >=
		    (int)sizeof(path))
			continue;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		if (errno != ENOENT)
			return err_set(err, errno, "open '%s'", path);
	}
	return err_msg(err, ENOENT, "%s not found: neither '%s/%s' nor '%s/%s'",
		       files[file].what, dir, files[file].places[0], dir,
		       files[file].places[1]);
}
