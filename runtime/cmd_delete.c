/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/err.h"
#include "runtime/container.h"
#include "runtime/verbs.h"

/* remove_remains() - the folder of a create that was cut off: claim it, drop it. */
static int remove_remains(const struct cli *cli, struct err *err)
{
	auto_container struct container *c = NULL;
	int ret;

	ret = container_new(cli_string(&cli->global, "root"), cli->argv[0], &c, NULL);
	/* Somebody is creating it just now: leave it to them. */
	return ret < 0 ? 0 : container_remove(c, err);
}

static int run(struct cli *cli, struct err *err)
{
	auto_container struct container *c = NULL;
	bool force = cli_flag(&cli->options, "force");
	int ret = container_of(cli, &c, err);

	if (ret == -ENOENT && force)
		return remove_remains(cli, err);
	return ret < 0 ? ret : container_delete(c, force, err);
}

static const struct option_def options[] = {
	{ OPTION_BOOL, "force", "f", NULL, "kill the container first if it still runs",
	  NULL },
	{ 0 },
};

const struct command cmd_delete = {
	.name = "delete",
	.synopsis = "<container-id>",
	.summary = "delete what is left of a container",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
