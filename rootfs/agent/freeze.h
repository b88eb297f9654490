/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AGENT_FREEZE: the cgroup's freezer.  Processes stop when they leave the kernel, so
 * it takes a while; cgroup.events tells when the last one has.
 */
#ifndef HULL_AGENT_FREEZE_H
#define HULL_AGENT_FREEZE_H

#include <stdbool.h>
#include <stdint.h>

struct agent;
struct container;

/* container_freeze() - do it and answer @seq, later if need be.  One that waits is
 * answered with an error when another comes. */
void container_freeze(struct agent *a, struct container *c, uint32_t seq, bool frozen);

/* container_check_frozen() - answer, if that is what was waited for. */
void container_check_frozen(struct agent *a, struct container *c);

/* container_freeze_cancel() - the container goes: nobody will be frozen. */
void container_freeze_cancel(struct agent *a, struct container *c);

#endif
