/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio-net card with a driver, for unit tests.  What is behind it is a pair of
 * sockets that keep packets apart, as a tap does; its other end is the test's:
 *
 *	struct card c;
 *
 *	card_init(&c, n_pairs);
 *	card_attach(&c);			(before or after the driver's start)
 *	card_start(&c, features, FAKE_EVENT_IDX);
 *	card_send(&c, pair, len, pieces);	(the guest sends)
 *	card_post(&c, pair, n, len, pieces);	(the guest gives receive buffers)
 *	card_spin(&c);				(let the loop run)
 *	card_stop(&c);				(the driver resets the card)
 *	card_release(&c);
 *
 * tun_*() are defined here, unless CARD_REAL_TUN, and keep records in `taps`: no
 * function of vmm/net/tun.c is linked.
 */
#ifndef HULL_TESTS_UNIT_FAKE_CARD_H
#define HULL_TESTS_UNIT_FAKE_CARD_H

#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/fake_driver.h"
#include "vmm/loop.h"
#include "vmm/net/tap.h"
#include "vmm/net/tun.h"
#include "vmm/virtio/net.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#define CARD_NIC 5u
#define CARD_QUEUE 256u
#ifndef CARD_MEMORY
#define CARD_MEMORY (16u << 20) /* (bytes) of the guest's */
#endif

#define F(name) (1ull << VIRTIO_NET_F_##name)
#define MODERN (1ull << VIRTIO_F_VERSION_1)

struct card {
	struct fake_memory fm;
	struct loop *loop;
	struct loop_source step;
	struct virtio_device *dev;
	struct fake_device fd;
	unsigned int n_pairs;
	unsigned int n_queues;
	struct fake_queue q[2 * NET_MAX_PAIRS + 1];
	int peer[NET_MAX_PAIRS]; /* -1: nothing is attached */
	/* Of receive chains, by queue and head: where they begin, and their pieces. */
	gpa_t rx_gpa[NET_MAX_PAIRS][CARD_QUEUE];
	uint32_t rx_len[NET_MAX_PAIRS][CARD_QUEUE];
	unsigned int sent; /* packets; gives each its pattern */
	gpa_t memory_mark;
	char frame[NET_MAX_PACKET + 4096];
};

/* ---- taps --------------------------------------------------------------------------- */

#ifndef CARD_REAL_TUN
static struct {
	unsigned int setups;
	unsigned int offloads; /* calls */
	uint64_t features; /* of the last one */
	unsigned int changes; /* calls of tun_use_queue() */
	int fail_setup; /* errno */
} taps;

int tun_setup(int tap_fd, struct err *err)
{
	(void)tap_fd;
	taps.setups++;
	return taps.fail_setup ? err_set(err, taps.fail_setup, "TUNSETVNETHDRSZ") : 0;
}

int tun_offload(int tap_fd, uint64_t features, struct err *err)
{
	(void)tap_fd;
	(void)err;
	taps.offloads++;
	taps.features = features;
	return 0;
}

int tun_use_queue(int tap_fd, bool use, struct err *err)
{
	(void)tap_fd;
	(void)use;
	(void)err;
	taps.changes++;
	return 0;
}
#endif

/* ---- life ---------------------------------------------------------------------------- */

static inline void card_step_(struct loop_source *src, uint32_t events)
{
	struct card *c = (void *)((char *)src - offsetof(struct card, step));
	uint64_t n;

	(void)events;
	fake_check(read(src->fd, &n, sizeof(n)) == sizeof(n));
	loop_quit(c->loop);
}

/* card_spin() - the loop serves what there is. */
static inline void card_spin(struct card *c)
{
	static const uint64_t one = 1;

	for (unsigned int i = 0; i < 3; i++) {
		fake_check(write(c->step.fd, &one, sizeof(one)) == sizeof(one));
		fake_check(loop_run(c->loop, NULL) == 0);
	}
}

static inline void card_init(struct card *c, unsigned int n_pairs)
{
	struct net_params params = { .nic = CARD_NIC, .n_pairs = n_pairs };
	struct err err = ERR_INIT;

	memset(c, 0, sizeof(*c));
	fake_memory_init(&c->fm, CARD_MEMORY);
	c->n_pairs = n_pairs;
	c->n_queues = 2 * n_pairs + 1;
	for (unsigned int i = 0; i < NET_MAX_PAIRS; i++)
		c->peer[i] = -1;
	fake_check(loop_new(&c->loop, &err) == 0);
	fake_check(loop_add(c->loop, &c->step, eventfd(0, EFD_CLOEXEC), EPOLLIN,
			    card_step_, &err) == 0);
	params.mem = &c->fm.mem;
	params.loop = c->loop;
	fake_check(net_new(&params, &c->dev, &err) == 0);
	fake_device_init(&c->fd, c->dev);
	c->memory_mark = c->fm.used;
}

/* card_enable() - the driver makes its queues. */
static inline void card_enable(struct card *c, uint16_t size, unsigned int flags)
{
	c->fm.used = c->memory_mark;
	memset(c->fm.host, 0, c->fm.size);
	for (unsigned int i = 0; i < c->n_queues; i++)
		fake_queue_init(&c->q[i], &c->fm, &c->dev->queues[i],
				i == c->n_queues - 1 ? 64 : size, flags);
}

static inline void card_start_sized(struct card *c, uint64_t features, uint16_t size,
				    unsigned int flags)
{
	card_enable(c, size, flags);
	c->dev->acked_features = features;
	fake_check(c->dev->ops->activate(c->dev, NULL) == 0);
}

static inline void card_start(struct card *c, uint64_t features, unsigned int flags)
{
	card_start_sized(c, features, CARD_QUEUE, flags);
}

static inline void card_stop(struct card *c)
{
	fake_device_reset(&c->fd);
	for (unsigned int i = 0; i < c->n_queues; i++)
		fake_queue_release(&c->q[i]);
	c->dev->acked_features = 0;
}

static inline void card_close_peers(struct card *c)
{
	for (unsigned int i = 0; i < NET_MAX_PAIRS; i++) {
		if (c->peer[i] >= 0)
			(void)close(c->peer[i]);
		c->peer[i] = -1;
	}
}

/* card_backend() - sockets for the card; their other ends become c->peer[]. */
static inline void card_backend(struct card *c, struct net_backend *b)
{
	card_close_peers(c);
	*b = (struct net_backend){ .n_pairs = c->n_pairs };
	for (unsigned int i = 0; i < c->n_pairs; i++) {
		int size = 1 << 20, sv[2];

		fake_check(socketpair(AF_UNIX,
				      SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
				      sv) == 0);
		for (unsigned int k = 0; k < 2; k++)
			fake_check(setsockopt(sv[k], SOL_SOCKET, SO_SNDBUFFORCE, &size,
					      sizeof(size)) == 0 ||
				   setsockopt(sv[k], SOL_SOCKET, SO_SNDBUF, &size,
					      sizeof(size)) == 0);
		b->tap_fd[i] = sv[0];
		c->peer[i] = sv[1];
	}
}

static inline int card_attach(struct card *c)
{
	struct net_backend b;

	card_backend(c, &b);
	return net_attach(c->dev, &b, NULL);
}

static inline void card_release(struct card *c)
{
	int step = c->step.fd;

	c->dev->ops->free(c->dev);
	card_close_peers(c);
	loop_remove(c->loop, &c->step);
	(void)close(step);
	loop_free(c->loop);
	fake_memory_release(&c->fm);
}

/* ---- packets --------------------------------------------------------------------------- */

/* The byte at @i of packet @n. */
static inline char card_byte(unsigned int n, uint32_t i)
{
	return (char)(n * 31 + i * 7 + (i >> 8));
}

/* card_fill() - a header without wishes, and @len bytes of packet @n. */
static inline void card_fill(char *p, unsigned int n, uint32_t len)
{
	memset(p, 0, NET_HDR_SIZE);
	for (uint32_t i = 0; i < len; i++)
		p[NET_HDR_SIZE + i] = card_byte(n, i);
}

static inline bool card_is(const char *p, unsigned int n, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (p[NET_HDR_SIZE + i] != card_byte(n, i))
			return false;
	return true;
}

/* card_cut() - @len bytes at @gpa as @pieces buffers, the first of 5 bytes. */
static inline unsigned int card_cut(struct fake_buf *b, gpa_t gpa, uint32_t len,
				    unsigned int pieces)
{
	for (unsigned int i = 0; i + 1 < pieces; i++) {
		uint32_t n = i ? len / (pieces - i) : 5;

		b[i] = (struct fake_buf){ gpa, n };
		gpa += n;
		len -= n;
	}
	b[pieces - 1] = (struct fake_buf){ gpa, len };
	return pieces;
}

/* card_send() - the guest sends packet c->sent++ of @len bytes behind the header. */
static inline void card_send(struct card *c, unsigned int pair, uint32_t len,
			     unsigned int pieces)
{
	struct fake_queue *fq = &c->q[2 * pair + 1];
	struct fake_buf b[64];
	gpa_t gpa = fake_alloc(&c->fm, NET_HDR_SIZE + len, 8);

	card_fill(fake_host(&c->fm, gpa, NET_HDR_SIZE + len), c->sent++, len);
	(void)fake_add(fq, b, card_cut(b, gpa, NET_HDR_SIZE + len, pieces), NULL, 0);
	fake_kick(fq);
}

/* card_post() - the guest gives @n chains of @len bytes. */
static inline void card_post(struct card *c, unsigned int pair, unsigned int n,
			     uint32_t len, unsigned int pieces)
{
	struct fake_queue *fq = &c->q[2 * pair];

	for (unsigned int i = 0; i < n; i++) {
		gpa_t gpa = fake_alloc(&c->fm, len, 8);
		struct fake_buf b[64];
		uint16_t head = fake_add(fq, NULL, 0, b, card_cut(b, gpa, len, pieces));

		c->rx_gpa[pair][head] = gpa;
		c->rx_len[pair][head] = len;
	}
	fake_kick(fq);
}

/*
 * card_receive() - a packet that the guest has got, into c->frame.
 * Return: (bytes) header included; 0: none is there; -1: the card broke a rule
 */
static inline long card_receive(struct card *c, unsigned int pair, unsigned int *ret_n)
{
	struct fake_queue *fq = &c->q[2 * pair];
	uint16_t head, n = 1;
	uint32_t written, len = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (!fake_used(fq, &head, &written))
			return i ? -1 : 0;
		if (written > c->rx_len[pair][head] || len + written > sizeof(c->frame))
			return -1;
		memcpy(c->frame + len, fake_host(&c->fm, c->rx_gpa[pair][head], written),
		       written);
		len += written;
		if (i == 0)
			memcpy(&n,
			       c->frame + offsetof(struct virtio_net_hdr_v1, num_buffers),
			       sizeof(n));
		if (i + 1 < n && written != c->rx_len[pair][head])
			return -1; /* all but the last are full */
	}
	if (ret_n)
		*ret_n = n;
	return len;
}

/* card_arrive() - packet @n of @len bytes comes from outside. */
static inline bool card_arrive(struct card *c, unsigned int pair, unsigned int n,
			       uint32_t len)
{
	card_fill(c->frame, n, len);
	return send(c->peer[pair], c->frame, NET_HDR_SIZE + len, MSG_NOSIGNAL) ==
	       (ssize_t)(NET_HDR_SIZE + len);
}

static inline double card_now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* soon() - @cond becomes true within 10 seconds; another thread works on it. */
#define soon(cond)                                                                       \
	({                                                                               \
		double until_ = card_now() + 10;                                         \
		bool is_;                                                                \
                                                                                         \
		while (!(is_ = (cond)) && card_now() < until_)                           \
			(void)usleep(50);                                                \
		is_;                                                                     \
	})

/* card_sees() - packet @n of @len bytes comes out of the tap. */
static inline bool card_sees(struct card *c, unsigned int pair, unsigned int n,
			     uint32_t len)
{
	ssize_t got = -1;

	if (!soon((got = recv(c->peer[pair], c->frame, sizeof(c->frame), 0)) >= 0))
		return false;
	return got == (ssize_t)(NET_HDR_SIZE + len) && card_is(c->frame, n, len);
}

/* card_gets() - packet @n of @len bytes is what the guest gets next. */
static inline bool card_gets(struct card *c, unsigned int pair, unsigned int n,
			     uint32_t len)
{
	long got = 0;

	if (!soon((got = card_receive(c, pair, NULL)) != 0))
		return false;
	return got == (long)(NET_HDR_SIZE + len) && card_is(c->frame, n, len);
}

static inline struct net_stats card_stats(struct card *c)
{
	struct net_stats stats = { 0 };

	net_stats(c->dev, &stats);
	return stats;
}

/* card_command() - on the control queue: @len bytes.  Return: the answer, -1: none */
static inline int card_command(struct card *c, const void *data, uint32_t len)
{
	struct fake_queue *fq = &c->q[c->n_queues - 1];
	struct fake_buf out = { fake_data(&c->fm, data, len), len };
	struct fake_buf in = { fake_alloc(&c->fm, 1, 1), 1 };
	uint32_t written = 0;
	uint8_t *ack = fake_host(&c->fm, in.gpa, 1);

	*ack = 0xee;
	(void)fake_add(fq, &out, len ? 1 : 0, &in, 1);
	fake_kick(fq);
	card_spin(c);
	if (!fake_used(fq, NULL, &written))
		return -1;
	return written == 1 ? *ack : -1;
}

#endif
