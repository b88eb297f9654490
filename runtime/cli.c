/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli.h"

#include <errno.h>
#include <limits.h>

#include "lib/cleanup.h"
#include "lib/err.h"

static size_t count_defs(const struct option_def *defs)
{
	size_t n = 0;

	while (defs[n].type != OPTION_END)
		n++;
	return n;
}

/* find_def() - the option called @name (of @len bytes), by either name; -1: none. */
static int find_def(const struct option_def *defs, const char *name, size_t len)
{
	for (size_t i = 0; defs[i].type != OPTION_END; i++) {
		const char *names[] = { defs[i].name, defs[i].alias };

		for (size_t k = 0; k < ARRAY_SIZE(names); k++)
			if (names[k] && strlen(names[k]) == len &&
			    !memcmp(names[k], name, len))
				return (int)i;
	}
	return -1;
}

static int parse_number(const char *text, long *ret_value)
{
	char *end;
	long v;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	v = strtol(text, &end, 10);
	if (errno || *end)
		return -EINVAL;
	*ret_value = v;
	return 0;
}

static int parse_bool(const char *text, bool *ret_value)
{
	static const char *const yes[] = { "true", "1", "t", "T", "TRUE", "True" };
	static const char *const no[] = { "false", "0", "f", "F", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (!strcmp(text, yes[i]) || !strcmp(text, no[i])) {
			*ret_value = !strcmp(text, yes[i]);
			return 0;
		}
	}
	return -EINVAL;
}

/* store() - remember @value for the option; checks its form. */
static int store(const struct option_def *def, struct option_value *v, const char *value,
		 struct err *err)
{
	const char **grown;
	long number;
	bool flag;

	if (def->type == OPTION_INT && parse_number(value, &number) < 0)
		return err_msg(err, EINVAL, "invalid value \"%s\" for flag -%s: not a number",
			       value, def->name);
	if (def->type == OPTION_BOOL && parse_bool(value, &flag) < 0)
		return err_msg(err, EINVAL, "invalid boolean value \"%s\" for -%s", value,
			       def->name);
	if (def->type != OPTION_LIST)
		v->n_values = 0;
	grown = realloc(v->values, (v->n_values + 1) * sizeof(*grown));
	if (!grown)
		return err_set(err, ENOMEM, "option --%s", def->name);
	v->values = grown;
	v->values[v->n_values++] = value;
	v->set = true;
	return 0;
}

/*
 * parse_one() - one option word and perhaps the word behind it.
 * Return: how many words were used (1 or 2), or -EINVAL
 */
static int parse_one(struct option_set *set, char **argv, bool *ret_help, struct err *err)
{
	const char *name = argv[0] + (argv[0][1] == '-' ? 2 : 1);
	const char *eq = strchr(name, '=');
	size_t len = eq ? (size_t)(eq - name) : strlen(name);
	int i = find_def(set->defs, name, len);
	int ret;

	if (i < 0 && (!strcmp(name, "help") || !strcmp(name, "h"))) {
		*ret_help = true;
		return 1;
	}
	if (i < 0)
		return err_msg(err, EINVAL, "flag provided but not defined: -%.*s", (int)len,
			       name);
	if (eq || set->defs[i].type == OPTION_BOOL) {
		ret = store(&set->defs[i], &set->values[i], eq ? eq + 1 : "true", err);
		return ret < 0 ? ret : 1;
	}
	if (!argv[1])
		return err_msg(err, EINVAL, "flag needs an argument: -%.*s", (int)len, name);
	ret = store(&set->defs[i], &set->values[i], argv[1], err);
	return ret < 0 ? ret : 2;
}

int cli_parse_options(struct option_set *set, const struct option_def *defs, int argc,
		      char **argv, char **rest, int *ret_n_rest, bool stop_at_second,
		      bool *ret_help, struct err *err)
{
	int n_rest = 0;
	int i = 0;

	set->defs = defs;
	set->values = calloc(count_defs(defs) + 1, sizeof(*set->values));
	if (!set->values)
		return err_set(err, ENOMEM, "parse the command line");
	while (i < argc) {
		bool is_option = argv[i][0] == '-' && argv[i][1];
		int used;

		if (is_option && !strcmp(argv[i], "--")) {
			i++;
			break;
		}
		if (!is_option) {
			if (!rest)
				break;
			rest[n_rest++] = argv[i++];
			if (stop_at_second)
				break;
			continue;
		}
		used = parse_one(set, argv + i, ret_help, err);
		if (used < 0)
			return used;
		i += used;
	}
	if (rest)
		while (i < argc)
			rest[n_rest++] = argv[i++];
	if (ret_n_rest)
		*ret_n_rest = n_rest;
	return i;
}

static void release_set(struct option_set *set)
{
	if (!set->values)
		return;
	for (size_t i = 0; i < count_defs(set->defs); i++)
		free(set->values[i].values);
	free(set->values);
	set->values = NULL;
}

void cli_release(struct cli *cli)
{
	release_set(&cli->global);
	release_set(&cli->options);
}

/* value_of() - the value of an option that must be in the table. */
static const struct option_value *value_of(const struct option_set *set, const char *name,
					   const struct option_def **ret_def)
{
	int i = find_def(set->defs, name, strlen(name));

	if (i < 0) {
		(void)fprintf(stderr, "BUG: option '%s' is in no table\n", name);
		abort();
	}
	*ret_def = &set->defs[i];
	return &set->values[i];
}

const char *cli_string(const struct option_set *set, const char *name)
{
	const struct option_def *def;
	const struct option_value *v = value_of(set, name, &def);

	return v->set ? v->values[v->n_values - 1] : def->def;
}

bool cli_flag(const struct option_set *set, const char *name)
{
	const char *text = cli_string(set, name);
	bool value = false;

	if (text)
		(void)parse_bool(text, &value); /* checked when it was stored */
	return value;
}

long cli_int(const struct option_set *set, const char *name)
{
	const char *text = cli_string(set, name);
	long value = 0;

	if (text)
		(void)parse_number(text, &value); /* checked when it was stored */
	return value;
}

const char *const *cli_list(const struct option_set *set, const char *name, size_t *ret_n)
{
	const struct option_def *def;
	const struct option_value *v = value_of(set, name, &def);

	*ret_n = v->n_values;
	return v->values;
}

static void print_options(const struct option_def *defs)
{
	for (; defs->type != OPTION_END; defs++) {
		char left[80];
		int n;

		n = snprintf(left, sizeof(left), "--%s%s%s%s%s", defs->name,
			     defs->alias ? ", -" : "", defs->alias ? defs->alias : "",
			     defs->arg ? " " : "", defs->arg ? defs->arg : "");
		(void)printf("   %-34s %s", n > 0 ? left : "", defs->help);
		if (defs->def)
			(void)printf(" (default: \"%s\")", defs->def);
		(void)printf("\n");
	}
	(void)printf("   %-34s %s\n", "--help, -h", "show help");
}

void cli_print_help(const struct command *cmd)
{
	/* As in runc, the name is the one that we were called by. */
	const char *name = program_invocation_short_name;

	(void)printf("NAME:\n   %s %s - %s\n\nUSAGE:\n   %s %s [command options] %s\n\n"
		     "OPTIONS:\n",
		     name, cmd->name, cmd->summary, name, cmd->name, cmd->synopsis);
	print_options(cmd->options);
}

void cli_print_usage(const struct command *const *commands, size_t n,
		     const struct option_def *global)
{
	(void)printf("NAME:\n   hull - OCI containers, each in a microVM of its own\n\n"
		     "USAGE:\n   hull [global options] command [command options] "
		     "[arguments...]\n\nCOMMANDS:\n");
	for (size_t i = 0; i < n; i++)
		(void)printf("   %-10s %s\n", commands[i]->name, commands[i]->summary);
	(void)printf("\nGLOBAL OPTIONS:\n");
	print_options(global);
}
