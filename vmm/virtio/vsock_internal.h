/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the vsock device share: vsock.c (device and packets from the
 * guest), vsock_conn.c (connections), vsock_rx.c (packets to the guest; the
 * driver's receive queue), vsock_save.c.
 *
 * Lock: `lock` guards `active`, `was_reset` and every use of the queues and of guest
 * memory.  Everything else belongs to the loop's thread.
 */
#ifndef HULL_VMM_VIRTIO_VSOCK_INTERNAL_H
#define HULL_VMM_VIRTIO_VSOCK_INTERNAL_H

#include <assert.h>
#include <linux/virtio_vsock.h>
#include <pthread.h>
#include <sys/queue.h>

#include "vmm/loop.h"
#include "vmm/virtio/virtio.h"
#include "vmm/virtio/vsock.h"

enum {
	VSOCK_VQ_RX, /* virtio 1.2 §5.10.2: named from the driver's side */
	VSOCK_VQ_TX,
	VSOCK_VQ_EVENT,
	VSOCK_VQS,
};

#define VSOCK_QUEUE_SIZE 128u
#define VSOCK_EVENT_QUEUE_SIZE 8u
#define VSOCK_HDR_SIZE ((uint32_t)sizeof(struct virtio_vsock_hdr))
#define VSOCK_RX_IOV 8u /* (buffers) of one receive buffer */
#define VSOCK_STASH 16u /* receive buffers popped at once: 64 KiB with Linux */
#define VSOCK_HASH 256u
#define VSOCK_MAX_RSTS 64u

static_assert(sizeof(struct virtio_vsock_hdr) == 44, "virtio 1.2 §5.10.6");

/* What a connection has to tell the guest besides data. */
enum vsock_pending {
	VSOCK_TELL_RESPONSE = 1 << 0,
	VSOCK_TELL_CREDIT = 1 << 1,
	VSOCK_TELL_SHUTDOWN = 1 << 2,
	VSOCK_TELL_RST = 1 << 3, /* the last packet; nobody owns it any more */
};

#define VSOCK_TELL_ALL 15u
#define VSOCK_SHUT_BOTH (VSOCK_SHUT_RCV | VSOCK_SHUT_SEND)

struct vsock_listener {
	uint32_t port;
	unsigned int max_conns;
	unsigned int conns;
	bool kept; /* vsock_keep() */
	vsock_accept_fn accept;
	void *opaque;
};

struct vsock_conn {
	struct vsock *vsock;
	struct vsock_listener *listener;
	const struct vsock_conn_ops *ops; /* NULL: nobody owns it */
	void *opaque;
	uint32_t guest_port;
	uint32_t host_port;

	LIST_ENTRY(vsock_conn) hashed;
	TAILQ_ENTRY(vsock_conn) ready; /* valid while is_ready */
	LIST_ENTRY(vsock_conn) dead;
	bool is_ready;
	bool is_dead; /* out of the table, freed at the end of the round */
	bool want_send;
	unsigned int pending; /* enum vsock_pending */
	unsigned int shut; /* VSOCK_SHUT_* of ours, told or to be told */
	unsigned int peer_shut; /* the guest's */

	/* Counters of payload bytes, modulo 2^32 (virtio 1.2 §5.10.6.3). */
	uint32_t rx_cnt; /* received */
	uint32_t fwd_cnt; /* of these, consumed */
	uint32_t fwd_told; /* fwd_cnt as the guest knows it */
	uint32_t tx_cnt; /* sent */
	uint32_t peer_buf_alloc;
	uint32_t peer_fwd_cnt;
};

/* A receive buffer of the driver, popped and not yet used. */
struct vsock_rx_buf {
	struct vq_chain chain;
	struct iovec iov[VSOCK_RX_IOV];
};

/* A reset owed to a packet that belongs to no connection. */
struct vsock_rst {
	uint32_t guest_port;
	uint32_t host_port;
};

struct vsock {
	struct virtio_device dev;
	struct virtio_vsock_config config;
	struct loop *loop;
	struct loop_source rx_kick;
	struct loop_source tx_kick;
	uint32_t guest_cid;

	pthread_mutex_t lock;
	bool active; /* the queues may be used */
	bool was_reset; /* the connections of before are void */

	struct vsock_listener listeners[VSOCK_MAX_LISTENERS];
	unsigned int n_listeners;

	LIST_HEAD(vsock_bucket, vsock_conn) hash[VSOCK_HASH];
	TAILQ_HEAD(vsock_ready, vsock_conn) ready; /* round robin */
	LIST_HEAD(vsock_dead, vsock_conn) dead;
	struct vsock_rst rsts[VSOCK_MAX_RSTS];
	unsigned int n_rsts;

	struct vsock_rx_buf stash[VSOCK_STASH]; /* a ring */
	unsigned int stash_first; /* index of the oldest */
	unsigned int n_stash;
	unsigned int rx_pushed; /* receive buffers used since vq_notify() */
	unsigned int tx_pushed; /* packets given back since vq_notify() */
	size_t tx_pushed_bytes; /* payload of these */

	bool held; /* vsock_hold() */
	bool running; /* in vsock_pump(): it goes on until nothing is ready */
	bool tx_waiting; /* packets from the guest may wait in its queue */
	bool rx_waiting; /* more could be sent than the round allowed */
	bool broken; /* the driver broke a rule: no more rounds until a reset */
	bool complain; /* a rule of the device's: the transport is to be told */

	struct vsock_stats stats;
};

/* vsock.c */

/* vsock_pump() - handle all that can be handled; nothing to do when it is at it. */
void vsock_pump(struct vsock *v);

/* vsock_save.c: the device's ops. */
int vsock_save(struct virtio_device *dev, struct buf *out, struct err *err);
int vsock_load(struct virtio_device *dev, struct sections *in, struct err *err);

/* vsock_conn.c */

struct vsock_conn *vsock_conn_find(struct vsock *v, uint32_t guest_port,
				   uint32_t host_port);
/* vsock_conn_open() - a connection asked for by the guest; NULL: refused. */
struct vsock_conn *vsock_conn_open(struct vsock *v, const struct virtio_vsock_hdr *hdr);
/* vsock_conn_ready() - put it into the round. */
void vsock_conn_ready(struct vsock_conn *conn);
/* vsock_conn_bury() - take it out of every list; its memory lives until the end
 * of the round. */
void vsock_conn_bury(struct vsock_conn *conn);
/* vsock_conn_lost() - bury it and tell the owner. */
void vsock_conn_lost(struct vsock_conn *conn);
/* vsock_conn_violated() - the guest broke a rule: reset it and tell the owner. */
void vsock_conn_violated(struct vsock_conn *conn);
/* vsock_conns_free_dead() - free what was buried; outside of any callback. */
void vsock_conns_free_dead(struct vsock *v);
void vsock_conns_lose_all(struct vsock *v);

/* vsock_rx.c: all with the lock held and the device active. */

/* vsock_rx_run() - send what is to be sent, as far as the guest has buffers. */
void vsock_rx_run(struct vsock *v);
/* vsock_owe_rst() - false: too many are owed; the packet has to wait. */
bool vsock_owe_rst(struct vsock *v, const struct virtio_vsock_hdr *hdr);

#endif
