/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/default_spec.h"
#include "oci/spec.h"
#include "runtime/verbs.h"

static int run(struct cli *cli, struct err *err)
{
	const char *bundle = cli_string(&cli->options, "bundle");
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf b = BUF_INIT;
	auto_fd int fd = -1;
	int ret;

	if (cli_flag(&cli->options, "rootless"))
		return err_msg(err, ENOTSUP, "--rootless is not supported");
	if (bundle && chdir(bundle) < 0)
		return err_set(err, errno, "bundle '%s'", bundle);
	ret = oci_default_spec(&spec, err);
	if (ret == 0)
		ret = oci_spec_print(spec, &b, err);
	if (ret < 0)
		return ret;
	fd = open("config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST)
		return err_msg(err, EEXIST, "File config.json exists. Remove it first");
	if (fd < 0)
		return err_set(err, errno, "create 'config.json'");
	ret = io_write_full(fd, b.data, b.len);
	return ret < 0 ? err_set(err, -ret, "write 'config.json'") : 0;
}

static const struct option_def options[] = {
	{ OPTION_STRING, "bundle", "b", "DIR", "write it into DIR", NULL },
	{ OPTION_BOOL, "rootless", NULL, NULL, "not supported", NULL },
	{ 0 },
};

const struct command cmd_spec = {
	.name = "spec",
	.synopsis = "",
	.summary = "write a config.json to begin with",
	.options = options,
	.min_args = 0,
	.max_args = 0,
	.run = run,
};
