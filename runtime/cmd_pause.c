/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/verbs.h"
#include "vmm/control.h"

/* (s) until every process must have stopped; runc waits as long. */
#define PAUSE_TIMEOUT 10

static int await_answer(int sock, struct err *err)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	struct control_answer answer;
	int ret;

	do {
		ret = poll(&p, 1, PAUSE_TIMEOUT * 1000);
	} while (ret < 0 && errno == EINTR);
	if (ret == 0)
		return err_msg(err, ETIMEDOUT,
			       "the container's processes did not stop within %d s",
			       PAUSE_TIMEOUT);
	ret = control_receive(sock, &answer, NULL, err);
	return ret == 0 ? err_msg(err, ESRCH, "container not running") : ret;
}

static int run(struct cli *cli, struct err *err)
{
	auto_container struct container *c = NULL;
	enum container_status status;
	auto_fd int sock = -1;
	int ret;

	ret = container_of(cli, &c, err);
	if (ret < 0)
		return ret;
	status = container_status(c);
	if (status != CONTAINER_CREATED && status != CONTAINER_RUNNING)
		return err_msg(err, ESRCH, "container not running");
	ret = control_connect(c, &sock, err);
	if (ret == 0)
		ret = control_send(sock, CONTROL_PAUSE, 0, 0, NULL, 0, NULL, 0, err);
	if (ret == 0)
		ret = await_answer(sock, err);
	if (ret == -ETIMEDOUT) {
		auto_fd int again = -1;

		/* Half of them stopped is worse than none. It answers nobody. */
		if (control_connect(c, &again, NULL) == 0)
			(void)control_send(again, CONTROL_RESUME, 0, 0, NULL, 0, NULL, 0,
					   NULL);
	}
	return ret < 0 ? ret : 0;
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
