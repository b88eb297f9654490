/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest kernel's command line: what every guest gets, then the caller's words.
 */
#ifndef HULL_VMM_CMDLINE_H
#define HULL_VMM_CMDLINE_H

struct buf;
struct err;

/*
 * cmdline_build() - append the whole line to @b.
 * @extra: the caller's words, behind ours: the last of a kind wins
 * Return: 0 or -ENOMEM
 */
int cmdline_build(struct buf *b, const char *extra, struct err *err);

#endif
