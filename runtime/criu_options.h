/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of runc's `checkpoint` and `restore` that say how CRIU is to take processes
 * apart, or put them together.  A machine is saved whole, so most have no meaning here;
 * their values are checked all the same, as runc does.  What asks for something that
 * hull does not do fails by its name.
 */
#ifndef HULL_RUNTIME_CRIU_OPTIONS_H
#define HULL_RUNTIME_CRIU_OPTIONS_H

struct err;
struct option_set;

#define CRIU_NO_MEANING "accepted, has no meaning here"

/* The part of both option tables. */
#define CRIU_OPTIONS                                                                     \
	{ OPTION_BOOL, "tcp-established", NULL, NULL, CRIU_NO_MEANING, NULL },   \
		{ OPTION_BOOL, "ext-unix-sk", NULL, NULL, CRIU_NO_MEANING, NULL },       \
		{ OPTION_BOOL, "shell-job", NULL, NULL, CRIU_NO_MEANING, NULL },         \
		{ OPTION_BOOL, "file-locks", NULL, NULL, CRIU_NO_MEANING, NULL },        \
		{ OPTION_STRING, "manage-cgroups-mode", NULL,                            \
		  "MODE",        CRIU_NO_MEANING,       NULL },                          \
		{ OPTION_LIST, "empty-ns", NULL, "NAMESPACE", CRIU_NO_MEANING, NULL },   \
	{                                                                                \
		OPTION_BOOL, "auto-dedup", NULL, NULL, CRIU_NO_MEANING, NULL             \
	}

/*
 * criu_options_check() - the values of CRIU_OPTIONS.
 * Errors: -EINVAL
 */
int criu_options_check(const struct option_set *options, struct err *err);

/* criu_option_refuse() - -ENOTSUP when @name was given. */
int criu_option_refuse(const struct option_set *options, const char *name,
		       struct err *err);

#endif
