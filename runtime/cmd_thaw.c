/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/verbs.h"
#include "vmm/control.h"

/* (ms) hull-vmm may take beyond the deadline that it keeps itself. */
#define GRACE_MS 10000

static int run(struct cli *cli, struct err *err)
{
	static const struct control_request thaw = {
		.type = CONTROL_THAW,
		.timeout_ms = (int)CONTROL_THAW_MS + GRACE_MS,
	};
	auto_container struct container *c = NULL;
	int ret = container_of(cli, &c, err);

	return ret < 0 ? ret : control_call(c, &thaw, NULL, err);
}

static const struct option_def options[] = {
	{ 0 },
};

const struct command cmd_thaw = {
	.name = "thaw",
	.synopsis = "<container-id>",
	.summary = "end the freeze of a container's file systems for all who hold it",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
