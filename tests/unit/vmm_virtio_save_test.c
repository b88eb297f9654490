/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio function is saved and put into a new machine (vmm/virtio/pci_save.c, vq_save.c):
 * the driver of fake_driver.h, whose memory outlives the machine, goes on with the new one.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "lib/buf.h"
#include "tests/unit/fake_driver.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/tap.h"
#include "vmm/snapshot/sections.h"
#include "vmm/virtio/pci.h"
#include "vmm/virtio/pci_internal.h"

#define TAG_OWN SECTION_TAG('o', 'w', 'n', ' ')
#define FEATURE (1ull << 5)
#define MODERN (1ull << VIRTIO_F_VERSION_1)
#define RING (1ull << 28 | 1ull << 29) /* INDIRECT_DESC, EVENT_IDX */
#define COMMON(field) (VP_COMMON_OFFSET + VIRTIO_PCI_COMMON_##field)
#define QUEUES 2u
#define ADDRESS 0xfee01000u

/* ---- a device ---------------------------------------------------------------------- */

struct device {
	struct virtio_device dev;
	struct virtio_pci *vp;
	unsigned int activated, loaded;
	bool loaded_first; /* at activate() */
	uint64_t acked; /* likewise */
	uint32_t own; /* what it alone knows */
	int save_result;
};

static struct fake_memory memory; /* of the guest: saved with it */
static struct fake_queue queues[QUEUES];

static struct device *device_of(struct virtio_device *dev)
{
	return (void *)((char *)dev - offsetof(struct device, dev));
}

static int dev_activate(struct virtio_device *dev, struct err *err)
{
	struct device *d = device_of(dev);

	(void)err;
	d->activated++;
	d->loaded_first = d->loaded;
	d->acked = dev->acked_features;
	return 0;
}

static void dev_reset(struct virtio_device *dev)
{
	fake_check(device_of(dev)->activated); /* virtio.h */
}

static int dev_save(struct virtio_device *dev, struct buf *out, struct err *err)
{
	struct device *d = device_of(dev);

	if (d->save_result)
		return err_msg(err, -d->save_result, "it is busy");
	section_put(out, TAG_OWN, &d->own, sizeof(d->own));
	return 0;
}

static int dev_load(struct virtio_device *dev, struct sections *in, struct err *err)
{
	struct device *d = device_of(dev);

	d->loaded++;
	return section_get(in, TAG_OWN, &d->own, sizeof(d->own), err);
}

static void dev_free(struct virtio_device *dev)
{
	for (unsigned int i = 0; i < dev->n_queues; i++)
		vq_release(&dev->queues[i]);
}

static const struct virtio_dev_ops ops = {
	.activate = dev_activate,
	.reset = dev_reset,
	.save = dev_save,
	.load = dev_load,
	.free = dev_free,
};

/* machine_new() - with @d alone on its bus. */
static void machine_new(struct device *d, unsigned int n_queues)
{
	struct err err = ERR_INIT;

	memset(&m, 0, sizeof(m));
	*d = (struct device){ .dev = {
				      .ops = &ops,
				      .name = "test",
				      .id = 26,
				      .pci_class = 0x018000,
				      .features = FEATURE,
				      .n_queues = n_queues,
			      } };
	for (unsigned int i = 0; i < n_queues; i++)
		fake_check(vq_init(&d->dev.queues[i], &memory.mem, 64, &err) == 0);
	fake_check(virtio_pci_new(NULL, NULL, &d->dev, &d->vp, &err) == 0);
}

static void machine_free(struct device *d)
{
	virtio_pci_free(d->vp);
	fake_check(m.n_io == 0);
	for (unsigned int i = 0; i < m.gsis; i++)
		fake_check(m.gsi[i].fd == -1);
}

/* ---- the driver --------------------------------------------------------------------- */

static void set_msix(unsigned int i, uint32_t data, uint32_t mask)
{
	uint32_t at = VP_MSIX_TABLE_OFFSET + 16 * i;

	wr(at, 4, ADDRESS);
	wr(at + 8, 4, data);
	wr(at + 12, 4, mask);
}

/* start() - DRIVER_OK: vector 0 for the configuration, one for each queue. */
static void start(struct device *d)
{
	map_bar(BAR0);
	wr(COMMON(STATUS), 1, 3);
	wr(COMMON(GFSELECT), 4, 0);
	wr(COMMON(GF), 4, (FEATURE | RING) & 0xffffffff);
	wr(COMMON(GFSELECT), 4, 1);
	wr(COMMON(GF), 4, MODERN >> 32);
	wr(COMMON(STATUS), 1, 11);
	config_wr(find_cap(PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS, 2,
		  PCI_MSIX_FLAGS_ENABLE);
	for (unsigned int i = 0; i <= QUEUES; i++)
		set_msix(i, 0x40 + i, 0);
	wr(COMMON(MSIX), 2, 0);
	for (unsigned int i = 0; i < QUEUES; i++) {
		fake_queue_setup(&queues[i], &memory, &d->dev.queues[i], 16,
				 FAKE_EVENT_IDX);
		wr(COMMON(Q_SELECT), 2, i);
		wr(COMMON(Q_MSIX), 2, i + 1);
		wr(COMMON(Q_ENABLE), 2, 1);
	}
	wr(COMMON(STATUS), 1, 15);
	fake_check(d->activated == 1);
}

static void driver_end(void)
{
	for (unsigned int i = 0; i < QUEUES; i++)
		(void)close(queues[i].call_fd);
}

/* offer() - a chain of one buffer in queue @i. */
static uint16_t offer(unsigned int i)
{
	const struct fake_buf in = { fake_alloc(&memory, 64, 1), 64 };

	return fake_add(&queues[i], NULL, 0, &in, 1);
}

/* pop() - Return: the head, -1: there is none, -2: the queue is broken */
static int pop(struct device *d, unsigned int i)
{
	struct vq_chain chain;
	struct iovec iov[4];
	int ret = vq_pop(&d->dev.queues[i], &chain, iov, 4);

	return ret == 1 ? chain.head : ret == 0 ? -1 : -2;
}

/* serve() - one request, whole. */
static bool serve(struct device *d, unsigned int i)
{
	uint16_t head = offer(i), back = 0;
	uint32_t written = 0;

	if (pop(d, i) != head)
		return false;
	vq_push(&d->dev.queues[i], head, 7);
	vq_notify(&d->dev.queues[i]);
	return fake_used(&queues[i], &back, &written) && back == head && written == 7;
}

/* raised() - how often vector @i was, since the last look. */
static uint64_t raised(unsigned int i)
{
	uint64_t n = 0;

	if (m.gsi[i].fd >= 0 && read(m.gsi[i].fd, &n, sizeof(n)) < 0)
		fake_check(errno == EAGAIN);
	return n;
}

/* begin() - a machine whose driver has been at work; it is owed nothing. */
static void begin(struct device *d)
{
	fake_memory_init(&memory, 1 << 20);
	machine_new(d, QUEUES);
	start(d);
	d->own = 1234;
	for (unsigned int k = 0; k < 20; k++) /* once around the ring */
		fake_check(serve(d, 0));
	for (unsigned int k = 0; k < 3; k++)
		fake_check(serve(d, 1));
	for (unsigned int i = 0; i <= QUEUES; i++)
		(void)raised(i);
}

static struct sections of(const struct buf *b)
{
	return (struct sections){ .data = b->data, .len = b->len };
}

/* move() - out of @from, which ends, into @to, a new machine. */
static void move(struct device *from, struct device *to)
{
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;
	struct sections in;

	is_int(virtio_pci_save(from->vp, &state, &err), 0, "saved");
	machine_free(from);
	machine_new(to, QUEUES);
	in = of(&state);
	is_int(virtio_pci_load(to->vp, &in, &err), 0, "and loaded");
	is_int(in.len, 0, "all of it");
	for (unsigned int i = 0; i < QUEUES; i++)
		queues[i].vq = &to->dev.queues[i];
}

/* ---- tests ------------------------------------------------------------------------- */

static void test_registers(void)
{
	struct device a, b;

	begin(&a);
	wr(COMMON(Q_SELECT), 2, 1);
	move(&a, &b);
	is_int(rd(COMMON(STATUS), 1), 15, "the driver's status");
	is_int(rd(COMMON(Q_SELECT), 2), 1, "what it has selected");
	is_int(rd(COMMON(Q_ENABLE), 2), 1, "its queue is enabled");
	is_int(rd(COMMON(Q_SIZE), 2), 16, "with its size");
	is_int(rd(COMMON(Q_MSIX), 2), 2, "and its vector");
	is_int(rd(COMMON(MSIX), 2), 0, "and the configuration's");
	wr(COMMON(GFSELECT), 4, 0);
	is_int(rd(COMMON(GF), 4), (FEATURE | RING) & 0xffffffff,
	       "its features read back");
	is_int(b.dev.acked_features, FEATURE | RING | MODERN, "the device has them");
	is_int(b.activated, 1, "and is started, once");
	is_int(b.acked, FEATURE | RING | MODERN, "with the features");
	ok(b.loaded_first, "and what is its own");
	is_int(b.own, 1234, "which was saved");
	wr(COMMON(STATUS), 1, 0);
	is_int(rd(COMMON(STATUS), 1), 0, "the driver may reset it");
	ok(!b.dev.queues[0].enabled, "with its queues");
	machine_free(&b);
	driver_end();
	fake_memory_release(&memory);
}

static void test_interrupts(void)
{
	struct device a, b;

	begin(&a);
	set_msix(2, 0x42, PCI_MSIX_ENTRY_CTRL_MASKBIT);
	move(&a, &b);
	ok(m.gsi[0].fd >= 0 && m.gsi[1].fd >= 0, "vectors have their irqfds again");
	is_int(m.gsi[1].fd, b.dev.queues[0].call_fd, "those that the queues signal");
	ok(m.gsi[1].address == ADDRESS && m.gsi[1].data == 0x41, "and their routes");
	is_int(m.gsi[2].fd, -1, "but for one that the driver has masked");
	is_int(raised(0), 1, "that of the configuration is raised: it may have changed");
	is_int(raised(1), 1, "a queue's vector is raised once");
	set_msix(2, 0x42, 0);
	is_int(m.gsi[2].fd, b.dev.queues[1].call_fd, "unmasked it is there");
	is_int(raised(2), 1, "and what was raised meanwhile is not lost");
	machine_free(&b);
	driver_end();
	fake_memory_release(&memory);
}

static void test_requests_go_on(void)
{
	struct device a, b;

	begin(&a);
	move(&a, &b);
	(void)raised(1);
	is_int(ioeventfd_at(BAR0 + VP_NOTIFY_OFFSET), b.dev.queues[0].kick_fd,
	       "the driver's kicks reach the new queue");
	is_int(pop(&b, 0), -1, "nothing is served twice");
	ok(serve(&b, 0), "a request is served");
	is_int(raised(1), 1, "and told, as the driver has asked for");
	for (unsigned int k = 0; k < 40; k++)
		fake_check(serve(&b, 0) && serve(&b, 1));
	ok(!b.dev.queues[0].broken && !b.dev.queues[1].broken, "and more of them");
	machine_free(&b);
	driver_end();
	fake_memory_release(&memory);
}

/* What the driver offered when the device had not yet looked. */
static void test_offered_before(void)
{
	struct device a, b;
	uint16_t head;

	begin(&a);
	head = offer(0);
	move(&a, &b);
	is_int(pop(&b, 0), head, "a request that nobody had taken is there");
	vq_push(&b.dev.queues[0], head, 0);
	machine_free(&b);
	driver_end();
	fake_memory_release(&memory);
}

static void not_now(struct device *d, const char *why, const char *what)
{
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;

	is_int(virtio_pci_save(d->vp, &state, &err), -EAGAIN, "%s: not now", what);
	is_str(err.msg, why, "and why");
}

static void test_busy(void)
{
	auto_buf struct buf state = BUF_INIT;
	struct vq_rings rings;
	struct device a;
	uint16_t head;

	begin(&a);
	head = offer(1);
	fake_check(pop(&a, 1) == head);
	not_now(&a, "virtio test: 1 requests are under way", "a chain is out");
	vq_push(&a.dev.queues[1], head, 0);
	fake_check(vq_hand_out(&a.dev.queues[1], &rings));
	not_now(&a, "virtio test: a queue that cannot be saved",
		"another serves the queue");
	vq_take_back(&a.dev.queues[1], rings.last_avail);
	a.save_result = -EAGAIN;
	not_now(&a, "virtio test: it is busy", "the device says so");
	a.save_result = 0;
	is_int(virtio_pci_save(a.vp, &state, NULL), 0, "afterwards it can be saved");
	fake_offer(&queues[0], 999);
	fake_check(pop(&a, 0) == -2);
	not_now(&a, "virtio test: its driver does what cannot be saved",
		"a broken queue, NEEDS_RESET");
	machine_free(&a);
	driver_end();
	fake_memory_release(&memory);
}

/* No driver has come yet, or it has gone: that can be saved as well. */
static void test_without_driver(void)
{
	struct device a, b;

	fake_memory_init(&memory, 1 << 20);
	machine_new(&a, QUEUES);
	move(&a, &b);
	is_int(b.activated, 0, "a device without a driver is not started");
	ok(!b.dev.queues[0].enabled, "its queues are not enabled");
	is_int(rd(COMMON(STATUS), 1), 0, "nothing is negotiated");
	start(&b);
	ok(serve(&b, 0), "and a driver may come");
	machine_free(&b);
	driver_end();
	fake_memory_release(&memory);
}

/* ---- what was saved by others -------------------------------------------------------- */

/* The state as virtio_pci_save() lays it out: a section whose data begins with this. */
struct saved_head {
	uint16_t id;
	uint16_t n_queues;
	uint32_t reserved;
	uint64_t acked_features;
	uint8_t config[PCI_CONFIG_SIZE];
	struct vp_state state;
};

#define SECTION_HEAD 16u
#define SAVED_AT(field) (SECTION_HEAD + offsetof(struct saved_head, field))

/* refused() - @state with @len bytes at @at changed into @data: EPROTO, and nothing runs. */
static void refused(const struct buf *state, size_t at, const void *data, size_t len,
		    const char *why, const char *what)
{
	auto_buf struct buf other = BUF_INIT;
	struct err err = ERR_INIT;
	struct sections in;
	struct device b;

	fake_check(buf_append(&other, state->data, state->len) == 0);
	memcpy(other.data + at, data, len);
	machine_new(&b, QUEUES);
	in = of(&other);
	is_int(virtio_pci_load(b.vp, &in, &err), -EPROTO, "%s", what);
	is_str(err.msg, why, "is refused by name");
	ok(!b.activated && !b.dev.queues[0].enabled && m.gsi[1].fd == -1 &&
		   !rd(COMMON(STATUS), 1),
	   "and nothing was touched");
	machine_free(&b);
}

static void test_of_another(void)
{
	const uint64_t more = FEATURE | MODERN | 1ull << 7;
	const uint16_t id = 4, vector = QUEUES + 1;
	auto_buf struct buf state = BUF_INIT;
	struct device a;
	const uint16_t n_queues = 3;

	begin(&a);
	fake_check(virtio_pci_save(a.vp, &state, NULL) == 0);
	machine_free(&a);
	refused(&state, SAVED_AT(id), &id, sizeof(id),
		"virtio test: device 4 with 2 queues was saved", "another device");
	refused(&state, SAVED_AT(n_queues), &n_queues, sizeof(n_queues),
		"virtio test: device 26 with 3 queues was saved", "with other queues");
	refused(&state, SAVED_AT(acked_features), &more, sizeof(more),
		"virtio test: its driver has features that it does not",
		"with more features");
	refused(&state, SAVED_AT(state.queue_vector), &vector, sizeof(vector),
		"virtio test: interrupts that it does not have",
		"with more vectors, for a queue");
	refused(&state, SAVED_AT(state.config_vector), &vector, sizeof(vector),
		"virtio test: interrupts that it does not have",
		"with more vectors, for the configuration");
	refused(&state, 0, "V", 1,
		"virtio test: section 'Vpci' stands where 'vpci' should",
		"something else");
	driver_end();
	fake_memory_release(&memory);
}

/* load_fails() - what is not the first section is found later: the machine must not run. */
static int load_fails(const struct buf *state, struct err *err, bool *ret_activated)
{
	struct sections in = of(state);
	struct device b;
	int ret;

	machine_new(&b, QUEUES);
	ret = virtio_pci_load(b.vp, &in, err);
	*ret_activated = b.activated;
	machine_free(&b);
	return ret;
}

static void test_queues_that_lie(void)
{
	const uint64_t outside = FAKE_MEMORY_GPA + (1 << 20) - 16;
	auto_buf struct buf state = BUF_INIT;
	size_t vq_at = SECTION_HEAD + sizeof(struct saved_head) + SECTION_HEAD;
	struct err err = ERR_INIT;
	bool activated = false;
	unsigned int wrong = 0;
	struct device a;

	begin(&a);
	fake_check(virtio_pci_save(a.vp, &state, NULL) == 0);
	machine_free(&a);
	state.data[SAVED_AT(config)] ^= 1;
	is_int(load_fails(&state, &err, &activated), -EPROTO, "another PCI function");
	ok(!activated, "is not started");
	state.data[SAVED_AT(config)] ^= 1;
	fake_check(vq_at % 8 == 0);
	memcpy(state.data + vq_at, &outside, sizeof(outside));
	is_int(load_fails(&state, &err, &activated), -EINVAL, "rings outside of RAM");
	is_str(err.msg,
	       "virtio test: descriptor table at 0x400ffff0 is misaligned or outside of "
	       "guest memory",
	       "are refused by name");
	ok(!activated, "and the device is not started");

	for (size_t n = 0; n < state.len; n++) {
		struct buf cut = { .data = state.data, .len = n };

		wrong += load_fails(&cut, NULL, &activated) >= 0 || activated;
	}
	is_int(wrong, 0, "cut off at any byte it is refused, and not started");
	driver_end();
	fake_memory_release(&memory);
}

int main(void)
{
	test_registers();
	test_interrupts();
	test_requests_go_on();
	test_offered_before();
	test_busy();
	test_without_driver();
	test_of_another();
	test_queues_that_lie();
	return tap_done();
}
