/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/criu_options.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "runtime/cli.h"

static int check_cgroups_mode(const char *mode, struct err *err)
{
	static const char *const modes[] = { "", "soft", "full", "strict", "ignore" };

	if (!mode)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(mode, modes[i]) == 0)
			return 0;
	return err_msg(
		err, EINVAL,
		"invalid value \"%.64s\" for flag -manage-cgroups-mode: expected soft, "
		"full, strict or ignore",
		mode);
}

int criu_option_refuse(const struct option_set *options, const char *name,
		       struct err *err)
{
	const char *given = cli_string(options, name);

	/* A flag may be given as --flag=false, and a text as an empty one. */
	if (!given || !*given || strcmp(given, "false") == 0)
		return 0;
	return err_msg(err, ENOTSUP, "--%s is not supported", name);
}

int criu_options_check(const struct option_set *options, struct err *err)
{
	size_t n = 0;
	const char *const *namespaces = cli_list(options, "empty-ns", &n);
	int ret = check_cgroups_mode(cli_string(options, "manage-cgroups-mode"), err);

	for (size_t i = 0; ret == 0 && i < n; i++)
		if (strcmp(namespaces[i], "network") != 0)
			ret = err_msg(err, EINVAL, "namespace \"%.64s\" is not supported",
				      namespaces[i]);
	return ret;
}
