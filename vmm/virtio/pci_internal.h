/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct virtio_pci - shared by pci.c (the PCI function), pci_common.c (the common
 * configuration structure), pci_msix.c (interrupts) and pci_save.c.
 *
 * `lock` is held wherever the guest comes in (BAR accesses, configuration space,
 * moves of a BAR), so each of these functions runs alone.  The lock is also held
 * while the device resets.  What virtio_pci_config_changed() and
 * virtio_pci_needs_reset() touch, on any thread, is atomic instead: status, isr,
 * config_dirty and config_vector.
 */
#ifndef HULL_VMM_VIRTIO_PCI_INTERNAL_H
#define HULL_VMM_VIRTIO_PCI_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/pci.h"
#include "vmm/virtio/virtio.h"

struct err;

/* BAR 0: the device's registers, each kind on a page of its own.  BAR 2: shared
 * memory, if any. */
#define VP_BAR_REGS 0u
#define VP_BAR_SHM 2u
#define VP_COMMON_OFFSET 0x0000u
#define VP_ISR_OFFSET 0x1000u
#define VP_DEVICE_OFFSET 0x2000u
#define VP_NOTIFY_OFFSET 0x3000u
#define VP_MSIX_TABLE_OFFSET 0x4000u
#define VP_MSIX_PBA_OFFSET 0x5000u
#define VP_PAGE 0x1000u
#define VP_BAR_SIZE 0x8000u
#define VP_NOTIFY_MULTIPLIER 4u /* (bytes) an even power of 2: §4.1.4.4 */

#define VP_MAX_VECTORS (VIRTIO_MAX_QUEUES + 1u)

struct vp_msix_entry {
	uint64_t address;
	uint32_t data;
	uint32_t control; /* PCI_MSIX_ENTRY_CTRL_MASKBIT */
};

/* All that the driver has set: plain, so that it can be saved as it is.  Truth values are
 * numbers: a bool that was read from a file may be neither true nor false. */
struct vp_state {
	uint64_t driver_features; /* as written, not masked */
	uint32_t device_feature_select;
	uint32_t driver_feature_select;
	uint16_t queue_select;
	uint16_t config_vector;
	uint16_t queue_vector[VIRTIO_MAX_QUEUES];
	uint8_t status;
	uint8_t generation;
	uint8_t isr;
	uint8_t config_dirty; /* changed since the driver last read any of it */
	uint8_t activated; /* ops->activate() was called */
	uint8_t msix_enabled;
	uint8_t msix_masked; /* the whole function */
	struct vp_msix_entry msix[VP_MAX_VECTORS];
};

struct vp_vector {
	int gsi;
	int fd; /* eventfd; owned */
	bool armed; /* fd is an irqfd of gsi */
	bool routed; /* gsi leads to address and data */
	uint64_t address;
	uint32_t data;
};

struct virtio_pci {
	struct pci_dev pci;
	struct pci_bus *bus;
	struct vm *vm;
	struct virtio_device *dev; /* owned */
	pthread_mutex_t lock;
	struct vp_state state;
	unsigned int n_vectors;
	struct vp_vector vectors[VP_MAX_VECTORS];
	gpa_t regs_gpa; /* BAR 0, 0 while not decoded */
	gpa_t kick_gpa[VIRTIO_MAX_QUEUES]; /* where the ioeventfd is; 0: none */
	uint32_t msix_cap; /* offsets in configuration space */
	uint32_t window_cap; /* VIRTIO_PCI_CAP_PCI_CFG */
	bool warned; /* a hostile guest gets one line of log */
};

/* pci_common.c; all called with the lock held. */
void vp_common_read(const struct virtio_pci *vp, uint32_t offset, void *data,
		    uint32_t len);
void vp_common_write(struct virtio_pci *vp, uint32_t offset, const void *data,
		     uint32_t len);
void vp_reset_locked(struct virtio_pci *vp);
/* vp_update_kicks_locked() - ioeventfds where enabled queues' addresses are now. */
void vp_update_kicks_locked(struct virtio_pci *vp);

/* vp_offered() - the features that the device has, the transport's with them. */
uint64_t vp_offered(const struct virtio_pci *vp);

/* Any thread, no lock. */
void vp_config_changed(struct virtio_device *dev);
void vp_needs_reset(struct virtio_device *dev);
void vp_queue_broken(struct vq *vq, void *opaque);
/* vp_warn() - log @err, unless this device has had its line. */
void vp_warn(struct virtio_pci *vp, const struct err *err);

/* pci_msix.c */
int vp_msix_init(struct virtio_pci *vp, struct err *err);
void vp_msix_release(struct virtio_pci *vp);
/* vp_msix_fd() - the eventfd of @vector, -1 for VIRTIO_MSI_NO_VECTOR. */
int vp_msix_fd(const struct virtio_pci *vp, uint16_t vector);
/* vp_msix_update() - make all vectors what the state says. */
void vp_msix_update(struct virtio_pci *vp);
/* vp_msix_control() - the guest wrote Message Control (PCI 3.0 §6.8.2.3). */
void vp_msix_control(struct virtio_pci *vp, uint16_t control);
void vp_msix_table_read(const struct virtio_pci *vp, uint32_t offset, void *data,
			uint32_t len);
void vp_msix_table_write(struct virtio_pci *vp, uint32_t offset, const void *data,
			 uint32_t len);
void vp_msix_pba_read(const struct virtio_pci *vp, uint32_t offset, void *data,
		      uint32_t len);

#endif
