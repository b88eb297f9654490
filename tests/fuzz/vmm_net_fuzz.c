/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile driver of a network card: chains of any kind in its queues, commands,
 * resets, while packets arrive and taps come and go.  The thread behind the card runs
 * as it likes meanwhile.
 *
 * Input: one byte of ring flags, one of features, then the script.
 */
#define CARD_MEMORY (512u << 10)

#include <sched.h>

#include "tests/fuzz/input.h"
#include "tests/unit/fake_card.h"

#define PAIRS 2u
#define SIZE 16u /* of the packet queues */
#define DATA_SIZE (256u << 10)

static struct {
	struct card c;
	uint8_t flags;
	uint64_t features;
	gpa_t data;
	uint16_t slot[2 * PAIRS + 1];
	uint64_t arrived;
	uint64_t offered; /* chains to send */
} f;

static void start(void)
{
	f.c.n_queues = f.features & F(MQ) ? 2 * PAIRS + 1 : 3;
	card_start_sized(&f.c, f.features, SIZE,
			 f.flags & (FAKE_EVENT_IDX | FAKE_INDIRECT));
	f.data = fake_alloc(&f.c.fm, DATA_SIZE, 8);
	memset(f.slot, 0, sizeof(f.slot));
}

/* buffer() - mostly one that may be, somewhere in the data. */
static struct vring_desc buffer(struct input *in, uint8_t kind, bool writable)
{
	struct vring_desc d = {
		.addr = f.data + input_u16(in) * 2u,
		.len = kind & 1 ? input_u16(in) : input_u8(in),
		.flags = writable ? VRING_DESC_F_WRITE : 0,
	};

	if ((kind & 0xf0) == 0xf0)
		d.addr = input_u64(in);
	if ((kind & 0xf0) == 0xe0)
		d.len = input_u32(in);
	if ((kind & 0xf0) == 0xd0)
		d.flags ^= input_u8(in) & 7;
	return d;
}

/* chain() - of a few buffers, offered and kicked. */
static void chain(struct input *in, unsigned int q, bool writable)
{
	struct fake_queue *fq = &f.c.q[q];
	uint8_t kind = input_u8(in);
	unsigned int n = 1 + (kind >> 1) % 6;
	uint16_t head = f.slot[q];

	for (unsigned int i = 0; i < n; i++) {
		struct vring_desc d = buffer(in, kind, writable);

		if (i + 1 < n) {
			d.flags |= VRING_DESC_F_NEXT;
			d.next = (uint16_t)((f.slot[q] + 1) % fq->size);
		}
		fq->desc[f.slot[q]] = d;
		f.slot[q] = (uint16_t)((f.slot[q] + 1) % fq->size);
	}
	fake_offer(fq, head);
	fake_kick(fq);
	f.offered += q % 2;
}

/* indirect() - a chain of many buffers. */
static void indirect(struct input *in, unsigned int q, bool writable)
{
	struct fake_queue *fq = &f.c.q[q];
	gpa_t at = f.data + (input_u8(in) % 16) * 4096u;
	uint16_t n = (uint16_t)(1 + input_u16(in) % 300);
	struct vring_desc *table = fake_host(&f.c.fm, at, n * sizeof(*table));
	uint8_t len = input_u8(in);

	for (uint16_t i = 0; i < n; i++)
		table[i] = (struct vring_desc){
			.addr = f.data + i * 16u,
			.len = len,
			.flags = (uint16_t)((writable ? VRING_DESC_F_WRITE : 0) |
					    (i + 1 < n ? VRING_DESC_F_NEXT : 0)),
			.next = (uint16_t)(i + 1),
		};
	fq->desc[f.slot[q]] = (struct vring_desc){
		.addr = at,
		.len = (uint32_t)(n * sizeof(*table)),
		.flags = VRING_DESC_F_INDIRECT,
	};
	fake_offer(fq, f.slot[q]);
	f.slot[q] = (uint16_t)((f.slot[q] + 1) % fq->size);
	fake_kick(fq);
	f.offered += q % 2;
}

/* command() - one or two buffers, and room for an answer or none. */
static void command(struct input *in)
{
	unsigned int q = f.c.n_queues - 1;
	struct fake_queue *fq = &f.c.q[q];
	uint8_t len = input_u8(in);
	gpa_t at = f.data + DATA_SIZE - 1024;
	struct vring_desc d[3] = {
		{ .addr = at, .len = len % 16 + 1u },
		{ .addr = at, .len = len },
		{ .addr = at + 512, .len = 1, .flags = VRING_DESC_F_WRITE }
	};
	uint16_t head = f.slot[q];

	input_bytes(in, fake_host(&f.c.fm, at, 16), len % 16 + 1u);
	for (unsigned int i = 0; i < 3; i++) {
		bool last = i == 2 || (i == 1 && len & 64);

		if (i == 1 && !(len & 128))
			continue;
		f.slot[q] = (uint16_t)((f.slot[q] + 1) % fq->size);
		if (!last) {
			d[i].flags |= VRING_DESC_F_NEXT;
			d[i].next = f.slot[q];
		}
		fq->desc[(f.slot[q] + fq->size - 1) % fq->size] = d[i];
		if (last)
			break;
	}
	fake_offer(fq, head);
	fake_kick(fq);
	card_spin(&f.c);
}

static void arrive(struct input *in)
{
	unsigned int pair = input_u8(in) % PAIRS;
	uint32_t len = NET_HDR_SIZE + input_u16(in);

	if (f.c.peer[pair] < 0)
		return;
	if (send(f.c.peer[pair], f.c.frame, len, MSG_NOSIGNAL) > 0)
		f.arrived++;
}

/* check() - when there is nothing behind the card nothing is popped and not used. */
static void check(void)
{
	struct net_stats s = card_stats(&f.c);

	net_detach(f.c.dev);
	for (unsigned int i = 0; i < f.c.n_queues - 1; i++) {
		const struct vq *vq = &f.c.dev->queues[i];

		must(vq->broken || vq->last_avail == vq->used_idx);
	}
	s = card_stats(&f.c);
	must(s.rx_packets + s.rx_dropped <= f.arrived);
	must(s.tx_packets + s.tx_dropped <= f.offered);
}

static void come_and_go(struct input *in)
{
	switch (input_u8(in) % 6) {
	case 0:
		check();
		break;
	case 1:
	case 2:
		must(card_attach(&f.c) == 0);
		break;
	case 3:
		net_set_carrier(f.c.dev, input_u8(in) & 1);
		break;
	case 4:
		card_stop(&f.c);
		f.features ^= F(MRG_RXBUF);
		start();
		break;
	default:
		card_spin(&f.c);
		break;
	}
}

/* rest() - let the thread work, and see what it has sent. */
static void rest(void)
{
	for (unsigned int i = 0; i < 8; i++)
		(void)sched_yield();
	for (unsigned int pair = 0; pair < PAIRS; pair++)
		while (f.c.peer[pair] >= 0 &&
		       recv(f.c.peer[pair], f.c.frame, sizeof(f.c.frame), 0) > 0)
			;
}

static void scribble(struct input *in)
{
	struct fake_queue *fq = &f.c.q[input_u8(in) % f.c.n_queues];

	switch (input_u8(in) % 16) {
	case 0:
		__atomic_store_n(fake_avail_idx(fq), input_u16(in), __ATOMIC_RELEASE);
		f.offered += SIZE; /* at most: a longer jump breaks the queue */
		break;
	case 1:
		fq->used[1] = input_u16(in);
		break;
	case 2:
		*fake_used_event(fq) = input_u16(in);
		break;
	default:
		fq->avail[0] ^= 1;
		break;
	}
	fake_kick(fq);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	memset(&f, 0, sizeof(f));
	f.flags = input_u8(&in);
	f.features = MODERN | F(CTRL_VQ) | F(CTRL_MAC_ADDR);
	if (f.flags & 4)
		f.features |= F(MRG_RXBUF);
	if (!(f.flags & 8))
		f.features |= F(MQ);
	card_init(&f.c, PAIRS);
	if (f.flags & 16)
		must(card_attach(&f.c) == 0);
	start();
	for (unsigned int i = 0; i < 200 && in.left; i++) {
		uint8_t what = input_u8(&in);
		unsigned int pair = f.c.n_queues > 3 ? what >> 7 : 0;

		switch (what % 9) {
		case 0:
			chain(&in, 2 * pair + 1, false);
			break;
		case 1:
		case 2:
			chain(&in, 2 * pair, true);
			break;
		case 3:
			indirect(&in, 2 * pair + (what >> 6) % 2, !((what >> 6) % 2));
			break;
		case 4:
			arrive(&in);
			break;
		case 5:
			command(&in);
			break;
		case 6:
			come_and_go(&in);
			break;
		case 7:
			rest();
			break;
		default:
			scribble(&in);
			break;
		}
	}
	rest();
	check();
	card_stop(&f.c);
	card_release(&f.c);
	return 0;
}
