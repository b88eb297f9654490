/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: createContainer hooks
 *
 * The spec has them run in the container's namespaces before pivot_root, with the
 * host's files still there: they look at the root file system and may mount in it.
 * hull-vmm's own mount namespace is not the place: it is empty, and nothing of the
 * host may come into the jail.  So a child of the command plays the container:
 *
 *	setns		hull-vmm's network namespace, which the caller may fill
 *	unshare		a mount namespace; what is mounted in it stays in it
 *	move_mount	the root file system at its path, as runc shows it
 *	the hooks	its children; the directory is the root file system
 *	open_tree	a clone of the root file system, with their mounts
 *
 * The clone is detached: no ".." leads out of it, and it is nodev and nosuid like
 * the one that hull-vmm has been given and now gives up for it.  The child, its
 * namespace and with it everything else that the hooks mounted are gone before the
 * guest's first instruction.
 */
#include "runtime/create_hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/hooks.h"
#include "oci/spec.h"
#include "runtime/container.h"
#include "runtime/roots.h"

static int state_of(const struct container *c, struct buf *b, struct err *err)
{
	int ret = container_state_json(c, "creating", c->pid, NULL, b);

	return ret < 0 ? err_set(err, -ret, "state for the hooks") : 0;
}

int create_hooks_runtime(const struct oci_hooks *hooks, const struct container *c,
			 struct err *err)
{
	auto_buf struct buf state = BUF_INIT;
	int ret;

	if (!hooks || !(hooks->prestart.n + hooks->create_runtime.n))
		return 0;
	ret = state_of(c, &state, err);
	if (ret == 0)
		ret = hooks_run(&hooks->prestart, "prestart", state.data, environ, err);
	if (ret == 0)
		ret = hooks_run(&hooks->create_runtime, "createRuntime", state.data,
				environ, err);
	return ret;
}

/* ---- in the child -------------------------------------------------------------- */

/* enter() - the namespaces; @ret_root: the mount of the root file system in them */
static int enter(const char *rootfs, int vmm, int *ret_root, struct err *err)
{
	auto_fd int root = -1;

	if (setns(vmm, CLONE_NEWNET) < 0)
		return err_set(err, errno, "join hull-vmm's network namespace");
	if (unshare(CLONE_NEWNS) < 0)
		return err_set(err, errno, "unshare the mount namespace");
	/* The host's mounts come in, none goes out. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_set(err, errno, "make mounts slaves");
	root = open_tree(AT_FDCWD, rootfs,
			 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (root < 0)
		return err_set(err, errno, "clone the mount of '%s'", rootfs);
	if (move_mount(root, "", AT_FDCWD, rootfs,
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0)
		return err_set(err, errno, "mount '%s'", rootfs);
	if (fchdir(root) < 0)
		return err_set(err, errno, "enter '%s'", rootfs);
	*ret_root = take_fd(&root);
	return 0;
}

static int run_inside(const struct oci_hook_list *hooks, const char *rootfs,
		      const char *state, int vmm, int *ret_root, struct err *err)
{
	auto_fd int root = -1;
	int ret = enter(rootfs, vmm, &root, err);

	if (ret == 0)
		ret = hooks_run(hooks, "createContainer", state, environ, err);
	/* From the descriptor: at the path a hook may have mounted something else. */
	return ret < 0 ? ret : roots_clone(root, "", ret_root, err);
}

/* ---- in the command ------------------------------------------------------------ */

/* await() - what the child tells: its error, or a descriptor. */
static int await(int sock, int *ret_root, struct err *err)
{
	struct err told;
	int fds[SOCK_MAX_FDS];
	unsigned int n_fds = 0;
	ssize_t n = sock_recv(sock, &told, sizeof(told), fds, &n_fds);
	int ret = 0;

	if (n <= 0)
		return err_set(err, n < 0 ? (int)-n : ECHILD,
			       "wait for the createContainer hooks");
	if (n != sizeof(told) || n_fds != !told.code)
		ret = err_msg(err, EPROTO, "createContainer hooks: answer of %zd bytes",
			      n);
	else if (told.code)
		ret = err_msg(err, told.code, "%s", told.msg);
	else
		*ret_root = take_fd(&fds[0]);
	for (unsigned int i = 0; i < n_fds; i++)
		close_fd(fds[i]);
	return ret;
}

int create_hooks_container(const struct oci_hooks *hooks, const struct container *c,
			   int vmm, int *ret_root, struct err *err)
{
	auto_buf struct buf state = BUF_INIT;
	auto_fd int ours = -1;
	int pair[2];
	pid_t pid;
	int ret;

	if (!hooks || !hooks->create_container.n)
		return 0;
	ret = state_of(c, &state, err);
	if (ret < 0)
		return ret;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	ours = pair[0];
	pid = fork();
	if (pid == 0) {
		struct err told = ERR_INIT;
		int root = -1;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		ret = run_inside(&hooks->create_container, c->rootfs, state.data, vmm,
				 &root, &told);
		/* The parent sees the end of file if this cannot be sent. */
		(void)sock_send(pair[1], &told, sizeof(told), &root, ret == 0);
		_exit(0);
	}
	ret = pid < 0 ? err_set(err, errno, "fork") : 0;
	close_fd(pair[1]);
	if (ret < 0)
		return ret;
	ret = await(ours, ret_root, err);
	(void)waitpid(pid, NULL, 0);
	return ret;
}
