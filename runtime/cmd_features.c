/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "oci/default_spec.h"
#include "runtime/verbs.h"
#include "vmm/net/host.h"

/* packets() - who moves those of a network card here. */
static const char *packets(void)
{
	if (access("/dev/vhost-net", F_OK) < 0)
		return "tap";
	return net_zero_copy(NULL) == 0 ? "vhost, zero-copy" : "vhost";
}

static int run(struct cli *cli, struct err *err)
{
	auto_buf struct buf b = BUF_INIT;
	int ret = oci_features(packets(), &b, err);

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
