/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hull - the command.  Global options, then one command (runtime/verbs.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/log.h"
#include "oci/validate.h"
#include "runtime/cli.h"
#include "runtime/container.h"
#include "runtime/verbs.h"

static const struct command *const commands[] = {
	&cmd_checkpoint, &cmd_create,  &cmd_delete,   &cmd_events, &cmd_exec,
	&cmd_features,   &cmd_freeze,  &cmd_kill,     &cmd_list,   &cmd_pause,
	&cmd_ps,         &cmd_restore, &cmd_resume,   &cmd_run,    &cmd_spec,
	&cmd_start,      &cmd_state,   &cmd_template, &cmd_thaw,   &cmd_update,
};

static const struct option_def global_options[] = {
	{ OPTION_BOOL, "debug", NULL, NULL, "log more, with a timeline of the start",
	  NULL },
	{ OPTION_STRING, "log", NULL, "FILE", "write the log to FILE, not to stderr",
	  NULL },
	{ OPTION_STRING, "log-format", NULL, "FORMAT", "text or json", "text" },
	{ OPTION_STRING, "root", NULL, "DIR", "where the state of containers is kept",
	  CONTAINER_DEFAULT_ROOT },
	{ OPTION_BOOL, "systemd-cgroup", NULL, NULL,
	  "have systemd make the cgroup: cgroupsPath is slice:prefix:name", NULL },
	{ OPTION_STRING, "rootless", NULL, "auto|true|false",
	  "accepted, has no meaning here", NULL },
	{ OPTION_LIST, "set", NULL, "KEY=VALUE",
	  "as the annotation org.hull.KEY of every container", NULL },
	{ OPTION_BOOL, "version", "v", NULL, "print the version", NULL },
	{ 0 },
};

/* open_missing_stdio() - descriptors 0 to 2 must not become something else. */
static int open_missing_stdio(void)
{
	for (int fd = 0; fd < 3; fd++)
		/* The lowest that is free: this one. */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			return -errno;
	return 0;
}

static int init_log(const struct option_set *global, struct err *err)
{
	const char *format = cli_string(global, "log-format");
	const char *path = cli_string(global, "log");
	enum log_level level = cli_flag(global, "debug") ? LOG_DEBUG : LOG_INFO;
	int fd = -1;

	if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
		return err_msg(err, EINVAL, "invalid log-format: %s", format);
	if (path && *path) {
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (fd < 0)
			return err_set(err, errno, "open the log '%s'", path);
	}
	log_init(fd, strcmp(format, "json") == 0 ? LOG_JSON : LOG_TEXT, level);
	return 0;
}

/* fail() - as runc: the log has the error, and stderr if that is not the log. */
static int fail(const struct err *err, int status)
{
	log_error("%s", err->msg);
	if (log_fd() != STDERR_FILENO)
		(void)fprintf(stderr, "%s\n", err->msg);
	return status;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

/* check_args() - how many arguments the command takes, in runc's words. */
static int check_args(const struct cli *cli, struct err *err)
{
	const struct command *cmd = cli->command;

	if (cmd->min_args == cmd->max_args && cli->argc != cmd->min_args)
		return err_msg(err, EINVAL,
			       "%s: \"%s\" requires exactly %d argument(s)",
			       program_invocation_short_name, cmd->name, cmd->min_args);
	if (cli->argc < cmd->min_args)
		return err_msg(err, EINVAL,
			       "%s: \"%s\" requires a minimum of %d argument(s)",
			       program_invocation_short_name, cmd->name, cmd->min_args);
	if (cmd->max_args >= 0 && cli->argc > cmd->max_args)
		return err_msg(err, EINVAL,
			       "%s: \"%s\" requires a maximum of %d argument(s)",
			       program_invocation_short_name, cmd->name, cmd->max_args);
	return 0;
}

static int run_command(struct cli *cli, int argc, char **argv)
{
	auto_free char **rest = calloc((size_t)argc + 1, sizeof(*rest));
	struct err err = ERR_INIT;
	int status;
	int ret;

	if (!rest) {
		(void)err_set(&err, ENOMEM, "parse the command line");
		return fail(&err, 1);
	}
	cli->command = find_command(argv[0]);
	if (!cli->command) {
		(void)err_msg(&err, EINVAL, "No help topic for '%s'", argv[0]);
		return fail(&err, 1);
	}
	status = cli->command->error_status ? cli->command->error_status : 1;
	ret = cli_parse_options(&cli->options, cli->command->options, argc - 1, argv + 1, rest,
				&cli->argc, cli->command->stop_at_argument, &cli->help, &err);
	if (ret >= 0 && cli->help) {
		cli_print_help(cli->command);
		return 0;
	}
	cli->argv = rest;
	if (ret >= 0)
		ret = check_args(cli, &err);
	if (ret >= 0)
		ret = cli->command->run(cli, &err);
	return ret < 0 ? fail(&err, status) : ret;
}

int main(int argc, char **argv)
{
	struct cli cli = { 0 };
	struct err err = ERR_INIT;
	int status = 0;
	int used;

	if (open_missing_stdio() < 0) {
		(void)err_set(&err, errno, "open '/dev/null'");
		return fail(&err, 1);
	}
	used = cli_parse_options(&cli.global, global_options, argc - 1, argv + 1, NULL, NULL,
				 false, &cli.help, &err);
	if (used < 0) {
		status = fail(&err, 1);
	} else if (cli.help || (used == argc - 1 && !cli_flag(&cli.global, "version"))) {
		cli_print_usage(commands, ARRAY_SIZE(commands), global_options);
	} else if (cli_flag(&cli.global, "version")) {
		(void)printf("hull version %s\nspec: %s\n", HULL_VERSION, OCI_VERSION_MAX);
	} else if (init_log(&cli.global, &err) < 0) {
		status = fail(&err, 1);
	} else {
		status = run_command(&cli, argc - 1 - used, argv + 1 + used);
	}
	cli_release(&cli);
	return status;
}
