/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>

#include "lib/err.h"
#include "lib/log.h"
#include "runtime/checkpoint_image.h"
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/create.h"
#include "runtime/criu_options.h"
#include "runtime/foreground.h"
#include "runtime/verbs.h"
#include "vmm/control.h"

/*
 * go_on() - containerd pauses a container before it has it saved (so docker and ctr do),
 * and never resumes the restored one, which CRIU would not have left frozen.
 */
static void go_on(struct cli *cli)
{
	static const struct control_request request = { .type = CONTROL_RESUME };
	auto_container struct container *c = NULL;
	struct err why = ERR_INIT;
	int ret = container_of(cli, &c, &why);

	if (ret == 0 && container_status(c) == CONTAINER_PAUSED)
		ret = control_call(c, &request, NULL, &why);
	if (ret < 0) /* it has ended already */
		log_warn("container '%s' cannot go on: %s", cli->argv[0], why.msg);
}

static int run(struct cli *cli, struct err *err)
{
	const char *path = cli_string(&cli->options, "image-path");
	bool detach = cli_flag(&cli->options, "detach");
	struct create_params params;
	int ret = criu_options_check(&cli->options, err);

	if (ret < 0)
		return ret;
	create_params_from(cli, &params);
	params.image_path = *path ? path : CHECKPOINT_DEFAULT_PATH;
	params.lazy_pages = cli_flag(&cli->options, "lazy-pages");
	params.lsm_profile = cli_string(&cli->options, "lsm-profile");
	ret = run_container(&params, detach, false, err);
	if (ret == 0 && detach && cli_flag(&cli->options, "no-subreaper"))
		go_on(cli);
	return ret < 0 ? err_wrap(err, ret, "%s restore failed", program_invocation_short_name) : ret;
}

static const struct option_def options[] = {
	{ OPTION_STRING, "image-path", NULL, "DIR", "where the image is",
	  CHECKPOINT_DEFAULT_PATH },
	CREATE_OPTIONS,
	{ OPTION_BOOL, "detach", "d", NULL, "do not wait for the container's end", NULL },
	{ OPTION_BOOL, "no-subreaper", NULL, NULL,
	  "for containerd: with --detach, a container that was paused goes on", NULL },
	{ OPTION_STRING, "lsm-profile", NULL, "TYPE:NAME",
	  "the label of the container's processes, in place of config.json's", NULL },
	{ OPTION_STRING, "lsm-mount-context", NULL, "CONTEXT", CRIU_NO_MEANING, NULL },
	{ OPTION_STRING, "work-path", NULL, "DIR", CRIU_NO_MEANING, NULL },
	CRIU_OPTIONS,
	{ OPTION_BOOL, "lazy-pages", NULL, NULL,
	  "go on before the memory is read, and read what is asked for first", NULL },
	{ 0 },
};

const struct command cmd_restore = {
	.name = "restore",
	.synopsis = "<container-id>",
	.summary = "run a container that was saved by checkpoint",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
