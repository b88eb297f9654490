/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/net.h"

#include <assert.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "lib/log.h"
#include "vmm/agent_proto.h"
#include "vmm/virtio/net_internal.h"

#define PACKET_QUEUE_SIZE 256u
#define CONTROL_QUEUE_SIZE 64u
#define NET_PCI_CLASS 0x020000u /* Ethernet controller */

#define BIT(n) (1ull << VIRTIO_NET_F_##n)
#define FEATURES                                                                         \
	(BIT(MAC) | BIT(STATUS) | BIT(CSUM) | BIT(GUEST_CSUM) | BIT(GUEST_TSO4) |        \
	 BIT(GUEST_TSO6) | BIT(GUEST_ECN) | BIT(HOST_TSO4) | BIT(HOST_TSO6) |            \
	 BIT(HOST_ECN) | BIT(MRG_RXBUF) | BIT(CTRL_VQ) | BIT(CTRL_MAC_ADDR))

/* No more than the features offered give a meaning to (virtio 1.2 §5.1.4). */
#define CONFIG_SIZE ((uint32_t)offsetof(struct virtio_net_config, mtu))

static_assert(offsetof(struct virtio_net_config, mtu) == 10, "virtio 1.2 §5.1.4");
static_assert(NET_QUEUES <= VIRTIO_MAX_QUEUES, "all of the largest card");

static struct net *net_of(struct virtio_device *dev)
{
	return container_of(dev, struct net, dev);
}

void net_wake(struct net *net)
{
	(void)eventfd_write(net->work.fd, 1); /* a full counter is an event as well */
}

void net_warn(struct net *net, const char *why)
{
	if (!net->warned)
		log_warn("net %u: %s", net->nic, why);
	net->warned = true;
}

/* ---- state ------------------------------------------------------------------------ */

static void set_own_mac(struct net *net)
{
	static const uint8_t prefix[] = { AGENT_NIC_MAC };

	static_assert(sizeof(prefix) == sizeof(net->config.mac) - 1, "N is the sixth");
	memcpy(net->config.mac, prefix, sizeof(prefix));
	net->config.mac[sizeof(prefix)] = (uint8_t)net->nic;
}

static void update_link_locked(struct net *net)
{
	uint16_t status = net->attached && net->carrier ? VIRTIO_NET_S_LINK_UP : 0;

	if (status == net->config.status)
		return;
	net->config.status = status;
	if (net->driver_ok)
		net->dev.transport->config_changed(&net->dev);
}

/* update_watches_locked() - watch what the loop serves now, and nothing else: the
 * others' kicks shall not wake it. */
static void update_watches_locked(struct net *net)
{
	struct err err = ERR_INIT;

	for (unsigned int i = 0; i < net->dev.n_queues; i++) {
		struct loop_queue *lq = &net->watched[i];
		bool want = net_loop_serves_locked(net, i);

		if (!want)
			loop_queue_remove(lq);
		else if (!lq->ld && loop_queue_add(&net->ld, lq, &net->dev.queues[i],
						   net_serve, &err) < 0) {
			*lq = (struct loop_queue){ 0 };
			log_error("net %u: %s", net->nic, err.msg);
		}
	}
}

/* net_tidy_locked() - what only the loop's thread may do. */
static void net_tidy_locked(struct net *net)
{
	net_mend_locked(net);
	update_watches_locked(net);
	update_link_locked(net);
}

static void drain(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0)
		return; /* not set any more, and that is what we want */
}

static void work_ready(struct loop_source *src, uint32_t events)
{
	struct net *net = container_of(src, struct net, work);

	(void)events; /* an eventfd has only one thing to say */
	drain(src->fd);
	(void)loop_device_enter(&net->ld);
	net_tidy_locked(net);
	loop_device_leave(&net->ld);
}

static void vhost_err_ready(struct loop_source *src, uint32_t events)
{
	struct net *net = container_of(src, struct net, vhost_err);

	(void)events; /* the same */
	(void)loop_device_enter(&net->ld);
	/* Read with the lock held: the start of vhost forgets what was before it. */
	if (eventfd_read(src->fd, &(eventfd_t){ 0 }) == 0 && net->use_vhost &&
	    net->driver_ok && !net->failed) {
		net->failed = true;
		net_stop_locked(net);
		net_warn(net, "the guest's driver made a ring that vhost refuses");
		net->dev.transport->needs_reset(&net->dev);
	}
	loop_device_leave(&net->ld);
}

/* ---- the driver: with the transport's lock held ------------------------------------ */

static int net_activate(struct virtio_device *dev, struct err *err)
{
	struct net *net = net_of(dev);

	(void)err; /* what fails behind the card is no fault of the driver's */
	(void)loop_device_enter(&net->ld);
	net->driver_ok = true;
	net->features = dev->acked_features;
	net_start_locked(net);
	loop_device_leave(&net->ld);
	loop_device_activate(&net->ld);
	net_wake(net);
	return 0;
}

static void net_reset(struct virtio_device *dev)
{
	struct net *net = net_of(dev);

	loop_device_reset(&net->ld);
	(void)loop_device_enter(&net->ld);
	net_stop_locked(net);
	net->driver_ok = net->failed = false;
	net->features = 0;
	net->pairs = 0;
	set_own_mac(net);
	loop_device_leave(&net->ld);
}

static void net_config_read(struct virtio_device *dev, uint32_t offset, void *data,
			    uint32_t len)
{
	struct net *net = net_of(dev);

	(void)loop_device_enter(&net->ld);
	memcpy(data, (const char *)&net->config + offset, len);
	loop_device_leave(&net->ld);
}

static void call_fd_changed(struct vq *vq, void *opaque)
{
	struct net *net = opaque;

	(void)loop_device_enter(&net->ld);
	if (net->use_vhost && net->driver_ok)
		net_vhost_set_call(&net->vhost, vq);
	loop_device_leave(&net->ld);
}

/* ---- the owner: on the loop's thread ------------------------------------------------ */

/* forget() - close what never came to be net->backend. */
static void forget(const struct net_backend *b)
{
	for (unsigned int i = 0; i < b->n_pairs && i < NET_MAX_PAIRS; i++) {
		close_fd(b->tap_fd[i]);
		if (b->vhost)
			close_fd(b->vhost_fd[i]);
	}
}

/* look_again_locked() - the queues are another's now, who has not heard the kicks. */
static void look_again_locked(struct net *net)
{
	if (net->driver_ok) /* otherwise they are the transport's */
		loop_device_wake(&net->ld);
}

int net_attach(struct virtio_device *dev, const struct net_backend *backend,
	       struct err *err)
{
	struct net *net = net_of(dev);
	int ret;

	if (backend->n_pairs != net->n_pairs) {
		forget(backend);
		return err_msg(err, EINVAL, "net %u: a tap of %u queues, expected %u",
			       net->nic, backend->n_pairs, net->n_pairs);
	}
	(void)loop_device_enter(&net->ld);
	if (net->attached)
		net_close_locked(net);
	net->backend = *backend;
	ret = net_open_locked(net, err);
	net->attached = ret == 0;
	net->carrier = true;
	net_start_locked(net);
	net_tidy_locked(net);
	look_again_locked(net);
	loop_device_leave(&net->ld);
	return ret < 0 ? err_wrap(err, ret, "net %u", net->nic) : 0;
}

void net_detach(struct virtio_device *dev)
{
	struct net *net = net_of(dev);

	(void)loop_device_enter(&net->ld);
	if (net->attached)
		net_close_locked(net);
	net->attached = false;
	net_tidy_locked(net);
	look_again_locked(net);
	loop_device_leave(&net->ld);
}

void net_hold(struct virtio_device *dev)
{
	struct net *net = net_of(dev);

	(void)loop_device_enter(&net->ld);
	net->held = true;
	net_stop_locked(net);
	loop_device_leave(&net->ld);
}

void net_let_go(struct virtio_device *dev)
{
	struct net *net = net_of(dev);

	(void)loop_device_enter(&net->ld);
	net->held = false;
	net_start_locked(net);
	loop_device_leave(&net->ld);
}

void net_set_carrier(struct virtio_device *dev, bool up)
{
	struct net *net = net_of(dev);

	(void)loop_device_enter(&net->ld);
	net->carrier = up;
	update_link_locked(net);
	loop_device_leave(&net->ld);
}

static uint64_t count_of(const atomic_ullong *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void net_stats(struct virtio_device *dev, struct net_stats *stats)
{
	const struct net_counters *c = &net_of(dev)->counters;

	stats->rx_packets += count_of(&c->rx_packets);
	stats->tx_packets += count_of(&c->tx_packets);
	stats->rx_dropped += count_of(&c->rx_dropped);
	stats->tx_dropped += count_of(&c->tx_dropped);
}

/* ---- birth and end ------------------------------------------------------------------ */

static void release_source(struct net *net, struct loop_source *src)
{
	int fd = src->fd;

	loop_remove(net->ld.loop, src);
	close_fd(fd);
}

static void net_free(struct virtio_device *dev)
{
	struct net *net = net_of(dev);

	(void)loop_device_enter(&net->ld);
	if (net->attached)
		net_close_locked(net);
	loop_device_leave(&net->ld);
	for (unsigned int i = 0; i < NET_QUEUES; i++)
		loop_queue_remove(&net->watched[i]);
	release_source(net, &net->work);
	release_source(net, &net->vhost_err);
	loop_device_release(&net->ld);
	for (unsigned int i = 0; i < NET_QUEUES; i++)
		vq_release(&net->dev.queues[i]);
	free(net);
}

static int init_queues(struct net *net, const struct net_params *params, struct err *err)
{
	unsigned int control = 2 * net->n_pairs;
	int ret = 0;

	for (unsigned int i = 0; ret == 0 && i <= control; i++) {
		struct vq *vq = &net->dev.queues[i];

		ret = vq_init(vq, params->mem,
			      i == control ? CONTROL_QUEUE_SIZE : PACKET_QUEUE_SIZE, err);
		vq->on_call_fd = call_fd_changed;
		vq->call_opaque = net;
	}
	return ret;
}

static int init_source(struct net *net, struct loop_source *src,
		       void (*ready)(struct loop_source *src, uint32_t events),
		       struct err *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int ret;

	if (fd < 0)
		return err_set(err, errno, "eventfd");
	ret = loop_add(net->ld.loop, src, fd, EPOLLIN, ready, err);
	if (ret < 0)
		close_fd(fd);
	return ret;
}

static void init_device(struct net *net)
{
	static const struct virtio_dev_ops ops = {
		.activate = net_activate,
		.reset = net_reset,
		.config_read = net_config_read,
		.save = net_save,
		.load = net_load,
		.free = net_free,
	};

	(void)snprintf(net->name, sizeof(net->name), "net %u", net->nic);
	net->dev.ops = &ops;
	net->dev.name = net->name;
	net->dev.id = VIRTIO_ID_NET;
	net->dev.pci_class = NET_PCI_CLASS;
	net->dev.features = FEATURES | (net->n_pairs > 1 ? BIT(MQ) : 0);
	net->dev.n_queues = 2 * net->n_pairs + 1;
	net->dev.config_size = CONFIG_SIZE;
	net->config.max_virtqueue_pairs = (uint16_t)net->n_pairs;
	set_own_mac(net);
}

int net_new(const struct net_params *params, struct virtio_device **ret_dev,
	    struct err *err)
{
	struct net *net;
	int ret;

	if (!params->n_pairs || params->n_pairs > NET_MAX_PAIRS ||
	    params->nic >= NET_MAX_NICS)
		return err_msg(err, EINVAL, "net %u: with %u queue pairs", params->nic,
			       params->n_pairs);
	net = calloc(1, sizeof(*net));
	if (!net)
		return err_set(err, ENOMEM, "net %u", params->nic);
	net->mem = params->mem;
	net->nic = params->nic;
	net->n_pairs = params->n_pairs;
	net->work.fd = net->vhost_err.fd = -1;
	init_device(net);
	loop_device_init(&net->ld, params->loop, &net->dev);
	ret = init_queues(net, params, err);
	if (ret == 0)
		ret = init_source(net, &net->work, work_ready, err);
	if (ret == 0)
		ret = init_source(net, &net->vhost_err, vhost_err_ready, err);
	if (ret < 0) {
		net_free(&net->dev);
		return err_wrap(err, ret, "net %u", params->nic);
	}
	update_watches_locked(net); /* nobody else knows it yet */
	*ret_dev = &net->dev;
	return 0;
}
