/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/default_spec.h"
#include "oci/spec.h"
#include "runtime/container.h"
#include "runtime/create.h"
#include "runtime/template.h"
#include "runtime/verbs.h"

/* each() - of the templates that the arguments name, or of all. */
static int each(struct cli *cli, int (*act)(const char *name, struct err *err),
		struct err *err)
{
	auto_buf struct buf names = BUF_INIT;
	int ret = 0;

	for (int i = 1; ret == 0 && i < cli->argc; i++)
		ret = act(cli->argv[i], err);
	if (cli->argc > 1)
		return ret;
	ret = template_names(&names, err);
	for (size_t at = 0; ret == 0 && at < names.len; at += TEMPLATE_NAME_SIZE)
		ret = act(names.data + at, err);
	return ret;
}

static int list(struct cli *cli, struct err *err)
{
	auto_buf struct buf out = BUF_INIT;
	int ret;

	if (cli->argc > 1)
		return err_msg(err, EINVAL, "template list takes no names");
	ret = template_list(&out, err);
	return ret < 0 ? ret : print_out(out.data, err);
}

static int verify(struct cli *cli, struct err *err)
{
	return each(cli, template_verify, err);
}

static int rm(struct cli *cli, struct err *err)
{
	return each(cli, template_remove, err);
}

/* ---- build: a container that is never started -------------------------------------- */

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* make_bundle() - in the empty folder @dir: a program must be there, as for any container. */
static int make_bundle(const char *dir, struct err *err)
{
	static char program[] = "/nothing";
	auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int file = -1;
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf text = BUF_INIT;
	int ret;

	if (fd < 0 || mkdirat(fd, "rootfs", 0755) < 0)
		return err_set(err, errno, "make a bundle in '%s'", dir);
	file = openat(fd, "rootfs/nothing", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		      0755);
	if (file < 0)
		return err_set(err, errno, "make a bundle in '%s'", dir);
	ret = oci_default_spec(&spec, err);
	if (ret < 0)
		return ret;
	spec->process->args.v[0] = program;
	spec->process->terminal = false;
	spec->root->readonly = false;
	ret = oci_spec_print(spec, &text, err);
	return ret < 0 ? ret
		       : io_replace_file(fd, "config.json", text.data, text.len, 0600,
					 err);
}

static int build(struct cli *cli, struct err *err)
{
	char dir[] = "/run/hull-build.XXXXXX";
	char id[64];
	struct create_params params;
	struct created created = { .pidfd = -1, .tty = -1 };
	int ret;

	if (cli->argc > 1)
		return err_msg(err, EINVAL, "template build takes no names");
	if (!mkdtemp(dir))
		return err_set(err, errno, "mkdtemp '%s'", dir);
	(void)snprintf(id, sizeof(id), "template-build-%d", (int)getpid());
	create_params_of_global(cli, &params);
	params.id = id;
	params.bundle = dir;
	ret = make_bundle(dir, err);
	if (ret == 0)
		ret = create_container(&params, &created, err);
	if (ret == 0)
		create_abort(&created);
	(void)nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT); /* all ours */
	return ret;
}

static int run(struct cli *cli, struct err *err)
{
	static const struct {
		const char *name;
		int (*run)(struct cli *cli, struct err *err);
	} actions[] = {
		{ "build", build },
		{ "list", list },
		{ "rm", rm },
		{ "verify", verify },
	};

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (!strcmp(actions[i].name, cli->argv[0]))
			return actions[i].run(cli, err);
	return err_msg(err, EINVAL, "template: '%s' is none of build, list, rm, verify",
		       cli->argv[0]);
}

static const struct option_def options[] = {
	{ 0 },
};

const struct command cmd_template = {
	.name = "template",
	.synopsis = "<action> [name...]",
	.summary = "build, list, verify or remove saved machines",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};
