/* SPDX-License-Identifier: Apache-2.0 */
/* `run` and `restore`: a container that begins to run, and who waits for its end. */
#ifndef HULL_RUNTIME_FOREGROUND_H
#define HULL_RUNTIME_FOREGROUND_H

#include <stdbool.h>

struct create_params;
struct err;

/*
 * run_container() - create, and start unless it is restored and so runs already.
 * @detach: return as soon as it runs; else stay until its end and, without @keep, delete
 *	it then
 * Return: the exit status (0 with @detach); -errno: nothing is left
 */
int run_container(struct create_params *params, bool detach, bool keep, struct err *err);

#endif
