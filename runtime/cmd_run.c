/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/err.h"
#include "runtime/create.h"
#include "runtime/foreground.h"
#include "runtime/verbs.h"

static int run(struct cli *cli, struct err *err)
{
	struct create_params params;
	int ret;

	create_params_from(cli, &params);
	ret = run_container(&params, cli_flag(&cli->options, "detach"),
			    cli_flag(&cli->options, "keep"), err);
	return ret < 0 ? err_wrap(err, ret, "%s run failed", program_invocation_short_name) : ret;
}

static const struct option_def options[] = {
	CREATE_OPTIONS,
	{ OPTION_BOOL, "detach", "d", NULL, "do not wait for the container's end", NULL },
	{ OPTION_BOOL, "keep", NULL, NULL, "do not delete the container after its end",
	  NULL },
	{ OPTION_BOOL, "no-subreaper", NULL, NULL, "accepted, has no meaning here",
	  NULL },
	{ 0 },
};

const struct command cmd_run = {
	.name = "run",
	.synopsis = "<container-id>",
	.summary = "create and start a container",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
