/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an exec'd process does between the clone and the user's program.  It was
 * born in the container's pid namespace and cgroup; the other namespaces are
 * joined here, all at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/spec.h"
#include "rootfs/agent/launch.h"
#include "rootfs/agent/spawn.h"
#include "rootfs/agent/userns.h"

static int make_tty(const struct launch *l, struct err *err)
{
	auto_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int master = -1;
	int slave = -1;
	int ret;

	if (root < 0)
		return err_set(err, errno, "open '/'");
	ret = tty_open(l, root, &master, &slave, err);
	return ret < 0 ? ret : launch_tty(master, slave, err);
}

static int join(const struct launch *l, struct err *err)
{
	/* What the process does not say, the container says, as in runc. */
	const struct oci_process *p =
		l->process->oom_score_adj.set ? l->process : l->spec->process;
	int ret = limits_oom_score(0, p, err);

	if (ret == 0 && l->namespaces & CLONE_NEWUSER)
		ret = limits_raise(0, l->process, err);
	if (ret < 0)
		return ret;
	/* The mount namespace brings its root, and the directory with it. */
	if (setns(l->init_pidfd, (int)(l->namespaces & ~(uint64_t)CLONE_NEWPID)) < 0)
		return err_set(err, errno, "join the container's namespaces");
	return l->namespaces & CLONE_NEWUSER ? userns_become_root(err) : 0;
}

void exec_child(const struct launch *l)
{
	struct err err = ERR_INIT;
	int joined = join(l, &err);
	struct err fds_err;
	int ret = launch_take_fds(l, &fds_err);

	if (ret < 0)
		_exit(1); /* nothing to tell it by */
	ret = joined;
	launch_session(l);
	if (ret == 0 && l->terminal)
		ret = make_tty(l, &err);
	if (ret == 0)
		(void)launch_program(l, false, &err);
	launch_fail(&err);
}
