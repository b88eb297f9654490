/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/verbs.h"
#include "vmm/control.h"

/* (s) until every process must have stopped; runc waits as long. */
#define PAUSE_TIMEOUT 10

static int run(struct cli *cli, struct err *err)
{
	static const struct control_request pause = {
		.type = CONTROL_PAUSE,
		.timeout_ms = PAUSE_TIMEOUT * 1000,
	};
	static const struct control_request resume = {
		.type = CONTROL_RESUME,
		.timeout_ms = PAUSE_TIMEOUT * 1000,
	};
	auto_container struct container *c = NULL;
	enum container_status status;
	int ret;

	ret = container_of(cli, &c, err);
	if (ret < 0)
		return ret;
	status = container_status(c);
	if (status != CONTAINER_CREATED && status != CONTAINER_RUNNING)
		return err_msg(err, ESRCH, "container not running");
	ret = control_call(c, &pause, NULL, err);
	if (ret == -ETIMEDOUT) {
		/* Half of them stopped is worse than none. */
		(void)control_call(c, &resume, NULL, NULL);
		return err_msg(err, ETIMEDOUT,
			       "the container's processes did not stop within %d s",
			       PAUSE_TIMEOUT);
	}
	return ret;
}

static const struct option_def options[] = {
	{ 0 },
};

const struct command cmd_pause = {
	.name = "pause",
	.synopsis = "<container-id>",
	.summary = "stop all processes of a container, to be resumed later",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
