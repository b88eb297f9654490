/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI bus 0: one host bridge, up to 31 functions, each with BARs and capabilities.
 *
 * Configuration space is memory only, at LAYOUT_PCI_ECAM (PCI Express's "enhanced
 * configuration access mechanism"); there are no ports 0xcf8/0xcfc.  The guest reads
 * a copy of it that it cannot write to, without an exit: of the 700 accesses of a boot
 * nine tenths are reads.  Writes exit and come here.
 *
 * A function fills in its configuration space (struct pci_dev below) and is added
 * with pci_add(), also while the guest runs (it then rescans the bus).  The bus
 * handles reads, writable bits, BAR sizing and moving, and calls the function
 * for writes that it cares about.  Addresses of BARs are given by us before
 * boot; the guest may move them, within the windows of layout.h.
 *
 * One lock for the bus is held during each access and every callback, which so
 * must not call the bus.  The bus is freed after the vCPUs were stopped.
 */
#ifndef HULL_VMM_PCI_H
#define HULL_VMM_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/memory.h"
#include "vmm/vm.h"

struct err;
struct pci_bus;

#define PCI_CONFIG_SIZE 256u
#define PCI_MAX_BARS 6u

struct pci_bar {
	uint64_t size; /* (bytes) power of 2, 0: none */
	bool is_64bit;
	bool prefetchable;
	/* NULL: plain memory (a DAX window), whose memory slot is made once: it stays
	 * where pci_add() has put it, the guest may ask for its size only. */
	const struct vm_range_ops *ops;
	void *opaque;
	gpa_t gpa; /* where it is now; 0 while not decoded */
	/* Called when the guest moves or (un)maps the BAR, after gpa changed; may be NULL. */
	void (*moved)(void *opaque, gpa_t old_gpa, gpa_t new_gpa);
};

struct pci_dev {
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t writable[PCI_CONFIG_SIZE]; /* mask of the bits the guest may write */
	struct pci_bar bars[PCI_MAX_BARS];
	/* Called after the guest wrote [offset, offset + len); may be NULL. */
	void (*config_written)(struct pci_dev *dev, uint32_t offset, uint32_t len);
	/* Set by config_written when a register is in use whose reads do something (a
	 * window into a BAR): from then on each read exits and config_reading is called
	 * before it. Never cleared. */
	bool watch_reads;
	void (*config_reading)(struct pci_dev *dev, uint32_t offset, uint32_t len);
	unsigned int slot; /* given by pci_add() */
};

int pci_bus_new(struct vm *vm, struct pci_bus **ret_bus, struct err *err);
void pci_bus_free(struct pci_bus *bus);

/* pci_add() - give @dev (kept, owned by the caller) a slot and addresses. */
int pci_add(struct pci_bus *bus, struct pci_dev *dev, struct err *err);
/*
 * pci_load() - @dev's registers as a guest has left them in another machine.  @dev has
 * been added and nobody has written to it.
 * Errors: EPROTO (not of such a function)
 */
int pci_load(struct pci_bus *bus, struct pci_dev *dev,
	     const uint8_t config[PCI_CONFIG_SIZE], struct err *err);
/* pci_remove() - the caller may free @dev afterwards. */
void pci_remove(struct pci_bus *bus, struct pci_dev *dev);

#endif
