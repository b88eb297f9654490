/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI Local Bus Specification 3.0: §6.1 (header), §6.2.5.1 (base addresses); PCI
 * Express Base Specification 4.0: §7.2.2 (ECAM).  Bus 0 only, function 0 only.
 */
#include "vmm/pci.h"

#include <assert.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <sys/mman.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/arch/x86/layout.h"

#define PCI_BAR_MIN_SIZE 4096u /* (bytes) so that no two share a page */

/* The identity of QEMU's generic host bridge, which no driver has quirks for. */
#define HOST_VENDOR 0x1b36
#define HOST_DEVICE 0x0008
#define CLASS_BRIDGE_HOST 0x0600u

/* Fields of an address in LAYOUT_PCI_ECAM. */
#define ECAM_DEVICE_SIZE 0x8000u /* (bytes) 8 functions of 4 KiB */
#define ECAM_FUNCTION_SIZE 0x1000u
#define ECAM_SLOT(offset) ((unsigned int)((offset) / ECAM_DEVICE_SIZE))
#define ECAM_FUNCTION(offset)                                                            \
	((unsigned int)((offset) % ECAM_DEVICE_SIZE / ECAM_FUNCTION_SIZE))
#define ECAM_REG(offset) ((uint32_t)((offset) % ECAM_FUNCTION_SIZE))
static_assert(LAYOUT_PCI_SLOTS * ECAM_DEVICE_SIZE == LAYOUT_PCI_ECAM_SIZE, "one bus");
static_assert(LAYOUT_PCI_SLOTS <= VM_MAX_ROMS, "a copy for each function");

#define COPIES_SIZE (LAYOUT_PCI_SLOTS * (size_t)ECAM_FUNCTION_SIZE)

struct pci_slot {
	struct pci_dev *dev; /* NULL: empty */
	gpa_t assigned[PCI_MAX_BARS]; /* where pci_add() put each BAR */
	bool exposed; /* the guest reads the copy by itself */
};

struct pci_bus {
	struct vm *vm;
	pthread_mutex_t lock; /* all below, and every callback of a function */
	/* The registers of slots[i] from its page i on, for the guest to read; nothing
	 * else is in these pages. Mapped, COPIES_SIZE bytes. */
	uint8_t *copies;
	struct pci_slot slots[LAYOUT_PCI_SLOTS];
	struct pci_dev host;
};

static uint32_t get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t value)
{
	for (unsigned int i = 0; i < 4; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t bar_register(unsigned int i)
{
	return PCI_BASE_ADDRESS_0 + 4 * i;
}

/* ---- addresses ----------------------------------------------------------------- */

/* in_windows() - may a BAR lie here? Everything else is RAM or KVM's. */
static bool in_windows(gpa_t gpa, uint64_t size)
{
	return (gpa >= LAYOUT_PCI32 && gpa - LAYOUT_PCI32 < LAYOUT_PCI32_SIZE &&
		size <= LAYOUT_PCI32_SIZE - (gpa - LAYOUT_PCI32)) ||
	       (gpa >= LAYOUT_PCI64 && gpa - LAYOUT_PCI64 < LAYOUT_PCI64_SIZE &&
		size <= LAYOUT_PCI64_SIZE - (gpa - LAYOUT_PCI64));
}

/* wanted_gpa() - where the guest wants the BAR now, 0: nowhere. */
static gpa_t wanted_gpa(const struct pci_dev *dev, unsigned int i)
{
	const struct pci_bar *bar = &dev->bars[i];
	gpa_t gpa = get32(dev->config + bar_register(i)) & ~0xfull;

	if (!(dev->config[PCI_COMMAND] & PCI_COMMAND_MEMORY))
		return 0;
	if (bar->is_64bit)
		gpa |= (gpa_t)get32(dev->config + bar_register(i + 1)) << 32;
	return in_windows(gpa, bar->size) ? gpa : 0;
}

static void update_bar(struct pci_bus *bus, struct pci_dev *dev, unsigned int i,
		       gpa_t gpa)
{
	struct pci_bar *bar = &dev->bars[i];
	gpa_t old = bar->gpa;

	if (gpa == old || !bar->ops)
		return;
	if (old)
		vm_remove_mmio(bus->vm, old);
	/* Where another BAR lies already this one is not seen. */
	if (gpa && vm_add_mmio(bus->vm, gpa, bar->size, bar->ops, bar->opaque, NULL) < 0)
		gpa = 0;
	bar->gpa = gpa;
	if (bar->moved && gpa != old)
		bar->moved(bar->opaque, old, gpa);
}

static void update_bars(struct pci_bus *bus, struct pci_dev *dev)
{
	for (unsigned int i = 0; i < PCI_MAX_BARS; i++) {
		if (dev->bars[i].size)
			update_bar(bus, dev, i, wanted_gpa(dev, i));
	}
}

/* next_conflict() - the end of an assigned BAR that overlaps, or 0. */
static gpa_t next_conflict(const struct pci_bus *bus, gpa_t gpa, uint64_t size)
{
	for (unsigned int s = 0; s < LAYOUT_PCI_SLOTS; s++) {
		const struct pci_slot *slot = &bus->slots[s];

		for (unsigned int i = 0; slot->dev && i < PCI_MAX_BARS; i++) {
			gpa_t at = slot->assigned[i];

			if (at && gpa < at + slot->dev->bars[i].size && at < gpa + size)
				return at + slot->dev->bars[i].size;
		}
	}
	return 0;
}

/* assign() - the first free, naturally aligned place; 0: there is none. */
static gpa_t assign(const struct pci_bus *bus, const struct pci_bar *bar)
{
	gpa_t gpa = bar->is_64bit ? LAYOUT_PCI64 : LAYOUT_PCI32;
	gpa_t end;

	do {
		gpa = (gpa + bar->size - 1) & ~(bar->size - 1);
		if (!in_windows(gpa, bar->size))
			return 0;
		end = next_conflict(bus, gpa, bar->size);
		if (end)
			gpa = end;
	} while (end);
	return gpa;
}

/* ---- what the guest reads by itself ------------------------------------------------ */

/* publish() - bring the copy up to date. */
static void publish(struct pci_bus *bus, const struct pci_dev *dev)
{
	memcpy(bus->copies + (size_t)dev->slot * ECAM_FUNCTION_SIZE, dev->config,
	       sizeof(dev->config));
}

static gpa_t function_gpa(const struct pci_dev *dev)
{
	return LAYOUT_PCI_ECAM + (gpa_t)dev->slot * ECAM_DEVICE_SIZE;
}

static int expose(struct pci_bus *bus, struct pci_dev *dev, struct err *err)
{
	int ret;

	publish(bus, dev);
	ret = vm_set_rom(bus->vm, dev->slot, function_gpa(dev),
			 bus->copies + (size_t)dev->slot * ECAM_FUNCTION_SIZE,
			 ECAM_FUNCTION_SIZE, err);
	bus->slots[dev->slot].exposed = ret == 0;
	return ret;
}

static void conceal(struct pci_bus *bus, const struct pci_dev *dev)
{
	if (!bus->slots[dev->slot].exposed)
		return;
	/* Taking a slot away that is there cannot fail. */
	(void)vm_set_rom(bus->vm, dev->slot, function_gpa(dev), NULL, 0, NULL);
	bus->slots[dev->slot].exposed = false;
}

/* ---- functions -------------------------------------------------------------------- */

static void put_bar(struct pci_dev *dev, unsigned int i, gpa_t gpa)
{
	const struct pci_bar *bar = &dev->bars[i];
	uint32_t flags = PCI_BASE_ADDRESS_SPACE_MEMORY;
	uint64_t mask = ~(bar->size - 1);

	if (bar->is_64bit)
		flags |= PCI_BASE_ADDRESS_MEM_TYPE_64;
	if (bar->prefetchable)
		flags |= PCI_BASE_ADDRESS_MEM_PREFETCH;
	put32(dev->config + bar_register(i), (uint32_t)gpa | flags);
	put32(dev->writable + bar_register(i), (uint32_t)mask);
	if (bar->is_64bit) {
		put32(dev->config + bar_register(i + 1), (uint32_t)(gpa >> 32));
		put32(dev->writable + bar_register(i + 1), (uint32_t)(mask >> 32));
	}
}

static int check_bars(const struct pci_dev *dev, struct err *err)
{
	for (unsigned int i = 0; i < PCI_MAX_BARS; i++) {
		const struct pci_bar *bar = &dev->bars[i];

		if (!bar->size)
			continue;
		if (bar->size < PCI_BAR_MIN_SIZE || bar->size & (bar->size - 1) ||
		    (!bar->is_64bit && bar->size > LAYOUT_PCI32_SIZE) ||
		    (bar->is_64bit && (i + 1 == PCI_MAX_BARS || dev->bars[i + 1].size)))
			return err_msg(err, EINVAL, "PCI: BAR %u cannot have %llu bytes",
				       i, (unsigned long long)bar->size);
	}
	return 0;
}

static int add_locked(struct pci_bus *bus, struct pci_dev *dev, unsigned int s,
		      struct err *err)
{
	struct pci_slot *slot;
	int ret = check_bars(dev, err);

	if (ret < 0)
		return ret;
	while (s < LAYOUT_PCI_SLOTS && bus->slots[s].dev)
		s++;
	if (s == LAYOUT_PCI_SLOTS)
		return err_msg(err, ENOSPC, "PCI: all %d slots are taken",
			       LAYOUT_PCI_SLOTS);
	slot = &bus->slots[s];
	*slot = (struct pci_slot){ .dev = dev };
	for (unsigned int i = 0; i < PCI_MAX_BARS; i++) {
		struct pci_bar *bar = &dev->bars[i];

		if (!bar->size)
			continue;
		slot->assigned[i] = assign(bus, bar);
		if (!slot->assigned[i]) {
			slot->dev = NULL;
			return err_msg(err, ENOSPC,
				       "PCI: no room for %llu bytes of addresses",
				       (unsigned long long)bar->size);
		}
		put_bar(dev, i, slot->assigned[i]);
		bar->gpa = bar->ops ? 0 : slot->assigned[i];
	}
	dev->slot = s;
	ret = expose(bus, dev, err);
	if (ret < 0) {
		slot->dev = NULL;
		return ret;
	}
	update_bars(bus, dev);
	return 0;
}

int pci_add(struct pci_bus *bus, struct pci_dev *dev, struct err *err)
{
	int ret;

	(void)pthread_mutex_lock(&bus->lock);
	ret = add_locked(bus, dev, LAYOUT_PCI_SLOT_FIRST, err);
	(void)pthread_mutex_unlock(&bus->lock);
	return ret;
}

int pci_load(struct pci_bus *bus, struct pci_dev *dev,
	     const uint8_t config[PCI_CONFIG_SIZE], struct err *err)
{
	for (unsigned int i = 0; i < PCI_CONFIG_SIZE; i++)
		if ((dev->config[i] ^ config[i]) & ~dev->writable[i])
			return err_msg(err, EPROTO,
				       "PCI: another function was saved (register %#x)",
				       i);
	(void)pthread_mutex_lock(&bus->lock);
	memcpy(dev->config, config, PCI_CONFIG_SIZE);
	update_bars(bus, dev);
	publish(bus, dev);
	(void)pthread_mutex_unlock(&bus->lock);
	return 0;
}

void pci_remove(struct pci_bus *bus, struct pci_dev *dev)
{
	(void)pthread_mutex_lock(&bus->lock);
	if (bus->slots[dev->slot].dev == dev) {
		for (unsigned int i = 0; i < PCI_MAX_BARS; i++)
			update_bar(bus, dev, i, 0);
		conceal(bus, dev);
		bus->slots[dev->slot].dev = NULL;
	}
	(void)pthread_mutex_unlock(&bus->lock);
}

/* ---- configuration space ------------------------------------------------------------ */

/* addressed() - the function whose registers are at @offset; NULL: nobody's. */
static struct pci_dev *addressed(const struct pci_bus *bus, uint64_t offset)
{
	return ECAM_FUNCTION(offset) ? NULL : bus->slots[ECAM_SLOT(offset)].dev;
}

static bool touches(uint32_t offset, uint32_t len, uint32_t first, uint32_t size)
{
	return offset < first + size && first < offset + len;
}

static void config_write(struct pci_bus *bus, struct pci_dev *dev, uint32_t offset,
			 const uint8_t *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		uint8_t mask = dev->writable[offset + i];
		uint8_t *reg = &dev->config[offset + i];

		*reg = (uint8_t)((*reg & ~mask) | (data[i] & mask));
	}
	if (touches(offset, len, PCI_COMMAND, 2) ||
	    touches(offset, len, PCI_BASE_ADDRESS_0, 4 * PCI_MAX_BARS))
		update_bars(bus, dev);
	if (dev->config_written)
		dev->config_written(dev, offset, len);
}

/* ecam_read() - of a function that is not there, or that wants to know. */
static void ecam_read(void *opaque, uint64_t offset, void *data, uint32_t len)
{
	uint32_t reg = ECAM_REG(offset);
	struct pci_bus *bus = opaque;
	struct pci_dev *dev;

	memset(data, 0xff, len);
	(void)pthread_mutex_lock(&bus->lock);
	dev = addressed(bus, offset);
	if (dev && reg + len <= PCI_CONFIG_SIZE) {
		if (dev->watch_reads)
			dev->config_reading(dev, reg, len);
		memcpy(data, dev->config + reg, len);
	} else if (dev) {
		memset(data, 0, len); /* no extended capabilities */
	}
	(void)pthread_mutex_unlock(&bus->lock);
}

/* PCIe 4.0 §7.2.2: no access crosses a register's end. Others are dropped. */
static void ecam_write(void *opaque, uint64_t offset, const void *data, uint32_t len)
{
	uint32_t reg = ECAM_REG(offset);
	struct pci_bus *bus = opaque;
	struct pci_dev *dev;

	(void)pthread_mutex_lock(&bus->lock);
	dev = addressed(bus, offset);
	if (dev && reg % 4 + len <= 4 && reg < PCI_CONFIG_SIZE) {
		config_write(bus, dev, reg, data, len);
		publish(bus, dev);
		if (dev->watch_reads)
			conceal(bus, dev);
	}
	(void)pthread_mutex_unlock(&bus->lock);
}

/* ---- the bus --------------------------------------------------------------------------- */

static void init_host(struct pci_dev *host)
{
	put32(host->config + PCI_VENDOR_ID, HOST_VENDOR | (uint32_t)HOST_DEVICE << 16);
	put32(host->config + PCI_CLASS_REVISION, CLASS_BRIDGE_HOST << 16);
}

int pci_bus_new(struct vm *vm, struct pci_bus **ret_bus, struct err *err)
{
	static const struct vm_range_ops ops = { .read = ecam_read, .write = ecam_write };
	struct pci_bus *bus = calloc(1, sizeof(*bus));
	void *copies;
	int ret;

	if (!bus)
		return err_set(err, ENOMEM, "PCI bus");
	bus->vm = vm;
	(void)pthread_mutex_init(&bus->lock, NULL); /* cannot fail on Linux */
	copies = mmap(NULL, COPIES_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copies == MAP_FAILED) {
		ret = err_set(err, errno, "PCI bus: map configuration space");
	} else {
		bus->copies = copies;
		init_host(&bus->host);
		ret = add_locked(bus, &bus->host, LAYOUT_PCI_SLOT_HOST, err);
	}
	if (ret == 0)
		ret = vm_add_mmio(vm, LAYOUT_PCI_ECAM, LAYOUT_PCI_ECAM_SIZE, &ops, bus,
				  err);
	if (ret < 0) {
		pci_bus_free(bus);
		return ret;
	}
	*ret_bus = bus;
	return 0;
}

void pci_bus_free(struct pci_bus *bus)
{
	if (!bus)
		return;
	/* A function that is still there is shown no longer: its page goes. */
	for (unsigned int i = 0; i < LAYOUT_PCI_SLOTS; i++) {
		if (bus->slots[i].dev)
			conceal(bus, bus->slots[i].dev);
	}
	if (bus->copies)
		(void)munmap(bus->copies, COPIES_SIZE); /* cannot fail: it is ours */
	(void)pthread_mutex_destroy(&bus->lock); /* the vCPUs are stopped */
	free(bus);
}
