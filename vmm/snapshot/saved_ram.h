/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RAM of a saved machine (image.h), read chunk by chunk, each of which is compared with
 * its sum before anybody sees it.
 *
 * It may lie in several files: the image itself, and those that it was made upon
 * (--parent-path), which have what did not change since.  The sums are the image's: of what
 * RAM was when that was saved, wherever it lies.
 *
 * The files may come from a hull-vmm that its guest had taken over: all that is found in
 * them is checked.  Nothing is written but the buffer that is given: any thread, several
 * at once.  But for saved_ram_sum().
 */
#ifndef HULL_VMM_SNAPSHOT_SAVED_RAM_H
#define HULL_VMM_SNAPSHOT_SAVED_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/snapshot/chunks.h"

struct err;
struct saved_ram;

#define SAVED_RAM_MAX_FILES 32u /* an image and its parents, the newest first */

/*
 * saved_ram_open() - read sums and page maps.
 * @fds, @n: the files, borrowed until saved_ram_free()
 * @ram_size: (bytes) what the machine has, a multiple of IMAGE_PIECE
 * Errors: EPROTO (cut off), ENOMEM, what reading says
 */
int saved_ram_open(const int *fds, unsigned int n, uint64_t ram_size,
		   struct saved_ram **ret_ram, struct err *err);
void saved_ram_free(struct saved_ram *r);

/* saved_ram_name() - the path of the image, as far as it is known, for messages. */
const char *saved_ram_name(const struct saved_ram *r);

/*
 * saved_ram_read() - one chunk.
 * @chunk: of chunks_in(ram_size)
 * @buf: SNAPSHOT_CHUNK_SIZE bytes; what is there after a failure is not to be used
 * Errors: EPROTO (damaged, cut off: with the file's name and the place)
 */
int saved_ram_read(const struct saved_ram *r, uint64_t chunk, void *buf, struct err *err);

/*
 * saved_ram_sum() - write the sums of an image's RAM into it.
 * @fds, @n: as for saved_ram_open(), of which the first has no sums yet, and the second one's
 *	are right
 * Errors: as of both, ENOSPC
 */
int saved_ram_sum(const int *fds, unsigned int n, uint64_t ram_size, struct err *err);

/* saved_ram_check() - is all of it what it was?  All of it is read. */
int saved_ram_check(const struct saved_ram *r, struct err *err);

/*
 * saved_ram_is_hole() - nothing was written for this chunk, and nothing should have been: it
 * is zeros, and need not be read.
 */
bool saved_ram_is_hole(const struct saved_ram *r, uint64_t chunk);

#endif
