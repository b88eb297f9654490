/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio-pci transport without KVM, on fake_machine.h: the test plays the driver
 * through BAR 0 and configuration space.
 */
#include "vmm/virtio/pci.h"

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "lib/log.h"
#include "tests/unit/fake_driver.h"
#include "tests/unit/fake_machine.h"
#include "tests/unit/tap.h"
#include "vmm/virtio/pci_internal.h"

#define CONFIG_SIZE 16u

/* ---- a device ---------------------------------------------------------------------- */

static struct {
	struct fake_memory fm;
	struct virtio_device dev;
	struct virtio_pci *vp;
	unsigned int activated, reset, freed;
	uint64_t acked; /* at activate() */
	int activate_result;
	uint8_t config[CONFIG_SIZE];
	uint32_t written_at, written;
	char shm[4096];
} d;

static int dev_activate(struct virtio_device *dev, struct err *err)
{
	d.activated++;
	d.acked = dev->acked_features;
	return d.activate_result ? err_msg(err, -d.activate_result, "no") : 0;
}

static void dev_reset(struct virtio_device *dev)
{
	(void)dev;
	d.reset++;
}

static void dev_config_write(struct virtio_device *dev, uint32_t offset, const void *data,
			     uint32_t len)
{
	(void)dev;
	d.written_at = offset;
	memcpy(&d.written, data, len);
}

static void dev_free(struct virtio_device *dev)
{
	for (unsigned int i = 0; i < dev->n_queues; i++)
		vq_release(&dev->queues[i]);
	d.freed++;
}

static const struct virtio_dev_ops ops = {
	.activate = dev_activate,
	.reset = dev_reset,
	.config_write = dev_config_write,
	.free = dev_free,
};

#define FEATURE (1ull << 5)
#define MODERN (1ull << VIRTIO_F_VERSION_1)
#define RING (1ull << 28 | 1ull << 29) /* INDIRECT_DESC, EVENT_IDX */

/* setup_as() - a device with or without shared memory and configuration. */
static void setup_as(bool with_shm, bool with_config)
{
	struct err err = ERR_INIT;

	memset(&m, 0, sizeof(m));
	memset(&d, 0, sizeof(d));
	fake_memory_init(&d.fm, 1 << 20);
	d.dev.ops = &ops;
	d.dev.name = "test";
	d.dev.id = 26;
	d.dev.pci_class = 0x018000;
	d.dev.features = FEATURE;
	d.dev.n_queues = 2;
	d.dev.config = d.config;
	d.dev.config_size = with_config ? CONFIG_SIZE : 0;
	if (with_shm) {
		d.dev.shm.id = 7;
		d.dev.shm.size = sizeof(d.shm);
		d.dev.shm.host = d.shm;
	}
	for (unsigned int i = 0; i < CONFIG_SIZE; i++)
		d.config[i] = (uint8_t)(0xa0 + i);
	for (unsigned int i = 0; i < 2; i++)
		fake_check(vq_init(&d.dev.queues[i], &d.fm.mem, 64, &err) == 0);
	fake_check(virtio_pci_new(NULL, NULL, &d.dev, &d.vp, &err) == 0);
}

static void setup(void)
{
	setup_as(false, true);
}

static void teardown(void)
{
	virtio_pci_free(d.vp);
	is_int(d.freed, 1, "the device is freed with its transport");
	is_int(m.n_io, 0, "no ioeventfd is left");
	for (unsigned int i = 0; i < m.gsis; i++)
		fake_check(m.gsi[i].fd == -1);
	ok(m.removed, "the function is off the bus");
	fake_memory_release(&d.fm);
}

/* ---- the driver --------------------------------------------------------------------- */

#define COMMON(field) (VP_COMMON_OFFSET + VIRTIO_PCI_COMMON_##field)

static uint8_t status(void)
{
	return (uint8_t)rd(COMMON(STATUS), 1);
}

static void set_status(unsigned int v)
{
	wr(COMMON(STATUS), 1, v);
}

static void accept(uint64_t features)
{
	wr(COMMON(GFSELECT), 4, 0);
	wr(COMMON(GF), 4, features & 0xffffffff);
	wr(COMMON(GFSELECT), 4, 1);
	wr(COMMON(GF), 4, features >> 32);
}

/* negotiate() - as far as FEATURES_OK. */
static void negotiate(uint64_t features)
{
	set_status(0);
	set_status(1);
	set_status(3);
	accept(features);
	set_status(11);
}

static void set_queue(uint16_t i, gpa_t desc, gpa_t avail, gpa_t used)
{
	wr(COMMON(Q_SELECT), 2, i);
	wr(COMMON(Q_DESCLO), 4, desc & 0xffffffff);
	wr(COMMON(Q_DESCHI), 4, desc >> 32);
	wr(COMMON(Q_AVAILLO), 4, avail & 0xffffffff);
	wr(COMMON(Q_AVAILHI), 4, avail >> 32);
	wr(COMMON(Q_USEDLO), 4, used & 0xffffffff);
	wr(COMMON(Q_USEDHI), 4, used >> 32);
}

static void enable_queue(uint16_t i, uint16_t size, uint16_t vector)
{
	gpa_t base = fake_alloc(&d.fm, 4096, 4096);

	set_queue(i, base, base + 1024, base + 2048);
	wr(COMMON(Q_SIZE), 2, size);
	wr(COMMON(Q_MSIX), 2, vector);
	wr(COMMON(Q_ENABLE), 2, 1);
}

static void start(void)
{
	map_bar(BAR0);
	negotiate(MODERN | RING | FEATURE);
	enable_queue(0, 16, 1);
	enable_queue(1, 64, 2);
	set_status(15);
}

static void msix_control(unsigned int v)
{
	config_wr(find_cap(PCI_CAP_ID_MSIX, 0) + PCI_MSIX_FLAGS, 2, v);
}

static void msix_entry(unsigned int i, uint64_t address, uint32_t data, uint32_t mask)
{
	uint32_t at = VP_MSIX_TABLE_OFFSET + 16 * i;

	wr(at, 4, address & 0xffffffff);
	wr(at + 4, 4, address >> 32);
	wr(at + 8, 4, data);
	wr(at + 12, 4, mask);
}

static uint64_t drain(int fd)
{
	uint64_t n = 0;

	if (read(fd, &n, sizeof(n)) < 0)
		fake_check(errno == EAGAIN);
	return n;
}

/* ---- tests ------------------------------------------------------------------------- */

static void is_cap(uint8_t type, uint32_t bar, uint32_t offset, uint32_t length)
{
	uint32_t at = find_cap(PCI_CAP_ID_VNDR, type);
	struct virtio_pci_cap cap;

	memcpy(&cap, m.pci->config + at, sizeof(cap));
	ok(at && cap.bar == bar && cap.offset == offset && cap.length == length &&
		   cap.cap_len >= sizeof(cap),
	   "capability %u: BAR %u, 0x%x, %u bytes", type, cap.bar, cap.offset,
	   cap.length);
}

static void test_configuration_space(void)
{
	struct virtio_pci_cap64 shm;

	setup_as(true, true);
	is_int(config_rd(PCI_VENDOR_ID, 4), 0x105a1af4, "vendor and device");
	is_int(config_rd(PCI_CLASS_REVISION, 4), 0x01800001, "class and revision");
	ok(config_rd(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST, "there are capabilities");
	is_int(config_rd(PCI_INTERRUPT_PIN, 1), 0, "no INTx");
	is_cap(VIRTIO_PCI_CAP_COMMON_CFG, 0, VP_COMMON_OFFSET, 56);
	is_cap(VIRTIO_PCI_CAP_ISR_CFG, 0, VP_ISR_OFFSET, 1);
	is_cap(VIRTIO_PCI_CAP_DEVICE_CFG, 0, VP_DEVICE_OFFSET, CONFIG_SIZE);
	is_cap(VIRTIO_PCI_CAP_NOTIFY_CFG, 0, VP_NOTIFY_OFFSET, 8);
	is_int(config_rd(find_cap(PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_NOTIFY_CFG) + 16, 4), 4,
	       "notify multiplier");
	is_cap(VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0);
	is_cap(VIRTIO_PCI_CAP_SHARED_MEMORY_CFG, 2, 0, 4096);
	memcpy(&shm,
	       m.pci->config +
		       find_cap(PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_SHARED_MEMORY_CFG),
	       sizeof(shm));
	is_int(shm.cap.id, 7, "shared memory id");
	is_int(m.slot, BAR2, "shared memory is a slot at its BAR");
	is_int(d.dev.shm.gpa, BAR2, "and the device is told");
	is_int(config_rd(find_cap(PCI_CAP_ID_MSIX, 0) + 2, 2), 2, "3 vectors");
	config_wr(PCI_VENDOR_ID, 4, 0);
	is_int(config_rd(PCI_VENDOR_ID, 4), 0x105a1af4, "and read only");
	teardown();
	setup_as(false, false);
	ok(!find_cap(PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_SHARED_MEMORY_CFG),
	   "no shm without shm");
	ok(!find_cap(PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_DEVICE_CFG),
	   "no configuration without one");
	teardown();
}

static void test_negotiation(void)
{
	setup();
	wr(COMMON(DFSELECT), 4, 0);
	is_int(rd(COMMON(DF), 4), (RING | FEATURE) & 0xffffffff, "features, low half");
	wr(COMMON(DFSELECT), 4, 1);
	is_int(rd(COMMON(DF), 4), MODERN >> 32, "features, high half");
	wr(COMMON(DFSELECT), 4, 2);
	is_int(rd(COMMON(DF), 4), 0, "nothing beyond");

	set_status(2);
	is_int(status(), 0, "no DRIVER before ACKNOWLEDGE");
	set_status(1);
	set_status(9);
	is_int(status(), 1, "no FEATURES_OK before DRIVER");
	negotiate(FEATURE);
	is_int(status(), 3, "no FEATURES_OK without VERSION_1");
	negotiate(MODERN | 1ull << 40);
	is_int(status(), 3, "none with a feature that was not offered");
	wr(COMMON(GFSELECT), 4, 1);
	is_int(rd(COMMON(GF), 4), 1, "which reads back as not set");
	set_status(15);
	is_int(status(), 3, "no DRIVER_OK without FEATURES_OK");
	is_int(d.activated, 0, "nothing was started");
	negotiate(MODERN | FEATURE);
	is_int(status(), 11, "FEATURES_OK");
	accept(MODERN);
	wr(COMMON(GFSELECT), 4, 0);
	is_int(rd(COMMON(GF), 4), FEATURE, "features are final then");
	set_status(15);
	is_int(status(), 15, "DRIVER_OK");
	is_int(d.activated, 1, "starts the device");
	is_int(d.acked, MODERN | FEATURE, "which knows the features");
	set_status(15);
	set_status(4);
	is_int(status(), 15, "bits are not cleared");
	is_int(d.activated, 1, "nor the device started twice");
	set_status(15 | 64 | 128);
	is_int(status(), 15 | 128, "FAILED is kept, NEEDS_RESET is ours");
	set_status(0);
	is_int(status(), 0, "reset");
	is_int(d.reset, 1, "reaches the device");
	set_status(0);
	is_int(d.reset, 1, "once");
	is_int(d.dev.acked_features, 0, "and forgets the features");
	teardown();
}

static void test_queues(void)
{
	struct vq *q = d.dev.queues;

	setup();
	map_bar(BAR0);
	wr(COMMON(Q_SELECT), 2, 2);
	is_int(rd(COMMON(Q_SIZE), 2), 0, "queue 2 does not exist");
	wr(COMMON(Q_SIZE), 2, 16);
	wr(COMMON(Q_DESCLO), 4, 4096);
	wr(COMMON(Q_MSIX), 2, 1);
	wr(COMMON(Q_ENABLE), 2, 1);
	is_int(rd(COMMON(Q_DESCLO), 4), 0, "and takes nothing");
	is_int(rd(COMMON(Q_MSIX), 2), 0xffff, "not even a vector");
	wr(COMMON(Q_SELECT), 2, 1);
	is_int(rd(COMMON(Q_SIZE), 2), 64, "queue 1 is offered");
	is_int(rd(COMMON(Q_NOFF), 2), 1, "with a notify address of its own");
	wr(COMMON(Q_SIZE), 2, 48);
	wr(COMMON(Q_SIZE), 2, 128);
	wr(COMMON(Q_SIZE), 2, 0);
	is_int(rd(COMMON(Q_SIZE), 2), 64, "only a power of 2 up to it is taken");
	wr(COMMON(Q_MSIX), 2, 3);
	is_int(rd(COMMON(Q_MSIX), 2), 0xffff, "a vector that does not exist is refused");
	enable_queue(1, 16, 2);
	ok(!q[1].enabled, "no queue before FEATURES_OK");

	negotiate(MODERN | RING);
	enable_queue(1, 16, 2);
	ok(q[1].enabled && q[1].size == 16 && q[1].event_idx && q[1].indirect, "enabled");
	is_int(rd(COMMON(Q_ENABLE), 2), 1, "reads back");
	is_int(q[1].call_fd, d.vp->vectors[2].fd, "interrupts by its vector");
	is_int(ioeventfd_at(BAR0 + VP_NOTIFY_OFFSET + 4), q[1].kick_fd,
	       "kicked by ioeventfd");
	is_int(m.n_io, 1, "only the queue that is used");
	wr(COMMON(Q_SIZE), 2, 32);
	wr(COMMON(Q_DESCLO), 4, 0);
	ok(q[1].size == 16 && q[1].desc_gpa, "an enabled queue does not change");
	wr(COMMON(Q_MSIX), 2, 0xffff);
	is_int(q[1].call_fd, -1, "but its vector may");
	map_bar(BAR0 + 0x100000);
	is_int(ioeventfd_at(BAR0 + 0x100000 + VP_NOTIFY_OFFSET + 4), q[1].kick_fd,
	       "the ioeventfd follows the BAR");
	map_bar(0);
	is_int(m.n_io, 0, "and goes with it");
	wr(VP_NOTIFY_OFFSET + 4, 2, 1);
	is_int(drain(q[1].kick_fd), 1, "a kick through the slow path arrives");
	wr(VP_NOTIFY_OFFSET, 2, 0);
	wr(VP_NOTIFY_OFFSET + 8, 2, 0);
	is_int(drain(q[0].kick_fd), 0, "a queue that is not enabled is not kicked");

	set_status(15);
	enable_queue(0, 16, 1);
	ok(!q[0].enabled, "no queue is enabled after DRIVER_OK");
	set_status(0);
	ok(!q[1].enabled && q[1].size == 64 && !q[1].desc_gpa, "reset clears the queues");
	wr(COMMON(Q_SELECT), 2, 1);
	is_int(rd(COMMON(Q_MSIX), 2), 0xffff, "and their vectors");
	teardown();
}

static void test_bad_queue_address(void)
{
	setup();
	negotiate(MODERN);
	set_queue(0, 0x10, FAKE_MEMORY_GPA, FAKE_MEMORY_GPA);
	wr(COMMON(Q_ENABLE), 2, 1);
	is_int(status(), 11 | 64, "a queue outside of memory: NEEDS_RESET");
	set_status(15 | 64);
	is_int(d.activated, 0, "and the device does not start");
	set_status(0);
	is_int(status(), 0, "until it is reset");
	teardown();
}

static void test_activate_fails(void)
{
	setup();
	d.activate_result = -EIO;
	start();
	is_int(status(), 15 | 64, "a device that cannot start: NEEDS_RESET");
	set_status(0);
	is_int(d.reset, 1, "it is reset all the same");
	teardown();
}

static void test_broken_queue(void)
{
	struct vq_chain chain;
	struct iovec iov[2];
	struct fake_memory *fm = &d.fm;

	setup();
	start();
	wr(COMMON(MSIX), 2, 0);
	*(uint16_t *)fake_host(fm, d.dev.queues[0].avail_gpa + 2, 2) = 1000;
	is_int(vq_pop(&d.dev.queues[0], &chain, iov, 2), -EPROTO, "a violation");
	is_int(status(), 15 | 64, "NEEDS_RESET without the device's help");
	is_int(drain(d.vp->vectors[0].fd), 1, "told by the configuration interrupt");
	teardown();
}

static void test_device_configuration(void)
{
	uint8_t before;

	setup();
	is_int(rd(VP_DEVICE_OFFSET + 4, 4), 0xa7a6a5a4, "the device's configuration");
	is_int(rd(VP_DEVICE_OFFSET + 15, 1), 0xaf, "its last byte");
	is_int(rd(VP_DEVICE_OFFSET + 15, 2), 0, "nothing that goes beyond");
	is_int(rd(VP_DEVICE_OFFSET + 16, 4), 0, "nor behind");
	wr(VP_DEVICE_OFFSET + 8, 4, 0x12345678);
	ok(d.written_at == 8 && d.written == 0x12345678, "a write arrives");
	wr(VP_DEVICE_OFFSET + 14, 4, 1);
	is_int(d.written_at, 8, "one that goes beyond does not");

	start();
	wr(COMMON(MSIX), 2, 0);
	before = (uint8_t)rd(COMMON(CFGGENERATION), 1);
	d.config[0] = 1;
	d.dev.transport->config_changed(&d.dev);
	is_int(drain(d.vp->vectors[0].fd), 1,
	       "a change raises the configuration interrupt");
	is_int(rd(COMMON(CFGGENERATION), 1), before, "the generation is the old one ...");
	is_int(rd(VP_DEVICE_OFFSET, 1), 1, "until the new value is read");
	ok((uint8_t)rd(COMMON(CFGGENERATION), 1) != before, "then it is another");
	is_int(rd(VP_ISR_OFFSET, 1), 2, "isr says configuration");
	is_int(rd(VP_ISR_OFFSET, 1), 0, "and is cleared by reading");
	teardown();
}

static void test_msix(void)
{
	int fd;

	setup();
	start();
	fd = d.vp->vectors[1].fd;
	is_int(rd(VP_MSIX_TABLE_OFFSET + 16 + 12, 4), 1, "vectors are masked at first");
	msix_entry(1, 0xfee01000, 0x41, 0);
	is_int(m.gsi[1].fd, -1, "no irqfd while MSI-X is off");
	is_int(m.gsi[1].set, 0, "nor a route");
	msix_control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	is_int(m.gsi[1].fd, -1, "nor while the function is masked");
	msix_control(PCI_MSIX_FLAGS_ENABLE);
	is_int(m.gsi[1].fd, fd, "irqfd of the unmasked vector");
	ok(m.gsi[1].address == 0xfee01000 && m.gsi[1].data == 0x41, "routed");
	is_int(m.gsi[0].fd, -1, "the masked ones have none");
	is_int(m.gsi[2].fd, -1, "the masked ones have none");

	/* As Linux moves an interrupt: mask, write, unmask. */
	wr(VP_MSIX_TABLE_OFFSET + 16 + 12, 4, 1);
	is_int(m.gsi[1].fd, -1, "masked: no irqfd");
	(void)vq_enable_kicks(&d.dev.queues[0]);
	vq_push(&d.dev.queues[0], 0, 0);
	vq_notify(&d.dev.queues[0]);
	is_int(rd(VP_MSIX_PBA_OFFSET, 8), 2, "what is signalled now is pending");
	is_int(rd(VP_MSIX_PBA_OFFSET, 4), 2, "also in 32 bits");
	msix_entry(1, 0xfee02000, 0x42, 0);
	is_int(m.gsi[1].set, 2, "one new route for the three writes");
	is_int(m.gsi[1].fd, fd, "unmasked: irqfd again");
	is_int(drain(fd), 1, "and KVM finds what was pending");
	is_int(rd(VP_MSIX_PBA_OFFSET, 8), 0, "nothing is pending any more");
	msix_control(0);
	is_int(m.gsi[1].fd, -1, "MSI-X off: no irqfd");

	wr(VP_MSIX_TABLE_OFFSET + 32, 8, 0xfee03000);
	wr(VP_MSIX_TABLE_OFFSET + 40, 8, 0x43);
	is_int(rd(VP_MSIX_TABLE_OFFSET + 32, 8), 0xfee03000, "64-bit accesses work");
	wr(VP_MSIX_TABLE_OFFSET + 32, 2, 0xffff);
	wr(VP_MSIX_TABLE_OFFSET + 34, 4, 0xffffffff);
	is_int(rd(VP_MSIX_TABLE_OFFSET + 32, 8), 0xfee03000, "odd ones are dropped");
	wr(VP_MSIX_TABLE_OFFSET + 48, 4, 1);
	is_int(rd(VP_MSIX_TABLE_OFFSET + 48, 4), 0, "there is no entry 3");

	m.refuse_routes = true;
	msix_control(PCI_MSIX_FLAGS_ENABLE);
	is_int(m.gsi[2].fd, -1, "an address that KVM refuses gets no interrupt");
	is_int(m.gsi[1].fd, fd, "the others do");
	teardown();
}

static void test_window(void)
{
	uint32_t at;

	setup();
	map_bar(BAR0);
	negotiate(MODERN);
	enable_queue(0, 16, 0);
	map_bar(0);
	at = find_cap(PCI_CAP_ID_VNDR, VIRTIO_PCI_CAP_PCI_CFG);
	ok(!d.vp->pci.watch_reads, "reads of configuration space need no exit");
	config_wr(at + 12, 4, 2);
	ok(d.vp->pci.watch_reads, "until the window is used");
	config_wr(at + 8, 4, COMMON(NUMQ));
	is_int(config_rd(at + 16, 2), 2, "the window reads");
	config_wr(at + 8, 4, VP_NOTIFY_OFFSET);
	config_wr(at + 16, 2, 0);
	is_int(drain(d.dev.queues[0].kick_fd), 1, "and writes");
	config_wr(at + 12, 4, 1);
	config_wr(at + 8, 4, COMMON(STATUS));
	config_wr(at + 16, 4, 0xff00);
	is_int(status(), 0, "also a reset");
	config_wr(at + 16, 4, 1);
	config_wr(at + 4, 1, 2);
	config_wr(at + 16, 4, 0);
	is_int(status(), 1, "but not into another BAR");
	config_wr(at + 4, 1, 0);
	config_wr(at + 8, 4, 0x8000);
	config_wr(at + 16, 4, 0);
	config_wr(at + 8, 4, 0xffffffff);
	config_wr(at + 16, 4, 0);
	config_wr(at + 8, 4, COMMON(STATUS));
	config_wr(at + 12, 4, 3);
	config_wr(at + 16, 4, 0);
	is_int(status(), 1, "nor beyond it, nor in odd widths");
	teardown();
}

/* Every offset of the BAR in every width: nothing may fall over. */
static void test_every_offset(void)
{
	uint64_t sum = 0;

	setup();
	start();
	for (uint32_t len = 1; len <= 8; len *= 2)
		for (uint32_t at = 0; at + len <= VP_BAR_SIZE; at++) {
			sum += rd(at, len);
			wr(at, len, sum);
		}
	set_status(0);
	is_int(status(), 0, "alive after a walk over all of BAR 0");
	teardown();
}

int main(void)
{
	log_init(-1, LOG_TEXT, LOG_ERROR); /* warnings are expected */
	test_configuration_space();
	test_negotiation();
	test_queues();
	test_bad_queue_address();
	test_activate_fails();
	test_broken_queue();
	test_device_configuration();
	test_msix();
	test_window();
	test_every_offset();
	return tap_done();
}
