/* SPDX-License-Identifier: Apache-2.0 */
/* Of a virtqueue: chains that are given back together, or again, and a queue that
 * another serves for a while. */
#include "vmm/virtio/vq.h"

#include <pthread.h>

#include "tests/unit/fake_driver.h"
#include "tests/unit/tap.h"

static struct fake_memory fm;
static struct vq vq;
static struct fake_queue fq;
static struct vq_chain chain;
static struct iovec iov[8];
static unsigned int broken;

static void count_broken(struct vq *q, void *opaque)
{
	(void)q;
	(void)opaque;
	broken++;
}

static void setup(unsigned int flags)
{
	broken = 0;
	fake_memory_init(&fm, 1 << 20);
	fake_check(vq_init(&vq, &fm.mem, 16, NULL) == 0);
	vq.on_broken = count_broken;
	fake_queue_init(&fq, &fm, &vq, 8, flags);
}

static void teardown(void)
{
	fake_queue_release(&fq);
	vq_release(&vq);
	fake_memory_release(&fm);
}

static uint16_t add(void)
{
	struct fake_buf in = { fake_alloc(&fm, 16, 1), 16 };

	return fake_add(&fq, NULL, 0, &in, 1);
}

static int pop(void)
{
	return vq_pop(&vq, &chain, iov, 8);
}

/* A driver that looks at the used index all the time. */
static void *watch(void *arg)
{
	unsigned int *odd = arg;
	uint16_t idx;

	do {
		idx = __atomic_load_n(&fq.used[1], __ATOMIC_ACQUIRE);
		*odd += idx % 5 != 0;
	} while (idx != 50000);
	return NULL;
}

static void test_push_many(void)
{
	struct vq_used used[5];
	unsigned int odd = 0;
	uint32_t written = 0;
	pthread_t thread;

	setup(FAKE_EVENT_IDX);
	fake_check(pthread_create(&thread, NULL, watch, &odd) == 0);
	for (unsigned int round = 0; round < 10000; round++) {
		for (uint16_t i = 0; i < 5; i++) {
			fake_offer(&fq, i);
			fq.desc[i] = (struct vring_desc){ FAKE_MEMORY_GPA, 1, 0, 0 };
			fake_check(pop() == 1);
			used[i] = (struct vq_used){ chain.head, round + i };
		}
		vq_push_many(&vq, used, 5);
	}
	fake_check(pthread_join(thread, NULL) == 0);
	is_int(odd, 0, "five chains at a time: the driver sees all of them or none");
	memcpy(&written, &fq.used[2 + 4 * (49999 % 8) + 2], sizeof(written));
	is_int(written, 9999 + 4, "with their lengths");
	teardown();
	setup(0);
	fq.used_seen = 0;
	for (int i = 0; i < 5; i++) {
		used[i].head = add();
		fake_check(pop() == 1);
	}
	vq_push_many(&vq, used, 5);
	vq_notify(&vq);
	is_int(fake_interrupts(&fq), 1, "and one interrupt");
	teardown();
}

static void test_unpop(void)
{
	uint16_t first, second, third;

	setup(FAKE_EVENT_IDX);
	first = add();
	second = add();
	third = add();
	for (int i = 0; i < 3; i++)
		fake_check(pop() == 1);
	vq_push(&vq, first, 1);
	vq_unpop(&vq, 2);
	ok(vq_enable_kicks(&vq), "what was taken is available again");
	ok(pop() == 1 && chain.head == second, "the second chain");
	ok(pop() == 1 && chain.head == third, "and the third");
	is_int(pop(), 0, "no more");
	vq_unpop(&vq, 0);
	is_int(pop(), 0, "nothing given back: the same");
	is_int(broken, 0, "nothing is broken");
	teardown();
}

/* serve() - another takes a chain, as the host's kernel does. */
static void serve(const struct vq_rings *r, uint16_t *last_avail)
{
	uint16_t *used = r->used;
	struct vring_used_elem e = { 0, 7 };

	e.id = ((uint16_t *)r->avail)[2 + *last_avail % r->size];
	memcpy(&used[2 + 4 * (used[1] % r->size)], &e, sizeof(e));
	used[1]++;
	(*last_avail)++;
}

static void test_hand_out(unsigned int flags)
{
	uint16_t heads[3], got, at;
	struct vq_rings r = { 0 };

	setup(flags);
	for (int i = 0; i < 3; i++)
		heads[i] = add();
	fake_check(pop() == 1);
	vq_push(&vq, chain.head, 1);
	ok(vq_hand_out(&vq, &r), "a queue is handed out (flags %u)", flags);
	ok(r.size == 8 && r.last_avail == 1 && r.desc == (void *)fq.desc &&
		   r.avail == (void *)fq.avail && r.used == (void *)fq.used &&
		   r.kick_fd == vq.kick_fd && r.call_fd == fq.call_fd,
	   "with all that it takes to serve it");
	ok(!vq_hand_out(&vq, &r), "once");
	is_int(pop(), 0, "meanwhile it gives nothing");
	vq_push(&vq, heads[0], 9);
	vq_unpop(&vq, 1);
	vq_disable_kicks(&vq);
	vq_notify(&vq);
	is_int(fq.used[1], 1, "and nobody writes there");
	is_int(fq.used[0], 0, "nor flags");
	ok(!vq_enable_kicks(&vq), "it has no work for us");
	at = r.last_avail;
	serve(&r, &at);
	vq_take_back(&vq, at);
	ok(pop() == 1 && chain.head == heads[2], "we go on where the other stopped");
	vq_push(&vq, chain.head, 3);
	vq_notify(&vq);
	is_int(fake_interrupts(&fq), 1, "with an interrupt");
	for (int i = 0; i < 3; i++)
		ok(fake_used(&fq, &got, NULL) && got == heads[i], "chain %d is back", i);
	teardown();
}

static void test_bad_used_index(void)
{
	struct vq_rings r;

	setup(0);
	fake_check(vq_hand_out(&vq, &r));
	fq.used[1] = 1; /* more than was ever available */
	vq_take_back(&vq, 0);
	is_int(broken, 1, "the guest wrote the used index: the queue is broken");
	is_str(vq.why, "a used index that jumps", "why");
	is_int(pop(), -EPROTO, "it gives nothing");
	ok(!vq_hand_out(&vq, &r), "nor is it handed out again");
	teardown();
	setup(0);
	vq_reset(&vq);
	ok(!vq_hand_out(&vq, &r), "nor one that is not enabled");
	fake_check(close(fq.call_fd) == 0);
	fake_queue_init(&fq, &fm, &vq, 8, 0);
	fake_check(vq_hand_out(&vq, &r));
	vq_reset(&vq);
	vq_take_back(&vq, 77);
	is_int(vq.last_avail, 0, "after a reset nothing comes back");
	fake_check(close(fq.call_fd) == 0);
	fake_queue_init(&fq, &fm, &vq, 8, 0);
	(void)add();
	is_int(pop(), 1, "and it is ours again");
	teardown();
}

int main(void)
{
	test_push_many();
	test_unpop();
	test_hand_out(0);
	test_hand_out(FAKE_EVENT_IDX);
	test_bad_used_index();
	return tap_done();
}
