/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a machine that was restored lazily (lazy.h) asked for first: a file beside the image,
 * by which the next restore knows what to read first.  A hint: without it, or with another
 * one, a restore is slower and nothing else.
 *
 *	0	struct working_set_head
 *	48	uint32_t each: chunks of RAM (chunks.h), in the order in which they were asked for
 *
 * Numbers are little endian.  Who restores writes all of it with one pwrite(); a file that
 * was written halfway, or by two at once, has a wrong CRC.
 */
#ifndef HULL_VMM_SNAPSHOT_WORKING_SET_H
#define HULL_VMM_SNAPSHOT_WORKING_SET_H

#include <assert.h>
#include <stdint.h>

#include "vmm/snapshot/image.h"

struct err;

#define WORKING_SET_MAGIC 0x544553574c4c5548ull /* "HULLWSET" */
#define WORKING_SET_VERSION 1u
#define WORKING_SET_MAX 16384u /* chunks: a GiB of RAM */

struct working_set_head {
	uint64_t magic; /* WORKING_SET_MAGIC */
	uint32_t version; /* WORKING_SET_VERSION */
	uint32_t n; /* chunks, at most WORKING_SET_MAX */
	uint8_t image[IMAGE_ID_SIZE]; /* image_machine.id: of that image's RAM */
	uint64_t reserved; /* 0 */
	uint32_t zero; /* 0 */
	uint32_t crc; /* CRC-32 of all before it, and of the chunks */
};

static_assert(sizeof(struct working_set_head) == 48, "file format");

/* The file as it is; what its head says is written by working_set_write(). */
struct working_set {
	struct working_set_head head; /* of this only n is the caller's */
	uint32_t chunks[WORKING_SET_MAX];
};

/*
 * working_set_read() - what @fd has.
 * @id: the image's
 * @n_chunks: that the machine has
 * @ret: head.n is 0 after an error, or when the file is empty: nobody has written it yet
 * Errors: EPROTO (damaged, of another image), what reading says
 */
int working_set_read(int fd, const uint8_t id[IMAGE_ID_SIZE], uint64_t n_chunks,
		     struct working_set *ret, struct err *err);

/* working_set_write() - @set into @fd, in the place of what is there. */
int working_set_write(int fd, const uint8_t id[IMAGE_ID_SIZE], struct working_set *set,
		      struct err *err);

#endif
