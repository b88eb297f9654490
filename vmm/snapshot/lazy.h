/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RAM that is read when it is asked for: a machine goes on before its memory is there
 * (`restore --lazy-pages`).
 *
 * The memory is anonymous and registered with userfaultfd: whoever touches a page that is not
 * there yet (a vCPU, a device of ours, vhost, a system call that was given its address) waits
 * in the kernel until a thread of ours has read its chunk from the file, compared it with its
 * sum (saved_ram.h) and put it there.  Between two of them the thread reads what the last
 * restore asked for first (working_set.h), later all the rest, and ends.
 *
 * What a guest has given back (memory.h, guest_memory_discard()) and touches again is as it is
 * where the file is mapped: the file's bytes as long as the thread is there, zeros afterwards.
 *
 * A chunk that cannot be had ends the machine: on_failed() must not return as long as
 * anybody waits.  There is no other way on, and none in which the guest sees zeros.
 *
 * Calling sequence: lazy_new(), lazy_add() for each range, before anybody touches it;
 * lazy_start(); lazy_stop() and lazy_start() again around what must be done with one thread
 * only, meanwhile nobody may touch the memory.  lazy_all() when the machine runs.
 */
#ifndef HULL_VMM_SNAPSHOT_LAZY_H
#define HULL_VMM_SNAPSHOT_LAZY_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/snapshot/image.h"

struct err;
struct lazy;

struct lazy_params {
	const int *fds; /* the image and its parents, the newest first; borrowed */
	unsigned int n_fds;
	uint64_t ram_size; /* (bytes) */
	uint8_t id[IMAGE_ID_SIZE]; /* image_machine.id */
	int working_set_fd; /* read, and written when all is there; borrowed; -1: none */
	/* Called on the thread: the memory at a place cannot be had. */
	void (*on_failed)(void *opaque, const struct err *err);
	void *opaque;
};

/*
 * lazy_new() - while there is a /proc, and with the rights that uffd_open() wants.
 * Errors: EPERM and others (the host does not let us), EPROTO (the files)
 */
int lazy_new(const struct lazy_params *params, struct lazy **ret_lazy, struct err *err);

/* lazy_free() - stops the thread.  What was not read is zeros from now on. */
void lazy_free(struct lazy *l);

/*
 * lazy_add() - RAM that is to be read.
 * @host: where it is: anonymous, private, nobody has touched it
 * @offset, @len: (bytes) of RAM, multiples of IMAGE_PIECE
 */
int lazy_add(struct lazy *l, void *host, uint64_t offset, uint64_t len, struct err *err);

/*
 * lazy_start() - from now on the memory can be touched.
 * @on_thread: called first on the thread: it installs its filter; may be NULL
 */
int lazy_start(struct lazy *l, int (*on_thread)(void *opaque, struct err *err),
	       struct err *err);
void lazy_stop(struct lazy *l);

/* lazy_all() - read the rest as well, from now on.  Any thread. */
void lazy_all(struct lazy *l);

/* lazy_done() - all of it is there.  Any thread. */
bool lazy_done(const struct lazy *l);

#endif
