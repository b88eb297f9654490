/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands, one file each (cmd_<name>.c), and what several of them share.
 */
#ifndef HULL_RUNTIME_VERBS_H
#define HULL_RUNTIME_VERBS_H

#include <stdbool.h>

#include "runtime/cli.h"

struct container;
struct err;
struct oci_spec;

extern const struct command cmd_checkpoint;
extern const struct command cmd_create;
extern const struct command cmd_delete;
extern const struct command cmd_events;
extern const struct command cmd_exec;
extern const struct command cmd_features;
extern const struct command cmd_freeze;
extern const struct command cmd_kill;
extern const struct command cmd_list;
extern const struct command cmd_pause;
extern const struct command cmd_ps;
extern const struct command cmd_restore;
extern const struct command cmd_resume;
extern const struct command cmd_run;
extern const struct command cmd_spec;
extern const struct command cmd_start;
extern const struct command cmd_state;
extern const struct command cmd_template;
extern const struct command cmd_thaw;
extern const struct command cmd_update;

/* What runc says before the reason why a process does not come to be: callers look for it. */
#define RUNC_NO_PROCESS "unable to start container process"

/* container_of() - the container that the first argument names. */
int container_of(const struct cli *cli, struct container **ret, struct err *err);

/* container_start() - let the user's process go, then the poststart hooks. */
int container_start(struct container *c, struct err *err);

/*
 * container_delete() - end it if need be (@force, or when it was never started),
 * run the poststop hooks, remove what is left of it.
 */
int container_delete(struct container *c, bool force, struct err *err);

/*
 * container_poststop() - the poststop hooks of a container that has ended; their
 * failure is a warning in the log.
 */
void container_poststop(const struct container *c);

/* container_leave_host() - take away hull-vmm's cgroup and resctrl groups; what cannot be
 * is a warning. */
void container_leave_host(const struct container *c);

/* log_warnings() - oci_warnings(): what of @spec is accepted and yet not done. */
int log_warnings(const struct oci_spec *spec, struct err *err);

/* print_out() - write @text to stdout, all of it; an error names stdout. */
int print_out(const char *text, struct err *err);

#endif
