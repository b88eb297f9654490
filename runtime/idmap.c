/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel takes the maps of a mount from a user namespace, which nobody needs
 * to be in: one is made with a child that does nothing, and outlives it as long as
 * the mount does.
 */
#include "runtime/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/id_map.h"
#include "oci/spec.h"

/* child_in_userns() - its pid. */
static pid_t child_in_userns(void)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	return pid < 0 ? -errno : (pid_t)pid;
}

/* open_userns() - a user namespace with these maps. */
static int open_userns(const struct oci_id_mappings *uids,
		       const struct oci_id_mappings *gids, int *ret_fd, struct err *err)
{
	pid_t pid = child_in_userns();
	char path[64];
	int fd = -1;
	int ret;

	if (pid < 0)
		return err_set(err, -pid, "clone a user namespace");
	ret = oci_id_map_write(pid, "uid_map", uids, "uidMappings", err);
	if (ret == 0)
		ret = oci_id_map_write(pid, "gid_map", gids, "gidMappings", err);
	(void)!snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	if (ret == 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (ret == 0 && fd < 0)
		ret = err_set(err, errno, "open '%s'", path);
	(void)kill(pid, SIGKILL); /* our child, not reaped yet */
	(void)waitpid(pid, NULL, 0);
	if (ret == 0)
		*ret_fd = fd;
	return ret;
}

int idmap_mount(int mnt, bool recursive, const struct oci_id_mappings *uids,
		const struct oci_id_mappings *gids, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	auto_fd int userns = -1;
	int ret = open_userns(uids, gids, &userns, err);

	if (ret < 0)
		return ret;
	attr.userns_fd = (unsigned int)userns;
	if (mount_setattr(mnt, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u), &attr,
			  sizeof(attr)) == 0)
		return 0;
	if (errno == EINVAL)
		return err_msg(err, EINVAL,
			       "the file system or the host's kernel has no id-mapped "
			       "mounts");
	return err_set(err, errno, "mount_setattr");
}
