/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/default_spec.h"
#include "runtime/verbs.h"

/* packets() - who moves those of a network card here. */
static const char *packets(void)
{
	auto_buf struct buf zero_copy = BUF_INIT;

	if (access("/dev/vhost-net", F_OK) < 0)
		return "tap";
	if (io_read_file(AT_FDCWD, "/sys/module/vhost_net/parameters/experimental_zcopytx",
			 16, &zero_copy, NULL) == 0 &&
	    zero_copy.data[0] == '1')
		return "vhost, zero-copy";
	return "vhost";
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
