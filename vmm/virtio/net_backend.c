/* SPDX-License-Identifier: Apache-2.0 */
/* What is behind a card: vhost, or a thread when that refuses, and the tap's settings. */
#include <errno.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/log.h"
#include "vmm/net/tun.h"
#include "vmm/virtio/net_internal.h"

#define OFFLOADS                                                                         \
	(1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_GUEST_TSO4 |             \
	 1ull << VIRTIO_NET_F_GUEST_TSO6 | 1ull << VIRTIO_NET_F_GUEST_ECN)

static void close_vhost(struct net *net)
{
	if (net->backend.vhost)
		for (unsigned int i = 0; i < net->backend.n_pairs; i++)
			close_fd(net->backend.vhost_fd[i]);
	net->backend.vhost = net->use_vhost = false;
}

static void refuse_vhost(struct net *net, const struct err *err)
{
	log_warn("net %u: no vhost: %s", net->nic, err->msg);
	close_vhost(net);
	net->need_tap = true;
}

static void init_vhost(struct net *net)
{
	struct err err = ERR_INIT;

	net->vhost = (struct net_vhost){
		.mem = net->mem,
		.n_pairs = net->n_pairs,
		.err_fd = net->vhost_err.fd,
	};
	for (unsigned int i = 0; i < net->n_pairs; i++) {
		net->vhost.fd[i] = net->backend.vhost_fd[i];
		net->vhost.tap_fd[i] = net->backend.tap_fd[i];
	}
	if (net_vhost_init(&net->vhost, &err) < 0)
		refuse_vhost(net, &err);
	else
		net->use_vhost = true;
}

static int init_tap(struct net *net, struct err *err)
{
	struct net_tap_params params = {
		.queues = net->dev.queues,
		.n_pairs = net->n_pairs,
		.tap_fd = net->backend.tap_fd,
		.counters = &net->counters,
	};
	int ret = net_tap_new(&params, &net->tap, err);

	if (ret == 0)
		net->need_tap = false;
	return ret;
}

int net_open_locked(struct net *net, struct err *err)
{
	int ret = tun_setup(net->backend.tap_fd[0], err);

	net->offload = 0;
	net->taps_used = net->n_pairs;
	if (ret == 0 && net->backend.vhost)
		init_vhost(net);
	if (ret == 0 && !net->use_vhost)
		ret = init_tap(net, err);
	if (ret < 0)
		net_close_locked(net);
	return ret;
}

void net_close_locked(struct net *net)
{
	net_stop_locked(net);
	net_tap_free(net->tap);
	net->tap = NULL;
	net->need_tap = false;
	close_vhost(net);
	for (unsigned int i = 0; i < net->backend.n_pairs; i++)
		close_fd(net->backend.tap_fd[i]);
	net->backend.n_pairs = 0;
}

void net_use_pairs_locked(struct net *net)
{
	struct err err = ERR_INIT;
	unsigned int want = net->pairs;

	if (!net->attached || !net->driver_ok)
		return;
	/*
	 * A driver that knows of several pairs says how many before it brings the
	 * interface up: until then they stay as they are.  To detach queues just to
	 * attach them again would have the host wait for its CPUs (RCU) at each start.
	 */
	if (!want)
		want = net_usable_pairs(net) == 1 ? 1 : net->taps_used;
	while (net->taps_used != want) {
		bool use = net->taps_used < want;
		unsigned int i = use ? net->taps_used : net->taps_used - 1;

		if (tun_use_queue(net->backend.tap_fd[i], use, &err) < 0) {
			net_warn(net, err.msg); /* packets there are lost */
			return;
		}
		net->taps_used = use ? i + 1 : i;
	}
}

static void set_offload(struct net *net)
{
	uint64_t features = net->features & OFFLOADS;
	struct err err = ERR_INIT;

	if (features == net->offload)
		return;
	if (tun_offload(net->backend.tap_fd[0], features, &err) < 0)
		net_warn(net, err.msg); /* never seen: it knows all of them */
	else
		net->offload = features;
}

void net_start_locked(struct net *net)
{
	struct err err = ERR_INIT;

	if (!net->attached || !net->driver_ok || net->failed || net->held)
		return;
	set_offload(net);
	net_use_pairs_locked(net);
	if (net->use_vhost &&
	    net_vhost_start(&net->vhost, net->dev.queues, net_usable_pairs(net),
			    net->features, &err) < 0)
		refuse_vhost(net, &err);
	if (net->tap)
		net_tap_start(net->tap, net_usable_pairs(net),
			      net->features & 1ull << VIRTIO_NET_F_MRG_RXBUF);
}

void net_stop_locked(struct net *net)
{
	if (net->use_vhost)
		net_vhost_stop(&net->vhost);
	if (net->tap)
		net_tap_stop(net->tap);
}

void net_mend_locked(struct net *net)
{
	struct err err = ERR_INIT;

	if (!net->need_tap)
		return;
	if (init_tap(net, &err) == 0) {
		net_start_locked(net);
		return;
	}
	log_error("net %u: %s", net->nic, err.msg);
	net_close_locked(net);
	net->attached = false;
}
