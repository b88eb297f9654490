/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/json.h"
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/verbs.h"
#include "vmm/control.h"

static void print_processes(const struct control_ps *ps, size_t n, struct buf *b)
{
	(void)buf_printf(b, "%-8s %7s %7s %8s %s\n", "UID", "PID", "PPID", "TIME", "CMD");
	for (size_t i = 0; i < n; i++) {
		unsigned long long s = ps[i].cpu_ns / 1000000000u;

		/* The guest wrote these texts: they end where their room ends. */
		(void)buf_printf(b, "%-8u %7d %7d %02llu:%02llu:%02llu ", ps[i].uid,
				 ps[i].pid, ps[i].ppid, s / 3600, s / 60 % 60, s % 60);
		(void)buf_printf(b, "%.*s\n", (int)sizeof(ps[i].args), ps[i].args);
	}
}

/* plain_text() - what a guest wrote must not move the cursor of who reads it. */
static void plain_text(struct control_ps *ps, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < sizeof(ps[i].args); k++)
			if (ps[i].args[k] &&
			    ((unsigned char)ps[i].args[k] < ' ' || ps[i].args[k] == 0x7f))
				ps[i].args[k] = '?';
}

static int run(struct cli *cli, struct err *err)
{
	auto_container struct container *c = NULL;
	const char *format = cli_string(&cli->options, "format");
	auto_buf struct buf payload = BUF_INIT;
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
		struct control_ps *ps;

		ret = control_call(c, &(struct control_request){ .type = CONTROL_PS },
				   &payload, err);
		if (ret < 0)
			return ret;
		ps = (struct control_ps *)(void *)payload.data;
		plain_text(ps, payload.len / sizeof(*ps));
		print_processes(ps, payload.len / sizeof(*ps), &b);
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
