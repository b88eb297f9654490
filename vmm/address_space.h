/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct address_space - who answers at which address (one for MMIO, one for
 * I/O ports).
 *
 * A sorted array of ranges under a sequence lock: vCPU threads look up without
 * taking a lock or writing to shared memory, a change (a BAR that moves) makes
 * lookups that race with it repeat.  Changes take a mutex.
 *
 * A handler that was found before its range was removed may still run for a
 * moment after address_space_remove() has returned: what `opaque` points at is
 * freed only once the vCPUs are stopped.
 */
#ifndef HULL_VMM_ADDRESS_SPACE_H
#define HULL_VMM_ADDRESS_SPACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct err;
struct vm_range_ops;

/* 32 PCI functions with 6 BARs never come near it: each BAR of ours is a range. */
#define ADDRESS_SPACE_MAX 128u

struct address_range {
	_Atomic uint64_t start;
	_Atomic uint64_t size; /* (bytes) > 0 */
	const struct vm_range_ops *_Atomic ops;
	void *_Atomic opaque;
};

struct address_space {
	const char *name; /* for messages: "MMIO", "port" */
	pthread_mutex_t change; /* taken by writers */
	_Atomic uint32_t seq; /* odd while the array changes */
	_Atomic uint32_t n;
	struct address_range ranges[ADDRESS_SPACE_MAX]; /* sorted by start */
};

void address_space_init(struct address_space *as, const char *name);
void address_space_release(struct address_space *as);

/*
 * address_space_add() - let @ops answer at [@start, @start + @size).
 * Return: 0 or -errno (EEXIST: overlaps another range; EINVAL: empty or wraps;
 *	ENOSPC: too many ranges)
 */
int address_space_add(struct address_space *as, uint64_t start, uint64_t size,
		      const struct vm_range_ops *ops, void *opaque, struct err *err);

/* address_space_remove() - forget the range that starts at @start, if there is one. */
void address_space_remove(struct address_space *as, uint64_t start);

/*
 * address_space_read(), address_space_write() - one access of a guest.
 *
 * An access of 1, 2, 4 or 8 bytes that lies within one range goes to its
 * handler as it is.  Any other length, and what reaches beyond the range, is cut
 * into bytes; bytes of nobody read as ones, writes there are dropped.
 *
 * @data: (bytes) @len
 */
void address_space_read(struct address_space *as, uint64_t addr, void *data,
			uint32_t len);
void address_space_write(struct address_space *as, uint64_t addr, const void *data,
			 uint32_t len);

#endif
