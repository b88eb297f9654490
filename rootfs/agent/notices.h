/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes that somebody on the host has made to what processes here watch: told to the
 * guest's kernel, one by one, in the order in which the host tells them.
 */
#ifndef HULL_AGENT_NOTICES_H
#define HULL_AGENT_NOTICES_H

#include <stddef.h>

struct agent;
struct agent_frame;
struct agent_notice;

/* notices_request() - AGENT_NOTICES; answered at once. */
void notices_request(struct agent *a, const struct agent_frame *f, const char *payload);

/*
 * notices_next() - the notice at *@at in @payload, and *@at behind it.
 * @ret_name: its name, 0-terminated, in @payload
 * Return: 1; 0: there are no more; -EPROTO
 */
int notices_next(const char *payload, size_t len, size_t *at, struct agent_notice *ret,
		 const char **ret_name);

#endif
