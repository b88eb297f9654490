/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/err.h"
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/verbs.h"
#include "vmm/control.h"

static int run(struct cli *cli, struct err *err)
{
	auto_container struct container *c = NULL;
	int ret;

	ret = container_of(cli, &c, err);
	if (ret < 0)
		return ret;
	if (container_status(c) != CONTAINER_PAUSED)
		return err_msg(err, EINVAL, "container not paused");
	return control_call(c, &(struct control_request){ .type = CONTROL_RESUME }, NULL,
			    err);
}

static const struct option_def options[] = {
	{ 0 },
};

const struct command cmd_resume = {
	.name = "resume",
	.synopsis = "<container-id>",
	.summary = "let the processes of a paused container go on",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
