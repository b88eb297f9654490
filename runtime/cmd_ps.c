/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <time.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/json.h"
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/ps_table.h"
#include "runtime/verbs.h"
#include "vmm/control.h"

static int print_table(const struct cli *cli, const struct container *c, struct buf *b,
		       struct err *err)
{
	auto_buf struct buf payload = BUF_INIT;
	struct ps_table table;
	struct timespec now;
	int ret = ps_table_choose(&table, cli->argv + 1, cli->argc - 1, err);

	/* One that has ended has no processes, which is nothing wrong. */
	if (ret == 0 && container_alive(c))
		ret = control_call(c, &(struct control_request){ .type = CONTROL_PS },
				   &payload, err);
	if (ret < 0)
		return ret;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	ps_table_print(&table, (const struct control_ps *)(void *)payload.data,
		       payload.len / sizeof(struct control_ps),
		       (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, b);
	return 0;
}

static int run(struct cli *cli, struct err *err)
{
	auto_container struct container *c = NULL;
	const char *format = cli_string(&cli->options, "format");
	auto_buf struct buf b = BUF_INIT;
	int ret = container_of(cli, &c, err);

	if (ret < 0)
		return ret;
	if (!strcmp(format, "json")) {
		struct json_writer w = JSON_WRITER(&b, NULL);

		/* Pids of the host, as callers expect them: hull-vmm is the one. */
		json_open_array(&w, NULL);
		if (container_alive(c))
			json_put_i64(&w, NULL, c->pid);
		json_close_array(&w);
		(void)buf_puts(&b, "\n");
	} else if (!strcmp(format, "table")) {
		ret = print_table(cli, c, &b, err);
		if (ret < 0)
			return ret;
	} else {
		return err_msg(err, EINVAL, "invalid format option");
	}
	return buf_ok(&b) < 0 ? err_set(err, ENOMEM, "ps") : print_out(b.data, err);
}

static const struct option_def options[] = {
	{ OPTION_STRING, "format", "f", "FORMAT", "table or json", "table" },
	{ 0 },
};

const struct command cmd_ps = {
	.name = "ps",
	.synopsis = "<container-id> [ps options]",
	.summary = "show the processes of a container",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.stop_at_argument = true,
	.run = run,
};
