/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cli.h"

#include <errno.h>

#include "lib/err.h"
#include "tests/unit/tap.h"

static const struct option_def defs[] = {
	{ OPTION_BOOL, "detach", "d", NULL, "", NULL },
	{ OPTION_STRING, "bundle", "b", "DIR", "", "here" },
	{ OPTION_INT, "preserve-fds", NULL, "N", "", NULL },
	{ OPTION_LIST, "env", "e", "VAR", "", NULL },
	{ 0 },
};

#define MAX_WORDS 16

struct parsed {
	struct cli cli;
	char *rest[MAX_WORDS];
	int n_rest;
	int ret;
	struct err err;
};

/* parse() - the words, ended by NULL. */
static struct parsed parse(bool permute, bool stop_at_second, char **words)
{
	struct parsed p = { 0 };
	int argc = 0;

	while (words[argc])
		argc++;
	p.ret = cli_parse_options(&p.cli.options, defs, argc, words, permute ? p.rest : NULL,
				  permute ? &p.n_rest : NULL, stop_at_second, &p.cli.help,
				  &p.err);
	return p;
}

#define WORDS(...) ((char *[]){ __VA_ARGS__, NULL })

static char w_detach[] = "--detach", w_d[] = "-d", w_bundle[] = "--bundle=x",
	    w_single[] = "-bundle", w_value[] = "y", w_id[] = "id", w_cmd[] = "cmd",
	    w_ls[] = "-l", w_end[] = "--", w_fds[] = "--preserve-fds", w_three[] = "3",
	    w_bad[] = "3x", w_false[] = "--detach=false", w_maybe[] = "--detach=maybe",
	    w_unknown[] = "--nonsense", w_env1[] = "-e", w_env2[] = "A=1", w_help[] = "--help",
	    w_empty[] = "", w_dash[] = "-";

static void test_forms(void)
{
	struct parsed p = parse(true, false, WORDS(w_detach, w_bundle, w_id));

	ok(cli_flag(&p.cli.options, "detach"), "a flag");
	is_str(cli_string(&p.cli.options, "bundle"), "x", "--name=value");
	is_int(p.n_rest, 1, "one argument");
	cli_release(&p.cli);

	p = parse(true, false, WORDS(w_id, w_single, w_value, w_d));
	is_str(cli_string(&p.cli.options, "bundle"), "y", "-name value, behind the argument");
	ok(cli_flag(&p.cli.options, "detach"), "the short name");
	is_str(p.rest[0], "id", "the argument before it");
	cli_release(&p.cli);

	p = parse(true, false, WORDS(w_false, w_id));
	ok(!cli_flag(&p.cli.options, "detach"), "--flag=false");
	is_str(cli_string(&p.cli.options, "bundle"), "here", "a default");
	is_int(cli_int(&p.cli.options, "preserve-fds"), 0, "no default is 0");
	cli_release(&p.cli);

	p = parse(true, false, WORDS(w_fds, w_three, w_env1, w_env2, w_env1, w_empty, w_dash));
	is_int(cli_int(&p.cli.options, "preserve-fds"), 3, "a number");
	{
		size_t n;
		const char *const *list = cli_list(&p.cli.options, "env", &n);

		is_int(n, 2, "a list");
		is_str(list[0], "A=1", "its first");
		is_str(list[1], "", "its second, empty");
	}
	is_str(p.rest[0], "-", "a lone dash is an argument");
	cli_release(&p.cli);

	p = parse(true, false, WORDS(w_help));
	ok(p.cli.help, "--help");
	cli_release(&p.cli);
}

static void test_end_of_options(void)
{
	struct parsed p = parse(true, true, WORDS(w_d, w_id, w_cmd, w_ls));

	is_int(p.n_rest, 3, "behind the first argument all are arguments");
	is_str(p.rest[2], "-l", "also what looks like an option");
	ok(cli_flag(&p.cli.options, "detach"), "the option before it");
	cli_release(&p.cli);

	p = parse(true, false, WORDS(w_end, w_detach));
	ok(!cli_flag(&p.cli.options, "detach"), "-- ends the options");
	is_str(p.rest[0], "--detach", "what follows is an argument");
	cli_release(&p.cli);

	p = parse(false, false, WORDS(w_d, w_id, w_detach));
	is_int(p.ret, 1, "global options stop at the first argument");
	cli_release(&p.cli);
}

static void refused(char **words, const char *message)
{
	struct parsed p = parse(true, false, words);

	is_int(p.ret, -EINVAL, "refused");
	is_str(p.err.msg, message, "says why");
	cli_release(&p.cli);
}

int main(void)
{
	test_forms();
	test_end_of_options();
	refused(WORDS(w_unknown), "flag provided but not defined: -nonsense");
	refused(WORDS(w_single), "flag needs an argument: -bundle");
	refused(WORDS(w_fds, w_bad),
		"invalid value \"3x\" for flag -preserve-fds: not a number");
	refused(WORDS(w_maybe), "invalid boolean value \"maybe\" for -detach");
	return tap_done();
}
