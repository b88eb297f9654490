/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps that a container's init and an exec'd process have in common.  All
 * of it runs in the child, after the clone.
 */
#ifndef HULL_AGENT_LAUNCH_H
#define HULL_AGENT_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rootfs/agent/proc.h"

struct err;
struct launch;
struct oci_box;
struct oci_capabilities;
struct oci_process;
struct oci_strings;

/* launch_mark() - that phase is done: told with the rest. */
void launch_mark(enum child_mark mark);

/* launch_fail() - tell the agent why, and end. */
void launch_fail(const struct err *err) __attribute__((noreturn));

/*
 * launch_take_fds() - stdio to 0-2, preserved descriptors to 3 and on, the sync
 * connection behind them, and nothing else stays open.
 */
int launch_take_fds(const struct launch *l, struct err *err);

/* launch_sync_fd() - the sync connection, after launch_take_fds(). */
int launch_sync_fd(void);

/* launch_session() - a session of its own and the container's keyring. */
void launch_session(const struct launch *l);

/*
 * launch_tty() - take @slave as stdio and controlling terminal, send @master to
 * the agent; closes both.
 */
int launch_tty(int master, int slave, struct err *err);

/*
 * launch_program() - resource limits, privileges down, the program looked up,
 * the agent told; an init waits for AGENT_START; execve.  Comes back with an
 * error only.
 */
int launch_program(const struct launch *l, bool is_init, struct err *err);

/* ---- its parts ----------------------------------------------------------------- */

/* limits.c: rlimits, scheduler, I/O priority, personality, CPUs of an exec. */
int limits_apply(const struct launch *l, struct err *err);
/*
 * limits_raise() - the hard limits of @pid (0: our own) to what @p asks for, so that
 * limits_apply() can do the rest in a user namespace.
 */
int limits_raise(pid_t pid, const struct oci_process *p, struct err *err);
/*
 * limits_oom_score() - of @pid (0: our own), by the agent's /proc: before the
 * container's root is ours.
 */
int limits_oom_score(pid_t pid, const struct oci_process *p, struct err *err);

/*
 * env.c: the environment as execve() wants it: the last of several values, HOME
 * from /etc/passwd when it is absent.
 * @ret_path: PATH, or ""
 */
int env_prepare(const struct oci_strings *env, uint32_t uid, char ***ret_env,
		const char **ret_path, struct err *err);

/*
 * lookup.c: the program that args[0] means, as Go's exec.LookPath finds it for
 * runc: the same messages.  @ret: PATH_MAX bytes
 */
int lookup_program(const char *name, const char *path, char *ret, struct err *err);

/* reason() - strerror() as Go spells it: "no such file or directory". */
const char *reason(int code);

/*
 * start_hooks.c: hooks.startContainer, in the container's init when it is started.
 * @env: that of the container's process
 */
int launch_start_hooks(const struct launch *l, char *const *env, struct err *err);

/* caps.c */
int caps_limit_bounding(const struct oci_capabilities *caps, struct err *err);
int caps_apply(const struct oci_capabilities *caps, struct err *err);

/*
 * tty.c: a new terminal of the devpts at dev/pts below @root, with the size that
 * @l->process asks for.
 */
int tty_open(const struct launch *l, int root, int *ret_master, int *ret_slave,
	     struct err *err);
/* tty_bind_console() - /dev/console below @root is @slave. */
int tty_bind_console(int root, int slave, struct err *err);

#endif
