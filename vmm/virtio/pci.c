/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/pci.h"

#include <assert.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/container_of.h"
#include "lib/err.h"
#include "vmm/virtio/pci_internal.h"

/* virtio 1.2 §4.1.2 */
#define VIRTIO_PCI_VENDOR 0x1af4u
#define VIRTIO_PCI_DEVICE_BASE 0x1040u
#define VIRTIO_PCI_REVISION 1u

#define CAPS_START 0x40u

static_assert(sizeof(struct virtio_pci_cap) == 16, "virtio 1.2 §4.1.4");
static_assert(sizeof(struct virtio_pci_cap64) == 24, "virtio 1.2 §4.1.4");
static_assert(sizeof(struct virtio_pci_notify_cap) == 20, "virtio 1.2 §4.1.4.4");
static_assert(sizeof(struct virtio_pci_cfg_cap) == 20, "virtio 1.2 §4.1.4.9");
static_assert(VIRTIO_MAX_QUEUES * VP_NOTIFY_MULTIPLIER <= VP_PAGE, "notify page");

/* ---- BAR 0 ------------------------------------------------------------------------ */

static void device_read(struct virtio_pci *vp, uint32_t offset, void *data, uint32_t len)
{
	struct virtio_device *dev = vp->dev;

	memset(data, 0, len);
	if (offset >= dev->config_size || len > dev->config_size - offset)
		return;
	/*
	 * virtio 1.2 §4.1.4.3.1: the driver reads the generation before and after;
	 * it changes with the first read that sees the new values.
	 */
	if (__atomic_exchange_n(&vp->state.config_dirty, false, __ATOMIC_SEQ_CST))
		vp->state.generation++;
	if (dev->ops->config_read)
		dev->ops->config_read(dev, offset, data, len);
	else if (dev->config)
		memcpy(data, (const char *)dev->config + offset, len);
}

static void device_write(struct virtio_pci *vp, uint32_t offset, const void *data,
			 uint32_t len)
{
	struct virtio_device *dev = vp->dev;

	if (offset < dev->config_size && len <= dev->config_size - offset &&
	    dev->ops->config_write)
		dev->ops->config_write(dev, offset, data, len);
}

/* notify_write() - a kick that no ioeventfd caught (the BAR moves, or the
 * configuration window is used). */
static void notify_write(struct virtio_pci *vp, uint32_t offset)
{
	static const uint64_t one = 1;
	uint32_t i = offset / VP_NOTIFY_MULTIPLIER;

	if (offset % VP_NOTIFY_MULTIPLIER || i >= vp->dev->n_queues ||
	    !vp->dev->queues[i].enabled)
		return;
	/* A full counter is a pending kick as well. */
	if (write(vp->dev->queues[i].kick_fd, &one, sizeof(one)) < 0)
		return;
}

static void regs_read_locked(struct virtio_pci *vp, uint32_t offset, void *data,
			     uint32_t len)
{
	uint32_t at = offset % VP_PAGE;

	switch (offset - at) {
	case VP_COMMON_OFFSET:
		vp_common_read(vp, at, data, len);
		break;
	case VP_ISR_OFFSET:
		memset(data, 0, len);
		if (at == 0) /* §4.1.4.5: reading clears it */
			*(uint8_t *)data =
				__atomic_exchange_n(&vp->state.isr, 0, __ATOMIC_SEQ_CST);
		break;
	case VP_DEVICE_OFFSET:
		device_read(vp, at, data, len);
		break;
	case VP_MSIX_TABLE_OFFSET:
		vp_msix_table_read(vp, at, data, len);
		break;
	case VP_MSIX_PBA_OFFSET:
		vp_msix_pba_read(vp, at, data, len);
		break;
	default:
		memset(data, 0, len);
		break;
	}
}

static void regs_write_locked(struct virtio_pci *vp, uint32_t offset, const void *data,
			      uint32_t len)
{
	uint32_t at = offset % VP_PAGE;

	switch (offset - at) {
	case VP_COMMON_OFFSET:
		vp_common_write(vp, at, data, len);
		break;
	case VP_DEVICE_OFFSET:
		device_write(vp, at, data, len);
		break;
	case VP_NOTIFY_OFFSET:
		notify_write(vp, at);
		break;
	case VP_MSIX_TABLE_OFFSET:
		vp_msix_table_write(vp, at, data, len);
		break;
	default:
		break;
	}
}

static void regs_read(void *opaque, uint64_t offset, void *data, uint32_t len)
{
	struct virtio_pci *vp = opaque;

	(void)pthread_mutex_lock(&vp->lock);
	regs_read_locked(vp, (uint32_t)offset, data, len);
	(void)pthread_mutex_unlock(&vp->lock);
}

static void regs_write(void *opaque, uint64_t offset, const void *data, uint32_t len)
{
	struct virtio_pci *vp = opaque;

	(void)pthread_mutex_lock(&vp->lock);
	regs_write_locked(vp, (uint32_t)offset, data, len);
	(void)pthread_mutex_unlock(&vp->lock);
}

static void regs_moved(void *opaque, gpa_t old_gpa, gpa_t new_gpa)
{
	struct virtio_pci *vp = opaque;

	(void)old_gpa;
	(void)pthread_mutex_lock(&vp->lock);
	vp->regs_gpa = new_gpa;
	vp_update_kicks_locked(vp);
	(void)pthread_mutex_unlock(&vp->lock);
}

/* ---- configuration space ------------------------------------------------------------ */

static bool overlap(uint32_t offset, uint32_t len, uint32_t what, uint32_t what_len)
{
	return offset < what + what_len && what < offset + len;
}

static uint32_t window_data(const struct virtio_pci *vp)
{
	return vp->window_cap +
	       (uint32_t)offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);
}

/*
 * window() - what the configuration window (virtio 1.2 §4.1.4.9) looks at now.
 * Return: (bytes) 0: at nothing that it may
 */
static uint32_t window(const struct virtio_pci *vp, uint32_t *ret_offset)
{
	struct virtio_pci_cap cap;

	memcpy(&cap, vp->pci.config + vp->window_cap, sizeof(cap));
	if (cap.bar != VP_BAR_REGS ||
	    (cap.length != 1 && cap.length != 2 && cap.length != 4) ||
	    cap.offset % cap.length || cap.offset >= VP_BAR_SIZE)
		return 0;
	*ret_offset = cap.offset;
	return cap.length;
}

static void config_written(struct pci_dev *pci, uint32_t offset, uint32_t len)
{
	struct virtio_pci *vp = container_of(pci, struct virtio_pci, pci);
	uint16_t control;
	uint32_t at, n;

	(void)pthread_mutex_lock(&vp->lock);
	if (overlap(offset, len, vp->msix_cap + PCI_MSIX_FLAGS, sizeof(control))) {
		memcpy(&control, pci->config + vp->msix_cap + PCI_MSIX_FLAGS,
		       sizeof(control));
		vp_msix_control(vp, control);
	}
	if (overlap(offset, len, vp->window_cap + VIRTIO_PCI_CAP_BAR,
		    sizeof(struct virtio_pci_cfg_cap) - VIRTIO_PCI_CAP_BAR))
		pci->watch_reads = true; /* only firmware uses it */
	if (overlap(offset, len, window_data(vp), 4)) {
		n = window(vp, &at);
		if (n)
			regs_write_locked(vp, at, pci->config + window_data(vp), n);
	}
	(void)pthread_mutex_unlock(&vp->lock);
}

static void config_reading(struct pci_dev *pci, uint32_t offset, uint32_t len)
{
	struct virtio_pci *vp = container_of(pci, struct virtio_pci, pci);
	uint32_t at, n;

	if (!overlap(offset, len, window_data(vp), 4))
		return;
	(void)pthread_mutex_lock(&vp->lock);
	n = window(vp, &at);
	if (n)
		regs_read_locked(vp, at, pci->config + window_data(vp), n);
	(void)pthread_mutex_unlock(&vp->lock);
}

static void put16(uint8_t *config, uint32_t offset, uint16_t v)
{
	memcpy(config + offset, &v, sizeof(v));
}

static void put32(uint8_t *config, uint32_t offset, uint32_t v)
{
	memcpy(config + offset, &v, sizeof(v));
}

/* struct caps - the capability list while it is being written. */
struct caps {
	struct pci_dev *pci;
	uint32_t next; /* where the next capability goes */
	uint32_t link; /* the byte that points to it */
};

/* put_cap() - append a capability; returns where it is. */
static uint32_t put_cap(struct caps *caps, const void *cap, uint32_t len)
{
	uint32_t at = caps->next;

	assert(at + len <= PCI_CONFIG_SIZE);
	memcpy(caps->pci->config + at, cap, len);
	caps->pci->config[caps->link] = (uint8_t)at;
	caps->link = at + PCI_CAP_LIST_NEXT;
	caps->next = (at + len + 3) & ~3u;
	return at;
}

static struct virtio_pci_cap virtio_cap(uint8_t type, uint32_t offset, uint32_t length,
					uint8_t cap_len)
{
	return (struct virtio_pci_cap){
		.cap_vndr = PCI_CAP_ID_VNDR,
		.cap_len = cap_len,
		.cfg_type = type,
		.bar = VP_BAR_REGS,
		.offset = offset,
		.length = length,
	};
}

static void put_simple_cap(struct caps *caps, uint8_t type, uint32_t offset,
			   uint32_t length)
{
	struct virtio_pci_cap cap = virtio_cap(type, offset, length, sizeof(cap));

	(void)put_cap(caps, &cap, sizeof(cap));
}

static void put_msix(struct virtio_pci *vp, struct caps *caps)
{
	uint8_t cap[PCI_CAP_MSIX_SIZEOF] = { PCI_CAP_ID_MSIX };

	put16(cap, PCI_MSIX_FLAGS, (uint16_t)(vp->n_vectors - 1));
	put32(cap, PCI_MSIX_TABLE, VP_MSIX_TABLE_OFFSET | VP_BAR_REGS);
	put32(cap, PCI_MSIX_PBA, VP_MSIX_PBA_OFFSET | VP_BAR_REGS);
	vp->msix_cap = put_cap(caps, cap, sizeof(cap));
	put16(vp->pci.writable, vp->msix_cap + PCI_MSIX_FLAGS,
	      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
}

static void put_window(struct virtio_pci *vp, struct caps *caps)
{
	struct virtio_pci_cfg_cap cap = {
		.cap = virtio_cap(VIRTIO_PCI_CAP_PCI_CFG, 0, 0, sizeof(cap)),
	};
	uint8_t *writable = vp->pci.writable;

	vp->window_cap = put_cap(caps, &cap, sizeof(cap));
	writable[vp->window_cap + VIRTIO_PCI_CAP_BAR] = 0xff;
	put32(writable, vp->window_cap + VIRTIO_PCI_CAP_OFFSET, 0xffffffff);
	put32(writable, vp->window_cap + VIRTIO_PCI_CAP_LENGTH, 0xffffffff);
	put32(writable, window_data(vp), 0xffffffff);
}

static void put_shm(const struct virtio_shm *shm, struct caps *caps)
{
	struct virtio_pci_cap64 cap = {
		.cap = virtio_cap(VIRTIO_PCI_CAP_SHARED_MEMORY_CFG, 0,
				  (uint32_t)shm->size, sizeof(cap)),
		.length_hi = (uint32_t)(shm->size >> 32),
	};

	cap.cap.bar = VP_BAR_SHM;
	cap.cap.id = shm->id;
	(void)put_cap(caps, &cap, sizeof(cap));
}

static void put_caps(struct virtio_pci *vp)
{
	const struct virtio_device *dev = vp->dev;
	struct caps caps = {
		.pci = &vp->pci,
		.next = CAPS_START,
		.link = PCI_CAPABILITY_LIST,
	};
	struct virtio_pci_notify_cap notify = {
		.cap = virtio_cap(VIRTIO_PCI_CAP_NOTIFY_CFG, VP_NOTIFY_OFFSET,
				  dev->n_queues * VP_NOTIFY_MULTIPLIER, sizeof(notify)),
		.notify_off_multiplier = VP_NOTIFY_MULTIPLIER,
	};

	put_msix(vp, &caps);
	put_simple_cap(&caps, VIRTIO_PCI_CAP_COMMON_CFG, VP_COMMON_OFFSET,
		       sizeof(struct virtio_pci_common_cfg));
	put_simple_cap(&caps, VIRTIO_PCI_CAP_ISR_CFG, VP_ISR_OFFSET, 1);
	if (dev->config_size)
		put_simple_cap(&caps, VIRTIO_PCI_CAP_DEVICE_CFG, VP_DEVICE_OFFSET,
			       dev->config_size);
	(void)put_cap(&caps, &notify, sizeof(notify));
	put_window(vp, &caps);
	if (dev->shm.size)
		put_shm(&dev->shm, &caps);
}

static void put_header(struct virtio_pci *vp)
{
	uint16_t id = (uint16_t)(VIRTIO_PCI_DEVICE_BASE + vp->dev->id);
	uint8_t *config = vp->pci.config;

	put16(config, PCI_VENDOR_ID, VIRTIO_PCI_VENDOR);
	put16(config, PCI_DEVICE_ID, id);
	put32(config, PCI_CLASS_REVISION, vp->dev->pci_class << 8 | VIRTIO_PCI_REVISION);
	put16(config, PCI_SUBSYSTEM_VENDOR_ID, VIRTIO_PCI_VENDOR);
	put16(config, PCI_SUBSYSTEM_ID, id);
	put16(config, PCI_STATUS, PCI_STATUS_CAP_LIST);
	put16(vp->pci.writable, PCI_COMMAND,
	      PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	vp->pci.writable[PCI_INTERRUPT_LINE] = 0xff; /* software's notebook */
	vp->pci.writable[PCI_CACHE_LINE_SIZE] = 0xff; /* without effect */
}

static void put_bars(struct virtio_pci *vp)
{
	static const struct vm_range_ops ops = {
		.read = regs_read,
		.write = regs_write,
	};

	vp->pci.bars[VP_BAR_REGS] = (struct pci_bar){
		.size = VP_BAR_SIZE,
		.ops = &ops,
		.opaque = vp,
		.moved = regs_moved,
	};
	if (vp->dev->shm.size)
		vp->pci.bars[VP_BAR_SHM] = (struct pci_bar){
			.size = vp->dev->shm.size,
			.is_64bit = true,
			.prefetchable = true,
		};
}

/* place_shm() - make the window a memory slot where the bus has put it. */
static int place_shm(struct virtio_pci *vp, struct err *err)
{
	struct virtio_shm *shm = &vp->dev->shm;
	uint64_t bar;
	int ret;

	if (!shm->size)
		return 0;
	memcpy(&bar, vp->pci.config + PCI_BASE_ADDRESS_0 + 4 * VP_BAR_SHM, sizeof(bar));
	shm->gpa = bar & PCI_BASE_ADDRESS_MEM_MASK;
	if (!shm->host)
		return 0;
	ret = vm_add_memory(vp->vm, shm->gpa, shm->host, shm->size, false, err);
	return ret < 0 ? err_wrap(err, ret, "shared memory") : 0;
}

static bool device_is_sane(const struct virtio_device *dev)
{
	const struct virtio_shm *shm = &dev->shm;

	return dev->n_queues && dev->n_queues <= VIRTIO_MAX_QUEUES &&
	       dev->config_size <= VP_PAGE &&
	       (!shm->size || (shm->size >= 4096 && !(shm->size & (shm->size - 1))));
}

int virtio_pci_new(struct pci_bus *bus, struct vm *vm, struct virtio_device *dev,
		   struct virtio_pci **ret_vp, struct err *err)
{
	static const struct virtio_transport_ops ops = {
		.config_changed = vp_config_changed,
		.needs_reset = vp_needs_reset,
	};
	struct virtio_pci *vp;
	int ret;

	assert(device_is_sane(dev));
	vp = calloc(1, sizeof(*vp));
	if (!vp)
		return err_set(err, ENOMEM, "virtio %s", dev->name);
	vp->bus = bus;
	vp->vm = vm;
	vp->dev = dev;
	(void)pthread_mutex_init(&vp->lock, NULL); /* cannot fail on Linux */
	dev->transport = &ops;
	dev->transport_data = vp;
	for (unsigned int i = 0; i < dev->n_queues; i++) {
		dev->queues[i].on_broken = vp_queue_broken;
		dev->queues[i].opaque = vp;
	}
	ret = vp_msix_init(vp, err);
	if (ret == 0) {
		put_header(vp);
		put_caps(vp);
		put_bars(vp);
		vp->pci.config_written = config_written;
		vp->pci.config_reading = config_reading;
		vp_reset_locked(vp); /* nobody knows it yet */
		ret = pci_add(bus, &vp->pci, err);
		if (ret == 0) {
			ret = place_shm(vp, err);
			if (ret < 0)
				pci_remove(bus, &vp->pci);
		}
	}
	if (ret < 0) {
		vp_msix_release(vp);
		(void)pthread_mutex_destroy(&vp->lock); /* nobody has it */
		free(vp);
		return err_wrap(err, ret, "virtio %s", dev->name);
	}
	*ret_vp = vp;
	return 0;
}

void virtio_pci_free(struct virtio_pci *vp)
{
	if (!vp)
		return;
	pci_remove(vp->bus, &vp->pci);
	(void)pthread_mutex_lock(&vp->lock);
	vp_reset_locked(vp);
	(void)pthread_mutex_unlock(&vp->lock);
	vp_msix_release(vp);
	vp->dev->ops->free(vp->dev);
	(void)pthread_mutex_destroy(&vp->lock); /* nobody uses it any more */
	free(vp);
}
