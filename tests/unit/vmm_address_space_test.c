/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/address_space.h"

#include <errno.h>
#include <pthread.h>

#include "lib/err.h"
#include "tests/unit/tap.h"
#include "vmm/vm.h"

struct device {
	uint64_t offset;
	uint32_t len, accesses;
	uint8_t written[8];
};

static void dev_read(void *opaque, uint64_t offset, void *data, uint32_t len)
{
	struct device *d = opaque;

	d->offset = offset;
	d->len = len;
	d->accesses++;
	memset(data, 0x5a, len);
}

static void dev_write(void *opaque, uint64_t offset, const void *data, uint32_t len)
{
	struct device *d = opaque;

	d->offset = offset;
	d->len = len;
	d->accesses++;
	memcpy(d->written, data, len);
}

static const struct vm_range_ops ops = { .read = dev_read, .write = dev_write };
static const struct vm_range_ops mute = { 0 };

static struct address_space as;

static uint64_t read_at(uint64_t addr, uint32_t len)
{
	uint64_t value = 0;

	address_space_read(&as, addr, &value, len);
	return value;
}

static void test_dispatch(void)
{
	struct device a = { 0 }, b = { 0 };
	uint32_t value = 0x11223344;

	address_space_init(&as, "test");
	ok(address_space_add(&as, 0x2000, 0x100, &ops, &b, NULL) == 0 &&
		   address_space_add(&as, 0x1000, 0x100, &ops, &a, NULL) == 0,
	   "ranges are added in any order");
	is_int(read_at(0x1010, 4), 0x5a5a5a5a, "a read goes to its range");
	ok(a.offset == 0x10 && a.len == 4 && a.accesses == 1 && b.accesses == 0,
	   "with offset and length, and to no other");
	address_space_write(&as, 0x20fc, &value, 4);
	ok(b.offset == 0xfc && !memcmp(b.written, &value, 4),
	   "a write at the end of a range");
	is_int(read_at(0x0fff, 1), 0xff, "before a range: ones");
	is_int(read_at(0x1100, 4), 0xffffffff, "behind a range: ones");
	ok(read_at(0x10fc, 8) == 0xffffffff5a5a5a5aull, "half in, half out: bytes");
	is_int(a.len, 1, "which arrive one by one");
	a.accesses = 0;
	is_int(read_at(0x1000, 3), 0x5a5a5a, "three bytes");
	is_int(a.accesses, 3, "are three accesses");
	address_space_remove(&as, 0x1000);
	is_int(read_at(0x1010, 1), 0xff, "nobody answers for a removed range");
	is_int(read_at(0x2010, 1), 0x5a, "its neighbour still does");
	address_space_remove(&as, 0x2010);
	is_int(read_at(0x2010, 1), 0x5a, "only a start removes");
	address_space_release(&as);
}

static void test_overlaps(void)
{
	struct err err = ERR_INIT;
	struct device a = { 0 };

	address_space_init(&as, "test");
	(void)address_space_add(&as, 0x1000, 0x1000, &ops, &a, NULL);
	is_int(address_space_add(&as, 0x1000, 1, &ops, &a, &err), -EEXIST, "same start");
	is_str(err.msg, "test range 0x1000 is taken", "the message says where");
	is_int(address_space_add(&as, 0x1fff, 1, &ops, &a, NULL), -EEXIST, "inside");
	is_int(address_space_add(&as, 0xfff, 2, &ops, &a, NULL), -EEXIST,
	       "into the start");
	is_int(address_space_add(&as, 0, UINT64_MAX, &ops, &a, NULL), -EEXIST, "around");
	is_int(address_space_add(&as, 0x2000, 1, &ops, &a, NULL), 0,
	       "right behind is free");
	is_int(address_space_add(&as, 0xfff, 1, &ops, &a, NULL), 0,
	       "right before is free");
	is_int(address_space_add(&as, 0x5000, 0, &ops, &a, NULL), -EINVAL, "nothing");
	is_int(address_space_add(&as, UINT64_MAX, 2, &ops, &a, NULL), -EINVAL, "wraps");
	is_int(address_space_add(&as, UINT64_MAX, 1, &ops, &a, NULL), 0, "the last byte");
	is_int(read_at(UINT64_MAX, 1), 0x5a, "answers");
	address_space_release(&as);
}

static void test_limits(void)
{
	struct device a = { 0 };
	int ret = 0;

	address_space_init(&as, "test");
	for (uint64_t i = 0; i < ADDRESS_SPACE_MAX && ret == 0; i++)
		ret = address_space_add(&as, i * 16, 16, &ops, &a, NULL);
	is_int(ret, 0, "as many ranges as promised");
	is_int(address_space_add(&as, 1 << 20, 16, &ops, &a, NULL), -ENOSPC,
	       "and no more");
	is_int(read_at((ADDRESS_SPACE_MAX - 1) * 16 + 15, 1), 0x5a,
	       "the last one answers");
	address_space_remove(&as, 0);
	is_int(address_space_add(&as, 1 << 20, 16, &mute, NULL, NULL), 0,
	       "one went, one comes");
	is_int(read_at(1 << 20, 4), 0xffffffff, "a range that cannot be read gives ones");
	address_space_release(&as);
}

/* A range that comes and goes beside one that stays: lookups see either, never a mix. */
static void *reader(void *opaque)
{
	atomic_bool *stop = opaque;
	uintptr_t wrong = 0;

	while (!atomic_load(stop)) {
		uint64_t value = read_at(0x3000, 4);

		wrong += value != 0x5a5a5a5a;
		value = read_at(0x1000, 1);
		wrong += value != 0x5a && value != 0xff;
	}
	return (void *)wrong;
}

static void test_race(void)
{
	static struct device a, b;
	atomic_bool stop = false;
	pthread_t thread;
	void *wrong;

	address_space_init(&as, "test");
	(void)address_space_add(&as, 0x3000, 0x100, &ops, &b, NULL);
	ok(pthread_create(&thread, NULL, reader, &stop) == 0, "a reader starts");
	for (int i = 0; i < 20000; i++) {
		(void)address_space_add(&as, 0x1000, 0x100, &ops, &a, NULL);
		address_space_remove(&as, 0x1000);
	}
	atomic_store(&stop, true);
	(void)pthread_join(thread, &wrong);
	ok(wrong == NULL, "what stays is always found while another moves");
	address_space_release(&as);
}

int main(void)
{
	test_dispatch();
	test_overlaps();
	test_limits();
	test_race();
	return tap_done();
}
