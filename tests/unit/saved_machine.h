/* SPDX-License-Identifier: Apache-2.0 */
/* Files of saved RAM, for unit tests: a few pieces, in memfds. */
#ifndef HULL_TESTS_UNIT_SAVED_MACHINE_H
#define HULL_TESTS_UNIT_SAVED_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/snapshot/image.h"

#define SAVED_PIECES 3u
#define SAVED_SIZE ((uint64_t)SAVED_PIECES * IMAGE_PIECE)
#define SAVED_CHUNKS (SAVED_SIZE / SNAPSHOT_CHUNK_SIZE)

static inline void saved_must(bool cond)
{
	if (!cond)
		abort();
}

/* saved_new() - an image in which all of RAM is zeros, a hole. */
static inline int saved_new(void)
{
	int fd = memfd_create("saved", MFD_CLOEXEC);

	saved_must(fd >= 0 && ftruncate(fd, (off_t)image_size(SAVED_SIZE)) == 0);
	return fd;
}

/* saved_put() - page @page of RAM is full of @byte. */
static inline void saved_put(int fd, uint64_t page, uint8_t byte)
{
	uint8_t data[IMAGE_PAGE];

	memset(data, byte, sizeof(data));
	saved_must(pwrite(fd, data, sizeof(data),
			  (off_t)(IMAGE_RAM_AT + page * IMAGE_PAGE)) == sizeof(data));
}

/* saved_flip() - a bit of page @page. */
static inline void saved_flip(int fd, uint64_t page)
{
	off_t at = (off_t)(IMAGE_RAM_AT + page * IMAGE_PAGE + 77);
	uint8_t byte;

	saved_must(pread(fd, &byte, 1, at) == 1);
	byte ^= 0x10;
	saved_must(pwrite(fd, &byte, 1, at) == 1);
}

static inline void saved_sum(int fd)
{
	saved_must(image_sum_ram(fd, SAVED_SIZE, NULL) == 0);
}

#endif
