/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a container (AGENT_PS), from the agent's /proc.
 */
#ifndef HULL_AGENT_PS_H
#define HULL_AGENT_PS_H

#include <sys/types.h>

struct container;
struct control_ps;

/*
 * ps_list() - at most @max; one that ends meanwhile is left out.
 * Return: how many; -errno
 */
ssize_t ps_list(const struct container *c, struct control_ps *list, size_t max);

/*
 * ps_parse_stat() - the fields of /proc/PID/stat that are told (proc(5)); start_ns
 * is since the boot.
 * Return: 0 or -EINVAL
 */
int ps_parse_stat(const char *text, struct control_ps *ps, pid_t *ret_ppid);

#endif
