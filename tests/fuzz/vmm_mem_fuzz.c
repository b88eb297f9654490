/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile driver of virtio-mem.  Whatever it asks for, it has no more plugged than the
 * host requested, and the device's sums are right.
 *
 * Input: steps.  A byte says which: a request (its bytes follow), well formed mostly, or
 * the host lets the guest grow, or a reset.
 */
#include <linux/virtio_mem.h>
#include <sys/mman.h>

#include "tests/fuzz/input.h"
#include "tests/unit/fake_turns.h"
#include "vmm/virtio/mem.h"

#define REGION 0x100000000ull
#define SIZE (50 * MEM_BLOCK) /* less than the two sections that are usable */

static struct {
	struct fake_memory fm;
	struct fake_turns turns;
	struct virtio_device *dev;
	struct fake_device fd;
	struct fake_queue fq;
	char *ram;
} f;

static void start(void)
{
	fake_queue_init(&f.fq, &f.fm, &f.dev->queues[0], 16, FAKE_EVENT_IDX);
	must(fake_device_activate(&f.fd, NULL) == 0);
}

static void begin(void)
{
	struct mem_params p = { .mem = &f.fm.mem,
				.gpa = REGION,
				.region_size = 4 * MEM_SECTION,
				.size = SIZE };

	memset(&f, 0, sizeof(f));
	fake_memory_init(&f.fm, 64 << 10);
	f.ram = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(f.ram != MAP_FAILED);
	f.fm.mem.regions[1] = (struct guest_region){
		.gpa = REGION,
		.size = SIZE,
		.host = f.ram,
		.ram = true,
	};
	f.fm.mem.n_regions = 2;
	fake_turns_init(&f.turns);
	p.loop = f.turns.loop;
	must(mem_new(&p, &f.dev, NULL) == 0);
	fake_device_init(&f.fd, f.dev);
	start();
}

static void end(void)
{
	fake_queue_release(&f.fq);
	f.dev->ops->free(f.dev);
	fake_turns_release(&f.turns);
	fake_memory_release(&f.fm);
	(void)munmap(f.ram, SIZE);
}

/* send() - a request; its buffers are cut where the input says. */
static void send(struct input *in, const struct virtio_mem_req *req)
{
	gpa_t at = fake_data(&f.fm, req, sizeof(*req));
	gpa_t room = fake_alloc(&f.fm, sizeof(struct virtio_mem_resp), 8);
	uint8_t cut = input_u8(in);
	uint32_t first = 1 + cut % 24;
	struct fake_buf out[2] = { { at, first }, { at + first, 24 - first } };
	struct fake_buf back[2] = { { room, 1 + cut % 10 }, { room + 1 + cut % 10, 0 } };

	back[1].len = 10 - back[0].len;
	if (cut & 64) /* something is missing */
		out[1].len /= 2;
	(void)fake_add(&f.fq, out, 2, back, cut & 128 ? 1 : 2);
	fake_kick(&f.fq);
	fake_turns(&f.turns, 2);
	must(fake_used(&f.fq, NULL, NULL));
}

static void request(struct input *in, uint8_t kind)
{
	struct virtio_mem_req req = {
		.type = kind % 4,
		.u.plug.addr = REGION + input_u8(in) % 80 * MEM_BLOCK,
		.u.plug.nb_blocks = input_u8(in) % 60,
	};

	if (kind >= 240)
		input_bytes(in, &req, sizeof(req));
	send(in, &req);
}

static void check(void)
{
	struct virtio_mem_config c;

	f.dev->ops->config_read(f.dev, 0, &c, sizeof(c));
	must(c.plugged_size <= c.requested_size && c.requested_size <= SIZE);
	must(c.plugged_size == mem_plugged(f.dev) && c.plugged_size % MEM_BLOCK == 0);
	must(c.addr == REGION && c.usable_region_size == 2 * MEM_SECTION);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	begin();
	for (unsigned int i = 0; i < 200 && in.left && !f.fd.needs_reset; i++) {
		uint8_t kind = input_u8(&in);

		if (kind < 32) {
			must(mem_grow(f.dev, input_u8(&in) * (MEM_BLOCK / 4)) <= SIZE);
		} else if (kind < 36) {
			fake_queue_release(&f.fq);
			fake_device_reset(&f.fd);
			f.fm.used = 4096;
			start();
		} else {
			request(&in, kind);
		}
		check();
	}
	/* All of it can be given back, whatever came before. */
	if (!f.fd.needs_reset) {
		const struct virtio_mem_req all = { .type = VIRTIO_MEM_REQ_UNPLUG_ALL };
		struct input none = { (const uint8_t *)"", 0 };

		send(&none, &all);
		must(mem_plugged(f.dev) == 0);
	}
	end();
	return 0;
}
