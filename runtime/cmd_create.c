/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "runtime/container.h"
#include "runtime/create.h"
#include "runtime/verbs.h"

static int run(struct cli *cli, struct err *err)
{
	struct create_params params;
	struct created created;
	int ret;

	create_params_from(cli, &params);
	ret = create_container(&params, &created, err);
	if (ret < 0)
		return err_wrap(err, ret, "%s create failed", program_invocation_short_name);
	close_fd(created.pidfd);
	container_free(created.container);
	return 0;
}

static const struct option_def options[] = {
	CREATE_OPTIONS,
	{ 0 },
};

const struct command cmd_create = {
	.name = "create",
	.synopsis = "<container-id>",
	.summary = "create a container",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
