/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/net/vhost.h"

#include <errno.h>
#include <linux/vhost.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/log.h"

/* Of the accepted features, what whoever serves a ring must know of; the others are
 * between driver and tap. */
#define RING_FEATURES                                                                    \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC |              \
	 1ull << VIRTIO_RING_F_EVENT_IDX | 1ull << VIRTIO_NET_F_MRG_RXBUF)

int net_vhost_init(struct net_vhost *v, struct err *err)
{
	v->features = RING_FEATURES;
	for (unsigned int i = 0; i < v->n_pairs; i++) {
		uint64_t known;

		if (ioctl(v->fd[i], VHOST_SET_OWNER) < 0)
			return err_set(err, errno, "VHOST_SET_OWNER");
		if (ioctl(v->fd[i], VHOST_GET_FEATURES, &known) < 0)
			return err_set(err, errno, "VHOST_GET_FEATURES");
		v->features &= known;
	}
	return 0;
}

/* set_memory() - all that a chain may point to, DAX windows included. */
static int set_memory(const struct net_vhost *v, int fd, struct err *err)
{
	union {
		struct vhost_memory table;
		char room[sizeof(struct vhost_memory) +
			  GUEST_MEMORY_MAX_REGIONS * sizeof(struct vhost_memory_region)];
	} m;

	memset(&m, 0, sizeof(m));
	m.table.nregions = v->mem->n_regions;
	for (unsigned int i = 0; i < v->mem->n_regions; i++) {
		const struct guest_region *r = &v->mem->regions[i];

		m.table.regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = r->gpa,
			.memory_size = r->size,
			.userspace_addr = (uintptr_t)r->host,
		};
	}
	if (ioctl(fd, VHOST_SET_MEM_TABLE, &m) < 0)
		return err_set(err, errno, "VHOST_SET_MEM_TABLE");
	return 0;
}

static int set_fd(int fd, unsigned long request, const char *name, unsigned int ring,
		  int value, struct err *err)
{
	struct vhost_vring_file file = { .index = ring, .fd = value };

	if (ioctl(fd, request, &file) < 0)
		return err_set(err, errno, "%s", name);
	return 0;
}

#define SET_FD(fd, request, ring, value, err)                                            \
	set_fd(fd, request, #request, ring, value, err)

static int set_ring(const struct net_vhost *v, int fd, unsigned int ring,
		    const struct vq_rings *r, struct err *err)
{
	struct vhost_vring_state num = { ring, r->size };
	struct vhost_vring_state base = { ring, r->last_avail };
	struct vhost_vring_addr addr = {
		.index = ring,
		.desc_user_addr = (uintptr_t)r->desc,
		.avail_user_addr = (uintptr_t)r->avail,
		.used_user_addr = (uintptr_t)r->used,
	};
	int ret;

	if (ioctl(fd, VHOST_SET_VRING_NUM, &num) < 0)
		return err_set(err, errno, "VHOST_SET_VRING_NUM");
	if (ioctl(fd, VHOST_SET_VRING_BASE, &base) < 0)
		return err_set(err, errno, "VHOST_SET_VRING_BASE");
	if (ioctl(fd, VHOST_SET_VRING_ADDR, &addr) < 0)
		return err_set(err, errno, "VHOST_SET_VRING_ADDR");
	ret = SET_FD(fd, VHOST_SET_VRING_KICK, ring, r->kick_fd, err);
	if (ret == 0)
		ret = SET_FD(fd, VHOST_SET_VRING_CALL, ring, r->call_fd, err);
	if (ret == 0)
		ret = SET_FD(fd, VHOST_SET_VRING_ERR, ring, v->err_fd, err);
	return ret;
}

/* start_ring() - Return: 0: it runs, or there is nothing to serve; -errno */
static int start_ring(struct net_vhost *v, unsigned int i, struct vq *vq, struct err *err)
{
	int fd = v->fd[i / 2];
	struct vq_rings rings;
	int ret;

	if (!vq_hand_out(vq, &rings))
		return 0;
	ret = set_ring(v, fd, i % 2, &rings, err);
	if (ret == 0)
		ret = SET_FD(fd, VHOST_NET_SET_BACKEND, i % 2, v->tap_fd[i / 2], err);
	if (ret < 0) {
		vq_take_back(vq, rings.last_avail); /* it was never touched */
		return ret;
	}
	v->served[i] = vq;
	return 0;
}

int net_vhost_start(struct net_vhost *v, struct vq *queues, unsigned int n_pairs,
		    uint64_t features, struct err *err)
{
	int ret = 0;
	uint64_t n;

	features &= RING_FEATURES;
	if (features & ~v->features)
		return err_msg(err, ENOTSUP, "VHOST_GET_FEATURES: 0x%llx are missing",
			       (unsigned long long)(features & ~v->features));
	/* What rings of an earlier driver have left there is over. */
	if (read(v->err_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return err_set(err, errno, "read of an eventfd");
	for (unsigned int i = 0; ret == 0 && i < n_pairs; i++) {
		if (ioctl(v->fd[i], VHOST_SET_FEATURES, &features) < 0)
			ret = err_set(err, errno, "VHOST_SET_FEATURES");
		else
			ret = set_memory(v, v->fd[i], err);
	}
	for (unsigned int i = 0; ret == 0 && i < 2 * n_pairs; i++)
		ret = start_ring(v, i, &queues[i], err);
	if (ret < 0)
		net_vhost_stop(v);
	return ret;
}

void net_vhost_stop(struct net_vhost *v)
{
	for (unsigned int i = 0; i < 2 * v->n_pairs; i++) {
		struct vhost_vring_state base = { .index = i % 2 };
		struct vq *vq = v->served[i];
		int fd = v->fd[i / 2];

		if (!vq)
			continue;
		v->served[i] = NULL;
		/* It waits until all packets that are on their way have gone. */
		if (SET_FD(fd, VHOST_NET_SET_BACKEND, i % 2, VHOST_FILE_UNBIND, NULL) <
			    0 ||
		    ioctl(fd, VHOST_GET_VRING_BASE, &base) < 0)
			/* Never seen; the queue gives nothing until it is reset. */
			log_error("vhost: stop ring %u: %s", i, strerror(errno));
		else
			vq_take_back(vq, (uint16_t)base.num);
	}
}

void net_vhost_set_call(struct net_vhost *v, struct vq *vq)
{
	struct err err = ERR_INIT;
	int fd;

	(void)pthread_mutex_lock(&vq->lock);
	fd = vq->call_fd;
	(void)pthread_mutex_unlock(&vq->lock);
	for (unsigned int i = 0; i < 2 * v->n_pairs; i++)
		if (v->served[i] == vq &&
		    SET_FD(v->fd[i / 2], VHOST_SET_VRING_CALL, i % 2, fd, &err) < 0)
			log_error("vhost: ring %u: %s", i, err.msg);
}
