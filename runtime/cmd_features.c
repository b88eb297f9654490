/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/buf.h"
#include "lib/err.h"
#include "oci/default_spec.h"
#include "runtime/verbs.h"

static int run(struct cli *cli, struct err *err)
{
	auto_buf struct buf b = BUF_INIT;
	int ret = oci_features(&b, err);

	(void)cli; /* it has no options */
	return ret < 0 ? ret : print_out(b.data, err);
}

static const struct option_def options[] = {
	{ 0 },
};

const struct command cmd_features = {
	.name = "features",
	.synopsis = "",
	.summary = "print what this version supports as JSON",
	.options = options,
	.min_args = 0,
	.max_args = 0,
	.run = run,
};
