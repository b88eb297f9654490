/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest at the registers of a virtio-pci function: BAR 0, configuration
 * space, moves of the BAR, and a device that pops whatever queues result.
 *
 * Input: guest memory's first bytes (256), then operations.
 */
#include "tests/fuzz/input.h"
#include "tests/unit/fake_machine.h"

#include "lib/log.h"
#include "vmm/virtio/pci.h"
#include "vmm/virtio/pci_internal.h"

#define MEMORY 16384u
#define MAX_STEPS 256

static struct {
	struct virtio_device dev;
	bool active;
	uint8_t config[8];
} d;

static int dev_activate(struct virtio_device *dev, struct err *err)
{
	must(!d.active);
	must(!(dev->acked_features & ~(1ull << 32 | 3ull << 28 | 1)));
	d.active = true;
	return dev->acked_features & 1 ? err_msg(err, 5, "no") : 0;
}

static void dev_reset(struct virtio_device *dev)
{
	(void)dev;
	must(d.active);
	d.active = false;
}

static void dev_config_write(struct virtio_device *dev, uint32_t offset, const void *data,
			     uint32_t len)
{
	(void)dev;
	memcpy(d.config + offset, data, len);
}

static void dev_free(struct virtio_device *dev)
{
	must(!d.active);
	for (unsigned int i = 0; i < dev->n_queues; i++)
		vq_release(&dev->queues[i]);
}

/* serve() - what a device does with a queue that was kicked. */
static void serve(unsigned int i)
{
	struct vq *vq = &d.dev.queues[i % d.dev.n_queues];
	struct vq_chain chain;
	struct iovec iov[8];

	must(d.active || !vq->broken);
	while (d.active && vq_pop(vq, &chain, iov, 8) == 1) {
		if (chain.n_in)
			memset(chain.in[0].iov_base, 0x5a, chain.in[0].iov_len);
		vq_push(vq, chain.head, chain.in_len);
		vq_notify(vq);
	}
	(void)vq_enable_kicks(vq);
}

static void step(struct input *in)
{
	uint8_t op = input_u8(in);
	uint32_t len = 1u << (op >> 4 & 3);
	uint32_t at;

	switch (op % 8) {
	case 0: /* common configuration is where most happens */
	case 1:
		at = input_u8(in) % 64;
		wr(at, len, input_u64(in));
		break;
	case 2:
		at = input_u16(in) % (VP_BAR_SIZE - 8);
		wr(at, len, input_u32(in));
		break;
	case 3:
		at = input_u16(in) % (VP_BAR_SIZE - 8);
		(void)rd(at, len);
		break;
	case 4:
		at = input_u8(in) % 252;
		config_wr(at, len > 4 ? 4 : len, input_u32(in));
		break;
	case 5:
		at = input_u8(in) % 252;
		(void)config_rd(at, len > 4 ? 4 : len);
		break;
	case 6:
		map_bar(op & 0x80 ? 0 : BAR0 + (gpa_t)(op & 0x70) * VP_BAR_SIZE);
		break;
	default:
		serve(op >> 4);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct virtio_dev_ops ops = {
		.activate = dev_activate,
		.reset = dev_reset,
		.config_write = dev_config_write,
		.free = dev_free,
	};
	struct input in = { data, size };
	struct guest_memory mem = { .n_regions = 1 };
	struct virtio_pci *vp;

	log_init(-1, LOG_TEXT, LOG_ERROR); /* warnings are expected */
	memset(&m, 0, sizeof(m));
	memset(&d, 0, sizeof(d));
	mem.regions[0] =
		(struct guest_region){ .size = MEMORY, .host = calloc(1, MEMORY) };
	must(mem.regions[0].host != NULL);
	input_bytes(&in, mem.regions[0].host, 256);
	d.dev.ops = &ops;
	d.dev.name = "fuzz";
	d.dev.id = 4;
	d.dev.features = 1;
	d.dev.n_queues = 2;
	d.dev.config = d.config;
	d.dev.config_size = sizeof(d.config);
	for (unsigned int i = 0; i < d.dev.n_queues; i++)
		must(vq_init(&d.dev.queues[i], &mem, 16, NULL) == 0);
	must(virtio_pci_new(NULL, NULL, &d.dev, &vp, NULL) == 0);
	for (int i = 0; i < MAX_STEPS && in.left; i++)
		step(&in);
	virtio_pci_free(vp);
	must(m.n_io == 0);
	for (unsigned int i = 0; i < m.gsis; i++)
		must(m.gsi[i].fd == -1);
	free(mem.regions[0].host);
	return 0;
}
