/* SPDX-License-Identifier: Apache-2.0 */
/* What `create` refuses before it touches anything. */
#include <errno.h>
#include <unistd.h>

#include "lib/err.h"
#include "runtime/cli.h"
#include "runtime/create.h"
#include "runtime/verbs.h"
#include "tests/unit/tap.h"

/* params_of() - as if "create OPTION VALUE c1" had been typed. */
static void params_of(struct cli *cli, char *option, char *value,
		      struct create_params *params)
{
	static const struct option_def global[] = {
		{ OPTION_STRING, "root", NULL, "DIR", "", "/nonexistent/hull" },
		{ OPTION_BOOL, "debug", NULL, NULL, "", NULL },
		{ OPTION_BOOL, "systemd-cgroup", NULL, NULL, "", NULL },
		{ OPTION_LIST, "set", NULL, "KEY=VALUE", "", NULL },
		{ 0 },
	};
	static char id[] = "c1";
	static char *rest[4];
	char *argv[] = { option, value, id, NULL };
	struct err err;

	cli->argv = rest;
	ok(cli_parse_options(&cli->global, global, 0, argv, NULL, NULL, false, &cli->help,
			     &err) == 0 &&
		   cli_parse_options(&cli->options, cmd_create.options, 3, argv, rest,
				     &cli->argc, false, &cli->help, &err) == 3,
	   "the command line is parsed");
	create_params_from(cli, params);
}

static void test_preserve_fds(void)
{
	static char option[] = "--preserve-fds";
	static char value[] = "17";
	struct create_params params;
	struct created created;
	struct cli cli = { 0 };
	struct err err = ERR_INIT;

	params_of(&cli, option, value, &params);
	ok(create_container(&params, &created, &err) == -E2BIG,
	   "descriptors that cannot be passed are refused");
	ok(strstr(err.msg, "--preserve-fds"), "by the option's name");
	ok(access("/nonexistent", F_OK) < 0, "and no state folder was made");
	cli_release(&cli);
}

int main(void)
{
	test_preserve_fds();
	return tap_done();
}
