/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-vsock in user space: stream connections that the guest opens to the
 * host (virtio 1.2 §5.10).
 *
 * Everything runs on the loop's thread, but for activate and reset of the
 * device, which come from a vCPU thread and are kept out by a lock while
 * packets are handled.  All memory is bounded whatever the guest does: a table
 * of VSOCK_MAX_CONNS connections, and per connection VSOCK_BUF_ALLOC bytes
 * that its owner may have to keep (the credit that the guest was given; more is
 * a violation and resets the connection).
 *
 * Bytes are not copied on the way: those from the guest are shown to the owner
 * where they lie in the guest's memory (recv), those to the guest are written by
 * the owner into the guest's buffers (pull).
 *
 * Calling sequence:
 *	vsock_new, vsock_listen(port) ...	before the guest runs
 *	accept()	the guest connects; it answers with vsock_conn_own()
 *	recv(), peer_shutdown()	as packets come
 *	vsock_conn_want_send() -> pull()	when there is something to send
 *	closed()	the last call; or vsock_conn_close() by the owner
 * Callbacks may call any vsock_conn_* function.
 */
#ifndef HULL_VMM_VIRTIO_VSOCK_H
#define HULL_VMM_VIRTIO_VSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct err;
struct guest_memory;
struct loop;
struct virtio_device;
struct vsock;
struct vsock_conn;

#define VSOCK_HOST_CID 2u
#define VSOCK_BUF_ALLOC (256u << 10) /* (bytes) credit of a connection */
#define VSOCK_MAX_CONNS 1024u
#define VSOCK_MAX_LISTENERS 8u

/* Halves of a connection: VIRTIO_VSOCK_SHUTDOWN_RCV and _SEND of the caller. */
#define VSOCK_SHUT_RCV 1u /* "I shall not read any more" */
#define VSOCK_SHUT_SEND 2u /* "I shall not send any more" */

#define VSOCK_PULL_EOF (-1) /* nothing will ever come again */

struct vsock_conn_ops {
	/*
	 * recv() - @len > 0 bytes from the guest.  The owner takes all of them now
	 * (@iov is guest memory and changes under it) and says later, by
	 * vsock_conn_consumed(), when they have left its own buffer.
	 * Return: 0; a negative value resets the connection (then closed() comes)
	 */
	int (*recv)(struct vsock_conn *conn, const struct iovec *iov, unsigned int n_iov,
		    size_t len);

	/*
	 * pull() - fill the guest's buffers, at most @room bytes.
	 * Return: (bytes) > 0: called again for more; 0: nothing now, called again
	 * after vsock_conn_want_send(); VSOCK_PULL_EOF: as vsock_conn_shutdown(SEND)
	 */
	ssize_t (*pull)(struct vsock_conn *conn, const struct iovec *iov,
			unsigned int n_iov, size_t room);

	/* peer_shutdown() - the guest has shut @flags now (VSOCK_SHUT_*). */
	void (*peer_shutdown)(struct vsock_conn *conn, unsigned int flags);

	/* closed() - the guest closed or reset it; @conn is gone on return. */
	void (*closed)(struct vsock_conn *conn);
};

/*
 * accept() - the guest connects to a port; calls vsock_conn_own() on @conn.
 * Return: 0; a negative value refuses (the guest gets a reset)
 */
typedef int (*vsock_accept_fn)(void *opaque, struct vsock_conn *conn);

/*
 * vsock_new() - make the device; virtio_pci_new() takes it from there.
 * @mem, @loop: borrowed until vsock_free() (the ops' free())
 * @guest_cid: in the configuration space
 */
int vsock_new(const struct guest_memory *mem, struct loop *loop, uint32_t guest_cid,
	      struct vsock **ret_vsock, struct err *err);
void vsock_free(struct vsock *v);
struct virtio_device *vsock_device(struct vsock *v);

/*
 * vsock_listen() - let the guest connect to @port (-EEXIST, -ENOSPC).
 * @max_conns: of this port at the same time
 */
int vsock_listen(struct vsock *v, uint32_t port, unsigned int max_conns,
		 vsock_accept_fn accept, void *opaque, struct err *err);

/*
 * vsock_hold() / vsock_let_go() - no packet is looked at or sent in between: for whoever saves
 * the machine.
 */
void vsock_hold(struct vsock *v);
void vsock_let_go(struct vsock *v);

/*
 * vsock_keep() - connections of @port go on in a machine that is restored: they are accepted
 * again, before the guest runs.  Those of other ports are reset there.
 */
void vsock_keep(struct vsock *v, uint32_t port);

void vsock_conn_own(struct vsock_conn *conn, const struct vsock_conn_ops *ops,
		    void *opaque);
void *vsock_conn_opaque(const struct vsock_conn *conn);
uint32_t vsock_conn_guest_port(const struct vsock_conn *conn);

/* vsock_conn_shut() / vsock_conn_peer_shut() - halves that were shut (VSOCK_SHUT_*). */
unsigned int vsock_conn_shut(const struct vsock_conn *conn);
unsigned int vsock_conn_peer_shut(const struct vsock_conn *conn);

/* vsock_conn_unconsumed() - (bytes) received and not yet vsock_conn_consumed(). */
uint32_t vsock_conn_unconsumed(const struct vsock_conn *conn);

/* vsock_find() - the guest's connection from @guest_port; NULL: there is none. */
struct vsock_conn *vsock_find(struct vsock *v, uint32_t guest_port, uint32_t host_port);

/* vsock_conn_want_send() - have pull() called, as soon as credit and buffers are there. */
void vsock_conn_want_send(struct vsock_conn *conn);

/* vsock_conn_sendable() - (bytes) the credit left; 0: pull() has to wait for the guest. */
uint32_t vsock_conn_sendable(const struct vsock_conn *conn);

/* vsock_conn_consumed() - @len received bytes are out of the way: give credit. */
void vsock_conn_consumed(struct vsock_conn *conn, size_t len);

/*
 * vsock_conn_shutdown() - shut halves (VSOCK_SHUT_*).  SEND: nothing is pulled any
 * more.  RCV: what still arrives is dropped.
 */
void vsock_conn_shutdown(struct vsock_conn *conn, unsigned int flags);

/* vsock_conn_close() - reset it; @conn is gone on return, closed() is not called. */
void vsock_conn_close(struct vsock_conn *conn);

/*
 * vsock_iov_skip() - @iov without its first @skip bytes, cut to @len, into @dst.
 * @dst: room for @n; not @iov itself
 * Return: the number of buffers in @dst
 */
unsigned int vsock_iov_skip(struct iovec *dst, const struct iovec *iov, unsigned int n,
			    size_t skip, size_t len);

#define VSOCK_MAX_IOV 64u /* most buffers that recv() is shown */

/* Counters since vsock_new(). */
struct vsock_stats {
	uint64_t rx_packets; /* from the guest */
	uint64_t rx_bytes; /* payload of them */
	uint64_t tx_packets; /* to the guest */
	uint64_t tx_bytes;
	uint64_t credit_updates; /* of tx_packets: nothing but credit */
	uint64_t resets; /* of tx_packets: RST */
	uint64_t dropped; /* of rx_packets: malformed, or not for us */
	uint64_t rx_starved; /* times the guest had no buffer for us */
	uint64_t kicks; /* rounds begun by the guest's notification */
	uint64_t interrupts; /* vq_notify() calls */
	unsigned int conns; /* now */
};

const struct vsock_stats *vsock_stats(const struct vsock *v);

/* vsock_log_stats() - one line at debug level. */
void vsock_log_stats(const struct vsock *v);

#endif
