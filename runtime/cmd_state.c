/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/buf.h"
#include "lib/err.h"
#include "runtime/container.h"
#include "runtime/verbs.h"

static int run(struct cli *cli, struct err *err)
{
	auto_container struct container *c = NULL;
	auto_buf struct buf b = BUF_INIT;
	enum container_status status;
	int ret = container_of(cli, &c, err);

	if (ret < 0)
		return ret;
	status = container_status(c);
	ret = container_state_json(c, container_status_name(status),
				   status == CONTAINER_STOPPED ? 0 : c->pid, "  ", &b);
	if (ret < 0)
		return err_set(err, -ret, "state");
	ret = print_out(b.data, err);
	return ret < 0 ? ret : print_out("\n", err);
}

static const struct option_def options[] = {
	{ 0 },
};

const struct command cmd_state = {
	.name = "state",
	.synopsis = "<container-id>",
	.summary = "print the state of a container as JSON",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
