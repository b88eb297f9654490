/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct timer - a deadline on the event loop: one shot, CLOCK_MONOTONIC.
 *
 * Embedded in its owner, made with TIMER_INIT; a descriptor exists only while it
 * runs.  The loop's thread only.
 */
#ifndef HULL_VMM_TIMER_H
#define HULL_VMM_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/loop.h"

struct err;

struct timer {
	struct loop *loop; /* NULL while it does not run */
	struct loop_source source;
	void (*expired)(struct timer *timer);
};

#define TIMER_INIT ((struct timer){ .source = { .fd = -1 } })

/* timer_start() - call @expired in @ms (> 0) ms; a running timer begins anew. */
int timer_start(struct timer *timer, struct loop *loop, uint32_t ms,
		void (*expired)(struct timer *timer), struct err *err);

/* timer_stop() - idempotent; also done before @expired is called. */
void timer_stop(struct timer *timer);

static inline bool timer_running(const struct timer *timer)
{
	return timer->loop != NULL;
}

#endif
