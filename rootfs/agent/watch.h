/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's event loop: epoll, one callback per descriptor, one thread.
 *
 * A watch is embedded in its owner and stays there until watch_remove().  A
 * callback may add and remove any watch, its own included (and free the owner),
 * while events of the same round are still to be dispatched.
 *
 * Descriptors are watched edge-triggered by those who relay bytes: whoever stops
 * before EAGAIN, to be fair to others, asks for another turn with watch_again().
 */
#ifndef HULL_AGENT_WATCH_H
#define HULL_AGENT_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct err;

#define WATCH_BATCH 16

struct watch {
	int fd; /* borrowed */
	bool added;
	bool again; /* on the list of those that want another turn */
	void (*ready)(struct watch *w, uint32_t events);
	struct watch *again_next;
};

struct watch_loop {
	int epoll_fd;
	bool stop; /* set it to make watch_loop_run() return */
	int n; /* events in batch[], */
	int at; /* the one being dispatched */
	struct watch *again; /* in the order of asking */
	struct epoll_event batch[WATCH_BATCH];
};

int watch_loop_init(struct watch_loop *loop, struct err *err);
void watch_loop_release(struct watch_loop *loop);

/* watch_loop_run() - dispatch until `stop`; 0 or -errno of epoll_wait(). */
int watch_loop_run(struct watch_loop *loop, struct err *err);

/*
 * watch_add() - call @ready when @fd has one of @events (EPOLLIN, EPOLLET, ...).
 * Return: 0 or -errno
 */
int watch_add(struct watch_loop *loop, struct watch *w, int fd, uint32_t events,
	      void (*ready)(struct watch *w, uint32_t events));

/* watch_remove() - forget @w; nothing happens when it was not added. */
void watch_remove(struct watch_loop *loop, struct watch *w);

/* watch_again() - call ready(w, 0) after the descriptors that are ready now. */
void watch_again(struct watch_loop *loop, struct watch *w);

#endif
