/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-rng, and with it vmm/virtio/loop_queue.c: a device on the event loop that a
 * vCPU thread starts and resets. */
#include "vmm/virtio/rng.h"

#include <pthread.h>
#include <sys/epoll.h>

#include "tests/unit/fake_driver.h"
#include "tests/unit/tap.h"
#include "vmm/loop.h"
#include "vmm/virtio/loop_queue.h"

struct fixture {
	struct fake_memory fm;
	struct loop *loop;
	struct virtio_device *dev;
	struct fake_device fd;
	struct fake_queue fq;
	/* Another source, which is always ready: shows who gets a turn. */
	struct loop_source other;
	int other_fd;
	unsigned int turns;
	unsigned int quit_after;
};

static struct fixture f;

static void other_ready(struct loop_source *src, uint32_t events)
{
	(void)src;
	(void)events;
	if (++f.turns >= f.quit_after)
		loop_quit(f.loop);
}

/* spin() - let the loop run for @turns turns of the other source. */
static void spin(unsigned int turns)
{
	f.turns = 0;
	f.quit_after = turns;
	fake_check(loop_run(f.loop, NULL) == 0);
}

static void setup(void)
{
	struct err err = ERR_INIT;

	memset(&f, 0, sizeof(f));
	fake_memory_init(&f.fm, 4 << 20);
	fake_check(loop_new(&f.loop, &err) == 0);
	f.other_fd = eventfd(1, EFD_CLOEXEC);
	fake_check(loop_add(f.loop, &f.other, f.other_fd, EPOLLIN, other_ready, &err) ==
		   0);
	is_int(rng_new(&f.fm.mem, f.loop, &f.dev, &err), 0, "a device");
	fake_device_init(&f.fd, f.dev);
	fake_queue_init(&f.fq, &f.fm, &f.dev->queues[0], 64, FAKE_EVENT_IDX);
}

static void teardown(void)
{
	fake_queue_release(&f.fq);
	f.dev->ops->free(f.dev);
	loop_remove(f.loop, &f.other);
	(void)close(f.other_fd);
	loop_free(f.loop);
	fake_memory_release(&f.fm);
}

static bool all_zero(gpa_t gpa, size_t len)
{
	const char *p = fake_host(&f.fm, gpa, len);

	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

static void test_fills_buffers(void)
{
	struct fake_buf b[2];
	uint32_t written = 0;

	setup();
	is_int(f.dev->id, 4, "an entropy device");
	b[0] = (struct fake_buf){ fake_alloc(&f.fm, 64, 1), 64 };
	b[1] = (struct fake_buf){ fake_alloc(&f.fm, 64, 1), 64 };
	(void)fake_add(&f.fq, NULL, 0, b, 2);
	fake_kick(&f.fq);
	spin(3);
	ok(!fake_used(&f.fq, NULL, NULL), "nothing is served before DRIVER_OK");
	is_int(fake_device_activate(&f.fd, NULL), 0, "DRIVER_OK");
	spin(3);
	ok(fake_used(&f.fq, NULL, &written), "the early buffer is served now");
	is_int(written, 128, "filled");
	ok(!all_zero(b[0].gpa, 64) && !all_zero(b[1].gpa, 64), "with something");
	is_int(fake_interrupts(&f.fq), 1, "one interrupt");
	for (int i = 0; i < 3; i++) {
		(void)fake_add(&f.fq, NULL, 0, b, 1);
		fake_kick(&f.fq);
		spin(3);
		ok(fake_used(&f.fq, NULL, &written) && written == 64, "kick %d is heard",
		   i);
	}
	teardown();
}

static void test_bounded(void)
{
	struct fake_buf big = { 0 }, readable = { 0 };
	uint32_t written;
	unsigned int back = 0;

	setup();
	big = (struct fake_buf){ fake_alloc(&f.fm, 1 << 20, 1), 1 << 20 };
	readable = (struct fake_buf){ fake_alloc(&f.fm, 8, 1), 8 };
	fake_check(fake_device_activate(&f.fd, NULL) == 0);
	for (int i = 0; i < 60; i++)
		(void)fake_add(&f.fq, NULL, 0, &big, 1);
	fake_kick(&f.fq);
	spin(2);
	while (fake_used(&f.fq, NULL, &written)) {
		if (written != RNG_MAX_CHAIN)
			break;
		back++;
	}
	ok(back >= 1 && back * RNG_MAX_CHAIN <= 3 * RNG_MAX_ROUND,
	   "in 2 turns of another source %u of 60 large buffers were filled", back);
	ok(all_zero(big.gpa + RNG_MAX_CHAIN, 4096), "each only at its beginning");
	spin(40);
	while (fake_used(&f.fq, NULL, &written))
		back++;
	is_int(back, 60, "the rest follows without a kick");
	(void)fake_add(&f.fq, &readable, 1, NULL, 0);
	fake_kick(&f.fq);
	spin(3);
	ok(fake_used(&f.fq, NULL, &written) && written == 0,
	   "a buffer that may only be read comes back as it was");
	teardown();
}

static void test_broken_queue(void)
{
	setup();
	fake_check(fake_device_activate(&f.fd, NULL) == 0);
	fake_offer(&f.fq, 64);
	fake_kick(&f.fq);
	spin(3);
	is_int(f.fd.needs_reset, 1, "a violation makes the device NEEDS_RESET");
	fake_kick(&f.fq);
	spin(3);
	is_int(f.fd.needs_reset, 1, "once");
	teardown();
}

static void test_after_reset(void)
{
	struct fake_buf b;

	setup();
	b = (struct fake_buf){ fake_alloc(&f.fm, 64, 1), 64 };
	fake_check(fake_device_activate(&f.fd, NULL) == 0);
	spin(2);
	(void)fake_add(&f.fq, NULL, 0, &b, 1);
	fake_kick(&f.fq);
	fake_device_reset(&f.fd);
	spin(3);
	ok(!fake_used(&f.fq, NULL, NULL) && all_zero(b.gpa, 64),
	   "after reset the device touches no memory");
	fake_queue_release(&f.fq);
	fake_queue_init(&f.fq, &f.fm, &f.dev->queues[0], 32, 0);
	fake_check(fake_device_activate(&f.fd, NULL) == 0);
	(void)fake_add(&f.fq, NULL, 0, &b, 1);
	fake_kick(&f.fq);
	spin(3);
	ok(fake_used(&f.fq, NULL, NULL), "and it starts again");
	teardown();
}

/* ---- a vCPU thread that resets while the loop works ------------------------------- */

static void *vcpu(void *arg)
{
	struct fake_buf b = { fake_alloc(&f.fm, 64, 1), 64 };
	unsigned int *wrong = arg;

	for (int i = 0; i < 500; i++) {
		uint16_t idx;

		fake_queue_init(&f.fq, &f.fm, &f.dev->queues[0], 16, FAKE_EVENT_IDX);
		fake_check(fake_device_activate(&f.fd, NULL) == 0);
		for (int k = 0; k < 8; k++)
			(void)fake_add(&f.fq, NULL, 0, &b, 1);
		fake_kick(&f.fq);
		f.dev->ops->reset(f.dev);
		idx = __atomic_load_n(&f.fq.used[1], __ATOMIC_ACQUIRE);
		memset(fake_host(&f.fm, b.gpa, 64), 0, 64);
		vq_reset(&f.dev->queues[0]);
		*wrong += !all_zero(b.gpa, 64) || idx != f.fq.used[1];
		fake_queue_release(&f.fq);
		f.fm.used = 8192; /* the rings are not used any more */
	}
	return NULL;
}

static void test_reset_from_another_thread(void)
{
	unsigned int wrong = 0;
	pthread_t thread;

	setup();
	f.fm.used = 4096;
	fake_queue_release(&f.fq);
	fake_device_reset(&f.fd);
	fake_check(pthread_create(&thread, NULL, vcpu, &wrong) == 0);
	/* The loop runs without end while the other thread works. */
	for (int i = 0; i < 100; i++)
		spin(1000);
	fake_check(pthread_join(thread, NULL) == 0);
	is_int(wrong, 0,
	       "500 resets while the loop serves: nothing was written after one");
	fake_queue_init(&f.fq, &f.fm, &f.dev->queues[0], 16, 0);
	teardown();
}

int main(void)
{
	test_fills_buffers();
	test_bounded();
	test_broken_queue();
	test_after_reset();
	test_reset_from_another_thread();
	return tap_done();
}
