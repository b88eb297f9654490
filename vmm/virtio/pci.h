/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio over PCI, modern only (virtio 1.2 §4.1).
 *
 * Each queue has a notify address of its own, tied to its kick_fd by an
 * ioeventfd, and there is an MSI-X vector for each queue and one for changes of
 * the configuration, each with an eventfd that is an irqfd: while data flows
 * neither a kick nor an interrupt comes through here.
 *
 * A vector that the guest has masked has no irqfd, so that what is signalled
 * meanwhile stays in its eventfd and is delivered when the irqfd is back.
 */
#ifndef HULL_VMM_VIRTIO_PCI_H
#define HULL_VMM_VIRTIO_PCI_H

struct buf;
struct err;
struct pci_bus;
struct sections;
struct virtio_device;
struct virtio_pci;
struct vm;

/*
 * virtio_pci_new() - put @dev on the bus.
 * @dev: on success owned by the transport
 * Thread: main, before or while the guest runs (then it must rescan the bus);
 *	with shared memory only before
 */
int virtio_pci_new(struct pci_bus *bus, struct vm *vm, struct virtio_device *dev,
		   struct virtio_pci **ret_vp, struct err *err);

/* virtio_pci_free() - take it off the bus; resets and frees the device.  Thread:
 * main, when no vCPU runs. */
void virtio_pci_free(struct virtio_pci *vp);

/*
 * virtio_pci_save() / virtio_pci_load() - the function with its device and queues; into a
 * new one of the same kind that no driver has seen yet.  Thread: main, no vCPU runs.
 * Errors: EAGAIN (something is under way: later, perhaps); EPROTO
 */
int virtio_pci_save(struct virtio_pci *vp, struct buf *out, struct err *err);
int virtio_pci_load(struct virtio_pci *vp, struct sections *in, struct err *err);

#endif
