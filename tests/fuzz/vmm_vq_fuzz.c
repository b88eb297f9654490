/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile driver's rings.
 *
 * Input: one byte of flags, one of log2(size), three ring addresses (u16 each),
 * the number of script bytes (u8), the script, and then what guest memory holds.
 * The script pops, pushes, notifies and overwrites memory meanwhile.
 */
#include "tests/fuzz/input.h"

#include "vmm/virtio/vq.h"

#define MEMORY 8192u
#define MAX_IOV 16u
#define MAX_HELD 64u

struct guest {
	struct guest_memory mem;
	struct vq vq;
	uint16_t held[MAX_HELD]; /* popped, not yet pushed */
	unsigned int n_held;
	unsigned int broken;
};

static void count_broken(struct vq *vq, void *opaque)
{
	struct guest *g = opaque;

	must(vq->broken && vq->why);
	g->broken++;
}

/* touch() - use every byte of a chain, as a device would. */
static void touch(const struct guest *g, const struct vq_chain *c)
{
	uint64_t out_len = 0, in_len = 0;
	volatile uint8_t sum = 0;

	must(c->n_out + c->n_in <= MAX_IOV && c->head < g->vq.size);
	for (unsigned int i = 0; i < c->n_out; i++) {
		const uint8_t *p = c->out[i].iov_base;

		must(c->out[i].iov_len > 0);
		out_len += c->out[i].iov_len;
		sum = (uint8_t)(sum + p[0] + p[c->out[i].iov_len - 1]);
	}
	for (unsigned int i = 0; i < c->n_in; i++) {
		uint8_t *p = c->in[i].iov_base;

		must(c->in[i].iov_len > 0);
		in_len += c->in[i].iov_len;
		p[0] ^= 1;
		p[c->in[i].iov_len - 1] ^= 2;
	}
	must(out_len == c->out_len && in_len == c->in_len);
}

static void pop(struct guest *g)
{
	struct vq_chain c;
	struct iovec iov[MAX_IOV];
	int ret = vq_pop(&g->vq, &c, iov, MAX_IOV);

	must(ret == 0 || ret == 1 || ret == -71 /* -EPROTO */);
	must((ret < 0) == g->vq.broken);
	if (ret != 1)
		return;
	must(g->n_held < g->vq.size);
	touch(g, &c);
	g->held[g->n_held++] = c.head;
}

static void step(struct guest *g, struct input *script, struct input *rest)
{
	uint8_t op = input_u8(script);
	uint16_t at;

	switch (op % 6) {
	case 0:
		pop(g);
		break;
	case 1:
		if (g->n_held)
			vq_push(&g->vq, g->held[--g->n_held], op);
		break;
	case 2:
		vq_notify(&g->vq);
		break;
	case 3:
		(void)vq_enable_kicks(&g->vq);
		break;
	case 4:
		vq_disable_kicks(&g->vq);
		break;
	default: /* the guest writes while we look */
		at = input_u16(script) % (MEMORY - 16);
		input_bytes(rest, g->mem.regions[0].host + at, op / 16);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size }, script;
	struct guest g = { .n_held = 0 };
	uint8_t flags = input_u8(&in);
	uint8_t n;

	g.mem.n_regions = 1;
	g.mem.regions[0] =
		(struct guest_region){ .size = MEMORY, .host = malloc(MEMORY) };
	must(g.mem.regions[0].host != NULL);
	must(vq_init(&g.vq, &g.mem, MAX_HELD, NULL) == 0);
	g.vq.on_broken = count_broken;
	g.vq.opaque = &g;
	g.vq.event_idx = flags & 1;
	g.vq.indirect = flags & 2;
	g.vq.size = (uint16_t)(1u << (input_u8(&in) % 8));
	g.vq.desc_gpa = input_u16(&in);
	g.vq.avail_gpa = input_u16(&in);
	g.vq.used_gpa = input_u16(&in);
	n = input_u8(&in);
	script = (struct input){ in.data, n < in.left ? n : in.left };
	in.data += script.left;
	in.left -= script.left;
	if (vq_enable(&g.vq, NULL) == 0) {
		/* Rest: memory, then what the script writes over it. */
		input_bytes(&in, g.mem.regions[0].host, MEMORY);
		while (script.left)
			step(&g, &script, &in);
		must(g.broken == (g.vq.broken ? 1 : 0));
	}
	vq_release(&g.vq);
	free(g.mem.regions[0].host);
	return 0;
}
