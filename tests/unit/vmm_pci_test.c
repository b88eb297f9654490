/* SPDX-License-Identifier: Apache-2.0 */
/* The bus without a machine: vm_add_mmio() and friends are defined here. */
#include "vmm/pci.h"

#include <errno.h>
#include <linux/pci_regs.h>

#include "lib/err.h"
#include "tests/unit/tap.h"
#include "vmm/arch/x86/layout.h"

static struct {
	const struct vm_range_ops *ops;
	void *opaque;
	gpa_t mapped[16];
	uint64_t size[16];
	unsigned int n, adds;
	const uint8_t *roms[VM_MAX_ROMS]; /* what the guest reads by itself */
	int rom_error;
} m;

int vm_set_rom(struct vm *vm, unsigned int i, gpa_t gpa, void *host, uint64_t size,
	       struct err *err)
{
	(void)vm;
	if (m.rom_error)
		return err_msg(err, -m.rom_error, "no slot");
	ok(gpa == LAYOUT_PCI_ECAM + i * 0x8000ull &&
		   (size == 0x1000 || (!size && !host)) && (uintptr_t)host % 0x1000 == 0,
	   "a page of its own for slot %u", i);
	m.roms[i] = host;
	return 0;
}

int vm_add_mmio(struct vm *vm, gpa_t gpa, uint64_t size, const struct vm_range_ops *ops,
		void *opaque, struct err *err)
{
	(void)vm;
	(void)err;
	if (gpa == LAYOUT_PCI_ECAM) {
		m.ops = ops;
		m.opaque = opaque;
		return size == LAYOUT_PCI_ECAM_SIZE ? 0 : -EINVAL;
	}
	m.adds++;
	for (unsigned int i = 0; i < m.n; i++) {
		if (gpa < m.mapped[i] + m.size[i] && m.mapped[i] < gpa + size)
			return -EEXIST;
	}
	m.mapped[m.n] = gpa;
	m.size[m.n++] = size;
	return 0;
}

void vm_remove_mmio(struct vm *vm, gpa_t gpa)
{
	(void)vm;
	for (unsigned int i = 0; i < m.n; i++) {
		if (m.mapped[i] == gpa) {
			m.n--;
			m.mapped[i] = m.mapped[m.n];
			m.size[i] = m.size[m.n];
			return;
		}
	}
}

static bool is_mapped(gpa_t gpa)
{
	for (unsigned int i = 0; i < m.n; i++) {
		if (m.mapped[i] == gpa)
			return true;
	}
	return false;
}

/* ---- the guest's side ------------------------------------------------------------- */

static uint64_t ecam_at(unsigned int slot, uint32_t reg)
{
	return slot * 0x8000ull + reg;
}

static uint32_t rd(unsigned int slot, uint32_t reg, uint32_t len)
{
	uint32_t value = 0;

	if (m.roms[slot])
		memcpy(&value, m.roms[slot] + reg, len);
	else
		m.ops->read(m.opaque, ecam_at(slot, reg), &value, len);
	return value;
}

static void wr(unsigned int slot, uint32_t reg, uint32_t value, uint32_t len)
{
	m.ops->write(m.opaque, ecam_at(slot, reg), &value, len);
}

/* ---- functions ---------------------------------------------------------------------- */

static const struct vm_range_ops bar_ops = { 0 };

static struct {
	unsigned int moves, written, reading;
	gpa_t from, to;
	uint32_t offset, len;
} seen;

static void moved(void *opaque, gpa_t from, gpa_t to)
{
	(void)opaque;
	seen.moves++;
	seen.from = from;
	seen.to = to;
}

static void config_written(struct pci_dev *dev, uint32_t offset, uint32_t len)
{
	dev->watch_reads = offset == 0x50;
	seen.written++;
	seen.offset = offset;
	seen.len = len;
}

static void config_reading(struct pci_dev *dev, uint32_t offset, uint32_t len)
{
	(void)len;
	seen.reading++;
	dev->config[offset] = 0x77;
}

static void make_dev(struct pci_dev *dev)
{
	*dev = (struct pci_dev){
		.config = { 0xf4, 0x1a, 0x41, 0x10 },
		.bars[0] = { .size = 0x4000, .ops = &bar_ops, .moved = moved },
	};
	dev->writable[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	dev->writable[PCI_INTERRUPT_LINE] = 0xff;
}

static struct pci_bus *new_bus(void)
{
	struct pci_bus *bus = NULL;

	memset(&m, 0, sizeof(m));
	memset(&seen, 0, sizeof(seen));
	ok(pci_bus_new(NULL, &bus, NULL) == 0, "a bus");
	return bus;
}

static void test_access(void)
{
	struct pci_bus *bus = new_bus();
	struct pci_dev dev;
	uint64_t value = 0;

	make_dev(&dev);
	is_int(rd(0, PCI_CLASS_REVISION, 4) >> 16, 0x0600, "a host bridge in slot 0");
	is_int(rd(1, PCI_VENDOR_ID, 4), 0xffffffff, "slot 1 is empty");
	wr(1, PCI_VENDOR_ID, 0, 4);
	ok(pci_add(bus, &dev, NULL) == 0 && dev.slot == 1, "a function gets slot 1");
	is_int(rd(1, PCI_VENDOR_ID, 2), 0x1af4, "its vendor");
	is_int(rd(1, PCI_DEVICE_ID, 2), 0x1041, "its device");
	wr(1, PCI_VENDOR_ID, 0, 4);
	is_int(rd(1, PCI_VENDOR_ID, 4), 0x10411af4, "is not writable");
	wr(1, PCI_INTERRUPT_LINE, 0x2a, 1);
	is_int(rd(1, PCI_INTERRUPT_LINE, 1), 0x2a, "the interrupt line is");
	wr(1, PCI_INTERRUPT_LINE - 1, 0x3b3b, 2);
	is_int(rd(1, PCI_INTERRUPT_LINE, 1), 0x2a, "not by an access across registers");
	m.ops->read(m.opaque, ecam_at(1, PCI_INTERRUPT_LINE), &value, 1);
	is_int(value, 0x2a, "who reads through us sees the same");
	is_int(rd(1, 0x100, 4), 0, "no extended capabilities");
	m.ops->read(m.opaque, ecam_at(1, 0xfc), &value, 8);
	is_int(value, 0, "nor through us");
	m.ops->write(m.opaque, ecam_at(1, 0xfff), &value, 1);
	m.ops->read(m.opaque, ecam_at(1, 0x1000), &value, 4);
	is_int(value, 0xffffffff, "no function 1");
	m.ops->write(m.opaque, ecam_at(1, 0x1000 + PCI_INTERRUPT_LINE), &value, 1);
	is_int(rd(1, PCI_INTERRUPT_LINE, 1), 0x2a, "to write to either");
	m.ops->read(m.opaque, ecam_at(31, 0xff8), &value, 8);
	is_int(value, UINT64_MAX, "the end of the space");
	dev.config_written = config_written;
	dev.config_reading = config_reading;
	wr(1, 0x42, 0xffff, 2);
	ok(seen.written == 1 && seen.offset == 0x42 && seen.len == 2,
	   "the function is told");
	ok(rd(1, 0x50, 1) == 0 && seen.reading == 0, "and reads are the guest's own");
	wr(1, 0x50, 1, 4);
	ok(!m.roms[1] && m.roms[0], "until it wants to know of them");
	ok(rd(1, 0x50, 1) == 0x77 && seen.reading == 1, "now it is asked before a read");
	pci_remove(bus, &dev);
	is_int(rd(1, PCI_VENDOR_ID, 4), 0xffffffff, "gone after pci_remove()");
	dev.watch_reads = false;
	ok(pci_add(bus, &dev, NULL) == 0 && m.roms[1], "and back");
	pci_remove(bus, &dev);
	ok(!m.roms[1], "its registers go with it");
	pci_bus_free(bus);
	ok(!m.roms[0], "the host bridge's go with the bus");
}

static void test_bar(void)
{
	struct pci_bus *bus = new_bus();
	struct pci_dev dev, other;
	uint32_t bar;

	make_dev(&dev);
	make_dev(&other);
	ok(pci_add(bus, &dev, NULL) == 0 && pci_add(bus, &other, NULL) == 0,
	   "two functions");
	bar = rd(1, PCI_BASE_ADDRESS_0, 4);
	ok(bar >= LAYOUT_PCI32 && bar % 0x4000 == 0, "an address from the 32-bit window");
	ok(rd(2, PCI_BASE_ADDRESS_0, 4) >= bar + 0x4000, "the other lies behind it");
	is_int(m.n, 0, "nothing is decoded yet");
	wr(1, PCI_BASE_ADDRESS_0, 0xffffffff, 4);
	is_int(rd(1, PCI_BASE_ADDRESS_0, 4), 0xffffc000, "sizing: 16 KiB");
	is_int(rd(1, PCI_BASE_ADDRESS_1, 4), 0, "no BAR 1");
	wr(1, PCI_BASE_ADDRESS_0, bar, 4);
	ok(m.adds == 0 && seen.moves == 0, "sizing moves nothing while decoding is off");
	wr(1, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	ok(is_mapped(bar) && seen.moves == 1 && seen.from == 0 && seen.to == bar &&
		   dev.bars[0].gpa == bar,
	   "decoded once memory is enabled");
	wr(1, PCI_BASE_ADDRESS_0, bar + 0x100000, 4);
	ok(is_mapped(bar + 0x100000) && !is_mapped(bar) && seen.from == bar, "moved");
	wr(1, PCI_BASE_ADDRESS_0 + 2, 0xd000, 2);
	ok(is_mapped(0xd0000000 | (bar & 0xffff)), "half of the register is written");
	wr(1, PCI_BASE_ADDRESS_0, 0x1000000, 4);
	ok(m.n == 0 && dev.bars[0].gpa == 0 && seen.to == 0,
	   "over RAM it is not decoded");
	wr(1, PCI_BASE_ADDRESS_0, 0xfee00000, 4);
	is_int(m.n, 0, "nor over the local APIC");
	wr(1, PCI_BASE_ADDRESS_0, 0xfdffc000, 4);
	is_int(m.n, 1, "the last place in the window");
	wr(1, PCI_BASE_ADDRESS_0, bar, 4);
	wr(2, PCI_BASE_ADDRESS_0, bar, 4);
	wr(2, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	ok(m.n == 1 && other.bars[0].gpa == 0, "two at one address: the first stays");
	wr(1, PCI_COMMAND, 0, 2);
	ok(m.n == 0 && dev.bars[0].gpa == 0, "off again");
	wr(1, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	pci_remove(bus, &dev);
	is_int(m.n, 0, "pci_remove() unmaps");
	pci_bus_free(bus);
}

static void test_bar64(void)
{
	struct pci_bus *bus = new_bus();
	struct pci_dev dev;
	uint64_t at;

	make_dev(&dev);
	dev.bars[2] = (struct pci_bar){
		.size = 1ull << 33,
		.is_64bit = true,
		.prefetchable = true,
		.ops = &bar_ops,
	};
	ok(pci_add(bus, &dev, NULL) == 0, "8 GiB in a 64-bit BAR");
	at = rd(1, PCI_BASE_ADDRESS_2, 4) | (uint64_t)rd(1, PCI_BASE_ADDRESS_3, 4) << 32;
	is_int(at & 0xf, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH,
	       "flags");
	is_int(at & ~0xfull, LAYOUT_PCI64, "at the start of the 64-bit window");
	wr(1, PCI_BASE_ADDRESS_2, 0xffffffff, 4);
	wr(1, PCI_BASE_ADDRESS_3, 0xffffffff, 4);
	ok(rd(1, PCI_BASE_ADDRESS_2, 4) == 0xc &&
		   rd(1, PCI_BASE_ADDRESS_3, 4) == 0xfffffffe,
	   "sizing: 8 GiB");
	wr(1, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	ok(!is_mapped(at & ~0xfull) && dev.bars[2].gpa == 0,
	   "out of the window: not decoded");
	wr(1, PCI_BASE_ADDRESS_2, 0, 4);
	wr(1, PCI_BASE_ADDRESS_3, (LAYOUT_PCI64 + (1ull << 33)) >> 32, 4);
	ok(is_mapped(LAYOUT_PCI64 + (1ull << 33)), "moved by both halves");
	pci_remove(bus, &dev);
	pci_bus_free(bus);
}

static void test_memory_bar(void)
{
	struct pci_bus *bus = new_bus();
	struct pci_dev dev;
	gpa_t at;

	make_dev(&dev);
	dev.bars[2] = (struct pci_bar){ .size = 256 << 20, .is_64bit = true };
	ok(pci_add(bus, &dev, NULL) == 0, "a window of plain memory");
	at = dev.bars[2].gpa;
	is_int(at, LAYOUT_PCI64, "has its address at once");
	wr(1, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	wr(1, PCI_BASE_ADDRESS_2, 0xffffffff, 4);
	is_int(rd(1, PCI_BASE_ADDRESS_2, 4), 0xf0000004, "tells its size");
	is_int(dev.bars[2].gpa, at, "and stays");
	pci_remove(bus, &dev);
	pci_bus_free(bus);
}

static void test_limits(void)
{
	struct pci_bus *bus = new_bus();
	static struct pci_dev devs[LAYOUT_PCI_SLOTS];
	struct err err = ERR_INIT;
	struct pci_dev dev;
	int ret = 0;

	make_dev(&dev);
	dev.bars[0].size = 0x3000;
	is_int(pci_add(bus, &dev, &err), -EINVAL, "a size that is no power of 2");
	is_str(err.msg, "PCI: BAR 0 cannot have 12288 bytes", "is named");
	make_dev(&dev);
	dev.bars[5] = (struct pci_bar){ .size = 0x4000, .is_64bit = true };
	is_int(pci_add(bus, &dev, NULL), -EINVAL, "a 64-bit BAR without a second half");
	make_dev(&dev);
	dev.bars[1] = (struct pci_bar){ .size = 1ull << 40, .is_64bit = true };
	is_int(pci_add(bus, &dev, NULL), -ENOSPC, "more than the window holds");
	is_int(rd(1, PCI_VENDOR_ID, 4), 0xffffffff, "leaves nothing behind");
	make_dev(&dev);
	m.rom_error = -ENOSPC;
	is_int(pci_add(bus, &dev, &err), -ENOSPC, "KVM has no slot left");
	m.rom_error = 0;
	is_int(rd(1, PCI_VENDOR_ID, 4), 0xffffffff, "leaves nothing behind either");
	for (unsigned int i = LAYOUT_PCI_SLOT_FIRST; ret == 0 && i < LAYOUT_PCI_SLOTS;
	     i++) {
		make_dev(&devs[i]);
		ret = pci_add(bus, &devs[i], NULL);
	}
	is_int(ret, 0, "31 functions");
	make_dev(&dev);
	is_int(pci_add(bus, &dev, NULL), -ENOSPC, "and no more");
	pci_remove(bus, &devs[7]);
	ok(pci_add(bus, &dev, NULL) == 0 && dev.slot == 7, "a free slot is used again");
	ok(!memcmp(dev.config + PCI_BASE_ADDRESS_0, devs[7].config + PCI_BASE_ADDRESS_0,
		   4),
	   "and so is its address");
	pci_bus_free(bus);
}

int main(void)
{
	test_access();
	test_bar();
	test_bar64();
	test_memory_bar();
	test_limits();
	return tap_done();
}
