/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio function, saved and put into a new machine that has the same functions in the
 * same order.
 *
 * An interrupt that was on its way between us and the guest's local APIC when it was
 * saved is in neither's state: each queue's vector is raised once after the load, and that
 * of the configuration, which may be another now.  A driver that finds nothing new does
 * nothing.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "vmm/snapshot/sections.h"
#include "vmm/virtio/pci.h"
#include "vmm/virtio/pci_internal.h"

#define TAG_PCI SECTION_TAG('v', 'p', 'c', 'i')

struct saved {
	uint16_t id; /* virtio 1.2 §5 */
	uint16_t n_queues;
	uint32_t reserved;
	uint64_t acked_features;
	uint8_t config[PCI_CONFIG_SIZE];
	struct vp_state state;
};

static int save_locked(struct virtio_pci *vp, struct buf *out, struct err *err)
{
	struct virtio_device *dev = vp->dev;
	auto_buf struct buf own = BUF_INIT;
	struct saved s = {
		.id = dev->id,
		.n_queues = (uint16_t)dev->n_queues,
		.acked_features = dev->acked_features,
		.state = vp->state,
	};
	int ret = 0;

	if (vp->pci.watch_reads || vp->state.status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return err_msg(err, EAGAIN, "its driver does what cannot be saved");
	memcpy(s.config, vp->pci.config, sizeof(s.config));
	section_put(out, TAG_PCI, &s, sizeof(s));
	/* First, as it may give back what it took from a queue; loaded last. */
	if (dev->ops->save)
		ret = dev->ops->save(dev, &own, err);
	for (unsigned int i = 0; ret == 0 && i < dev->n_queues; i++)
		ret = vq_save(&dev->queues[i], out, err);
	(void)buf_append(out, own.data, own.len);
	if (own.oom)
		out->oom = true;
	return ret;
}

int virtio_pci_save(struct virtio_pci *vp, struct buf *out, struct err *err)
{
	int ret;

	(void)pthread_mutex_lock(&vp->lock);
	ret = save_locked(vp, out, err);
	(void)pthread_mutex_unlock(&vp->lock);
	return ret < 0 ? err_wrap(err, ret, "virtio %s", vp->dev->name) : 0;
}

static bool is_vector(const struct virtio_pci *vp, uint16_t vector)
{
	return vector < vp->n_vectors || vector == VIRTIO_MSI_NO_VECTOR;
}

static int check(const struct virtio_pci *vp, const struct saved *s, struct err *err)
{
	bool vectors = is_vector(vp, s->state.config_vector);

	for (unsigned int i = 0; i < vp->dev->n_queues; i++)
		vectors &= is_vector(vp, s->state.queue_vector[i]);
	if (s->id != vp->dev->id || s->n_queues != vp->dev->n_queues)
		return err_msg(err, EPROTO, "device %u with %u queues was saved", s->id,
			       s->n_queues);
	if (s->acked_features & ~vp_offered(vp))
		return err_msg(err, EPROTO, "its driver has features that it does not");
	return vectors ? 0 : err_msg(err, EPROTO, "interrupts that it does not have");
}

static void raise_fd(int fd)
{
	static const uint64_t one = 1;

	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return; /* full: pending as well */
}

static int load(struct virtio_pci *vp, struct sections *in, struct err *err)
{
	struct virtio_device *dev = vp->dev;
	struct saved s;
	int ret = section_get(in, TAG_PCI, &s, sizeof(s), err);

	if (ret == 0)
		ret = check(vp, &s, err);
	if (ret < 0)
		return ret;
	vp->state = s.state;
	/* Whatever fails before activate(): there is nothing to be reset then. */
	vp->state.activated = false;
	dev->acked_features = s.acked_features;
	vp_msix_update(vp);
	for (unsigned int i = 0; ret == 0 && i < dev->n_queues; i++) {
		ret = vq_load(&dev->queues[i], in, err);
		vq_set_call_fd(&dev->queues[i],
			       vp_msix_fd(vp, vp->state.queue_vector[i]));
	}
	/* Places the notify addresses of enabled queues as well. */
	if (ret == 0)
		ret = pci_load(vp->bus, &vp->pci, s.config, err);
	if (ret == 0 && dev->ops->load)
		ret = dev->ops->load(dev, in, err);
	if (ret == 0 && s.state.activated) {
		vp->state.activated = true;
		ret = dev->ops->activate(dev, err);
	}
	for (unsigned int i = 0; ret == 0 && i < dev->n_queues; i++)
		if (dev->queues[i].enabled)
			raise_fd(dev->queues[i].call_fd);
	if (ret == 0 && vp->state.activated)
		raise_fd(vp_msix_fd(vp, vp->state.config_vector));
	return ret;
}

int virtio_pci_load(struct virtio_pci *vp, struct sections *in, struct err *err)
{
	int ret = load(vp, in, err);

	return ret < 0 ? err_wrap(err, ret, "virtio %s", vp->dev->name) : 0;
}
