/* SPDX-License-Identifier: Apache-2.0 */
/* What is put on the bus. */
#include <assert.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/main.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/mem.h"
#include "vmm/virtio/pci.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/virtio.h"

/* (bytes) The host's memory is rounded up to it: kernels keep more or less for themselves. */
#define HOTPLUG_ROUND (1ull << 30)

int main_plug(void *opaque, struct virtio_device *dev, struct err *err)
{
	struct vmm *v = opaque;
	struct virtio_pci *vp;
	int ret = virtio_pci_new(v->bus, v->vm, dev, &vp, err);

	if (ret == 0 && v->n_devices < ARRAY_SIZE(v->devices))
		v->devices[v->n_devices++] = vp;
	return ret;
}

static int plug_rng(struct vmm *v, struct err *err)
{
	struct virtio_device *dev = NULL;
	int ret = rng_new(vm_memory(v->vm), v->loop, &dev, err);

	return ret < 0 ? ret : main_plug(v, dev, err);
}

static int plug_balloon(struct vmm *v, struct err *err)
{
	struct virtio_device *dev = NULL;
	int ret = balloon_new(vm_memory(v->vm), v->loop, &dev, err);

	return ret < 0 ? ret : main_plug(v, dev, err);
}

/*
 * hotplug_region() - (bytes) of the memory device's region: the host's RAM, so that it is
 * the same for every container, unless that is less than this one may have.
 */
static uint64_t hotplug_region(uint64_t size, uint64_t room)
{
	long pages = sysconf(_SC_PHYS_PAGES);
	long page_size = sysconf(_SC_PAGESIZE);

	if (pages > 0 && page_size > 0 && (uint64_t)pages * (uint64_t)page_size > size)
		size = (uint64_t)pages * (uint64_t)page_size;
	size = (size + HOTPLUG_ROUND - 1) & ~(HOTPLUG_ROUND - 1);
	return size < room ? size : room;
}

static_assert(LAYOUT_HOTPLUG_ALIGN == MEM_SECTION, "the region begins and ends at one");

static int plug_mem(struct vmm *v, struct err *err)
{
	uint64_t room;
	struct guest_region region = vm_hotplug(v->vm, &room);
	const struct mem_params params = {
		.mem = vm_memory(v->vm),
		.loop = v->loop,
		.gpa = region.gpa,
		.region_size = hotplug_region(region.size, room),
		.size = region.size,
	};
	int ret = mem_new(&params, &v->mem, err);

	return ret < 0 ? ret : main_plug(v, v->mem, err);
}

int main_plug_small(struct vmm *v, struct err *err)
{
	int ret = plug_rng(v, err);

	if (ret == 0)
		ret = plug_balloon(v, err);
	return ret < 0 ? ret : plug_mem(v, err);
}
