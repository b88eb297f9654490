/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/mem.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "lib/container_of.h"
#include "lib/err.h"
#include "vmm/snapshot/sections.h"
#include "vmm/virtio/loop_queue.h"
#include "vmm/virtio/virtio.h"

#define MEM_QUEUE_SIZE 16u /* Linux has one request under way */
#define MEM_MAX_IOV 8u
#define MEM_PCI_CLASS 0x00ff00u /* unclassified, as virtio 1.2 leaves it open */

struct mem {
	struct virtio_device dev;
	struct loop_device ld;
	struct loop_queue queue;
	const struct guest_memory *mem;
	uint64_t blocks; /* that there is RAM for */

	/* Under ld.lock. */
	struct virtio_mem_config config; /* little endian, as this machine is */
	bool *plugged; /* owned: of each of `blocks` */
};

/* A range of blocks; of those without RAM none can be plugged. */
struct range {
	uint64_t first;
	uint64_t n;
};

/* ---- requests: virtio 1.2 §5.15.6 --------------------------------------------------- */

/* to_range() - false: not blocks of the usable region. */
static bool to_range(const struct mem *m, uint64_t addr, uint16_t n, struct range *ret)
{
	const struct virtio_mem_config *c = &m->config;
	uint64_t offset = addr - c->addr;

	if (addr < c->addr || offset % MEM_BLOCK || !n ||
	    offset >= c->usable_region_size ||
	    n > (c->usable_region_size - offset) / MEM_BLOCK)
		return false;
	*ret = (struct range){ .first = offset / MEM_BLOCK, .n = n };
	return true;
}

/* count_plugged() - of the blocks of @r. */
static uint64_t count_plugged(const struct mem *m, const struct range *r)
{
	uint64_t n = 0;

	for (uint64_t i = r->first; i < r->first + r->n && i < m->blocks; i++)
		n += m->plugged[i];
	return n;
}

static uint16_t plug(struct mem *m, const struct range *r)
{
	struct virtio_mem_config *c = &m->config;

	if (count_plugged(m, r))
		return VIRTIO_MEM_RESP_ERROR;
	if (r->n > (c->requested_size - c->plugged_size) / MEM_BLOCK)
		return VIRTIO_MEM_RESP_NACK;
	/* Usable is what ends at a section, RAM need not: others may be tried. */
	if (r->first + r->n > m->blocks)
		return VIRTIO_MEM_RESP_BUSY;
	memset(m->plugged + r->first, true, r->n);
	c->plugged_size += r->n * MEM_BLOCK;
	return VIRTIO_MEM_RESP_ACK;
}

/* discard() - what @r had goes back to the host. */
static void discard(const struct mem *m, const struct range *r)
{
	uint64_t len = r->n * MEM_BLOCK;
	const void *host =
		gpa_to_host(m->mem, m->config.addr + r->first * MEM_BLOCK, len);

	if (host)
		(void)guest_memory_discard(m->mem, host, len);
}

static uint16_t unplug(struct mem *m, const struct range *r)
{
	if (count_plugged(m, r) != r->n)
		return VIRTIO_MEM_RESP_ERROR;
	memset(m->plugged + r->first, false, r->n);
	m->config.plugged_size -= r->n * MEM_BLOCK;
	discard(m, r);
	return VIRTIO_MEM_RESP_ACK;
}

/* unplug_all() - the usable region need not shrink. */
static uint16_t unplug_all(struct mem *m)
{
	const struct range all = { .n = m->blocks };

	if (!m->config.plugged_size)
		return VIRTIO_MEM_RESP_ACK;
	memset(m->plugged, false, m->blocks);
	m->config.plugged_size = 0;
	discard(m, &all);
	return VIRTIO_MEM_RESP_ACK;
}

static uint16_t state(const struct mem *m, const struct range *r)
{
	uint64_t n = count_plugged(m, r);

	if (!n)
		return VIRTIO_MEM_STATE_UNPLUGGED;
	return n == r->n ? VIRTIO_MEM_STATE_PLUGGED : VIRTIO_MEM_STATE_MIXED;
}

/* answer() - to a request that is a copy of our own. */
static struct virtio_mem_resp answer(struct mem *m, const struct virtio_mem_req *req)
{
	struct virtio_mem_resp resp = { .type = VIRTIO_MEM_RESP_ERROR };
	struct range r;

	if (req->type == VIRTIO_MEM_REQ_UNPLUG_ALL) {
		resp.type = unplug_all(m);
		return resp;
	}
	/* The three others look the same. */
	if (!to_range(m, req->u.plug.addr, req->u.plug.nb_blocks, &r))
		return resp;
	switch (req->type) {
	case VIRTIO_MEM_REQ_PLUG:
		resp.type = plug(m, &r);
		break;
	case VIRTIO_MEM_REQ_UNPLUG:
		resp.type = unplug(m, &r);
		break;
	case VIRTIO_MEM_REQ_STATE:
		resp.type = VIRTIO_MEM_RESP_ACK;
		resp.u.state.state = state(m, &r);
		break;
	default: /* no such request */
		break;
	}
	return resp;
}

/* ---- the queue ------------------------------------------------------------------------ */

/* gather() - @len bytes at most of buffers that may be cut anywhere; how many. */
static size_t gather(void *dst, size_t len, const struct iovec *iov, unsigned int n)
{
	size_t done = 0;

	for (unsigned int i = 0; i < n && done < len; i++) {
		size_t part = iov[i].iov_len < len - done ? iov[i].iov_len : len - done;

		memcpy((char *)dst + done, iov[i].iov_base, part);
		done += part;
	}
	return done;
}

/* scatter() - likewise, into them. */
static size_t scatter(const struct iovec *iov, unsigned int n, const void *src,
		      size_t len)
{
	size_t done = 0;

	for (unsigned int i = 0; i < n && done < len; i++) {
		size_t part = iov[i].iov_len < len - done ? iov[i].iov_len : len - done;

		memcpy(iov[i].iov_base, (const char *)src + done, part);
		done += part;
	}
	return done;
}

/* serve() - one request a turn: to unplug gigabytes takes some milliseconds. */
static bool serve(struct loop_queue *lq)
{
	struct mem *m = container_of(lq->ld, struct mem, ld);
	struct virtio_mem_resp resp = { .type = VIRTIO_MEM_RESP_ERROR };
	struct virtio_mem_req req;
	struct vq_chain chain;
	struct iovec iov[MEM_MAX_IOV];
	int ret;

	do {
		ret = vq_pop(lq->vq, &chain, iov, MEM_MAX_IOV);
	} while (ret == 0 && vq_enable_kicks(lq->vq));
	if (ret <= 0)
		return false;
	/* Nothing is done for who would not hear what it was. */
	if (chain.in_len >= sizeof(resp) &&
	    gather(&req, sizeof(req), chain.out, chain.n_out) == sizeof(req))
		resp = answer(m, &req);
	vq_push(lq->vq, chain.head,
		(uint32_t)scatter(chain.in, chain.n_in, &resp, sizeof(resp)));
	vq_notify(lq->vq);
	return true;
}

/* ---- the device ------------------------------------------------------------------------ */

static int mem_activate(struct virtio_device *dev, struct err *err)
{
	struct mem *m = container_of(dev, struct mem, dev);

	(void)err;
	loop_device_activate(&m->ld);
	return 0;
}

/* mem_reset() - what is plugged stays so (§5.15.5.1): the next driver sees it. */
static void mem_reset(struct virtio_device *dev)
{
	struct mem *m = container_of(dev, struct mem, dev);

	loop_device_reset(&m->ld);
}

static void mem_config_read(struct virtio_device *dev, uint32_t offset, void *data,
			    uint32_t len)
{
	struct mem *m = container_of(dev, struct mem, dev);

	(void)loop_device_enter(&m->ld);
	memcpy(data, (const char *)&m->config + offset, len);
	loop_device_leave(&m->ld);
}

#define TAG_MEM SECTION_TAG('v', 'm', 'e', 'm')

#define TAG_PLUGGED SECTION_TAG('p', 'l', 'u', 'g')

struct saved {
	uint64_t addr; /* what a driver has read when it began, and never reads again */
	uint64_t region_size;
	uint64_t requested_size;
	uint64_t
		blocks; /* that the next section has a byte of: 0, unless some are plugged */
};

static int mem_save(struct virtio_device *dev, struct buf *out, struct err *err)
{
	struct mem *m = container_of(dev, struct mem, dev);
	struct saved s;

	(void)err;
	(void)loop_device_enter(&m->ld);
	s = (struct saved){
		.addr = m->config.addr,
		.region_size = m->config.region_size,
		.requested_size = m->config.requested_size,
		.blocks = m->config.plugged_size ? m->blocks : 0,
	};
	section_put(out, TAG_MEM, &s, sizeof(s));
	section_put(out, TAG_PLUGGED, m->plugged, s.blocks);
	loop_device_leave(&m->ld);
	return 0;
}

/* load_plugged() - a byte for each block. */
static int load_plugged(struct mem *m, const uint8_t *plugged, uint64_t n,
			uint64_t requested, struct err *err)
{
	struct virtio_mem_config *c = &m->config;

	if (n > m->blocks || requested > m->blocks * MEM_BLOCK || requested % MEM_BLOCK)
		return err_msg(err, EPROTO, "more memory was plugged than there is");
	c->requested_size = requested;
	c->plugged_size = 0;
	for (uint64_t i = 0; i < n; i++) {
		m->plugged[i] = plugged[i];
		c->plugged_size += m->plugged[i] ? MEM_BLOCK : 0;
	}
	return 0;
}

static int mem_load(struct virtio_device *dev, struct sections *in, struct err *err)
{
	struct mem *m = container_of(dev, struct mem, dev);
	const void *plugged = NULL;
	struct saved s;
	size_t n = 0;
	int ret = section_get(in, TAG_MEM, &s, sizeof(s), err);

	if (ret == 0 &&
	    (s.addr != m->config.addr || s.region_size != m->config.region_size))
		ret = err_msg(err, EPROTO, "another region was saved");
	if (ret == 0)
		ret = section_look(in, TAG_PLUGGED, &plugged, &n, err);
	if (ret == 0 && n != s.blocks)
		ret = err_msg(err, EPROTO, "%zu of its blocks are saved", n);
	if (ret < 0)
		return ret;
	(void)loop_device_enter(&m->ld);
	ret = load_plugged(m, plugged, n, s.requested_size, err);
	loop_device_leave(&m->ld);
	return ret;
}

static void mem_free(struct virtio_device *dev)
{
	struct mem *m = container_of(dev, struct mem, dev);

	if (!dev)
		return;
	loop_queue_remove(&m->queue);
	loop_device_release(&m->ld);
	vq_release(&m->dev.queues[0]);
	free(m->plugged);
	free(m);
}

static int check(const struct mem_params *p, struct err *err)
{
	if (p->gpa % MEM_SECTION || p->region_size % MEM_SECTION ||
	    p->size > p->region_size)
		return err_msg(
			err, EINVAL,
			"virtio-mem: %llu bytes of RAM in a region of %llu bytes at "
			"%#llx",
			(unsigned long long)p->size, (unsigned long long)p->region_size,
			(unsigned long long)p->gpa);
	return 0;
}

int mem_new(const struct mem_params *params, struct virtio_device **ret_dev,
	    struct err *err)
{
	static const struct virtio_dev_ops ops = {
		.activate = mem_activate,
		.reset = mem_reset,
		.config_read = mem_config_read,
		.save = mem_save,
		.load = mem_load,
		.free = mem_free,
	};
	struct mem *m;
	int ret = check(params, err);

	if (ret < 0)
		return ret;
	m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(err, ENOMEM, "virtio-mem");
	m->mem = params->mem;
	m->blocks = params->size / MEM_BLOCK;
	m->config = (struct virtio_mem_config){
		.block_size = MEM_BLOCK,
		.addr = params->gpa,
		.region_size = params->region_size,
		.usable_region_size =
			(params->size + MEM_SECTION - 1) / MEM_SECTION * MEM_SECTION,
	};
	m->dev.ops = &ops;
	m->dev.name = "mem";
	m->dev.id = VIRTIO_ID_MEM;
	m->dev.pci_class = MEM_PCI_CLASS;
	m->dev.n_queues = 1;
	m->dev.config_size = sizeof(m->config);
	loop_device_init(&m->ld, params->loop, &m->dev);
	m->plugged = calloc(m->blocks + 1, sizeof(*m->plugged));
	ret = m->plugged ? 0 : err_set(err, ENOMEM, "virtio-mem");
	if (ret == 0)
		ret = vq_init(&m->dev.queues[0], params->mem, MEM_QUEUE_SIZE, err);
	if (ret == 0)
		ret = loop_queue_add(&m->ld, &m->queue, &m->dev.queues[0], serve, err);
	if (ret < 0) {
		mem_free(&m->dev);
		return ret;
	}
	*ret_dev = &m->dev;
	return 0;
}

uint64_t mem_grow(struct virtio_device *dev, uint64_t bytes)
{
	struct mem *m = container_of(dev, struct mem, dev);
	uint64_t max = m->blocks * MEM_BLOCK;
	uint64_t size =
		bytes < max ? (bytes + MEM_BLOCK - 1) / MEM_BLOCK * MEM_BLOCK : max;
	bool active = loop_device_enter(&m->ld);

	if (size > m->config.requested_size) {
		m->config.requested_size = size;
		if (active) /* or else it is read when the driver begins */
			dev->transport->config_changed(dev);
	}
	size = m->config.requested_size;
	loop_device_leave(&m->ld);
	return size;
}

uint64_t mem_plugged(struct virtio_device *dev)
{
	struct mem *m = container_of(dev, struct mem, dev);
	uint64_t size;

	(void)loop_device_enter(&m->ld);
	size = m->config.plugged_size;
	loop_device_leave(&m->ld);
	return size;
}

uint64_t mem_extent(struct virtio_device *dev)
{
	struct mem *m = container_of(dev, struct mem, dev);
	uint64_t end = 0;

	(void)loop_device_enter(&m->ld);
	for (uint64_t i = 0; i < m->blocks; i++)
		if (m->plugged[i])
			end = i + 1;
	loop_device_leave(&m->ld);
	return end * MEM_BLOCK;
}
