/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-balloon: reported pages go back to the host, and nothing else does. */
#include "vmm/virtio/balloon.h"

#include <linux/virtio_balloon.h>
#include <sys/mman.h>

#include "tests/unit/fake_turns.h"
#include "tests/unit/tap.h"

#define PAGE 4096u
#define MIB (1u << 20)

/* Guest memory besides that of the rings. */
enum area {
	ANONYMOUS, /* RAM */
	TEMPLATE, /* RAM: a file mapped privately */
	WINDOW, /* no RAM: shows files */
	AREAS,
};

#define AREA_GPA(i) (0x80000000ull + (i)*0x10000000ull)
#define AREA_SIZE (8u * MIB)

static struct fixture {
	struct fake_memory fm;
	char *area[AREAS];
	struct fake_turns turns;
	struct virtio_device *dev;
	struct fake_device fd;
	struct fake_queue fq;
} f;

/* template() - @AREA_SIZE bytes of 't' in a file, mapped as a template's memory is. */
static char *template_map(void)
{
	int fd = memfd_create("template", MFD_CLOEXEC);
	char *map;

	fake_check(fd >= 0 && ftruncate(fd, AREA_SIZE) == 0);
	map = mmap(NULL, AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	fake_check(map != MAP_FAILED);
	memset(map, 't', AREA_SIZE);
	(void)munmap(map, AREA_SIZE);
	map = mmap(NULL, AREA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	(void)close(fd);
	return map;
}

static void make_areas(void)
{
	for (unsigned int i = 0; i < AREAS; i++) {
		f.area[i] = i == TEMPLATE ? template_map()
					  : mmap(NULL, AREA_SIZE, PROT_READ | PROT_WRITE,
						 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		fake_check(f.area[i] != MAP_FAILED);
		f.fm.mem.regions[1 + i] = (struct guest_region){
			.gpa = AREA_GPA(i),
			.size = AREA_SIZE,
			.host = f.area[i],
			.ram = i != WINDOW,
		};
		memset(f.area[i], 'x', AREA_SIZE);
	}
	f.fm.mem.n_regions = 1 + AREAS;
}

static void setup(enum balloon_queue queue)
{
	struct err err = ERR_INIT;

	memset(&f, 0, sizeof(f));
	fake_memory_init(&f.fm, MIB);
	make_areas();
	fake_turns_init(&f.turns);
	is_int(balloon_new(&f.fm.mem, f.turns.loop, &f.dev, &err), 0, "a device");
	fake_device_init(&f.fd, f.dev);
	fake_queue_init(&f.fq, &f.fm, &f.dev->queues[queue], 32, FAKE_INDIRECT);
	fake_check(fake_device_activate(&f.fd, NULL) == 0);
}

static void teardown(void)
{
	fake_queue_release(&f.fq);
	f.dev->ops->free(f.dev);
	fake_turns_release(&f.turns);
	for (unsigned int i = 0; i < AREAS; i++)
		(void)munmap(f.area[i], AREA_SIZE);
	fake_memory_release(&f.fm);
}

/* resident() - pages of [offset, offset + len) of an area that exist. */
static unsigned int resident(enum area area, size_t offset, size_t len)
{
	unsigned char in_core[AREA_SIZE / PAGE];
	unsigned int n = 0;

	fake_check(mincore(f.area[area] + offset, len, in_core) == 0);
	for (size_t i = 0; i < len / PAGE; i++)
		n += in_core[i] & 1;
	return n;
}

static bool report(const struct fake_buf *ranges, unsigned int n)
{
	uint32_t written = 1;

	(void)fake_add(&f.fq, NULL, 0, ranges, n);
	fake_kick(&f.fq);
	fake_turns(&f.turns, 3);
	return fake_used(&f.fq, NULL, &written) && written == 0;
}

static void test_reported(enum balloon_queue queue)
{
	const struct fake_buf ranges[] = {
		{ AREA_GPA(ANONYMOUS) + 2 * MIB, 2 * MIB },
		{ AREA_GPA(ANONYMOUS) + 6 * MIB, 2 * MIB },
	};

	setup(queue);
	is_int(f.dev->id, 5, "a balloon");
	is_int((long long)f.dev->features, 1 << VIRTIO_BALLOON_F_REPORTING,
	       "reporting is all it offers");
	is_int(resident(ANONYMOUS, 0, AREA_SIZE), AREA_SIZE / PAGE, "all is there");
	ok(report(ranges, 2), "a report by queue %d is answered", (int)queue);
	is_int(resident(ANONYMOUS, 2 * MIB, 2 * MIB), 0, "the first range is the host's");
	is_int(resident(ANONYMOUS, 6 * MIB, 2 * MIB), 0, "and the second");
	ok(f.area[ANONYMOUS][2 * MIB - 1] == 'x' && f.area[ANONYMOUS][4 * MIB] == 'x' &&
		   f.area[ANONYMOUS][6 * MIB - 1] == 'x',
	   "what lies beside them stays");
	f.area[ANONYMOUS][2 * MIB] = 'y';
	ok(f.area[ANONYMOUS][2 * MIB] == 'y' && !f.area[ANONYMOUS][2 * MIB + 1],
	   "the guest uses it again, without a word");
	teardown();
}

static void test_other_queues(void)
{
	const struct fake_buf range = { AREA_GPA(ANONYMOUS), 2 * MIB };

	setup(BALLOON_INFLATE);
	ok(report(&range, 1), "what is put into the balloon comes back");
	is_int(resident(ANONYMOUS, 0, AREA_SIZE), AREA_SIZE / PAGE, "and stays");
	teardown();
}

/* A page of the template that the guest has changed is a copy of its own. */
static void test_template(void)
{
	const struct fake_buf range = { AREA_GPA(TEMPLATE), 2 * MIB };

	setup(BALLOON_REPORTING_COUNTED);
	ok(report(&range, 1), "a report of a template's memory");
	ok(f.area[TEMPLATE][0] == 't' && f.area[TEMPLATE][2 * MIB - 1] == 't',
	   "the copies are given up: the template's pages are seen");
	ok(f.area[TEMPLATE][2 * MIB] == 'x', "those beside them stay");
	teardown();
}

static void test_hostile(void)
{
	const struct fake_buf window = { AREA_GPA(WINDOW), 2 * MIB };
	const struct fake_buf odd = { AREA_GPA(ANONYMOUS) + 100, 2 * PAGE };
	const struct fake_buf tiny = { AREA_GPA(ANONYMOUS) + 4 * MIB + 1, PAGE };
	struct fake_buf readable = { AREA_GPA(ANONYMOUS), 2 * MIB };

	setup(BALLOON_REPORTING_COUNTED);
	ok(report(&window, 1), "a report of a file's window");
	is_int(resident(WINDOW, 0, AREA_SIZE), AREA_SIZE / PAGE, "changes nothing there");
	ok(report(&odd, 1), "a report that begins within a page");
	ok(f.area[ANONYMOUS][PAGE - 1] == 'x' && f.area[ANONYMOUS][2 * PAGE] == 'x',
	   "leaves what is no whole page");
	is_int(resident(ANONYMOUS, PAGE, PAGE), 0, "and takes the page between");
	ok(report(&tiny, 1) && f.area[ANONYMOUS][4 * MIB + 1] == 'x',
	   "a range without a whole page gives nothing");
	(void)fake_add(&f.fq, &readable, 1, NULL, 0);
	fake_kick(&f.fq);
	fake_turns(&f.turns, 3);
	ok(fake_used(&f.fq, NULL, NULL), "a buffer that may only be read comes back");
	is_int(resident(ANONYMOUS, 2 * MIB, 2 * MIB), 2 * MIB / PAGE, "as it was");
	readable.gpa += AREA_SIZE - MIB;
	(void)fake_add(&f.fq, NULL, 0, &readable, 1);
	fake_kick(&f.fq);
	fake_turns(&f.turns, 3);
	is_int(f.fd.needs_reset, 1, "a range beyond the memory breaks the device");
	teardown();
}

/* Reports are advice: what one asks beyond a measure stays, and each waits its turn. */
static void test_bounded(void)
{
	struct fake_buf ranges[BALLOON_MAX_RANGES];
	unsigned int back = 0;

	setup(BALLOON_REPORTING_COUNTED);
	for (unsigned int i = 0; i < BALLOON_MAX_RANGES; i++)
		ranges[i] = (struct fake_buf){ AREA_GPA(ANONYMOUS), 8 * MIB };
	ranges[BALLOON_MAX_RANGES - 1].gpa = AREA_GPA(TEMPLATE);
	ok(report(ranges, BALLOON_MAX_RANGES), "a report of 256 MiB");
	ok(f.area[TEMPLATE][0] == 'x', "is heard half");
	for (unsigned int i = 0; i < 8; i++)
		(void)fake_add(&f.fq, NULL, 0, ranges, 1);
	fake_kick(&f.fq);
	fake_turns(&f.turns, 2);
	while (fake_used(&f.fq, NULL, NULL))
		back++;
	ok(back >= 1 && back <= 3, "%u of 8 reports in 2 turns of another source", back);
	fake_turns(&f.turns, 10);
	while (fake_used(&f.fq, NULL, NULL))
		back++;
	is_int(back, 8, "the rest follows without a kick");
	teardown();
}

static void test_after_reset(void)
{
	const struct fake_buf range = { AREA_GPA(ANONYMOUS), 2 * MIB };

	setup(BALLOON_REPORTING_COUNTED);
	(void)fake_add(&f.fq, NULL, 0, &range, 1);
	fake_kick(&f.fq);
	fake_device_reset(&f.fd);
	fake_turns(&f.turns, 3);
	is_int(resident(ANONYMOUS, 0, AREA_SIZE), AREA_SIZE / PAGE,
	       "after reset nothing is taken back");
	teardown();
}

int main(void)
{
	test_reported(BALLOON_REPORTING_COUNTED);
	test_reported(BALLOON_REPORTING);
	test_other_queues();
	test_template();
	test_hostile();
	test_bounded();
	test_after_reset();
	return tap_done();
}
