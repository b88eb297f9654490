/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/net/tap*.c: packets between rings and a tap, by a thread. */
#include "tests/unit/fake_card.h"
#include "tests/unit/tap.h"

#define ALL (F(MRG_RXBUF) | F(CTRL_VQ) | F(MQ) | MODERN)
#define PLAIN (F(CTRL_VQ) | F(MQ) | MODERN)

static struct card c;

static const uint32_t sizes[] = { 60, 1500, 1514, 4096, 9014, 32768, 65535, 65550 };
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void setup(unsigned int n_pairs, uint64_t features, unsigned int flags)
{
	card_init(&c, n_pairs);
	fake_check(card_attach(&c) == 0);
	card_start(&c, features, flags);
}

static void teardown(void)
{
	card_stop(&c);
	card_release(&c);
}

static void test_send(unsigned int flags)
{
	unsigned int good = 0, back = 0;

	setup(1, ALL, flags);
	for (unsigned int i = 0; i < SIZES; i++)
		for (unsigned int pieces = 1; pieces <= 40; pieces += 13) {
			card_send(&c, 0, sizes[i], pieces);
			good += card_sees(&c, 0, c.sent - 1, sizes[i]);
			back += soon(fake_used(&c.q[1], NULL, NULL));
		}
	is_int(good, SIZES * 4, "packets of 60 to 65550 bytes are sent (flags %u)",
	       flags);
	is_int(back, SIZES * 4, "and given back");
	is_int(card_stats(&c).tx_packets, SIZES * 4, "counted");
	is_int(card_stats(&c).tx_dropped, 0, "none dropped");
	teardown();
}

/* receive_all() - one packet of each size into chains of @len bytes. */
static unsigned int receive_all(uint32_t len, unsigned int pieces)
{
	unsigned int good = 0;

	for (unsigned int i = 0; i < SIZES; i++) {
		unsigned int n = (sizes[i] + NET_HDR_SIZE + len - 1) / len;

		card_post(&c, 0, n, len, pieces);
		fake_check(card_arrive(&c, 0, i, sizes[i]));
		good += card_gets(&c, 0, i, sizes[i]);
	}
	return good;
}

static void test_receive(unsigned int flags)
{
	static const struct {
		uint32_t len;
		unsigned int pieces;
	} chains[] = {
		{ 65562, 1 }, { 65562, 40 }, { 4096, 1 }, { 1536, 2 }, { 300, 1 }
	};

	for (unsigned int i = 0; i < 5; i++) {
		setup(1, ALL, flags);
		is_int(receive_all(chains[i].len, chains[i].pieces), SIZES,
		       "packets of 60 to 65550 bytes arrive in chains of %u (flags %u)",
		       chains[i].len, flags);
		is_int(card_stats(&c).rx_packets, SIZES, "counted");
		teardown();
	}
	setup(1, PLAIN, flags);
	is_int(receive_all(65562, 19), SIZES, "without mergeable buffers too");
	teardown();
}

/* Buffers that are there stay there: what is popped ahead is for later packets. */
static void test_buffers_are_kept(void)
{
	unsigned int good = 0, n = 0;

	setup(1, ALL, FAKE_EVENT_IDX);
	card_post(&c, 0, 200, 1536, 1);
	for (unsigned int i = 0; i < 190; i++) {
		fake_check(card_arrive(&c, 0, i, 60 + i));
		good += card_gets(&c, 0, i, 60 + i);
	}
	is_int(good, 190, "200 buffers posted at once take 190 packets");
	fake_check(card_arrive(&c, 0, 1, 10 * 1536 - 100));
	ok(soon(card_receive(&c, 0, &n) > 0), "and a long one");
	is_int(n, 10, "in 10 buffers");
	teardown();
}

static void test_without_buffers(void)
{
	unsigned int good = 0;

	setup(1, ALL, FAKE_EVENT_IDX);
	for (unsigned int i = 0; i < 20; i++)
		fake_check(card_arrive(&c, 0, i, 1000 + i));
	(void)usleep(2000);
	is_int(card_receive(&c, 0, NULL), 0, "without buffers nothing arrives");
	for (unsigned int i = 0; i < 20; i++) {
		card_post(&c, 0, 1, 1536, 1);
		good += card_gets(&c, 0, i, 1000 + i);
	}
	is_int(good, 20, "then all in their order, a buffer at a time");
	fake_check(card_arrive(&c, 0, 7, 20000));
	fake_check(card_arrive(&c, 0, 8, 100));
	for (unsigned int i = 0; i < 13; i++) {
		card_post(&c, 0, 1, 1536, 1);
		good += card_receive(&c, 0, NULL) != 0;
	}
	is_int(good, 20, "a long packet waits for all its buffers");
	card_post(&c, 0, 1, 1536, 1);
	ok(card_gets(&c, 0, 7, 20000), "and is whole then");
	card_post(&c, 0, 1, 1536, 1);
	ok(card_gets(&c, 0, 8, 100), "the next one comes after it");
	is_int(card_stats(&c).rx_dropped, 0, "nothing was dropped");
	teardown();
}

static void test_too_long(void)
{
	card_init(&c, 1);
	fake_check(card_attach(&c) == 0);
	card_start_sized(&c, ALL, 16, 0);
	card_post(&c, 0, 16, 1536, 1);
	fake_check(card_arrive(&c, 0, 1, 30000));
	ok(soon(card_stats(&c).rx_dropped == 1),
	   "a packet that the whole ring cannot hold is dropped");
	fake_check(card_arrive(&c, 0, 2, 16 * 1536 - NET_HDR_SIZE));
	ok(card_gets(&c, 0, 2, 16 * 1536 - NET_HDR_SIZE), "one that just fits is not");
	card_stop(&c);
	card_start(&c, PLAIN, 0);
	card_post(&c, 0, 4, 1526, 1);
	fake_check(card_arrive(&c, 0, 3, 1515));
	fake_check(card_arrive(&c, 0, 4, 1514));
	ok(card_gets(&c, 0, 4, 1514),
	   "without mergeable buffers a packet longer than the chain is dropped");
	is_int(card_stats(&c).rx_dropped, 2, "counted");
	teardown();
}

static void raw_send(uint32_t len, bool writable)
{
	struct fake_buf b = { fake_alloc(&c.fm, 1u << 20, 8), len };

	if (writable)
		(void)fake_add(&c.q[1], NULL, 0, &b, 1);
	else
		(void)fake_add(&c.q[1], &b, 1, NULL, 0);
	fake_kick(&c.q[1]);
}

static void test_malformed_sends(void)
{
	static const uint32_t lengths[] = { 1, 11, 12, NET_MAX_PACKET + 1, 1u << 20 };
	unsigned int back = 0;

	setup(1, ALL, FAKE_EVENT_IDX);
	for (unsigned int i = 0; i < 5; i++)
		raw_send(lengths[i], false);
	raw_send(100, true);
	ok(soon((back += fake_used(&c.q[1], NULL, NULL)) == 6),
	   "chains without header or packet, oversize ones, writable ones come back");
	is_int(card_stats(&c).tx_dropped, 6, "dropped");
	card_send(&c, 0, 100, 2);
	ok(card_sees(&c, 0, 0, 100), "and a good one is sent behind them");
	is_int(c.fd.needs_reset, 0, "none of them breaks the card");
	teardown();
}

static void test_odd_receive_buffers(void)
{
	struct fake_buf out = { 0 };

	setup(1, ALL, 0);
	out = (struct fake_buf){ fake_alloc(&c.fm, 2000, 8), 2000 };
	(void)fake_add(&c.q[0], &out, 1, NULL, 0);
	card_post(&c, 0, 1, 8, 1);
	card_post(&c, 0, 1, 1536, 1);
	fake_check(card_arrive(&c, 0, 1, 100));
	ok(soon(card_stats(&c).rx_packets == 1),
	   "a chain without room, one shorter than the header");
	is_int(*(char *)fake_host(&c.fm, out.gpa, 1), 0,
	       "what is readable is not written");
	fake_offer(&c.q[0], CARD_QUEUE);
	fake_kick(&c.q[0]);
	ok(soon(__atomic_load_n(&c.fd.needs_reset, __ATOMIC_SEQ_CST) == 1),
	   "a malformed ring makes the card NEEDS_RESET");
	card_send(&c, 0, 100, 1);
	ok(card_sees(&c, 0, 0, 100), "the other queue goes on");
	teardown();
}

/* The tap is full: the thread waits, and goes on where it was. */
static void test_full_tap(void)
{
	unsigned int good = 0, sent = 0;

	setup(1, ALL, FAKE_EVENT_IDX);
	for (unsigned int i = 0; i < 60; i++)
		card_send(&c, 0, 65000, 1);
	(void)usleep(20000);
	sent = (unsigned int)card_stats(&c).tx_packets;
	ok(sent < 60, "a tap that is full takes %u of 60", sent);
	for (unsigned int i = 0; i < 60; i++)
		good += card_sees(&c, 0, i, 65000);
	is_int(good, 60, "the others wait, and keep their order");
	is_int(card_stats(&c).tx_dropped, 0, "nothing was dropped");
	/* Stopped while it waits. */
	card_stop(&c);
	card_start(&c, ALL, FAKE_EVENT_IDX);
	for (unsigned int i = 0; i < 60; i++)
		card_send(&c, 0, 65000, 1);
	(void)usleep(2000);
	teardown();
}

/* A queue that always has something does not keep the thread from the others. */
static void test_flood(void)
{
	unsigned int good = 0, back = 0;
	struct fake_buf bad;

	setup(4, ALL, FAKE_EVENT_IDX);
	bad = (struct fake_buf){ fake_alloc(&c.fm, 16, 8), 4 };
	for (unsigned int i = 0; i < CARD_QUEUE; i++)
		(void)fake_add(&c.q[1], &bad, 1, NULL, 0);
	fake_kick(&c.q[1]);
	for (unsigned int pair = 1; pair < 4; pair++) {
		card_post(&c, pair, 4, 1536, 1);
		card_send(&c, pair, 700, 2);
		fake_check(card_arrive(&c, pair, pair, 800));
	}
	for (double end = card_now() + 10; good < 6 && card_now() < end;) {
		while (fake_used(&c.q[1], NULL, NULL)) {
			back++;
			(void)fake_add(&c.q[1], &bad, 1, NULL, 0);
			fake_kick(&c.q[1]);
		}
		for (unsigned int pair = 1; back > 1000 && pair < 4; pair++) {
			good += recv(c.peer[pair], c.frame, sizeof(c.frame), 0) ==
				NET_HDR_SIZE + 700;
			good += card_receive(&c, pair, NULL) == NET_HDR_SIZE + 800;
		}
	}
	is_int(good, 6, "three other pairs send and receive beside a flood (%u)", back);
	teardown();
}

/* A long run in both directions, with few interrupts and kicks. */
static void test_stream(unsigned int flags)
{
	unsigned int sent = 0, seen = 0, arrived = 0, got = 0, wrong = 0, interrupts = 0;
	double until = card_now() + 30;
	struct fake_buf tx[64];
	gpa_t room[64];

	setup(1, ALL, flags);
	for (unsigned int i = 0; i < 64; i++) {
		room[i] = fake_alloc(&c.fm, 2048, 8);
		tx[i] = (struct fake_buf){ room[i], NET_HDR_SIZE + 1000 };
	}
	card_post(&c, 0, 128, 600, 1);
	while ((seen < 5000 || got < 5000) && card_now() < until) {
		long len;

		while (fake_used(&c.q[1], NULL, NULL))
			;
		while (sent < 5000 && sent - seen < 64 && c.q[1].n_free) {
			card_fill(fake_host(&c.fm, room[sent % 64], 1012), sent, 1000);
			(void)fake_add(&c.q[1], &tx[sent % 64], 1, NULL, 0);
			sent++;
			if (sent % 8 == 0)
				fake_kick(&c.q[1]);
		}
		while (arrived < 5000 && arrived - got < 100 &&
		       card_arrive(&c, 0, arrived, 500 + arrived % 1000))
			arrived++;
		while (recv(c.peer[0], c.frame, sizeof(c.frame), 0) > 0) {
			wrong += !card_is(c.frame, seen, 1000);
			seen++;
		}
		while ((len = card_receive(&c, 0, NULL)) > 0) {
			wrong += len != (long)(NET_HDR_SIZE + 500 + got % 1000) ||
				 !card_is(c.frame, got, 500 + got % 1000);
			got++;
		}
		interrupts += (unsigned int)fake_interrupts(&c.q[0]);
		while (c.q[0].n_free > 128 && c.fm.used + 4096 < c.fm.size)
			card_post(&c, 0, 1, 600, 1);
	}
	is_int(seen, 5000, "5000 packets out (flags %u)", flags);
	is_int(got, 5000, "5000 packets in");
	is_int(wrong, 0, "all as they were, in order");
	ok(interrupts > 0 && interrupts <= 20000, "%u interrupts", interrupts);
	teardown();
}

int main(void)
{
	test_send(0);
	test_send(FAKE_EVENT_IDX);
	test_send(FAKE_EVENT_IDX | FAKE_INDIRECT);
	test_receive(0);
	test_receive(FAKE_EVENT_IDX);
	test_receive(FAKE_EVENT_IDX | FAKE_INDIRECT);
	test_buffers_are_kept();
	test_without_buffers();
	test_too_long();
	test_malformed_sends();
	test_odd_receive_buffers();
	test_full_tap();
	test_flood();
	test_stream(0);
	test_stream(FAKE_EVENT_IDX);
	return tap_done();
}
