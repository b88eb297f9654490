/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/vq.h"

#include <pthread.h>

#include "tests/unit/fake_driver.h"
#include "tests/unit/tap.h"

#define MAX_IOV 8u

struct fixture {
	struct fake_memory fm;
	struct vq vq;
	struct fake_queue fq;
	struct vq_chain chain;
	struct iovec iov[MAX_IOV];
	unsigned int broken;
};

static void count_broken(struct vq *vq, void *opaque)
{
	struct fixture *f = opaque;

	(void)vq;
	f->broken++;
}

static void setup(struct fixture *f, uint16_t size, unsigned int flags)
{
	memset(f, 0, sizeof(*f));
	fake_memory_init(&f->fm, 1 << 20);
	fake_check(vq_init(&f->vq, &f->fm.mem, 256, NULL) == 0);
	f->vq.on_broken = count_broken;
	f->vq.opaque = f;
	fake_queue_init(&f->fq, &f->fm, &f->vq, size, flags);
}

static void teardown(struct fixture *f)
{
	fake_queue_release(&f->fq);
	vq_release(&f->vq);
	fake_memory_release(&f->fm);
}

static int pop(struct fixture *f)
{
	return vq_pop(&f->vq, &f->chain, f->iov, MAX_IOV);
}

static void test_a_chain_goes_there_and_back(unsigned int flags)
{
	struct fixture f;
	struct fake_buf out[2], in[1];
	uint16_t head, got;
	uint32_t written;

	setup(&f, 8, flags);
	is_int(pop(&f), 0, "an empty queue gives nothing");
	out[0] = (struct fake_buf){ fake_data(&f.fm, "abc", 3), 3 };
	out[1] = (struct fake_buf){ fake_data(&f.fm, "defg", 4), 4 };
	in[0] = (struct fake_buf){ fake_alloc(&f.fm, 100, 1), 100 };
	for (int round = 0; round < 3 * 8; round++) {
		head = fake_add(&f.fq, out, 2, in, 1);
		if (pop(&f) != 1 || f.chain.head != head || f.chain.n_out != 2 ||
		    f.chain.n_in != 1 || f.chain.out_len != 7 || f.chain.in_len != 100 ||
		    memcmp(f.chain.out[1].iov_base, "defg", 4) != 0)
			break;
		memcpy(f.chain.in[0].iov_base, "xyz", 3);
		vq_push(&f.vq, f.chain.head, 3);
		vq_notify(&f.vq);
		if (!fake_used(&f.fq, &got, &written) || got != head || written != 3 ||
		    fake_interrupts(&f.fq) != 1)
			break;
		f.broken = round + 1 == 3 * 8 ? 99 : 0;
	}
	is_int(f.broken, 99, "24 chains went round a queue of 8 (flags %u)", flags);
	ok(!memcmp(fake_host(&f.fm, in[0].gpa, 3), "xyz", 3), "and the data arrived");
	teardown(&f);
}

/* What a violation must lead to, whatever it was. */
static void is_broken(struct fixture *f, const char *what)
{
	is_int(pop(f), -EPROTO, "%s: refused", what);
	is_int(pop(f), -EPROTO, "%s: for good", what);
	is_int(f->broken, 1, "%s: told once", what);
	ok(f->vq.why, "%s: %s", what, f->vq.why ? f->vq.why : "(no reason)");
	vq_push(&f->vq, 0, 0);
	vq_notify(&f->vq);
	is_int(f->fq.used[1], 0, "%s: nothing is pushed", what);
	teardown(f);
}

static void offer(struct fixture *f, const struct vring_desc *desc, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		f->fq.desc[i] = desc[i];
	fake_offer(&f->fq, 0);
}

#define GPA FAKE_MEMORY_GPA
#define END (FAKE_MEMORY_GPA + (1 << 20))

static void test_bad_chains(void)
{
	static const struct {
		const char *what;
		struct vring_desc desc[3];
	} bad[] = {
		{ "next beyond the table", { { GPA, 1, VRING_DESC_F_NEXT, 8 } } },
		{ "loop of one", { { GPA, 1, VRING_DESC_F_NEXT, 0 } } },
		{ "loop of empty buffers",
		  { { GPA, 0, VRING_DESC_F_NEXT, 1 },
		    { GPA, 0, VRING_DESC_F_NEXT, 0 } } },
		{ "readable behind writable",
		  { { GPA, 1, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1 },
		    { GPA, 1, 0, 0 } } },
		{ "address 0", { { 0, 1, 0, 0 } } },
		{ "one byte too far", { { END - 7, 8, 0, 0 } } },
		{ "address that wraps", { { UINT64_MAX - 3, 16, 0, 0 } } },
		{ "length that leaves memory", { { GPA, UINT32_MAX, 0, 0 } } },
		{ "indirect not negotiated", { { GPA, 16, VRING_DESC_F_INDIRECT, 0 } } },
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fixture f;

		setup(&f, 8, 0);
		offer(&f, bad[i].desc, 3);
		is_broken(&f, bad[i].what);
	}
}

static void test_bad_rings(void)
{
	struct fake_buf b[MAX_IOV + 1];
	struct fixture f;

	setup(&f, 8, 0);
	fake_offer(&f.fq, 8);
	is_broken(&f, "head beyond the table");

	setup(&f, 8, 0);
	*fake_avail_idx(&f.fq) = 9;
	is_broken(&f, "index that jumps");

	setup(&f, 8, 0);
	*fake_avail_idx(&f.fq) = UINT16_MAX;
	is_broken(&f, "index that goes back");

	setup(&f, 16, 0);
	for (unsigned int i = 0; i < MAX_IOV + 1; i++)
		b[i] = (struct fake_buf){ GPA, 1 };
	(void)fake_add(&f.fq, b, MAX_IOV + 1, NULL, 0);
	is_broken(&f, "more buffers than the device takes");
}

static void test_more_in_flight_than_descriptors(void)
{
	struct fixture f;

	setup(&f, 4, 0);
	f.fq.desc[0] = (struct vring_desc){ GPA, 1, 0, 0 };
	for (int i = 0; i < 4; i++)
		fake_offer(&f.fq, 0);
	for (int i = 0; i < 4; i++)
		is_int(pop(&f), 1, "chain %d of 4 is taken", i);
	fake_offer(&f.fq, 0);
	is_broken(&f, "a fifth, none given back");
}

static void test_indirect_violations(void)
{
	static const struct {
		const char *what;
		uint32_t len; /* 0: all of the table */
		uint16_t flags; /* of the descriptor that points to it */
		struct vring_desc table[2];
	} bad[] = {
		{ "indirect with next", 0, VRING_DESC_F_NEXT, { { GPA, 1, 0, 0 } } },
		{ "table of 15 bytes", 15, 0, { { GPA, 1, 0, 0 } } },
		{ "table of 33 bytes", 33, 0, { { GPA, 1, 0, 0 } } },
		{ "table too long", 16 * (VQ_MAX_INDIRECT + 1), 0, { { GPA, 1, 0, 0 } } },
		{ "nested table", 0, 0, { { GPA, 16, VRING_DESC_F_INDIRECT, 0 } } },
		{ "next beyond the indirect table",
		  0,
		  0,
		  { { GPA, 1, VRING_DESC_F_NEXT, 2 } } },
		{ "loop in the indirect table",
		  0,
		  0,
		  { { GPA, 1, VRING_DESC_F_NEXT, 1 },
		    { GPA, 1, VRING_DESC_F_NEXT, 0 } } },
		{ "indirect buffer outside", 0, 0, { { END, 1, 0, 0 } } },
	};
	struct fixture f;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vring_desc d = { .flags = VRING_DESC_F_INDIRECT };

		setup(&f, 8, FAKE_INDIRECT);
		d.addr = fake_data(&f.fm, bad[i].table, sizeof(bad[i].table));
		d.len = bad[i].len ? bad[i].len : sizeof(bad[i].table);
		d.flags |= bad[i].flags;
		offer(&f, &d, 1);
		is_broken(&f, bad[i].what);
	}
	setup(&f, 8, FAKE_INDIRECT);
	offer(&f, &(struct vring_desc){ END - 16, 32, VRING_DESC_F_INDIRECT, 0 }, 1);
	is_broken(&f, "table that leaves memory");
}

static void test_indirect_may_follow_direct(void)
{
	struct vring_desc table[2] = {
		{ GPA + 8, 8, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1 },
		{ GPA + 16, 8, VRING_DESC_F_WRITE, 0 },
	};
	struct vring_desc d[2] = {
		{ GPA, 8, VRING_DESC_F_NEXT, 1 },
		{ 0, sizeof(table), VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0 },
	};
	struct fixture f;

	setup(&f, 8, FAKE_INDIRECT);
	/* Misaligned on purpose: nothing says that a table is aligned. */
	d[1].addr = fake_alloc(&f.fm, 64, 16) + 3;
	memcpy(fake_host(&f.fm, d[1].addr, sizeof(table)), table, sizeof(table));
	offer(&f, d, 2);
	is_int(pop(&f), 1, "direct descriptors, then a misaligned table: taken");
	is_int(f.chain.n_out, 1, "one readable");
	is_int(f.chain.n_in, 2, "two writable");
	is_int(f.chain.in_len, 16, "16 bytes to write");
	teardown(&f);
}

static void test_empty_buffers_are_left_out(void)
{
	struct vring_desc d[2] = {
		{ 0, 0, VRING_DESC_F_NEXT, 1 },
		{ GPA, 8, VRING_DESC_F_WRITE, 0 },
	};
	struct fixture f;

	setup(&f, 8, 0);
	offer(&f, d, 2);
	is_int(pop(&f), 1, "a chain with an empty buffer is taken");
	is_int(f.chain.n_out, 0, "the empty one is left out");
	is_int(f.chain.n_in, 1, "the other is there");
	teardown(&f);
}

static void test_4_gib_overflow(void)
{
	/* The same 512 KiB, as often as an indirect table can name them. */
	static struct iovec iov[VQ_MAX_INDIRECT];
	static struct vring_desc table[VQ_MAX_INDIRECT];
	struct fixture f;
	struct vq_chain chain;

	memset(&f, 0, sizeof(f));
	fake_memory_init(&f.fm, 8 << 20);
	fake_check(vq_init(&f.vq, &f.fm.mem, 8, NULL) == 0);
	fake_queue_init(&f.fq, &f.fm, &f.vq, 8, FAKE_INDIRECT);
	for (uint16_t i = 0; i < VQ_MAX_INDIRECT; i++)
		table[i] = (struct vring_desc){ GPA, 4 << 20, VRING_DESC_F_NEXT,
						(uint16_t)(i + 1) };
	table[VQ_MAX_INDIRECT - 1].flags = 0;
	offer(&f,
	      &(struct vring_desc){ fake_data(&f.fm, table, sizeof(table)), sizeof(table),
				    VRING_DESC_F_INDIRECT, 0 },
	      1);
	is_int(vq_pop(&f.vq, &chain, iov, VQ_MAX_INDIRECT), -EPROTO,
	       "a chain of 4 GiB is refused");
	teardown(&f);
}

static void test_event_idx_suppresses_interrupts(void)
{
	struct fake_buf b = { GPA, 8 };
	struct fixture f;

	setup(&f, 8, FAKE_EVENT_IDX);
	for (int i = 0; i < 4; i++)
		(void)fake_add(&f.fq, NULL, 0, &b, 1);
	*fake_used_event(&f.fq) = 2; /* tell me of the third */
	for (int i = 0; i < 2; i++) {
		is_int(pop(&f), 1, "popped");
		vq_push(&f.vq, f.chain.head, 0);
		vq_notify(&f.vq);
	}
	is_int(fake_interrupts(&f.fq), 0, "no interrupt before used_event");
	is_int(pop(&f), 1, "popped");
	vq_push(&f.vq, f.chain.head, 0);
	vq_notify(&f.vq);
	is_int(fake_interrupts(&f.fq), 1, "one at used_event");
	vq_notify(&f.vq);
	is_int(fake_interrupts(&f.fq), 0, "none when nothing was pushed");
	is_int(pop(&f), 1, "popped");
	vq_push(&f.vq, f.chain.head, 0);
	vq_notify(&f.vq);
	is_int(fake_interrupts(&f.fq), 0, "none beyond it");
	teardown(&f);
}

static void test_batch_crosses_used_event(void)
{
	struct fake_buf b = { GPA, 8 };
	struct fixture f;

	setup(&f, 8, FAKE_EVENT_IDX);
	*fake_used_event(&f.fq) = 1;
	for (int i = 0; i < 4; i++) {
		(void)fake_add(&f.fq, NULL, 0, &b, 1);
		is_int(pop(&f), 1, "popped");
		vq_push(&f.vq, f.chain.head, 0);
	}
	vq_notify(&f.vq);
	is_int(fake_interrupts(&f.fq), 1,
	       "a batch that crosses used_event interrupts once");
	teardown(&f);
}

static void test_flags_suppress_interrupts(void)
{
	struct fake_buf b = { GPA, 8 };
	struct fixture f;

	setup(&f, 8, 0);
	(void)fake_add(&f.fq, NULL, 0, &b, 1);
	(void)fake_add(&f.fq, NULL, 0, &b, 1);
	f.fq.avail[0] = VRING_AVAIL_F_NO_INTERRUPT;
	is_int(pop(&f), 1, "popped");
	vq_push(&f.vq, f.chain.head, 0);
	vq_notify(&f.vq);
	is_int(fake_interrupts(&f.fq), 0, "NO_INTERRUPT is heeded");
	f.fq.avail[0] = 0;
	is_int(pop(&f), 1, "popped");
	vq_push(&f.vq, f.chain.head, 0);
	vq_notify(&f.vq);
	is_int(fake_interrupts(&f.fq), 1, "and an interrupt comes without it");
	teardown(&f);
}

static void test_kick_suppression(void)
{
	struct fake_buf b = { GPA, 8 };
	struct fixture f;

	setup(&f, 8, FAKE_EVENT_IDX);
	(void)fake_add(&f.fq, NULL, 0, &b, 1);
	ok(vq_enable_kicks(&f.vq), "event idx: something is there already");
	is_int(pop(&f), 1, "popped");
	ok(!vq_enable_kicks(&f.vq), "event idx: now wait");
	is_int(*fake_avail_event(&f.fq), 1, "avail_event asks for the next");
	is_int(f.fq.used[0], 0, "flags stay 0");
	vq_disable_kicks(&f.vq);
	is_int(f.fq.used[0], 0, "also when kicks are unwanted");
	teardown(&f);

	setup(&f, 8, 0);
	vq_disable_kicks(&f.vq);
	is_int(f.fq.used[0], VRING_USED_F_NO_NOTIFY, "flags: NO_NOTIFY");
	(void)fake_add(&f.fq, NULL, 0, &b, 1);
	ok(vq_enable_kicks(&f.vq), "flags: something has come meanwhile");
	is_int(f.fq.used[0], 0, "flags: kicks wanted again");
	teardown(&f);
}

static void test_enable_checks(void)
{
	struct fixture f;
	struct err err = ERR_INIT;

	setup(&f, 8, 0);
	vq_reset(&f.vq);
	is_int(f.vq.size, 256, "reset offers the largest size again");
	is_int(pop(&f), 0, "a queue that is not enabled gives nothing");
	vq_push(&f.vq, 0, 0);
	vq_notify(&f.vq);
	ok(!vq_enable_kicks(&f.vq), "and takes nothing");
	is_int(vq_enable(&f.vq, &err), -EINVAL, "addresses of 0 are refused");
	is_str(err.msg,
	       "descriptor table at 0x0 is misaligned or outside of guest memory",
	       "by name");
	f.vq.desc_gpa = GPA;
	f.vq.avail_gpa = GPA + 0x2001;
	f.vq.used_gpa = GPA + 0x4000;
	is_int(vq_enable(&f.vq, &err), -EINVAL, "a misaligned ring is refused");
	f.vq.avail_gpa = GPA + 0x2000;
	f.vq.used_gpa = END - 2052;
	is_int(vq_enable(&f.vq, &err), -EINVAL, "a ring that leaves memory is refused");
	f.vq.used_gpa = END - 2056;
	is_int(vq_enable(&f.vq, &err), 0, "one that just fits is taken");
	vq_reset(&f.vq);
	f.vq.desc_gpa = f.vq.avail_gpa = f.vq.used_gpa = GPA;
	for (unsigned int size = 0; size <= 1024; size += 24) {
		f.vq.size = (uint16_t)size;
		if (vq_enable(&f.vq, NULL) != -EINVAL)
			break;
	}
	is_int(f.vq.size, 1008,
	       "sizes that are no power of 2, or too large, are refused");
	teardown(&f);
}

/* ---- workers: many threads pop and push while the driver adds ------------------ */

#define CHAINS 20000u

struct crew {
	struct fixture *f;
	unsigned int done;
};

static void *work(void *arg)
{
	struct crew *c = arg;
	struct vq_chain chain;
	struct iovec iov[MAX_IOV];

	while (__atomic_load_n(&c->done, __ATOMIC_RELAXED) < CHAINS) {
		if (vq_pop(&c->f->vq, &chain, iov, MAX_IOV) != 1)
			continue;
		memcpy(chain.in[0].iov_base, chain.out[0].iov_base, 4);
		vq_push(&c->f->vq, chain.head, 4);
		vq_notify(&c->f->vq);
		__atomic_add_fetch(&c->done, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_many_workers(void)
{
	struct fake_buf out, in[64];
	struct fixture f;
	struct crew crew = { .f = &f };
	pthread_t threads[3];
	unsigned int added = 0, back = 0, wrong = 0;
	uint32_t written;
	uint16_t head;

	setup(&f, 64, FAKE_EVENT_IDX);
	out = (struct fake_buf){ fake_data(&f.fm, "data", 4), 4 };
	for (int i = 0; i < 64; i++)
		in[i] = (struct fake_buf){ fake_alloc(&f.fm, 4, 4), 4 };
	for (int i = 0; i < 3; i++)
		fake_check(pthread_create(&threads[i], NULL, work, &crew) == 0);
	while (back < CHAINS) {
		while (added < CHAINS && f.fq.n_free >= 2)
			(void)fake_add(&f.fq, &out, 1, &in[added++ % 64], 1);
		while (fake_used(&f.fq, &head, &written)) {
			wrong += written != 4;
			back++;
		}
	}
	for (int i = 0; i < 3; i++)
		fake_check(pthread_join(threads[i], NULL) == 0);
	is_int(wrong, 0, "%u chains through three workers", CHAINS);
	ok(fake_interrupts(&f.fq) > 0, "with interrupts");
	ok(!f.vq.broken, "and no violation was seen");
	teardown(&f);
}

int main(void)
{
	test_a_chain_goes_there_and_back(0);
	test_a_chain_goes_there_and_back(FAKE_EVENT_IDX);
	test_a_chain_goes_there_and_back(FAKE_INDIRECT | FAKE_EVENT_IDX);
	test_bad_chains();
	test_bad_rings();
	test_more_in_flight_than_descriptors();
	test_indirect_violations();
	test_indirect_may_follow_direct();
	test_empty_buffers_are_left_out();
	test_4_gib_overflow();
	test_event_idx_suppresses_interrupts();
	test_batch_crosses_used_event();
	test_flags_suppress_interrupts();
	test_kick_suppression();
	test_enable_checks();
	test_many_workers();
	return tap_done();
}
