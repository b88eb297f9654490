/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine without KVM for the virtio-pci transport: the vm_*() and pci_*() calls
 * that it makes are defined here and keep records in `m`; no function of vmm/vm.c and
 * vmm/pci.c is linked.  Include it once in a program.  Zeros in `m` are a new machine.
 *
 * The guest's side: rd() and wr() access BAR 0, config_rd() and config_wr() the
 * configuration space as the bus would, map_bar() decodes BAR 0 somewhere.
 */
#ifndef HULL_TESTS_UNIT_FAKE_MACHINE_H
#define HULL_TESTS_UNIT_FAKE_MACHINE_H

#include <linux/pci_regs.h>
#include <stdint.h>
#include <string.h>

#include "lib/err.h"
#include "tests/unit/fake_driver.h"
#include "vmm/pci.h"
#include "vmm/vm.h"

#define BAR0 0xc0000000ull
#define BAR2 0x4000000000ull
#define GSI0 24

static struct {
	struct pci_dev *pci;
	unsigned int gsis;
	struct {
		uint64_t address;
		uint32_t data;
		unsigned int set;
		int fd; /* of the irqfd, -1: none */
	} gsi[32];
	struct {
		gpa_t gpa;
		int fd;
	} io[32];
	unsigned int n_io;
	gpa_t slot;
	bool refuse_routes;
	bool removed;
} m;

int pci_add(struct pci_bus *bus, struct pci_dev *dev, struct err *err)
{
	uint64_t bar2 =
		BAR2 | PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH;

	(void)bus;
	(void)err;
	m.pci = dev;
	if (dev->bars[2].size)
		memcpy(dev->config + PCI_BASE_ADDRESS_2, &bar2, sizeof(bar2));
	return 0;
}

void pci_remove(struct pci_bus *bus, struct pci_dev *dev)
{
	(void)bus;
	m.removed = dev == m.pci;
}

/* As the bus does: what the guest had written, and BAR 0 is decoded as it was then. */
int pci_load(struct pci_bus *bus, struct pci_dev *dev,
	     const uint8_t config[PCI_CONFIG_SIZE], struct err *err)
{
	struct pci_bar *bar = &dev->bars[0];

	(void)bus;
	for (unsigned int i = 0; i < PCI_CONFIG_SIZE; i++)
		if ((dev->config[i] ^ config[i]) & ~dev->writable[i])
			return err_msg(err, EPROTO, "another function was saved");
	memcpy(dev->config, config, PCI_CONFIG_SIZE);
	bar->gpa = BAR0;
	bar->moved(bar->opaque, 0, BAR0);
	return 0;
}

int vm_add_memory(struct vm *vm, gpa_t gpa, void *host, uint64_t size, bool readonly,
		  struct err *err)
{
	(void)vm;
	(void)host;
	(void)size;
	(void)readonly;
	(void)err;
	m.slot = gpa;
	return 0;
}

int vm_gsi_alloc(struct vm *vm, struct err *err)
{
	(void)vm;
	(void)err;
	m.gsi[m.gsis].fd = -1;
	return GSI0 + (int)m.gsis++;
}

int vm_msi_route(struct vm *vm, int gsi, uint64_t address, uint32_t data, struct err *err)
{
	(void)vm;
	if (m.refuse_routes)
		return err_msg(err, EINVAL, "no such route");
	m.gsi[gsi - GSI0].address = address;
	m.gsi[gsi - GSI0].data = data;
	m.gsi[gsi - GSI0].set++;
	return 0;
}

int vm_irqfd(struct vm *vm, int gsi, int fd, bool add, struct err *err)
{
	int *have = &m.gsi[gsi - GSI0].fd;

	(void)vm;
	(void)err;
	fake_check(add ? *have == -1 : *have == fd);
	*have = add ? fd : -1;
	return 0;
}

int vm_ioeventfd(struct vm *vm, gpa_t gpa, uint32_t len, int fd, bool add,
		 struct err *err)
{
	(void)vm;
	(void)err;
	fake_check(len == 0);
	if (add) {
		m.io[m.n_io].gpa = gpa;
		m.io[m.n_io++].fd = fd;
		return 0;
	}
	for (unsigned int i = 0; i < m.n_io; i++)
		if (m.io[i].gpa == gpa && m.io[i].fd == fd) {
			m.io[i] = m.io[--m.n_io];
			return 0;
		}
	abort();
}

/* ioeventfd_at() - the descriptor that a write to @gpa signals, or -1. */
static inline int ioeventfd_at(gpa_t gpa)
{
	for (unsigned int i = 0; i < m.n_io; i++)
		if (m.io[i].gpa == gpa)
			return m.io[i].fd;
	return -1;
}

/* ---- the guest ---------------------------------------------------------------- */

static inline uint64_t rd(uint32_t offset, uint32_t len)
{
	uint64_t v = 0;

	m.pci->bars[0].ops->read(m.pci->bars[0].opaque, offset, &v, len);
	return v;
}

static inline void wr(uint32_t offset, uint32_t len, uint64_t v)
{
	m.pci->bars[0].ops->write(m.pci->bars[0].opaque, offset, &v, len);
}

static inline void map_bar(gpa_t gpa)
{
	gpa_t old = m.pci->bars[0].gpa;

	m.pci->bars[0].gpa = gpa;
	m.pci->bars[0].moved(m.pci->bars[0].opaque, old, gpa);
}

static inline uint32_t config_rd(uint32_t offset, uint32_t len)
{
	uint32_t v = 0;

	m.pci->config_reading(m.pci, offset, len);
	memcpy(&v, m.pci->config + offset, len);
	return v;
}

static inline void config_wr(uint32_t offset, uint32_t len, uint32_t v)
{
	for (uint32_t i = 0; i < len; i++) {
		uint8_t mask = m.pci->writable[offset + i];
		uint8_t *p = &m.pci->config[offset + i];

		*p = (uint8_t)((*p & ~mask) | ((v >> 8 * i) & mask));
	}
	m.pci->config_written(m.pci, offset, len);
}

/* find_cap() - the capability with @id (and for virtio's, @type), or 0. */
static inline uint32_t find_cap(uint8_t id, uint8_t type)
{
	uint32_t at = m.pci->config[PCI_CAPABILITY_LIST];

	for (int i = 0; at && i < 16; i++) {
		if (m.pci->config[at] == id &&
		    (id != PCI_CAP_ID_VNDR || m.pci->config[at + 3] == type))
			return at;
		at = m.pci->config[at + 1];
	}
	return 0;
}

#endif
