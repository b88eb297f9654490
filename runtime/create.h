/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `create`, the way from a bundle to a container that waits for `start`; `run` begins
 * the same way, and so does `restore`, whose container then runs.
 */
#ifndef HULL_RUNTIME_CREATE_H
#define HULL_RUNTIME_CREATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cli;
struct container;
struct err;
struct option_def;

struct create_params {
	const char *root; /* of the state folders */
	const char *id;
	const char *bundle; /* as given; NULL: the current folder */
	const char *console_socket; /* or NULL */
	const char *pid_file; /* or NULL */
	const char *pidfd_socket; /* or NULL */
	const char *const *set; /* --set key=value */
	size_t n_set;
	long preserve_fds; /* the caller's descriptors besides stdio and LISTEN_FDS */
	const char *image_path; /* `restore`: the folder of the saved machine; or NULL */
	bool lazy_pages; /* with it: its memory is read when it is asked for */
	const char *lsm_profile; /* TYPE:NAME in place of config.json's, or NULL */
	bool foreground; /* `run` without --detach: a terminal is the caller's own */
	bool systemd_cgroup; /* the cgroup is a scope of systemd's */
	bool debug;
};

struct created {
	struct container *container; /* owned */
	int pidfd; /* owned; hull-vmm is a child of the caller */
	int tty; /* tty_of_caller() for its terminal; -1: it has none of the caller's */
};

/* create_container() - nothing is left behind on failure. */
int create_container(const struct create_params *params, struct created *ret,
		     struct err *err);

/* create_abort() - undo create_container(): kill, wait, remove. */
void create_abort(struct created *created);

/* create_params_from() - the options that create and run share. */
void create_params_from(const struct cli *cli, struct create_params *params);

/* create_params_of_global() - only those of hull itself: the rest is not given. */
void create_params_of_global(const struct cli *cli, struct create_params *params);

/* The shared part of both option tables. */
#define CREATE_OPTIONS                                                                   \
	{ OPTION_STRING, "bundle", "b", "DIR",                                           \
	  "path to the bundle folder (default: the current one)", NULL },               \
	{ OPTION_STRING, "console-socket", NULL, "PATH",                                 \
	  "unix socket that gets the master of the container's terminal", NULL },       \
	{ OPTION_STRING, "pidfd-socket", NULL, "PATH",                                   \
	  "unix socket that gets a pidfd of the container", NULL },                     \
	{ OPTION_STRING, "pid-file", NULL, "FILE", "write the pid to FILE", NULL },      \
	{ OPTION_BOOL, "no-pivot", NULL, NULL, "accepted, has no meaning here", NULL },  \
	{ OPTION_BOOL, "no-new-keyring", NULL, NULL, "accepted, has no meaning here", NULL }, \
	{ OPTION_INT, "preserve-fds", NULL, "N",                                         \
	  "pass N more descriptors (stdio + $LISTEN_FDS + N in total)", NULL }

#endif
