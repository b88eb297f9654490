/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/address_space.h"

#include <errno.h>

#include "lib/err.h"
#include "vmm/vm.h"

/* What a lookup takes out of the array. */
struct found {
	const struct vm_range_ops *ops;
	void *opaque;
	uint64_t offset;
	uint64_t left; /* (bytes) from offset to the end of the range */
};

void address_space_init(struct address_space *as, const char *name)
{
	*as = (struct address_space){ .name = name };
	(void)pthread_mutex_init(&as->change, NULL); /* cannot fail on Linux */
}

void address_space_release(struct address_space *as)
{
	(void)pthread_mutex_destroy(&as->change); /* nobody holds it any more */
}

/*
 * The array is read and written with relaxed atomics between the two looks at
 * seq; the fences order them (writer: begin_change/end_change, reader: lookup).
 */
static void begin_change(struct address_space *as)
{
	uint32_t seq = atomic_load_explicit(&as->seq, memory_order_relaxed);

	atomic_store_explicit(&as->seq, seq + 1, memory_order_relaxed);
	atomic_thread_fence(
		memory_order_release); /* pairs with lookup()'s acquire fence */
}

static void end_change(struct address_space *as)
{
	uint32_t seq = atomic_load_explicit(&as->seq, memory_order_relaxed);

	atomic_store_explicit(&as->seq, seq + 1, memory_order_release);
}

#define get(p) atomic_load_explicit(p, memory_order_relaxed)
#define set(p, v) atomic_store_explicit(p, v, memory_order_relaxed)

/* first_above() - index of the first of @n ranges that starts above @addr. */
static uint32_t first_above(struct address_space *as, uint32_t n, uint64_t addr)
{
	uint32_t low = 0, high = n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (get(&as->ranges[mid].start) <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool lookup_once(struct address_space *as, uint64_t addr, struct found *found)
{
	uint32_t n = get(&as->n);
	uint32_t i;
	struct address_range *r;
	uint64_t size;

	if (n > ADDRESS_SPACE_MAX) /* torn: the caller looks again */
		return false;
	i = first_above(as, n, addr);
	if (i == 0)
		return false;
	r = &as->ranges[i - 1];
	found->offset = addr - get(&r->start);
	size = get(&r->size);
	if (found->offset >= size)
		return false;
	found->left = size - found->offset;
	found->ops = get(&r->ops);
	found->opaque = get(&r->opaque);
	return true;
}

static bool lookup(struct address_space *as, uint64_t addr, struct found *found)
{
	for (;;) {
		uint32_t seq = atomic_load_explicit(&as->seq, memory_order_acquire);
		bool hit;

		if (seq & 1)
			continue; /* a change is a few stores long */
		hit = lookup_once(as, addr, found);
		atomic_thread_fence(memory_order_acquire); /* pairs with begin_change() */
		if (get(&as->seq) == seq)
			return hit;
	}
}

static void copy_range(struct address_range *to, struct address_range *from)
{
	set(&to->start, get(&from->start));
	set(&to->size, get(&from->size));
	set(&to->ops, get(&from->ops));
	set(&to->opaque, get(&from->opaque));
}

static int add_locked(struct address_space *as, uint64_t start, uint64_t size,
		      const struct vm_range_ops *ops, void *opaque, struct err *err)
{
	uint32_t n = get(&as->n);
	uint32_t at = first_above(as, n, start);

	if (at > 0 &&
	    start - get(&as->ranges[at - 1].start) < get(&as->ranges[at - 1].size))
		return err_msg(err, EEXIST, "%s range %#llx is taken", as->name,
			       (unsigned long long)start);
	if (at < n && get(&as->ranges[at].start) - start < size)
		return err_msg(err, EEXIST, "%s range %#llx overlaps the one at %#llx",
			       as->name, (unsigned long long)start,
			       (unsigned long long)get(&as->ranges[at].start));
	if (n == ADDRESS_SPACE_MAX)
		return err_msg(err, ENOSPC, "more than %u %s ranges", ADDRESS_SPACE_MAX,
			       as->name);
	begin_change(as);
	for (uint32_t i = n; i > at; i--)
		copy_range(&as->ranges[i], &as->ranges[i - 1]);
	set(&as->ranges[at].start, start);
	set(&as->ranges[at].size, size);
	set(&as->ranges[at].ops, ops);
	set(&as->ranges[at].opaque, opaque);
	set(&as->n, n + 1);
	end_change(as);
	return 0;
}

int address_space_add(struct address_space *as, uint64_t start, uint64_t size,
		      const struct vm_range_ops *ops, void *opaque, struct err *err)
{
	int ret;

	if (size == 0 || start + (size - 1) < start)
		return err_msg(err, EINVAL, "%s range %#llx has an impossible size",
			       as->name, (unsigned long long)start);
	(void)pthread_mutex_lock(&as->change);
	ret = add_locked(as, start, size, ops, opaque, err);
	(void)pthread_mutex_unlock(&as->change);
	return ret;
}

static void remove_locked(struct address_space *as, uint64_t start)
{
	uint32_t n = get(&as->n);
	uint32_t at = first_above(as, n, start);

	if (at == 0 || get(&as->ranges[at - 1].start) != start)
		return;
	begin_change(as);
	for (uint32_t i = at; i < n; i++)
		copy_range(&as->ranges[i - 1], &as->ranges[i]);
	set(&as->n, n - 1);
	end_change(as);
}

void address_space_remove(struct address_space *as, uint64_t start)
{
	(void)pthread_mutex_lock(&as->change);
	remove_locked(as, start);
	(void)pthread_mutex_unlock(&as->change);
}

static bool is_one_access(uint32_t len)
{
	return len == 1 || len == 2 || len == 4 || len == 8;
}

void address_space_read(struct address_space *as, uint64_t addr, void *data, uint32_t len)
{
	struct found found;

	if (is_one_access(len)) {
		bool hit = lookup(as, addr, &found);

		if (hit && found.left >= len && found.ops->read) {
			found.ops->read(found.opaque, found.offset, data, len);
			return;
		}
		if (len == 1 || !hit) {
			memset(data, 0xff, len);
			return;
		}
	}
	for (uint32_t i = 0; i < len; i++)
		address_space_read(as, addr + i, (uint8_t *)data + i, 1);
}

void address_space_write(struct address_space *as, uint64_t addr, const void *data,
			 uint32_t len)
{
	struct found found;

	if (is_one_access(len)) {
		bool hit = lookup(as, addr, &found);

		if (hit && found.left >= len && found.ops->write) {
			found.ops->write(found.opaque, found.offset, data, len);
			return;
		}
		if (len == 1 || !hit)
			return;
	}
	for (uint32_t i = 0; i < len; i++)
		address_space_write(as, addr + i, (const uint8_t *)data + i, 1);
}
