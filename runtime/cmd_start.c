/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/err.h"
#include "runtime/container.h"
#include "runtime/verbs.h"

static int run(struct cli *cli, struct err *err)
{
	auto_container struct container *c = NULL;
	int ret = container_of(cli, &c, err);

	return ret < 0 ? ret : container_start(c, err);
}

static const struct option_def options[] = {
	{ 0 },
};

const struct command cmd_start = {
	.name = "start",
	.synopsis = "<container-id>",
	.summary = "start the user's process of a created container",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
