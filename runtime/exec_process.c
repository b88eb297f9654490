/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/exec_process.h"

#include <errno.h>
#include <fcntl.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/json.h"
#include "oci/honoured.h"
#include "oci/spec.h"
#include "oci/validate.h"
#include "runtime/cli.h"
#include "runtime/container.h"
#include "runtime/selinux.h"

/* parse_id() - a whole decimal number that fits a uid_t. */
static int parse_id(const char *text, char end, const char **ret_rest, uint32_t *ret_id)
{
	unsigned long long n;
	char *stop;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &stop, 10);
	if (errno || n > UINT32_MAX - 1u || (*stop && *stop != end))
		return -EINVAL;
	*ret_rest = stop;
	*ret_id = (uint32_t)n;
	return 0;
}

static int set_user(struct oci_process *p, const char *text, struct err *err)
{
	const char *rest;

	if (parse_id(text, ':', &rest, &p->user.uid) < 0 ||
	    (*rest == ':' && parse_id(rest + 1, 0, &rest, &p->user.gid) < 0))
		return err_msg(err, EINVAL, "bad user '%s': must be UID or UID:GID",
			       text);
	return 0;
}

static int add_groups(struct oci_spec *spec, const struct cli *cli, struct err *err)
{
	size_t n;
	const char *const *list = cli_list(&cli->options, "additional-gids", &n);

	for (size_t i = 0; i < n; i++) {
		uint32_t *gid = oci_list_add(spec, &spec->process->user.additional_gids);
		const char *rest;

		if (!gid)
			return err_set(err, ENOMEM, "--additional-gids");
		if (parse_id(list[i], 0, &rest, gid) < 0)
			return err_msg(err, EINVAL,
				       "--additional-gids: '%s' is no group id", list[i]);
	}
	return 0;
}

static int add_caps(struct oci_spec *spec, const struct cli *cli, struct err *err)
{
	struct oci_process *p = spec->process;
	size_t n;
	const char *const *list = cli_list(&cli->options, "cap", &n);

	if (n && !p->capabilities) {
		p->capabilities = oci_alloc(spec, sizeof(*p->capabilities));
		if (!p->capabilities)
			return err_set(err, ENOMEM, "--cap");
	}
	for (size_t i = 0; i < n; i++) {
		/* The sets that runc adds it to. */
		struct oci_strings *const sets[] = {
			&p->capabilities->bounding,
			&p->capabilities->effective,
			&p->capabilities->permitted,
		};

		if (oci_capability(list[i]) < 0)
			return err_msg(err, EINVAL, "--cap: unknown capability '%s'",
				       list[i]);
		for (size_t k = 0; k < ARRAY_SIZE(sets); k++)
			if (oci_strings_add(spec, sets[k], list[i]) < 0)
				return err_set(err, ENOMEM, "--cap");
		/* What it may inherit it shall have as any user. */
		if (oci_strings_has(&p->capabilities->inheritable, list[i]) &&
		    oci_strings_add(spec, &p->capabilities->ambient, list[i]) < 0)
			return err_set(err, ENOMEM, "--cap");
	}
	return 0;
}

static int set_strings(struct oci_spec *spec, const struct cli *cli, struct err *err)
{
	struct oci_process *p = spec->process;
	const char *cwd = cli_string(&cli->options, "cwd");
	size_t n;
	const char *const *env = cli_list(&cli->options, "env", &n);
	int ret = 0;

	p->args = (struct oci_strings){ 0 };
	for (int i = 1; ret == 0 && i < cli->argc; i++)
		ret = oci_strings_add(spec, &p->args, cli->argv[i]);
	for (size_t i = 0; ret == 0 && i < n; i++)
		ret = oci_strings_add(spec, &p->env, env[i]);
	if (ret == 0 && cwd) {
		p->cwd = oci_strdup(spec, cwd);
		ret = p->cwd ? 0 : -ENOMEM;
	}
	return ret < 0 ? err_set(err, ENOMEM, "exec") : 0;
}

static int from_file(const char *path, struct oci_spec **ret_spec, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	int ret = io_read_file(AT_FDCWD, path, JSON_MAX_SIZE, &text, err);

	return ret < 0 ? ret : oci_process_parse(text.data, text.len, ret_spec, err);
}

static int from_command_line(const struct cli *cli, const struct container *c,
			     struct oci_spec **ret_spec, struct err *err)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	const char *user = cli_string(&cli->options, "user");
	const char *label = cli_string(&cli->options, "process-label");
	int ret;

	if (cli->argc < 2)
		return err_msg(err, EINVAL, "process args cannot be empty");
	ret = container_spec(c, &spec, err);
	if (ret < 0)
		return ret;
	spec->process->terminal = cli_flag(&cli->options, "tty");
	spec->process->console_size = NULL;
	if (cli_flag(&cli->options, "no-new-privs"))
		spec->process->no_new_privileges = true;
	if (label && *label)
		spec->process->selinux_label = oci_strdup(spec, label);
	if (label && *label && !spec->process->selinux_label)
		return err_set(err, ENOMEM, "--process-label");
	ret = set_strings(spec, cli, err);
	if (ret == 0 && user)
		ret = set_user(spec->process, user, err);
	if (ret == 0)
		ret = add_groups(spec, cli, err);
	if (ret == 0)
		ret = add_caps(spec, cli, err);
	if (ret == 0)
		*ret_spec = take_ptr(&spec);
	return ret;
}

/* check_label() - and take it away: the guest has no use for it. */
static int check_label(const struct container *c, struct oci_process *p, struct err *err)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	const char *label = p->selinux_label;
	int ret = label && *label ? container_spec(c, &spec, err) : 0;

	p->selinux_label = NULL;
	if (ret < 0 || !spec)
		return ret;
	return selinux_check_exec(&selinux_host, label, spec->process->selinux_label,
				  err);
}

int exec_process_make(const struct cli *cli, const struct container *c,
		      struct oci_spec **ret_spec, struct err *err)
{
	const char *file = cli_string(&cli->options, "process");
	auto_oci_spec struct oci_spec *spec = NULL;
	int ret;

	ret = file ? from_file(file, &spec, err) : from_command_line(cli, c, &spec, err);
	if (ret == 0)
		ret = oci_validate_process(spec->process, err);
	if (ret == 0)
		ret = oci_check_honoured_process(spec->process, err);
	if (ret == 0)
		ret = check_label(c, spec->process, err);
	if (ret == 0)
		*ret_spec = take_ptr(&spec);
	return ret;
}
