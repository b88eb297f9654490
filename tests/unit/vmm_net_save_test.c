/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/virtio/net_save.c: a card without a tap goes into a new machine, and gets one there. */
#include "lib/buf.h"
#include "tests/unit/fake_card.h"
#include "tests/unit/tap.h"
#include "vmm/snapshot/sections.h"
#include "vmm/virtio/net_internal.h"

#define ALL (MODERN | F(MQ) | F(CTRL_VQ) | F(MAC) | F(STATUS))
#define TAG_NET SECTION_TAG('n', 'e', 't', ' ')

static struct card c;

static int save(struct buf *out, struct err *err)
{
	return c.dev->ops->save(c.dev, out, err);
}

static int set_pairs(uint16_t n)
{
	uint8_t cmd[] = { 4, 0, (uint8_t)n, (uint8_t)(n >> 8) };

	return card_command(&c, cmd, sizeof(cmd));
}

/* load() - @state into a card of a new machine, as large as it says. */
static int load(const struct buf *state, unsigned int n_pairs, struct err *err)
{
	struct sections in = { .data = state->data, .len = state->len };

	card_init(&c, n_pairs);
	memset(&taps, 0, sizeof(taps));
	return c.dev->ops->load(c.dev, &in, err);
}

static void test_pairs(uint16_t used)
{
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;

	card_init(&c, 4);
	card_start(&c, ALL, FAKE_EVENT_IDX);
	if (used)
		is_int(set_pairs(used), VIRTIO_NET_OK, "the driver uses %u of 4 pairs",
		       used);
	is_int(save(&state, &err), 0, "a card without a tap is saved");
	card_stop(&c);
	card_release(&c);

	is_int(load(&state, 4, &err), 0, "and loaded");
	card_start(&c, ALL, FAKE_EVENT_IDX);
	is_int(card_attach(&c), 0, "then it gets a tap");
	is_int(taps.changes, used ? 4 - used : 0, "whose queues are as many as are used");
	card_send(&c, 0, 100, 1);
	ok(card_sees(&c, 0, 0, 100), "and what is sent reaches it");
	card_stop(&c);
	card_release(&c);
}

static void test_attached(void)
{
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;

	card_init(&c, 2);
	fake_check(card_attach(&c) == 0);
	card_start(&c, ALL, FAKE_EVENT_IDX);
	is_int(save(&state, &err), -EAGAIN, "a card with a tap: not now");
	is_str(err.msg, "packets are moved", "and why");
	is_int(state.len, 0, "nothing is written");
	net_hold(c.dev);
	is_int(save(&state, &err), 0, "when it is held, it can be saved");
	card_send(&c, 0, 100, 1);
	ok(!card_sees(&c, 0, 0, 100), "and nothing is moved");
	net_let_go(c.dev);
	ok(card_sees(&c, 0, 0, 100), "until it is let go");
	net_detach(c.dev);
	buf_release(&state);
	is_int(save(&state, &err), 0, "without a tap it can be saved at any time");
	card_stop(&c);
	card_release(&c);
}

static void test_of_another(void)
{
	const uint32_t three[3] = { 3 };
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;

	section_put(&state, TAG_NET, three, sizeof(three));
	is_int(load(&state, 2, &err), -EPROTO, "more pairs than the card has");
	is_str(err.msg, "3 queue pairs were used", "are refused by name");
	card_release(&c);
	is_int(load(&state, 3, &err), 0, "as many are not");
	card_release(&c);
	state.len -= 8;
	is_int(load(&state, 3, &err), -EPROTO, "nor a state that is cut off");
	is_str(err.msg, "section 'net?' is cut off", "by name");
	card_release(&c);
}

int main(void)
{
	test_pairs(0);
	test_pairs(1);
	test_pairs(3);
	test_attached();
	test_of_another();
	return tap_done();
}
