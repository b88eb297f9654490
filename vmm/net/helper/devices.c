/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/helper/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "vmm/jail/jail.h"
#include "vmm/net/host.h"

/* make_node() - @name in @dir, of what the host's @path is. */
static int make_node(int dir, const char *path, const char *name, uid_t uid,
		     struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_set(err, errno, "open %s", path);
	if (!S_ISCHR(st.st_mode))
		return err_msg(err, ENODEV, "open %s: it is no character device", path);
	if (mknodat(dir, name, S_IFCHR | 0600, st.st_rdev) < 0)
		return err_set(err, errno, "mknod of %s", path);
	if (fchownat(dir, name, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, errno, "chown of %s", path);
	return 0;
}

void devices_make(struct devices *d, uid_t uid, bool vhost)
{
	int dir = jail_tmpfs("4", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, &d->no_tun);

	if (dir < 0) {
		d->no_vhost = d->no_tun;
		return;
	}
	d->dir = dir;
	(void)make_node(dir, "/dev/net/tun", "tun", uid, &d->no_tun);
	if (!vhost)
		(void)err_msg(&d->no_vhost, ENOTSUP, "vhost-net is off");
	else if (make_node(dir, "/dev/vhost-net", "vhost-net", uid, &d->no_vhost) == 0)
		(void)net_zero_copy(&d->no_zero_copy);
}

void devices_release(struct devices *d)
{
	close_fd(take_fd(&d->dir));
}

/* open_node() - @path: what @name is a node of; for the message */
static int open_node(const struct devices *d, const char *name, const char *path,
		     int flags, const struct err *why, struct err *err)
{
	int fd;

	if (why->code)
		return err_msg(err, why->code, "%s", why->msg);
	fd = openat(d->dir, name, O_RDWR | O_CLOEXEC | flags);
	return fd < 0 ? err_set(err, errno, "open %s", path) : fd;
}

int devices_open_tun(const struct devices *d, struct err *err)
{
	return open_node(d, "tun", "/dev/net/tun", O_NONBLOCK, &d->no_tun, err);
}

int devices_open_vhost(const struct devices *d, struct err *err)
{
	return open_node(d, "vhost-net", "/dev/vhost-net", 0, &d->no_vhost, err);
}
