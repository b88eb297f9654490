/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/err.h"
#include "runtime/checkpoint_image.h"
#include "runtime/create.h"
#include "runtime/criu_options.h"
#include "runtime/foreground.h"
#include "runtime/verbs.h"

static int run(struct cli *cli, struct err *err)
{
	const char *path = cli_string(&cli->options, "image-path");
	struct create_params params;
	int ret = criu_options_check(&cli->options, err);

	if (ret < 0)
		return ret;
	create_params_from(cli, &params);
	params.image_path = *path ? path : CHECKPOINT_DEFAULT_PATH;
	params.lazy_pages = cli_flag(&cli->options, "lazy-pages");
	params.lsm_profile = cli_string(&cli->options, "lsm-profile");
	ret = run_container(&params, cli_flag(&cli->options, "detach"), false, err);
	return ret < 0 ? err_wrap(err, ret, "hull restore failed") : ret;
}

static const struct option_def options[] = {
	{ OPTION_STRING, "image-path", NULL, "DIR", "where the image is",
	  CHECKPOINT_DEFAULT_PATH },
	CREATE_OPTIONS,
	{ OPTION_BOOL, "detach", "d", NULL, "do not wait for the container's end", NULL },
	{ OPTION_BOOL, "no-subreaper", NULL, NULL, "accepted, has no meaning here",
	  NULL },
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
