/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums of what is in a file, by which damage is found and told where.
 *
 * A range of a file (guest RAM, as it was saved) is taken in chunks of
 * SNAPSHOT_CHUNK_SIZE, the last one perhaps shorter, each of which has a sum of four bytes:
 *
 *	0	all of it is zero
 *	else	its CRC-32, as zlib's crc32() counts it; 1 where that is 0
 *
 * So chunks of zeros need not be in the file, nor be read: holes cost a system call each,
 * and a chunk that was lost (zeros where there was something) is found like any other
 * damage.  Whoever keeps the sums keeps them safe, by a CRC of their own.  Any thread.
 */
#ifndef HULL_VMM_SNAPSHOT_CHUNKS_H
#define HULL_VMM_SNAPSHOT_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

#define SNAPSHOT_CHUNK_SIZE 65536u /* (bytes) */
#define CHUNK_ZERO 0u /* the sum of zeros */

/* chunk_crc() - the sum of one chunk: @len bytes, at most SNAPSHOT_CHUNK_SIZE. */
uint32_t chunk_crc(const void *data, size_t len);

/* chunks_in() - how many chunks @len bytes are. */
uint64_t chunks_in(uint64_t len);

/*
 * chunks_sum() - append the sums of a range of @fd.
 * @at, @len: (bytes) the range, which the file has
 * @sums: uint32_t each, in the order of the chunks; buf_ok() tells at the end
 * Errors: EPROTO (the file is shorter), what reading says
 */
int chunks_sum(int fd, uint64_t at, uint64_t len, struct buf *sums, struct err *err);

/*
 * chunks_check() - a range of @fd is what it was when it was summed.
 * @sums: the bytes that chunks_sum() appended, at any address
 * @sums_len: (bytes) of them
 * Errors: EPROTO (damage, with its place; the file is shorter; not that many sums), what
 *	reading says
 */
int chunks_check(int fd, uint64_t at, uint64_t len, const void *sums, size_t sums_len,
		 struct err *err);

#endif
