/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals by name or number, as the command line gives them.
 */
#ifndef HULL_RUNTIME_SIGNALS_H
#define HULL_RUNTIME_SIGNALS_H

struct err;

/*
 * signal_parse() - "KILL", "SIGKILL", "sigkill", "9", "RTMIN+1".
 * Return: the number, 0 to 64; -EINVAL
 */
int signal_parse(const char *text, struct err *err);

#endif
