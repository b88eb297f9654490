/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's side of vsock for unit tests, on top of fake_driver.h: it posts receive
 * buffers of 4 KiB, keeps credit as Linux does, and collects what comes.
 *
 *	fake_guest_init(&g, 64, FAKE_EVENT_IDX);	loop, device, driver
 *	vsock_listen(g.vsock, ...);
 *	c = fake_connect(&g, 5000, 1024);		REQUEST; c->answered, c->reset
 *	fake_send(&g, c, data, len);			as far as the credit goes
 *	fake_run(&g);					until nothing happens any more
 *	fake_run_for(&g, c, len);			until so many bytes are there
 *	fake_screen(master, text, len)			what a terminal shows
 *	c->in						what the host has sent
 *	fake_packet(&g, c, op, flags, data, len)	any packet, without care
 *	fake_guest_release(&g);
 */
#ifndef HULL_TESTS_UNIT_FAKE_VSOCK_H
#define HULL_TESTS_UNIT_FAKE_VSOCK_H

#include <linux/virtio_vsock.h>
#include <poll.h>
#include <sys/epoll.h>

#include "lib/buf.h"
#include "tests/unit/fake_driver.h"
#include "vmm/loop.h"
#include "vmm/virtio/vsock.h"

#define FAKE_CID 3u
#define FAKE_RX_LEN 4096u /* (bytes) of data in a receive buffer */
#define FAKE_TX_LEN (64u << 10)
#define FAKE_TX_SLOTS 64u
#define FAKE_MAX_CONNS 2048u
#define FAKE_HDR ((uint32_t)sizeof(struct virtio_vsock_hdr))

struct fake_conn {
	uint32_t guest_port;
	uint32_t host_port;
	bool answered; /* RESPONSE came */
	bool reset; /* RST came */
	unsigned int shut; /* flags of SHUTDOWNs that came */
	unsigned int credit_updates; /* that came */
	unsigned int packets; /* with data */
	struct buf in;
	uint64_t in_total;
	bool keep; /* collect into `in`; otherwise `check` sees the bytes */
	void (*check)(struct fake_conn *c, const char *data, size_t len);
	void *opaque;
	bool no_credit; /* do not give any back by ourselves */

	uint32_t buf_alloc; /* told to the host */
	uint32_t fwd_cnt;
	uint32_t fwd_told;
	uint32_t tx_cnt;
	uint32_t peer_buf_alloc;
	uint32_t peer_fwd_cnt;
};

struct fake_guest {
	struct fake_memory fm;
	struct fake_device dev;
	struct fake_queue rx;
	struct fake_queue tx;
	struct fake_queue event;
	struct loop *loop;
	struct vsock *vsock;
	struct loop_source step;
	unsigned int n_rx; /* receive buffers that are kept posted */
	bool no_refill;
	gpa_t rx_gpa[256]; /* by head */
	gpa_t rx_free[256];
	unsigned int n_rx_free;
	gpa_t tx_gpa[256]; /* by head */
	gpa_t tx_free[FAKE_TX_SLOTS];
	unsigned int n_tx_free;
	struct fake_conn conns[FAKE_MAX_CONNS];
	unsigned int n_conns;
	unsigned int stray_resets; /* RSTs for no connection of ours */
	uint64_t activity;
	uint64_t kicks;
};

static inline void fake_step_(struct loop_source *src, uint32_t events)
{
	struct fake_guest *g = (void *)((char *)src - offsetof(struct fake_guest, step));
	uint64_t n;

	(void)events;
	fake_check(read(src->fd, &n, sizeof(n)) == sizeof(n));
	loop_quit(g->loop);
}

/* fake_post() - at most @max of the free receive buffers. */
static inline void fake_post(struct fake_guest *g, unsigned int max)
{
	while (max-- && g->n_rx_free) {
		gpa_t gpa = g->rx_free[--g->n_rx_free];
		/* Header and data apart, as Linux 6.1 has them. */
		const struct fake_buf in[2] = {
			{ gpa, FAKE_HDR },
			{ gpa + 64, FAKE_RX_LEN },
		};

		g->rx_gpa[fake_add(&g->rx, NULL, 0, in, 2)] = gpa;
		fake_kick(&g->rx);
	}
}

static inline void fake_refill(struct fake_guest *g)
{
	if (!g->no_refill)
		fake_post(g, g->n_rx_free);
}

/* fake_guest_start() - DRIVER_OK, also after a reset. */
static inline void fake_guest_start(struct fake_guest *g, unsigned int flags)
{
	struct virtio_device *dev = vsock_device(g->vsock);

	fake_queue_init(&g->rx, &g->fm, &dev->queues[0], 128, flags | FAKE_INDIRECT);
	fake_queue_init(&g->tx, &g->fm, &dev->queues[1], 128, flags);
	fake_queue_init(&g->event, &g->fm, &dev->queues[2], 8, flags);
	g->n_rx_free = 0;
	for (unsigned int i = 0; i < g->n_rx; i++)
		g->rx_free[g->n_rx_free++] = fake_alloc(&g->fm, 64 + FAKE_RX_LEN, 64);
	g->n_tx_free = 0;
	for (unsigned int i = 0; i < FAKE_TX_SLOTS; i++)
		g->tx_free[g->n_tx_free++] = fake_alloc(&g->fm, 64 + FAKE_TX_LEN, 64);
	fake_refill(g);
	fake_check(fake_device_activate(&g->dev, NULL) == 0);
}

static inline void fake_guest_init(struct fake_guest *g, unsigned int n_rx,
				   unsigned int flags)
{
	memset(g, 0, sizeof(*g));
	g->n_rx = n_rx;
	fake_memory_init(&g->fm, 24u << 20);
	fake_check(loop_new(&g->loop, NULL) == 0);
	fake_check(vsock_new(&g->fm.mem, g->loop, FAKE_CID, &g->vsock, NULL) == 0);
	fake_check(loop_add(g->loop, &g->step, eventfd(0, EFD_CLOEXEC), EPOLLIN,
			    fake_step_, NULL) == 0);
	fake_device_init(&g->dev, vsock_device(g->vsock));
	fake_guest_start(g, flags);
}

static inline void fake_guest_release(struct fake_guest *g)
{
	int step = g->step.fd;

	loop_remove(g->loop, &g->step);
	(void)close(step);
	fake_device_reset(&g->dev);
	vsock_free(g->vsock);
	loop_free(g->loop);
	(void)close(g->rx.call_fd);
	(void)close(g->tx.call_fd);
	(void)close(g->event.call_fd);
	for (unsigned int i = 0; i < g->n_conns; i++)
		buf_release(&g->conns[i].in);
	fake_memory_release(&g->fm);
}

static inline struct fake_conn *fake_find(struct fake_guest *g, uint32_t guest_port,
					  uint32_t host_port)
{
	for (unsigned int i = g->n_conns; i-- > 0;)
		if (g->conns[i].guest_port == guest_port &&
		    g->conns[i].host_port == host_port)
			return &g->conns[i];
	return NULL;
}

/* fake_reap_tx() - take back what the device has read. */
static inline void fake_reap_tx(struct fake_guest *g)
{
	uint16_t head;

	while (fake_used(&g->tx, &head, NULL))
		g->tx_free[g->n_tx_free++] = g->tx_gpa[head];
}

static inline void fake_turn(struct fake_guest *g);

/* fake_chain() - send @chain_len bytes beginning with @hdr: what is right is the test's. */
static inline void fake_chain(struct fake_guest *g, const struct virtio_vsock_hdr *hdr,
			      const void *data, uint32_t len, uint32_t chain_len)
{
	struct fake_buf out[2];
	gpa_t gpa;

	fake_reap_tx(g);
	while (!g->n_tx_free)
		fake_turn(g);
	gpa = g->tx_free[--g->n_tx_free];
	memcpy(fake_host(&g->fm, gpa, FAKE_HDR), hdr, FAKE_HDR);
	if (len)
		memcpy(fake_host(&g->fm, gpa + 64, len), data, len);
	out[0] = (struct fake_buf){ gpa, chain_len < FAKE_HDR ? chain_len : FAKE_HDR };
	out[1] = (struct fake_buf){ gpa + 64, chain_len - out[0].len };
	g->tx_gpa[fake_add(&g->tx, out, out[1].len ? 2 : 1, NULL, 0)] = gpa;
	fake_kick(&g->tx);
	g->kicks++;
}

static inline struct virtio_vsock_hdr fake_header(const struct fake_conn *c, uint16_t op,
						  uint32_t flags, uint32_t len)
{
	return (struct virtio_vsock_hdr){
		.src_cid = FAKE_CID,
		.dst_cid = VSOCK_HOST_CID,
		.src_port = c->guest_port,
		.dst_port = c->host_port,
		.len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.flags = flags,
		.buf_alloc = c->buf_alloc,
		.fwd_cnt = c->fwd_cnt,
	};
}

static inline void fake_packet(struct fake_guest *g, struct fake_conn *c, uint16_t op,
			       uint32_t flags, const void *data, uint32_t len)
{
	struct virtio_vsock_hdr hdr = fake_header(c, op, flags, len);

	c->fwd_told = c->fwd_cnt;
	if (op == VIRTIO_VSOCK_OP_RW)
		c->tx_cnt += len;
	fake_chain(g, &hdr, data, len, FAKE_HDR + len);
}

static inline struct fake_conn *fake_conn(struct fake_guest *g, uint32_t guest_port,
					  uint32_t host_port)
{
	struct fake_conn *c = &g->conns[g->n_conns++];

	fake_check(g->n_conns <= FAKE_MAX_CONNS);
	*c = (struct fake_conn){
		.guest_port = guest_port,
		.host_port = host_port,
		.buf_alloc = 256u << 10,
		.keep = true,
	};
	return c;
}

/* fake_credit() - (bytes) that may be sent. */
static inline uint32_t fake_credit(const struct fake_conn *c)
{
	return c->peer_buf_alloc - (c->tx_cnt - c->peer_fwd_cnt);
}

/* fake_send() - as much as the credit allows; how much that was. */
static inline size_t fake_send(struct fake_guest *g, struct fake_conn *c,
			       const void *data, size_t len)
{
	size_t done = 0;

	while (done < len && fake_credit(c)) {
		uint32_t n = fake_credit(c);

		if (n > FAKE_TX_LEN)
			n = FAKE_TX_LEN;
		if (n > len - done)
			n = (uint32_t)(len - done);
		fake_packet(g, c, VIRTIO_VSOCK_OP_RW, 0, (const char *)data + done, n);
		done += n;
	}
	return done;
}

static inline void fake_receive_(struct fake_guest *g, const struct virtio_vsock_hdr *hdr,
				 const char *data, uint32_t len)
{
	struct fake_conn *c = fake_find(g, hdr->dst_port, hdr->src_port);

	fake_check(hdr->src_cid == VSOCK_HOST_CID && hdr->dst_cid == FAKE_CID);
	fake_check(hdr->len == len && hdr->type == VIRTIO_VSOCK_TYPE_STREAM);
	if (!c) {
		fake_check(hdr->op == VIRTIO_VSOCK_OP_RST);
		g->stray_resets++;
		return;
	}
	c->peer_buf_alloc = hdr->buf_alloc;
	c->peer_fwd_cnt = hdr->fwd_cnt;
	switch (hdr->op) {
	case VIRTIO_VSOCK_OP_RESPONSE:
		fake_check(!c->answered);
		c->answered = true;
		break;
	case VIRTIO_VSOCK_OP_RST:
		c->reset = true;
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		c->shut |= hdr->flags;
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		c->credit_updates++;
		break;
	case VIRTIO_VSOCK_OP_RW:
		fake_check(len && !(c->shut & VSOCK_SHUT_SEND));
		c->packets++;
		c->in_total += len;
		fake_check((uint32_t)c->in_total - c->fwd_cnt <= c->buf_alloc);
		if (c->check)
			c->check(c, data, len);
		else if (c->keep)
			fake_check(buf_append(&c->in, data, len) == 0);
		if (c->no_credit)
			break;
		c->fwd_cnt += len;
		if (c->fwd_cnt - c->fwd_told >= c->buf_alloc / 2)
			fake_packet(g, c, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, NULL, 0);
		break;
	default:
		fake_check(false);
	}
}

/* fake_turn() - one turn of the loop, then look at what came. */
static inline void fake_turn(struct fake_guest *g)
{
	static const uint64_t one = 1;
	uint32_t written;
	uint16_t head;

	fake_check(write(g->step.fd, &one, sizeof(one)) == sizeof(one));
	fake_check(loop_run(g->loop, NULL) == 0);
	fake_reap_tx(g);
	while (fake_used(&g->rx, &head, &written)) {
		gpa_t gpa = g->rx_gpa[head];
		struct virtio_vsock_hdr hdr;
		char data[FAKE_RX_LEN];

		fake_check(written >= FAKE_HDR && written <= FAKE_HDR + FAKE_RX_LEN);
		memcpy(&hdr, fake_host(&g->fm, gpa, FAKE_HDR), FAKE_HDR);
		memcpy(data, fake_host(&g->fm, gpa + 64, FAKE_RX_LEN),
		       written - FAKE_HDR);
		g->rx_free[g->n_rx_free++] = gpa;
		g->activity++;
		fake_receive_(g, &hdr, data, written - FAKE_HDR);
	}
	fake_refill(g);
}

/* fake_run() - until nothing came for a few turns. */
static inline void fake_run(struct fake_guest *g)
{
	for (unsigned int idle = 0; idle < 4; idle++) {
		uint64_t before = g->activity;

		fake_turn(g);
		if (g->activity != before)
			idle = 0;
	}
}

/*
 * fake_run_for() - until the host has sent @len bytes in all on @c, or a deadline. A
 * terminal needs it: its line discipline hands bytes on in a worker thread.
 */
static inline void fake_run_for(struct fake_guest *g, const struct fake_conn *c,
				size_t len)
{
	for (unsigned int i = 0; i < 10000 && c->in.len < len; i++) {
		fake_run(g);
		if (c->in.len < len)
			fake_check(poll(NULL, 0, 1) == 0);
	}
}

/*
 * fake_screen() - @len bytes from a terminal's master. They come in pieces: a terminal
 * that cannot be opened anew is written to byte by byte.
 */
static inline bool fake_screen(int master, const char *want, size_t len)
{
	struct pollfd p = { .fd = master, .events = POLLIN };
	char text[64];
	size_t got = 0;

	fake_check(len <= sizeof(text));
	while (got < len && poll(&p, 1, 10000) == 1) {
		ssize_t n = read(master, text + got, len - got);

		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return got == len && !memcmp(text, want, len);
}

/* fake_connect() - and run until the answer is there. */
static inline struct fake_conn *fake_connect(struct fake_guest *g, uint32_t guest_port,
					     uint32_t host_port)
{
	struct fake_conn *c = fake_conn(g, guest_port, host_port);

	fake_packet(g, c, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	fake_run(g);
	return c;
}

#endif
