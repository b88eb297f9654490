/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of `hull ps`. */
#include "runtime/ps_table.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "tests/unit/tap.h"
#include "vmm/control.h"

#define S 1000000000ull
#define NOW ((1000000ull + 3 * 86400) * S)

static const struct control_ps list[] = {
	{ .pid = 1,
	  .tty = 34816,
	  .start_ns = NOW - 100 * S,
	  .cpu_ns = 25 * S,
	  .vsize = 2048 << 10,
	  .rss = 512 << 10,
	  .mem_permille = 15,
	  .threads = 2,
	  .stat = "Ss+",
	  .comm = "sh",
	  .args = "/bin/sh" },
	{ .pid = 7,
	  .ppid = 1,
	  .uid = 1000,
	  .start_ns = 1000000ull * S,
	  .cpu_ns = 100000 * S,
	  .stat = "R",
	  .comm = "e\033vil",
	  .args = "e\033vil \177x" },
};

/* table() - the list in the form of the options @words; to be freed */
static char *table(size_t n, int n_words, const char *const *words)
{
	struct buf b = BUF_INIT;
	struct ps_table t;
	struct err err = ERR_INIT;
	char *copies[4];

	for (int i = 0; i < n_words; i++)
		copies[i] = strdup(words[i]);
	if (ps_table_choose(&t, copies, n_words, &err) < 0)
		(void)buf_puts(&b, err.msg);
	else
		ps_table_print(&t, list, n, NOW, &b);
	for (int i = 0; i < n_words; i++)
		free(copies[i]);
	return buf_take(&b);
}

#define TABLE(n, ...)                                                                    \
	table(n, (int)(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)),        \
	      (const char *[]){ __VA_ARGS__ })

static void test_forms(void)
{
	auto_free char *full = table(2, 0, NULL);
	auto_free char *ef = TABLE(2, "-ef");
	auto_free char *every = TABLE(1, "-e");
	auto_free char *bsd = TABLE(2, "-e", "-x");
	auto_free char *user = TABLE(1, "aux");
	auto_free char *none = table(0, 0, NULL);

	is_str(full,
	       "UID          PID    PPID  C STIME TTY          TIME CMD\n"
	       "root           1       0 25 13:45 pts/0    00:00:25 /bin/sh\n"
	       "1000           7       1 38 Jan12 ?        1-03:46:40 e?vil ?x\n",
	       "the full form, without what would act upon a terminal");
	is_str(ef, full, "-ef is the same");
	is_str(none, "UID          PID    PPID  C STIME TTY          TIME CMD\n",
	       "no processes: the header");
	is_str(every,
	       "    PID TTY          TIME CMD\n"
	       "      1 pts/0    00:00:25 sh\n",
	       "-e");
	is_str(bsd,
	       "    PID TTY      STAT   TIME COMMAND\n"
	       "      1 pts/0    Ss+    0:25 /bin/sh\n"
	       "      7 ?        R    1666:40 e?vil ?x\n",
	       "-e -x");
	is_str(user,
	       "USER         PID %CPU %MEM     VSZ    RSS TTY      STAT START   TIME COMMAND\n"
	       "root           1 25.0  1.5    2048    512 pts/0    Ss+  13:45   0:25 /bin/sh\n",
	       "aux");
}

static void test_columns(void)
{
	auto_free char *some = TABLE(2, "-o", "pid,comm nlwp", "-oetime");
	auto_free char *no_name = TABLE(1, "-o", "pid,nonsense");
	auto_free char *no_list = TABLE(1, "-eo");
	auto_free char *no_option = TABLE(1, "-z");
	auto_free char *many =
		TABLE(1, "-opid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,"
			 "pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid");

	is_str(some,
	       "    PID COMMAND         NLWP     ELAPSED\n"
	       "      1 sh                 2       01:40\n"
	       "      7 e?vil              0  3-00:00:00\n",
	       "columns of choice");
	is_str(no_name, "ps: -o: unknown column 'nonsense'",
	       "a column that is not known");
	is_str(no_list, "ps: -o needs a list of columns", "no list");
	is_str(no_option, "ps: unknown option 'z' in '-z'",
	       "an option that is not known");
	is_str(many, "ps: more than 24 columns", "too many");
}

int main(void)
{
	if (setenv("TZ", "UTC0", 1) < 0)
		return 1;
	tzset();
	test_forms();
	test_columns();
	return tap_done();
}
