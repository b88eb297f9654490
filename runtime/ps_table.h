/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of `ps`, in the forms of ps(1): the processes are the guest's, so that the
 * host's program cannot be asked for it.
 */
#ifndef HULL_RUNTIME_PS_TABLE_H
#define HULL_RUNTIME_PS_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct control_ps;
struct err;

#define PS_TABLE_MAX_COLUMNS 24

struct ps_table {
	size_t n;
	unsigned char columns[PS_TABLE_MAX_COLUMNS]; /* private: which, from the left */
};

/*
 * ps_table_choose() - the columns that the options @words ask for; none: as `ps -ef`.
 * Selections have no meaning, as all processes of the container are listed.
 * Return: 0 or -EINVAL, with the option or column in @err that is not known
 */
int ps_table_choose(struct ps_table *t, char *const *words, int n, struct err *err);

/*
 * ps_table_print() - the header and a line per process. What the guest wrote is made
 * plain: a '?' stands for characters that a terminal would act upon.
 * @now_ns: CLOCK_REALTIME. A buffer without memory tells by buf_ok().
 */
void ps_table_print(const struct ps_table *t, const struct control_ps *ps, size_t n,
		    uint64_t now_ns, struct buf *b);

#endif
