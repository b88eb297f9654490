/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-mem: what the guest may plug, what it is told, and what goes back. */
#include "vmm/virtio/mem.h"

#include <linux/virtio_mem.h>
#include <sys/mman.h>

#include "tests/unit/fake_turns.h"
#include "tests/unit/tap.h"

#define MIB (1ull << 20)
#define REGION 0x100000000ull
#define REGION_SIZE (64ull << 30)
#define SIZE (202 * MIB) /* two sections, the last block not whole */
#define BLOCKS (SIZE / MEM_BLOCK) /* 50 */
#define USABLE (256 * MIB)
#define PAGE 4096u

static struct fixture {
	struct fake_memory fm;
	char *ram;
	struct fake_turns turns;
	struct virtio_device *dev;
	struct fake_device fd;
	struct fake_queue fq;
	gpa_t req, resp;
} f;

static void start(void)
{
	fake_queue_init(&f.fq, &f.fm, &f.dev->queues[0], 16, FAKE_EVENT_IDX);
	fake_check(fake_device_activate(&f.fd, NULL) == 0);
}

static void setup(uint64_t size)
{
	struct mem_params p = {
		.mem = &f.fm.mem, .gpa = REGION, .region_size = REGION_SIZE, .size = size
	};
	struct err err = ERR_INIT;

	memset(&f, 0, sizeof(f));
	fake_memory_init(&f.fm, 1 << 20);
	if (size) {
		f.ram = mmap(NULL, size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		fake_check(f.ram != MAP_FAILED);
		f.fm.mem.regions[1] =
			(struct guest_region){ REGION, size, f.ram, .ram = true };
		f.fm.mem.n_regions = 2;
	}
	fake_turns_init(&f.turns);
	p.loop = f.turns.loop;
	is_int(mem_new(&p, &f.dev, &err), 0, "a device");
	fake_device_init(&f.fd, f.dev);
	f.req = fake_alloc(&f.fm, sizeof(struct virtio_mem_req), 8);
	f.resp = fake_alloc(&f.fm, sizeof(struct virtio_mem_resp), 8);
	start();
}

static void teardown(void)
{
	fake_queue_release(&f.fq);
	f.dev->ops->free(f.dev);
	fake_turns_release(&f.turns);
	if (f.ram)
		(void)munmap(f.ram, SIZE);
	fake_memory_release(&f.fm);
}

static struct virtio_mem_config config(void)
{
	struct virtio_mem_config c;

	f.dev->ops->config_read(f.dev, 0, &c, sizeof(c));
	return c;
}

/* send() - @out and @in as they are; what was written, or -1: not answered. */
static int send_chain(const struct fake_buf *out, unsigned int n_out,
		      const struct fake_buf *in, unsigned int n_in)
{
	uint32_t written;

	(void)fake_add(&f.fq, out, n_out, in, n_in);
	fake_kick(&f.fq);
	fake_turns(&f.turns, 3);
	return fake_used(&f.fq, NULL, &written) ? (int)written : -1;
}

/* ask() - a request about @n blocks from block @first on; the answer's type. */
static int ask(uint16_t type, int64_t first, uint16_t n)
{
	const struct virtio_mem_req req = {
		.type = type,
		.u.plug.addr = REGION + (uint64_t)first * MEM_BLOCK,
		.u.plug.nb_blocks = n,
	};
	const struct fake_buf out = { f.req, sizeof(req) };
	const struct fake_buf in = { f.resp, sizeof(struct virtio_mem_resp) };
	struct virtio_mem_resp *resp = fake_host(&f.fm, f.resp, sizeof(*resp));

	memcpy(fake_host(&f.fm, f.req, sizeof(req)), &req, sizeof(req));
	memset(resp, 0xff, sizeof(*resp));
	return send_chain(&out, 1, &in, 1) == sizeof(*resp) ? resp->type : -1;
}

static int state(int64_t first, uint16_t n)
{
	const struct virtio_mem_resp *resp = fake_host(&f.fm, f.resp, sizeof(*resp));
	int type = ask(VIRTIO_MEM_REQ_STATE, first, n);

	return type == VIRTIO_MEM_RESP_ACK ? resp->u.state.state : -type;
}

static unsigned int resident(uint64_t offset, uint64_t len)
{
	unsigned char in_core[SIZE / PAGE];
	unsigned int n = 0;

	fake_check(mincore(f.ram + offset, len, in_core) == 0);
	for (size_t i = 0; i < len / PAGE; i++)
		n += in_core[i] & 1;
	return n;
}

static void test_config(void)
{
	struct virtio_mem_config c;
	uint64_t size = 0;

	setup(SIZE);
	c = config();
	is_int(f.dev->id, 24, "a memory device");
	is_int((long long)c.block_size, 4 << 20, "blocks of 4 MiB");
	is_int((long long)c.addr, (long long)REGION, "its address");
	is_int((long long)c.region_size, (long long)REGION_SIZE,
	       "the region is the host's");
	is_int((long long)c.usable_region_size, USABLE, "whole sections are usable");
	is_int((long long)(c.plugged_size + c.requested_size), 0, "nothing is plugged");
	f.dev->ops->config_read(f.dev, 32, &size, 4);
	is_int((long long)size, USABLE, "a field of it is read");
	teardown();
}

static void test_grow(void)
{
	setup(SIZE);
	is_int((long long)mem_grow(f.dev, 1), 4 << 20, "a byte is a block");
	is_int(f.fd.config_changes, 1, "the driver is told");
	is_int((long long)config().requested_size, 4 << 20, "what it may have");
	is_int((long long)mem_grow(f.dev, 0), 4 << 20, "it does not shrink");
	is_int(f.fd.config_changes, 1, "nothing new to tell");
	is_int((long long)mem_grow(f.dev, UINT64_MAX), BLOCKS * MEM_BLOCK,
	       "no more than there is");
	fake_device_reset(&f.fd);
	teardown();
	setup(SIZE);
	fake_device_reset(&f.fd);
	is_int((long long)mem_grow(f.dev, 8 * MIB), 8 << 20, "before a driver is there");
	is_int(f.fd.config_changes, 0, "nobody is told");
	is_int((long long)config().requested_size, 8 << 20, "it reads it when it begins");
	teardown();
}

static void test_plug(void)
{
	setup(SIZE);
	is_int(ask(VIRTIO_MEM_REQ_PLUG, 0, 1), VIRTIO_MEM_RESP_NACK, "unasked: no");
	(void)mem_grow(f.dev, 40 * MIB);
	is_int(ask(VIRTIO_MEM_REQ_PLUG, 0, 11), VIRTIO_MEM_RESP_NACK, "too much: no");
	is_int(ask(VIRTIO_MEM_REQ_PLUG, 2, 4), VIRTIO_MEM_RESP_ACK, "four blocks");
	is_int((long long)config().plugged_size, 16 << 20, "are plugged");
	is_int((long long)mem_plugged(f.dev), 16 << 20, "as the host sees");
	is_int(state(2, 4), VIRTIO_MEM_STATE_PLUGGED, "state: plugged");
	is_int(state(1, 4), VIRTIO_MEM_STATE_MIXED, "mixed");
	is_int(state(6, 40), VIRTIO_MEM_STATE_UNPLUGGED, "unplugged");
	is_int(ask(VIRTIO_MEM_REQ_PLUG, 5, 2), VIRTIO_MEM_RESP_ERROR,
	       "a block twice: an error");
	is_int(ask(VIRTIO_MEM_REQ_PLUG, 6, 7), VIRTIO_MEM_RESP_NACK,
	       "more than is left of what was asked for: no");
	is_int(ask(VIRTIO_MEM_REQ_PLUG, 6, 6), VIRTIO_MEM_RESP_ACK, "that: yes");
	fake_device_reset(&f.fd);
	start();
	is_int((long long)config().plugged_size, 40 << 20,
	       "a reset changes nothing of it");
	teardown();
}

static void test_end(void)
{
	setup(SIZE);
	(void)mem_grow(f.dev, SIZE);
	is_int(ask(VIRTIO_MEM_REQ_PLUG, BLOCKS - 1, 2), VIRTIO_MEM_RESP_BUSY,
	       "usable, but there is no RAM: try others");
	is_int(state(BLOCKS, 14), VIRTIO_MEM_STATE_UNPLUGGED, "its state can be asked");
	is_int(ask(VIRTIO_MEM_REQ_PLUG, BLOCKS, 15), VIRTIO_MEM_RESP_ERROR,
	       "beyond the usable region: an error");
	is_int(ask(VIRTIO_MEM_REQ_PLUG, 0, BLOCKS), VIRTIO_MEM_RESP_ACK,
	       "all that there is");
	is_int((long long)mem_plugged(f.dev), BLOCKS * MEM_BLOCK,
	       "no more than the ceiling");
	is_int(ask(VIRTIO_MEM_REQ_PLUG, BLOCKS, 1), VIRTIO_MEM_RESP_NACK, "and no more");
	teardown();
	setup(0);
	is_int((long long)mem_grow(f.dev, SIZE), 0, "a machine that cannot grow");
	is_int((long long)config().usable_region_size, 0, "nothing is usable");
	is_int(ask(VIRTIO_MEM_REQ_PLUG, 0, 1), VIRTIO_MEM_RESP_ERROR, "no block is one");
	is_int(ask(VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0), VIRTIO_MEM_RESP_ACK,
	       "all of nothing");
	teardown();
}

static void test_unplug(void)
{
	setup(SIZE);
	(void)mem_grow(f.dev, SIZE);
	is_int(ask(VIRTIO_MEM_REQ_UNPLUG, 0, 1), VIRTIO_MEM_RESP_ERROR,
	       "what is not plugged: an error");
	(void)ask(VIRTIO_MEM_REQ_PLUG, 0, 8);
	memset(f.ram, 'x', 8 * MEM_BLOCK);
	is_int(ask(VIRTIO_MEM_REQ_UNPLUG, 6, 3), VIRTIO_MEM_RESP_ERROR,
	       "half of it: too");
	is_int(ask(VIRTIO_MEM_REQ_UNPLUG, 2, 3), VIRTIO_MEM_RESP_ACK, "three blocks");
	is_int((long long)mem_plugged(f.dev), 20 << 20, "are not plugged any more");
	is_int(resident(2 * MEM_BLOCK, 3 * MEM_BLOCK), 0, "their memory is the host's");
	is_int(resident(0, 2 * MEM_BLOCK), 2 * MEM_BLOCK / PAGE,
	       "what lies before stays");
	is_int(resident(5 * MEM_BLOCK, 3 * MEM_BLOCK), 3 * MEM_BLOCK / PAGE,
	       "and what lies behind");
	is_int(ask(VIRTIO_MEM_REQ_UNPLUG_ALL, 99, 99), VIRTIO_MEM_RESP_ACK,
	       "all at once");
	is_int((long long)mem_plugged(f.dev), 0, "nothing is plugged");
	is_int(resident(0, 8 * MEM_BLOCK), 0, "nor held");
	is_int(ask(VIRTIO_MEM_REQ_PLUG, 0, 8), VIRTIO_MEM_RESP_ACK, "it may come back");
	teardown();
}

static void test_hostile(void)
{
	struct fake_buf out[3], in[3];

	setup(SIZE);
	(void)mem_grow(f.dev, SIZE);
	is_int(ask(VIRTIO_MEM_REQ_PLUG, -1, 1), VIRTIO_MEM_RESP_ERROR,
	       "before the region");
	is_int(ask(VIRTIO_MEM_REQ_PLUG, 0, 0), VIRTIO_MEM_RESP_ERROR, "no block at all");
	is_int(ask(VIRTIO_MEM_REQ_PLUG, 1ll << 40, 1), VIRTIO_MEM_RESP_ERROR, "far away");
	is_int(ask(VIRTIO_MEM_REQ_PLUG, 0, UINT16_MAX), VIRTIO_MEM_RESP_ERROR,
	       "too many");
	is_int(ask(7, 0, 1), VIRTIO_MEM_RESP_ERROR, "no such request");
	((struct virtio_mem_req *)fake_host(&f.fm, f.req, 24))->type =
		VIRTIO_MEM_REQ_PLUG;
	((struct virtio_mem_req *)fake_host(&f.fm, f.req, 24))->u.plug.addr =
		REGION + 4096;
	out[0] = (struct fake_buf){ f.req, 24 };
	in[0] = (struct fake_buf){ f.resp, 10 };
	is_int(send_chain(out, 1, in, 1), 10, "not at a block:");
	is_int(((struct virtio_mem_resp *)fake_host(&f.fm, f.resp, 10))->type,
	       VIRTIO_MEM_RESP_ERROR, "an error");
	((struct virtio_mem_req *)fake_host(&f.fm, f.req, 24))->u.plug.addr = REGION;
	out[0].len = 23;
	is_int(send_chain(out, 1, in, 1), 10, "a request that is cut off:");
	is_int(((struct virtio_mem_resp *)fake_host(&f.fm, f.resp, 10))->type,
	       VIRTIO_MEM_RESP_ERROR, "an error");
	out[0].len = 24;
	in[0].len = 9;
	is_int(send_chain(out, 1, in, 1), 9, "no room for the answer");
	is_int((long long)mem_plugged(f.dev), 0, "none of them plugged anything");
	out[0].len = 1;
	out[1] = (struct fake_buf){ f.req + 1, 20 };
	out[2] = (struct fake_buf){ f.req + 21, 3 };
	in[0].len = 1;
	in[1] = (struct fake_buf){ f.resp + 1, 9 };
	is_int(send_chain(out, 3, in, 2), 10, "cut into pieces it is a request:");
	is_int((long long)mem_plugged(f.dev), MEM_BLOCK, "that is done");
	is_int(f.fd.needs_reset, 0, "nothing of it broke the device");
	teardown();
}

static void test_refused(void)
{
	struct mem_params p = { .gpa = REGION + MIB, .region_size = REGION_SIZE };
	struct err err = ERR_INIT;

	is_int(mem_new(&p, &f.dev, &err), -EINVAL, "a region within a section");
	is_str(err.msg,
	       "virtio-mem: 0 bytes of RAM in a region of 68719476736 bytes at 0x100100000",
	       "says what and where");
	p = (struct mem_params){ .gpa = REGION,
				 .region_size = MEM_SECTION,
				 .size = MEM_SECTION + 1 };
	is_int(mem_new(&p, &f.dev, NULL), -EINVAL, "more RAM than region");
}

int main(void)
{
	test_config();
	test_grow();
	test_plug();
	test_end();
	test_unplug();
	test_hostile();
	test_refused();
	return tap_done();
}
