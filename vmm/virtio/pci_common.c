/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The common configuration structure (virtio 1.2 §4.1.4.3): feature negotiation,
 * the status state machine (§3.1) and the queues' set-up.
 *
 * Writes of a wrong width, to a queue that does not exist, or at a wrong time are
 * dropped: the driver sees by reading back that nothing happened.
 */
#include <assert.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/log.h"
#include "vmm/virtio/pci_internal.h"

#define TRANSPORT_FEATURES                                                               \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC |              \
	 1ull << VIRTIO_RING_F_EVENT_IDX)

/* virtio 1.2 §4.1.4.5 */
#define ISR_CONFIG 2u

static_assert(sizeof(struct virtio_pci_common_cfg) == 56, "virtio 1.2 §4.1.4.3");

uint64_t vp_offered(const struct virtio_pci *vp)
{
	return vp->dev->features | TRANSPORT_FEATURES;
}

/* The queue that the driver has selected, or NULL: the one check of the index. */
static struct vq *selected(const struct virtio_pci *vp)
{
	unsigned int i = vp->state.queue_select;

	return i < vp->dev->n_queues ? &vp->dev->queues[i] : NULL;
}

static uint8_t status_of(const struct virtio_pci *vp)
{
	return __atomic_load_n(&vp->state.status, __ATOMIC_SEQ_CST);
}

static void set_status(struct virtio_pci *vp, uint8_t bits)
{
	(void)__atomic_fetch_or(&vp->state.status, bits, __ATOMIC_SEQ_CST);
}

/* ---- any thread ---------------------------------------------------------------- */

void vp_warn(struct virtio_pci *vp, const struct err *err)
{
	if (!__atomic_exchange_n(&vp->warned, true, __ATOMIC_RELAXED))
		log_warn("%s", err->msg);
}

static void config_interrupt(struct virtio_pci *vp)
{
	static const uint64_t one = 1;
	uint16_t vector = __atomic_load_n(&vp->state.config_vector, __ATOMIC_SEQ_CST);
	int fd = vp_msix_fd(vp, vector);

	(void)__atomic_fetch_or(&vp->state.isr, ISR_CONFIG, __ATOMIC_SEQ_CST);
	/* A full counter is a pending interrupt as well. */
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return;
}

void vp_config_changed(struct virtio_device *dev)
{
	struct virtio_pci *vp = dev->transport_data;

	__atomic_store_n(&vp->state.config_dirty, true, __ATOMIC_SEQ_CST);
	config_interrupt(vp);
}

void vp_needs_reset(struct virtio_device *dev)
{
	struct virtio_pci *vp = dev->transport_data;

	set_status(vp, VIRTIO_CONFIG_S_NEEDS_RESET);
	if (status_of(vp) & VIRTIO_CONFIG_S_DRIVER_OK)
		config_interrupt(vp);
}

void vp_queue_broken(struct vq *vq, void *opaque)
{
	struct virtio_pci *vp = opaque;
	struct err err = ERR_INIT;

	(void)err_msg(&err, EPROTO, "virtio %s: queue %u: the guest's driver made %s",
		      vp->dev->name, (unsigned int)(vq - vp->dev->queues), vq->why);
	vp_warn(vp, &err);
	vp_needs_reset(vp->dev);
}

/* ---- queues --------------------------------------------------------------------- */

void vp_update_kicks_locked(struct virtio_pci *vp)
{
	for (unsigned int i = 0; i < vp->dev->n_queues; i++) {
		struct vq *vq = &vp->dev->queues[i];
		gpa_t want = 0;
		struct err err = ERR_INIT;

		if (vp->regs_gpa && vq->enabled)
			want = vp->regs_gpa + VP_NOTIFY_OFFSET + i * VP_NOTIFY_MULTIPLIER;
		if (want == vp->kick_gpa[i])
			continue;
		if (vp->kick_gpa[i])
			/* Known to be there; and if not, it is what we want. */
			(void)vm_ioeventfd(vp->vm, vp->kick_gpa[i], 0, vq->kick_fd, false,
					   NULL);
		vp->kick_gpa[i] = 0;
		if (!want)
			continue;
		if (vm_ioeventfd(vp->vm, want, 0, vq->kick_fd, true, &err) == 0)
			vp->kick_gpa[i] = want;
		else
			vp_warn(vp, &err); /* kicks come by notify_write(), slower */
	}
}

static void enable_queue(struct virtio_pci *vp)
{
	struct vq *vq = selected(vp);
	uint8_t status = status_of(vp);
	struct err err = ERR_INIT;
	int ret;

	if (!vq || vq->enabled || !(status & VIRTIO_CONFIG_S_FEATURES_OK) ||
	    status & VIRTIO_CONFIG_S_DRIVER_OK)
		return;
	vq->event_idx = vp->dev->acked_features & 1ull << VIRTIO_RING_F_EVENT_IDX;
	vq->indirect = vp->dev->acked_features & 1ull << VIRTIO_RING_F_INDIRECT_DESC;
	ret = vq_enable(vq, &err);
	if (ret < 0) {
		(void)err_wrap(&err, ret, "virtio %s: queue %u", vp->dev->name,
			       vp->state.queue_select);
		vp_warn(vp, &err);
		vp_needs_reset(vp->dev);
		return;
	}
	vq_set_call_fd(vq,
		       vp_msix_fd(vp, vp->state.queue_vector[vp->state.queue_select]));
	vp_update_kicks_locked(vp);
}

static void set_queue_vector(struct virtio_pci *vp, uint16_t vector)
{
	struct vq *vq = selected(vp);

	if (!vq)
		return;
	if (vector >= vp->n_vectors)
		vector = VIRTIO_MSI_NO_VECTOR;
	vp->state.queue_vector[vp->state.queue_select] = vector;
	if (vq->enabled)
		vq_set_call_fd(vq, vp_msix_fd(vp, vector));
}

static void set_queue_size(struct virtio_pci *vp, uint16_t size)
{
	struct vq *vq = selected(vp);

	if (vq && !vq->enabled && size && size <= vq->max_size && !(size & (size - 1)))
		vq->size = size;
}

/* set_address() - one half of a queue's address. */
static void set_address(struct virtio_pci *vp, uint32_t offset, uint32_t value)
{
	struct vq *vq = selected(vp);
	unsigned int shift = offset & 4 ? 32 : 0;
	gpa_t *gpa;

	if (!vq || vq->enabled)
		return;
	gpa = offset < VIRTIO_PCI_COMMON_Q_AVAILLO  ? &vq->desc_gpa
	      : offset < VIRTIO_PCI_COMMON_Q_USEDLO ? &vq->avail_gpa
						    : &vq->used_gpa;
	*gpa = (*gpa & ~(0xffffffffull << shift)) | (gpa_t)value << shift;
}

/* ---- the device ------------------------------------------------------------------ */

void vp_reset_locked(struct virtio_pci *vp)
{
	struct vp_state *s = &vp->state;

	if (s->activated)
		vp->dev->ops->reset(vp->dev);
	s->activated = false;
	for (unsigned int i = 0; i < vp->dev->n_queues; i++) {
		vq_reset(&vp->dev->queues[i]);
		s->queue_vector[i] = VIRTIO_MSI_NO_VECTOR;
	}
	vp_update_kicks_locked(vp);
	vp->dev->acked_features = 0;
	s->driver_features = 0;
	s->device_feature_select = 0;
	s->driver_feature_select = 0;
	s->queue_select = 0;
	/* From here on nothing of the device calls needs_reset(). */
	__atomic_store_n(&s->config_vector, VIRTIO_MSI_NO_VECTOR, __ATOMIC_SEQ_CST);
	__atomic_store_n(&s->isr, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&s->status, 0, __ATOMIC_SEQ_CST);
}

static void activate(struct virtio_pci *vp)
{
	struct err err = ERR_INIT;
	int ret;

	vp->state.activated = true;
	set_status(vp, VIRTIO_CONFIG_S_DRIVER_OK);
	ret = vp->dev->ops->activate(vp->dev, &err);
	if (ret < 0) {
		(void)err_wrap(&err, ret, "virtio %s: start", vp->dev->name);
		vp_warn(vp, &err);
		vp_needs_reset(vp->dev);
	}
}

/* features_acceptable() - virtio 1.2 §2.2, §6.1 */
static bool features_acceptable(const struct virtio_pci *vp)
{
	uint64_t f = vp->state.driver_features;

	return !(f & ~vp_offered(vp)) && f & 1ull << VIRTIO_F_VERSION_1;
}

/* write_status() - virtio 1.2 §2.1, §3.1: bits are only added, and in order. */
static void write_status(struct virtio_pci *vp, uint8_t value)
{
	uint8_t added = (uint8_t)(value & ~status_of(vp));

	if (value == 0) {
		vp_reset_locked(vp);
		return;
	}
	if (added & VIRTIO_CONFIG_S_FAILED)
		set_status(vp, VIRTIO_CONFIG_S_FAILED);
	if (added & VIRTIO_CONFIG_S_ACKNOWLEDGE)
		set_status(vp, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	if (added & VIRTIO_CONFIG_S_DRIVER && status_of(vp) & VIRTIO_CONFIG_S_ACKNOWLEDGE)
		set_status(vp, VIRTIO_CONFIG_S_DRIVER);
	if (added & VIRTIO_CONFIG_S_FEATURES_OK &&
	    status_of(vp) & VIRTIO_CONFIG_S_DRIVER && features_acceptable(vp)) {
		vp->dev->acked_features = vp->state.driver_features;
		set_status(vp, VIRTIO_CONFIG_S_FEATURES_OK);
	}
	if (added & VIRTIO_CONFIG_S_DRIVER_OK &&
	    status_of(vp) & VIRTIO_CONFIG_S_FEATURES_OK &&
	    !(status_of(vp) & (VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED)))
		activate(vp);
}

static void write_features(struct virtio_pci *vp, uint32_t value)
{
	struct vp_state *s = &vp->state;
	unsigned int shift = s->driver_feature_select * 32;

	if (s->driver_feature_select > 1 || status_of(vp) & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	s->driver_features &= ~(0xffffffffull << shift);
	s->driver_features |= (uint64_t)value << shift;
}

/* ---- the structure ---------------------------------------------------------------- */

static uint32_t half(uint64_t v, uint32_t select)
{
	return select > 1 ? 0 : (uint32_t)(v >> 32 * select);
}

void vp_common_read(const struct virtio_pci *vp, uint32_t offset, void *data,
		    uint32_t len)
{
	const struct vp_state *s = &vp->state;
	const struct vq *vq = selected(vp);
	struct virtio_pci_common_cfg c = {
		.device_feature_select = s->device_feature_select,
		.device_feature = half(vp_offered(vp), s->device_feature_select),
		.guest_feature_select = s->driver_feature_select,
		.guest_feature = half(s->driver_features & vp_offered(vp),
				      s->driver_feature_select),
		.msix_config = __atomic_load_n(&s->config_vector, __ATOMIC_SEQ_CST),
		.num_queues = (uint16_t)vp->dev->n_queues,
		.device_status = status_of(vp),
		.config_generation = s->generation,
		.queue_select = s->queue_select,
		.queue_msix_vector = VIRTIO_MSI_NO_VECTOR,
	};

	if (vq) {
		c.queue_size = vq->size;
		c.queue_msix_vector = s->queue_vector[s->queue_select];
		c.queue_enable = vq->enabled;
		c.queue_notify_off = s->queue_select;
		c.queue_desc_lo = half(vq->desc_gpa, 0);
		c.queue_desc_hi = half(vq->desc_gpa, 1);
		c.queue_avail_lo = half(vq->avail_gpa, 0);
		c.queue_avail_hi = half(vq->avail_gpa, 1);
		c.queue_used_lo = half(vq->used_gpa, 0);
		c.queue_used_hi = half(vq->used_gpa, 1);
	}
	memset(data, 0, len);
	if (offset < sizeof(c) && len <= sizeof(c) - offset)
		memcpy(data, (const char *)&c + offset, len);
}

static void write8(struct virtio_pci *vp, uint32_t offset, uint8_t value)
{
	if (offset == VIRTIO_PCI_COMMON_STATUS)
		write_status(vp, value);
}

static void write16(struct virtio_pci *vp, uint32_t offset, uint16_t value)
{
	switch (offset) {
	case VIRTIO_PCI_COMMON_MSIX:
		__atomic_store_n(&vp->state.config_vector,
				 value < vp->n_vectors ? value : VIRTIO_MSI_NO_VECTOR,
				 __ATOMIC_SEQ_CST);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		vp->state.queue_select = value;
		break;
	case VIRTIO_PCI_COMMON_Q_SIZE:
		set_queue_size(vp, value);
		break;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		set_queue_vector(vp, value);
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if (value == 1)
			enable_queue(vp);
		break;
	default:
		break;
	}
}

static void write32(struct virtio_pci *vp, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		vp->state.device_feature_select = value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		vp->state.driver_feature_select = value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		write_features(vp, value);
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		set_address(vp, offset, value);
		break;
	default:
		break;
	}
}

void vp_common_write(struct virtio_pci *vp, uint32_t offset, const void *data,
		     uint32_t len)
{
	uint32_t v = 0;

	if (len > sizeof(v))
		return;
	memcpy(&v, data, len);
	if (len == 1)
		write8(vp, offset, (uint8_t)v);
	else if (len == 2)
		write16(vp, offset, (uint16_t)v);
	else if (len == 4)
		write32(vp, offset, v);
}
