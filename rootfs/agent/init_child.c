/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container's init does between the clone and the user's program.  The
 * pid, mount, ipc, uts, network and user namespaces are new already; the agent's
 * root and its /proc are still there, and are used until rootfs_enter().
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "rootfs/agent/devices.h"
#include "rootfs/agent/inroot.h"
#include "rootfs/agent/launch.h"
#include "rootfs/agent/mounts.h"
#include "rootfs/agent/rootfs.h"
#include "rootfs/agent/spawn.h"
#include "rootfs/agent/userns.h"

static int set_names(const struct oci_spec *spec, struct err *err)
{
	if (spec->hostname && sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return err_set(err, errno, "sethostname '%s'", spec->hostname);
	if (spec->domainname &&
	    setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
		return err_set(err, errno, "setdomainname '%s'", spec->domainname);
	return 0;
}

/* set_namespaces() - what is to be set in the new ones. */
static int set_namespaces(const struct launch *l, struct err *err)
{
	int ret = 0;

	if (l->namespaces & CLONE_NEWCGROUP && unshare(CLONE_NEWCGROUP) < 0)
		return err_set(err, errno, "unshare the cgroup namespace");
	/*
	 * Of a new one, of the one that was given, or again of the one that is shared,
	 * which is not for the root of a user namespace to touch.
	 */
	if (!(l->namespaces & CLONE_NEWUSER) || l->namespaces & CLONE_NEWNET)
		ret = net_loopback_up(err);
	if (ret == 0)
		ret = set_names(l->spec, err);
	if (ret == 0)
		ret = sysctl_apply(l->spec, err);
	return ret;
}

/* make_tty() - allocated in the container's devpts, seen as its /dev/console. */
static int make_tty(const struct launch *l, int root, struct err *err)
{
	int master = -1;
	int slave = -1;
	int ret = tty_open(l, root, &master, &slave, err);

	if (ret == 0)
		ret = tty_bind_console(root, slave, err);
	return ret < 0 ? ret : launch_tty(master, slave, err);
}

static int make_root(const struct launch *l, struct err *err)
{
	auto_fd int root = rootfs_begin(l->spec, err);
	int ret = root < 0 ? root : mounts_make(root, l->spec, err);

	launch_mark(CHILD_MOUNTS);
	if (ret == 0 && !mounts_bind_dev(l->spec))
		ret = devices_make(root, l->spec, err);
	launch_mark(CHILD_DEVICES);
	if (ret == 0 && l->terminal)
		ret = make_tty(l, root, err);
	if (ret == 0)
		ret = mounts_finish(root, l->spec, err);
	if (ret == 0)
		ret = mounts_mask(root, l->spec, err);
	launch_mark(CHILD_MASKS);
	if (ret == 0 && l->process->cwd && l->process->cwd[0]) {
		/* Before the root may become read-only; as in runc, also a new one. */
		auto_fd int cwd = inroot_mkdirs(root, l->process->cwd);

		if (cwd < 0 && cwd != -EACCES && cwd != -ENOTDIR)
			ret = err_msg(err, -cwd, "mkdir %s: %s", l->process->cwd,
				      reason(-cwd));
	}
	if (ret == 0)
		ret = rootfs_enter(root, l->spec, err);
	launch_mark(CHILD_ROOT);
	return ret;
}

void init_child(const struct launch *l)
{
	struct err err = ERR_INIT;
	int ret;

	(void)umask(0); /* modes of nodes and mount points are meant as given */
	ret = launch_take_fds(l, &err);
	if (ret < 0)
		_exit(1); /* nothing to tell it by */
	launch_mark(CHILD_CLONED);
	launch_session(l);
	ret = l->namespaces & CLONE_NEWUSER ? userns_enter(&err)
					    : limits_oom_score(0, l->process, &err);
	if (ret == 0)
		ret = set_namespaces(l, &err);
	launch_mark(CHILD_NAMESPACES);
	if (ret == 0)
		ret = make_root(l, &err);
	if (ret == 0)
		(void)launch_program(l, true, &err);
	launch_fail(&err);
}
