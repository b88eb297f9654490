/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSI-X of a virtio-pci function (PCI Local Bus 3.0 §6.8.2).
 *
 * A vector's eventfd is its pending bit: who has something to tell writes to it,
 * always.  While the vector may fire, the eventfd is an irqfd and KVM empties it;
 * while it is masked, nobody does, and KVM looks at the counter when the irqfd
 * comes back.  Routes are set when a vector is unmasked, not at each of the four
 * writes that fill in its entry.
 */
#include <assert.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>
#include <sys/eventfd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/virtio/pci_internal.h"

static_assert(sizeof(struct vp_msix_entry) == PCI_MSIX_ENTRY_SIZE,
	      "read by the guest as it stands");
static_assert(VP_MAX_VECTORS * PCI_MSIX_ENTRY_SIZE <= VP_PAGE, "the table's page");
static_assert(VP_MAX_VECTORS <= 64, "one word of pending bits");

int vp_msix_init(struct virtio_pci *vp, struct err *err)
{
	for (unsigned int i = 0; i < VP_MAX_VECTORS; i++) {
		vp->vectors[i] = (struct vp_vector){ .gsi = -1, .fd = -1 };
		/* PCI 3.0 §6.8.2.9: masked after reset. */
		vp->state.msix[i].control = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
	vp->n_vectors = vp->dev->n_queues + 1;
	for (unsigned int i = 0; i < vp->n_vectors; i++) {
		struct vp_vector *v = &vp->vectors[i];

		v->gsi = vm_gsi_alloc(vp->vm, err);
		if (v->gsi < 0)
			return v->gsi;
		v->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (v->fd < 0)
			return err_set(err, errno, "eventfd");
	}
	return 0;
}

static void disarm(struct virtio_pci *vp, struct vp_vector *v)
{
	if (v->armed)
		/* Known to be there; and if not, it is what we want. */
		(void)vm_irqfd(vp->vm, v->gsi, v->fd, false, NULL);
	v->armed = false;
}

void vp_msix_release(struct virtio_pci *vp)
{
	for (unsigned int i = 0; i < vp->n_vectors; i++) {
		disarm(vp, &vp->vectors[i]);
		close_fd(vp->vectors[i].fd);
		vp->vectors[i].fd = -1;
	}
}

int vp_msix_fd(const struct virtio_pci *vp, uint16_t vector)
{
	return vector < vp->n_vectors ? vp->vectors[vector].fd : -1;
}

/* update() - make vector @i what its entry and the function's bits say. */
static void update(struct virtio_pci *vp, unsigned int i)
{
	const struct vp_msix_entry *e = &vp->state.msix[i];
	struct vp_vector *v = &vp->vectors[i];
	struct err err = ERR_INIT;
	int ret = 0;

	if (!vp->state.msix_enabled || vp->state.msix_masked ||
	    e->control & PCI_MSIX_ENTRY_CTRL_MASKBIT) {
		disarm(vp, v);
		return;
	}
	if (!v->routed || v->address != e->address || v->data != e->data) {
		ret = vm_msi_route(vp->vm, v->gsi, e->address, e->data, &err);
		v->routed = ret == 0;
		v->address = e->address;
		v->data = e->data;
	}
	if (ret == 0 && !v->armed) {
		ret = vm_irqfd(vp->vm, v->gsi, v->fd, true, &err);
		v->armed = ret == 0;
	}
	if (ret < 0) {
		/* Such as an address that KVM refuses: the guest's own loss. */
		disarm(vp, v);
		(void)err_wrap(&err, ret, "virtio %s: interrupt %u", vp->dev->name, i);
		vp_warn(vp, &err);
	}
}

void vp_msix_update(struct virtio_pci *vp)
{
	for (unsigned int i = 0; i < vp->n_vectors; i++)
		update(vp, i);
}

void vp_msix_control(struct virtio_pci *vp, uint16_t control)
{
	bool enabled = control & PCI_MSIX_FLAGS_ENABLE;
	bool masked = control & PCI_MSIX_FLAGS_MASKALL;

	if (enabled == vp->state.msix_enabled && masked == vp->state.msix_masked)
		return;
	vp->state.msix_enabled = enabled;
	vp->state.msix_masked = masked;
	vp_msix_update(vp);
}

void vp_msix_table_read(const struct virtio_pci *vp, uint32_t offset, void *data,
			uint32_t len)
{
	uint32_t size = vp->n_vectors * PCI_MSIX_ENTRY_SIZE;

	memset(data, 0, len);
	if (offset < size && len <= size - offset)
		memcpy(data, (const char *)vp->state.msix + offset, len);
}

void vp_msix_table_write(struct virtio_pci *vp, uint32_t offset, const void *data,
			 uint32_t len)
{
	uint32_t size = vp->n_vectors * PCI_MSIX_ENTRY_SIZE;
	struct vp_msix_entry *e;

	/* PCI 3.0 §6.8.2: aligned 4 or 8 byte accesses, others are undefined. */
	if ((len != 4 && len != 8) || offset % len || offset >= size)
		return;
	e = &vp->state.msix[offset / PCI_MSIX_ENTRY_SIZE];
	memcpy((char *)e + offset % PCI_MSIX_ENTRY_SIZE, data, len);
	e->control &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
	update(vp, offset / PCI_MSIX_ENTRY_SIZE);
}

/*
 * is_pending() - has something been signalled that nobody delivered?  The counter is
 * taken and put back: the lock is held, so no irqfd comes to look at it meanwhile.
 */
static bool is_pending(const struct vp_vector *v)
{
	eventfd_t n;

	return !v->armed && eventfd_read(v->fd, &n) == 0 && eventfd_write(v->fd, n) == 0;
}

void vp_msix_pba_read(const struct virtio_pci *vp, uint32_t offset, void *data,
		      uint32_t len)
{
	uint64_t pending = 0;

	for (unsigned int i = 0; i < vp->n_vectors; i++)
		if (is_pending(&vp->vectors[i]))
			pending |= 1ull << i;
	memset(data, 0, len);
	if (offset < sizeof(pending) && len <= sizeof(pending) - offset)
		memcpy(data, (const char *)&pending + offset, len);
}
