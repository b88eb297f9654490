/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event loop that stands still after each turn, for tests of devices that are served on
 * one: another source is always ready, and ends the turn.
 */
#ifndef HULL_TESTS_UNIT_FAKE_TURNS_H
#define HULL_TESTS_UNIT_FAKE_TURNS_H

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/container_of.h"
#include "tests/unit/fake_driver.h"
#include "vmm/loop.h"

struct fake_turns {
	struct loop *loop;
	struct loop_source other;
	int fd;
};

static inline void fake_turn_over_(struct loop_source *src, uint32_t events)
{
	(void)events;
	loop_quit(container_of(src, struct fake_turns, other)->loop);
}

static inline void fake_turns_init(struct fake_turns *t)
{
	fake_check(loop_new(&t->loop, NULL) == 0);
	t->fd = eventfd(1, EFD_CLOEXEC);
	fake_check(loop_add(t->loop, &t->other, t->fd, EPOLLIN, fake_turn_over_, NULL) ==
		   0);
}

static inline void fake_turns_release(struct fake_turns *t)
{
	loop_remove(t->loop, &t->other);
	(void)close(t->fd);
	loop_free(t->loop);
}

/* fake_turns() - @n of them. */
static inline void fake_turns(struct fake_turns *t, unsigned int n)
{
	while (n--)
		fake_check(loop_run(t->loop, NULL) == 0);
}

#endif
