/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order is runc's, because it can be observed: a filter without
 * no_new_privs needs a privilege and so comes before they are dropped; the
 * directory is entered first as root, then again as the user; the program is
 * looked up with the user's eyes.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/spec.h"
#include "rootfs/agent/agent.h"
#include "rootfs/agent/launch.h"
#include "rootfs/agent/seccomp.h"
#include "rootfs/agent/spawn.h"

/* What an init that came to nothing ends with; nobody but the host sees it. */
#define LAUNCH_FAILED 255

static uint64_t marks[CHILD_MARKS];
static int sync_fd = LAUNCH_SYNC_FD;

void launch_mark(enum child_mark mark)
{
	marks[mark] = agent_uptime_ns();
}

void launch_fail(const struct err *err)
{
	struct child_msg msg = { .type = CHILD_ERROR, .err = *err };

	/* write() and not send(): a filter may be in place already. */
	(void)!write(sync_fd, &msg, sizeof(msg));
	_exit(LAUNCH_FAILED);
}

int launch_sync_fd(void)
{
	return sync_fd;
}

/*
 * take_preserved() - to 3 and on.  The agent keeps only LAUNCH_SYNC_FD and below free
 * for its children: so all step back from where they are to be, first.
 * @sync_from: the sync connection steps back as well
 */
static int take_preserved(const struct launch *l, int *sync_from, struct err *err)
{
	int from[AGENT_MAX_PRESERVED];
	unsigned int n = l->n_preserved;

	sync_fd = LAUNCH_SYNC_FD + (int)n;
	*sync_from = fcntl(l->sync_fd, F_DUPFD_CLOEXEC, sync_fd + 1);
	if (*sync_from < 0)
		return err_set(err, errno, "dup");
	for (unsigned int i = 0; i < n; i++) {
		from[i] = fcntl(l->fds[3 + i], F_DUPFD_CLOEXEC, sync_fd + 1);
		if (from[i] < 0)
			return err_set(err, errno, "dup");
	}
	for (unsigned int i = 0; i < n; i++)
		if (dup2(from[i], 3 + (int)i) < 0)
			return err_set(err, errno, "dup2");
	return 0;
}

int launch_take_fds(const struct launch *l, struct err *err)
{
	int sync_from = l->sync_fd;
	int ret;

	for (int i = 0; i < 3; i++)
		if (l->fds[i] >= 0 && dup2(l->fds[i], i) < 0)
			return err_set(err, errno, "dup2");
	ret = l->n_preserved ? take_preserved(l, &sync_from, err) : 0;
	if (ret < 0)
		return ret;
	if (dup3(sync_from, sync_fd, O_CLOEXEC) < 0)
		return err_set(err, errno, "dup3");
	if (close_range((unsigned int)sync_fd + 1, ~0u, 0) < 0)
		return err_set(err, errno, "close_range");
	/* The agent's memory, of which this is a copy, is nobody's business. */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return 0;
}

void launch_session(const struct launch *l)
{
	char name[NAME_MAX + 1];

	(void)setsid(); /* cannot fail: a clone leads no group */
	(void)!snprintf(name, sizeof(name), "_ses.%.200s", l->container_id);
	/* Best effort, as in runc: a kernel may have no keyrings. */
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);
}

int launch_tty(int master, int slave, struct err *err)
{
	const struct child_msg msg = { .type = CHILD_TTY, .pid = getpid() };
	int ret;

	for (int i = 0; i < 3; i++)
		if (dup2(slave, i) < 0)
			return err_set(err, errno, "dup2");
	close_fd(slave);
	if (ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
		return err_set(err, errno, "ioctl(TIOCSCTTY)");
	ret = sock_send(sync_fd, &msg, offsetof(struct child_msg, err), &master, 1);
	close_fd(master);
	return ret < 0 ? err_set(err, -ret, "send the terminal") : 0;
}

/*
 * enter_cwd() - 1: entered; 0: not allowed to, the user may be; -errno
 */
static int enter_cwd(const char *cwd, bool last_try, struct err *err)
{
	if (!cwd || !*cwd || chdir(cwd) == 0)
		return 1;
	if (!last_try && (errno == EACCES || errno == EPERM))
		return 0;
	return err_msg(err, errno, "chdir to cwd (\"%s\") set in config.json failed: %s",
		       cwd, reason(errno));
}

/* check_cwd() - that no descriptor or link led out of the container. */
static int check_cwd(struct err *err)
{
	char cwd[PATH_MAX];
	long n = syscall(SYS_getcwd, cwd, sizeof(cwd));

	if (n < 0)
		return err_msg(err, errno,
			       "failed to verify if current working directory is safe: "
			       "getwd: %s",
			       reason(errno));
	if (cwd[0] != '/')
		return err_msg(err, EPERM,
			       "current working directory is outside of container mount "
			       "namespace root -- possible container breakout detected");
	return 0;
}

/* own_fds() - the user may open /dev/stdout again, and /dev/fd/3. */
static int own_fds(uint32_t uid, struct err *err)
{
	struct stat st;

	for (int fd = 0; fd < sync_fd; fd++) {
		if (fstat(fd, &st) < 0)
			return err_set(err, errno, "fstat stdio");
		if (st.st_uid == uid)
			continue;
		if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
			continue; /* /dev/null is everybody's */
		/* EINVAL, EPERM: who it shall be, or who it is, has no id here. */
		if (fchown(fd, uid, (gid_t)-1) < 0 && errno != EPERM && errno != EROFS &&
		    errno != EINVAL)
			return err_set(err, errno, "chown stdio");
	}
	return 0;
}

static int become_user(const struct oci_user *u, struct err *err)
{
	int ret = own_fds(u->uid, err);

	if (ret < 0)
		return ret;
	/* The raw calls: glibc's would synchronise threads that do not exist. */
	if (syscall(SYS_setgroups, u->additional_gids.n, u->additional_gids.v) < 0)
		return err_set(err, errno, "setgroups");
	if (syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0)
		return err_set(err, errno, "setgid %u", u->gid);
	if (syscall(SYS_setresuid, u->uid, u->uid, u->uid) < 0)
		return err_set(err, errno, "setuid %u", u->uid);
	return 0;
}

/*
 * drop_privileges() - user and capabilities of the program, and its directory where
 * only the user may enter it.
 */
static int drop_privileges(const struct oci_process *p, bool entered, struct err *err)
{
	int ret = p->capabilities ? caps_limit_bounding(p->capabilities, err) : 0;

	if (ret < 0)
		return ret;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_set(err, errno, "prctl(PR_SET_KEEPCAPS)");
	ret = become_user(&p->user, err);
	if (ret == 0 && !entered) {
		ret = enter_cwd(p->cwd, true, err);
		if (ret >= 0)
			ret = check_cwd(err);
	}
	if (ret < 0)
		return ret;
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return err_set(err, errno, "prctl(PR_SET_KEEPCAPS)");
	return p->capabilities ? caps_apply(p->capabilities, err) : 0;
}

/* tell_ready() - all but the execve is done. */
static int tell_ready(const struct launch *l, struct err *err)
{
	struct child_msg msg = { .type = CHILD_READY, .pid = getpid() };

	/* The clocks of a time namespace are not the agent's. */
	if (!(l->namespaces & CLONE_NEWTIME))
		memcpy(msg.marks, marks, sizeof(marks));
	if (write(sync_fd, &msg, offsetof(struct child_msg, err)) < 0)
		return err_set(err, errno, "tell the agent");
	return 0;
}

/* wait_for_start() - until AGENT_START; the end of the agent is ours. */
static void wait_for_start(void)
{
	char byte;

	if (read(sync_fd, &byte, 1) != 1)
		_exit(LAUNCH_FAILED);
}

static void end_by_signal(int sig)
{
	_exit(128 + sig);
}

/*
 * set_signals() - the agent blocks all of them; its children must not.  An init
 * that was only created ends by those that end other processes: without a handler
 * the kernel drops them, as it does for the first process of any pid namespace.
 * execve() takes the handlers away.
 */
static void set_signals(bool is_init)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	sigset_t none;

	for (unsigned int i = 0; is_init && i < ARRAY_SIZE(signals); i++)
		(void)signal(signals[i], end_by_signal);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int launch_program(const struct launch *l, bool is_init, struct err *err)
{
	const struct oci_process *p = l->process;
	const struct oci_seccomp *sc = l->spec->linux_->seccomp;
	char program[PATH_MAX];
	const char *path;
	int entered;
	char **env;
	int ret;

	/* What a filter could forbid comes before it. */
	set_signals(is_init);
	(void)umask(p->user.umask.set ? (mode_t)p->user.umask.value : 022);
	entered = enter_cwd(p->cwd, false, err);
	ret = entered > 0 ? check_cwd(err) : entered;
	if (ret == 0)
		ret = limits_apply(l, err);
	if (ret == 0 && p->no_new_privileges &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		ret = err_set(err, errno, "prctl(PR_SET_NO_NEW_PRIVS)");
	if (ret == 0 && l->filter && !p->no_new_privileges)
		ret = filter_load(sc, l->filter, err);
	if (ret == 0)
		ret = env_prepare(&p->env, p->user.uid, &env, &path, err);
	if (ret == 0)
		ret = drop_privileges(p, entered > 0, err);
	if (ret == 0)
		ret = lookup_program(p->args.v[0], path, program, err);
	if (ret == 0)
		ret = tell_ready(l, err);
	if (ret < 0)
		return ret;
	if (is_init)
		wait_for_start();
	if (l->filter && p->no_new_privileges) {
		ret = filter_load(sc, l->filter, err);
		if (ret < 0)
			return ret;
	}
	ret = is_init ? launch_start_hooks(l, env, err) : 0;
	if (ret < 0)
		return ret;
	(void)execve(program, p->args.v, env);
	/* As from runc: it was started, and these are its only words. */
	(void)dprintf(STDERR_FILENO, "exec %s: %s\n", program, reason(errno));
	_exit(LAUNCH_FAILED);
}
