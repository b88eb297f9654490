/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: one table of commands, one table of options per command.
 * Parsing, `--help` and the checks of the man pages come from the tables.
 *
 * As in runc, `-name` and `--name` mean the same, a value follows as `--name value`
 * or `--name=value`, flags may stand behind the arguments (but for commands
 * with stop_at_argument: what follows their first argument is the
 * container's), and `--` ends the options.
 */
#ifndef HULL_RUNTIME_CLI_H
#define HULL_RUNTIME_CLI_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct cli;

enum option_type {
	OPTION_END = 0,
	OPTION_BOOL, /* --name, --name=false */
	OPTION_STRING,
	OPTION_INT, /* a whole decimal number >= 0 */
	OPTION_LIST, /* may be given several times */
};

struct option_def {
	enum option_type type;
	const char *name;
	const char *alias; /* a second (short) name, or NULL */
	const char *arg; /* what the value is called in --help; NULL for flags */
	const char *help;
	const char *def; /* default value, or NULL */
};

struct command {
	const char *name;
	const char *synopsis; /* the arguments: "<container-id> [signal]" */
	const char *summary; /* one line */
	const struct option_def *options; /* ends with OPTION_END */
	int min_args;
	int max_args; /* -1: any number */
	bool stop_at_argument; /* the options end at the second argument */
	int error_status; /* exit status of a failure; 0 means 1 */
	/*
	 * Return: the exit status (>= 0), or -errno with @err filled in: main
	 * logs it and exits with error_status.
	 */
	int (*run)(struct cli *cli, struct err *err);
};

/* The options of one level (global, or the command's) with their values. */
struct option_set {
	const struct option_def *defs;
	struct option_value {
		bool set;
		const char **values; /* owned; the strings are argv's */
		size_t n_values;
	} *values; /* owned, parallel to defs */
};

struct cli {
	const struct command *command;
	struct option_set global;
	struct option_set options; /* the command's */
	int argc; /* the arguments left */
	char **argv;
	bool help; /* --help was given */
};

/* cli_parse_options() - fill @set from argv; returns how many words were used, or
 * -EINVAL.  @rest: room for the arguments that stand between options (permuted
 * behind), or NULL: stop at the first argument. */
int cli_parse_options(struct option_set *set, const struct option_def *defs, int argc,
		      char **argv, char **rest, int *ret_n_rest, bool stop_at_second,
		      bool *ret_help, struct err *err);
void cli_release(struct cli *cli);

/* Values by option name; asking for a name that is not in the table is a bug. */
bool cli_flag(const struct option_set *set, const char *name);
const char *cli_string(const struct option_set *set, const char *name); /* or NULL */
long cli_int(const struct option_set *set, const char *name); /* 0 when absent */
const char *const *cli_list(const struct option_set *set, const char *name,
			    size_t *ret_n);

void cli_print_help(const struct command *cmd);
void cli_print_usage(const struct command *const *commands, size_t n,
		     const struct option_def *global);

#endif
