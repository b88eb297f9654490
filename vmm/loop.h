/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of hull-vmm's main thread: epoll, one callback per descriptor.
 *
 * A source is embedded in its owner and stays there until loop_remove().  A
 * callback may add and remove any source, itself included, while events of the
 * same round are still to be dispatched: a source that was removed is not called
 * any more.  Only the loop's thread may call (before loop_run(): whoever sets
 * things up).  Events that were reported but not dispatched when loop_quit() was
 * called are dispatched first by the next loop_run(), so that EPOLLET loses none.
 */
#ifndef HULL_VMM_LOOP_H
#define HULL_VMM_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct loop;

struct loop_source {
	int fd; /* borrowed */
	uint32_t events; /* EPOLLIN, EPOLLOUT ...; 0: only errors and hang-ups */
	void (*ready)(struct loop_source *src, uint32_t events); /* NULL: not added */
};

int loop_new(struct loop **ret_loop, struct err *err);
void loop_free(struct loop *loop);

/* loop_add() - watch @fd for @events and call @ready; @src must not be added now. */
int loop_add(struct loop *loop, struct loop_source *src, int fd, uint32_t events,
	     void (*ready)(struct loop_source *src, uint32_t events), struct err *err);

/* loop_modify() - watch for other events (no system call when nothing changes). */
int loop_modify(struct loop *loop, struct loop_source *src, uint32_t events);

/* loop_remove() - forget @src, before its fd is closed; nothing happens when it
 * was not added (all zero will do). */
void loop_remove(struct loop *loop, struct loop_source *src);

/* loop_run() - dispatch until loop_quit(); 0, or -errno when epoll fails. */
int loop_run(struct loop *loop, struct err *err);

/* loop_quit() - make loop_run() return after the callback under way. */
void loop_quit(struct loop *loop);

#endif
