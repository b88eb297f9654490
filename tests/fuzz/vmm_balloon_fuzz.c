/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile driver of the balloon: ranges of any kind are reported free.  Whatever it
 * says, a window that shows files keeps its bytes.
 *
 * Input: a byte that chooses the queue, then for each report a byte with the number of
 * its ranges, and for each range where it begins and how long it is.
 */
#include <sys/mman.h>

#include "tests/fuzz/input.h"
#include "tests/unit/fake_turns.h"
#include "vmm/virtio/balloon.h"

#define RAM_GPA 0x80000000ull
#define AREA_SIZE (64u << 10)
#define WINDOW_GPA (RAM_GPA + AREA_SIZE) /* close by: a range may reach over */

static struct {
	struct fake_memory fm;
	struct fake_turns turns;
	struct virtio_device *dev;
	struct fake_device fd;
	struct fake_queue fq;
	char *area; /* RAM, then the window */
} f;

static void begin(unsigned int queue)
{
	f.area = mmap(NULL, 2 * AREA_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(f.area != MAP_FAILED);
	memset(f.area, 'x', 2 * AREA_SIZE);
	fake_memory_init(&f.fm, 64 << 10);
	f.fm.mem.regions[1] = (struct guest_region){
		.gpa = RAM_GPA,
		.size = AREA_SIZE,
		.host = f.area,
		.ram = true,
	};
	f.fm.mem.regions[2] = (struct guest_region){
		.gpa = WINDOW_GPA,
		.size = AREA_SIZE,
		.host = f.area + AREA_SIZE,
	};
	f.fm.mem.n_regions = 3;
	fake_turns_init(&f.turns);
	must(balloon_new(&f.fm.mem, f.turns.loop, &f.dev, NULL) == 0);
	fake_device_init(&f.fd, f.dev);
	fake_queue_init(&f.fq, &f.fm, &f.dev->queues[queue], 32, FAKE_EVENT_IDX);
	must(fake_device_activate(&f.fd, NULL) == 0);
}

static void end(void)
{
	fake_device_reset(&f.fd);
	fake_queue_release(&f.fq);
	f.dev->ops->free(f.dev);
	fake_turns_release(&f.turns);
	fake_memory_release(&f.fm);
	(void)munmap(f.area, 2 * AREA_SIZE);
}

/* range() - mostly near the two areas. */
static struct fake_buf range(struct input *in)
{
	uint8_t kind = input_u8(in);
	struct fake_buf b = { RAM_GPA - 4096 + input_u16(in) * 4u, input_u16(in) };

	if (kind < 8)
		b.gpa = input_u64(in);
	if (kind >= 248)
		b.len = input_u32(in);
	return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct fake_buf ranges[32];

	begin(input_u8(&in) % BALLOON_QUEUES);
	while (in.left && !f.fd.needs_reset) {
		uint8_t n = input_u8(&in);
		unsigned int out = n & 128 ? 1 : 0;

		n = (uint8_t)(1 + n % 32);
		for (unsigned int i = 0; i < n; i++)
			ranges[i] = range(&in);
		out = out < n ? out : 0;
		(void)fake_add(&f.fq, ranges, out, ranges + out, n - out);
		fake_kick(&f.fq);
		fake_turns(&f.turns, 3);
		must(f.fd.needs_reset || fake_used(&f.fq, NULL, NULL));
		for (size_t i = 0; i < AREA_SIZE; i += 512)
			must(f.area[AREA_SIZE + i] == 'x');
	}
	end();
	return 0;
}
