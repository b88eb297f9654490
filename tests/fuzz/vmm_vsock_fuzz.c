/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile driver of the vsock device: packets of any kind, receive buffers of any
 * size, resets; and an owner of connections that does what the script says.
 *
 * Input: one byte of ring flags, then the script.
 */
#include <sys/epoll.h>

#include "tests/fuzz/input.h"
#include "tests/unit/fake_driver.h"
#include "vmm/loop.h"
#include "vmm/virtio/vsock.h"

#include <linux/virtio_vsock.h>

#define CID 3u
#define PORT 1024u
#define MAX_OWNERS 64u
#define TX_SLOT 1024u /* (bytes) of guest memory for a packet */
#define TX_SLOTS 32u
#define RX_SLOT 512u
#define RX_SLOTS 32u

struct owner {
	struct vsock_conn *conn; /* NULL: over */
	uint32_t kept; /* (bytes) received and not given back */
	uint32_t to_send;
	bool eof;
	bool refuse;
	bool close_on_recv; /* from within the callback */
	unsigned int shut; /* told by the guest */
};

struct fuzz {
	struct fake_memory fm;
	struct fake_device dev;
	struct fake_queue rx;
	struct fake_queue tx;
	struct fake_queue event;
	struct loop *loop;
	struct loop_source step;
	struct vsock *vsock;
	struct owner owners[MAX_OWNERS];
	unsigned int n_owners;
	gpa_t tx_gpa;
	gpa_t rx_gpa;
	unsigned int tx_next;
	unsigned int rx_next;
	uint8_t flags;
};

static int on_recv(struct vsock_conn *conn, const struct iovec *iov, unsigned int n,
		   size_t len)
{
	struct owner *o = vsock_conn_opaque(conn);
	size_t sum = 0;
	volatile char touched = 0;

	must(o->conn == conn && len > 0 && n <= VSOCK_MAX_IOV);
	must(!(o->shut & VSOCK_SHUT_SEND));
	for (unsigned int i = 0; i < n; i++) {
		const char *p = iov[i].iov_base;

		sum += iov[i].iov_len;
		touched = (char)(touched + p[0] + p[iov[i].iov_len - 1]);
	}
	must(sum == len);
	o->kept += (uint32_t)len;
	must(o->kept <= VSOCK_BUF_ALLOC);
	if (o->close_on_recv) {
		o->conn = NULL;
		vsock_conn_close(conn);
		return 0;
	}
	return o->refuse ? -1 : 0;
}

static ssize_t on_pull(struct vsock_conn *conn, const struct iovec *iov, unsigned int n,
		       size_t room)
{
	struct owner *o = vsock_conn_opaque(conn);
	size_t done = 0;

	must(o->conn == conn && room > 0 && room <= vsock_conn_sendable(conn));
	for (unsigned int i = 0; i < n && done < o->to_send; i++) {
		memset(iov[i].iov_base, 'x', iov[i].iov_len);
		done += iov[i].iov_len;
	}
	must(done <= room);
	if (done > o->to_send)
		done = o->to_send;
	o->to_send -= (uint32_t)done;
	return done ? (ssize_t)done : o->eof ? VSOCK_PULL_EOF : 0;
}

static void on_peer_shutdown(struct vsock_conn *conn, unsigned int flags)
{
	struct owner *o = vsock_conn_opaque(conn);

	must(o->conn == conn && flags && !(o->shut & flags));
	o->shut |= flags;
}

static void on_closed(struct vsock_conn *conn)
{
	struct owner *o = vsock_conn_opaque(conn);

	must(o->conn == conn);
	o->conn = NULL;
}

static const struct vsock_conn_ops ops = {
	.recv = on_recv,
	.pull = on_pull,
	.peer_shutdown = on_peer_shutdown,
	.closed = on_closed,
};

static int on_accept(void *opaque, struct vsock_conn *conn)
{
	struct fuzz *f = opaque;
	struct owner *o = &f->owners[f->n_owners];

	if (f->n_owners == MAX_OWNERS)
		return -1;
	f->n_owners++;
	*o = (struct owner){ .conn = conn };
	vsock_conn_own(conn, &ops, o);
	return 0;
}

static void on_step(struct loop_source *src, uint32_t events)
{
	struct fuzz *f = (void *)((char *)src - offsetof(struct fuzz, step));
	uint64_t n;

	(void)events;
	must(read(src->fd, &n, sizeof(n)) == sizeof(n));
	loop_quit(f->loop);
}

static void run(struct fuzz *f)
{
	static const uint64_t one = 1;

	for (unsigned int i = 0; i < 2; i++) {
		must(write(f->step.fd, &one, sizeof(one)) == sizeof(one));
		must(loop_run(f->loop, NULL) == 0);
		while (fake_used(&f->tx, NULL, NULL))
			;
		while (fake_used(&f->rx, NULL, NULL))
			;
	}
}

/* send_packet() - a header that may pass, with chosen fields. */
static void send_packet(struct fuzz *f, struct input *in)
{
	uint8_t kind = input_u8(in);
	struct virtio_vsock_hdr hdr = {
		.src_cid = kind & 128 ? input_u8(in) : CID,
		.dst_cid = VSOCK_HOST_CID,
		.src_port = input_u8(in) % 8,
		.dst_port = kind & 64 ? input_u8(in) : PORT,
		.type = kind & 32 ? input_u8(in) : VIRTIO_VSOCK_TYPE_STREAM,
		.op = kind % 9,
		.flags = input_u8(in) % 4,
		.len = input_u16(in),
		.buf_alloc = (uint32_t)input_u16(in) * 16,
		.fwd_cnt = input_u16(in),
	};
	gpa_t gpa = f->tx_gpa + TX_SLOT * (f->tx_next++ % TX_SLOTS);
	uint32_t len = kind & 16 ? hdr.len : hdr.len % 256;
	struct fake_buf out[3];
	unsigned int n = 1;

	if (f->tx.n_free < 4)
		return;
	hdr.len = len;
	memcpy(fake_host(&f->fm, gpa, sizeof(hdr)), &hdr, sizeof(hdr));
	len = len % 900 + (uint32_t)sizeof(hdr);
	out[0] = (struct fake_buf){ gpa, len };
	if (hdr.flags & 1) { /* the header in two pieces */
		out[0].len = 7;
		out[1] = (struct fake_buf){ gpa + 7, len - 7 };
		n = 2;
	}
	(void)fake_add(&f->tx, out, n, NULL, 0);
	fake_kick(&f->tx);
}

/* send_raw() - anything. */
static void send_raw(struct fuzz *f, struct input *in)
{
	gpa_t gpa = f->tx_gpa + TX_SLOT * (f->tx_next++ % TX_SLOTS);
	uint8_t len = input_u8(in);

	if (f->tx.n_free < 4)
		return;
	input_bytes(in, fake_host(&f->fm, gpa, len + 1u), len + 1u);
	(void)fake_add(&f->tx, &(struct fake_buf){ gpa, len + 1u }, 1, NULL, 0);
	fake_kick(&f->tx);
}

static void post_buffers(struct fuzz *f, struct input *in)
{
	uint8_t choice = input_u8(in);
	uint32_t len = choice & 128 ? choice % 64 : 44u + choice % 128 + 1;

	for (unsigned int i = 0; i < 4 && f->rx.n_free >= 4; i++) {
		gpa_t gpa = f->rx_gpa + RX_SLOT * (f->rx_next++ % RX_SLOTS);
		struct fake_buf b[2] = { { gpa, len ? len : 1 }, { gpa + 256, 100 } };

		(void)fake_add(&f->rx, NULL, 0, b, choice & 1 ? 2 : 1);
	}
	fake_kick(&f->rx);
}

static void own(struct fuzz *f, struct input *in)
{
	uint8_t what = input_u8(in);
	struct owner *o = &f->owners[input_u8(in) % MAX_OWNERS];
	uint16_t n = input_u16(in);

	if (!o->conn)
		return;
	switch (what % 8) {
	case 0:
		o->to_send += n;
		vsock_conn_want_send(o->conn);
		break;
	case 1:
		o->eof = true;
		vsock_conn_want_send(o->conn);
		break;
	case 2:
		if (n > o->kept)
			n = (uint16_t)o->kept;
		o->kept -= n;
		vsock_conn_consumed(o->conn, n);
		break;
	case 3:
		vsock_conn_shutdown(o->conn, VSOCK_SHUT_RCV);
		break;
	case 4:
		vsock_conn_shutdown(o->conn, VSOCK_SHUT_SEND);
		break;
	case 5: {
		struct vsock_conn *conn = o->conn;

		o->conn = NULL;
		vsock_conn_close(conn);
		break;
	}
	case 6:
		o->refuse = true;
		break;
	default:
		o->close_on_recv = true;
		break;
	}
}

static void start_driver(struct fuzz *f)
{
	struct virtio_device *dev = vsock_device(f->vsock);
	unsigned int flags = f->flags & (FAKE_EVENT_IDX | FAKE_INDIRECT);

	f->fm.used = 0;
	fake_queue_init(&f->rx, &f->fm, &dev->queues[0], 32, flags);
	fake_queue_init(&f->tx, &f->fm, &dev->queues[1], 32, flags);
	fake_queue_init(&f->event, &f->fm, &dev->queues[2], 8, flags);
	f->tx_gpa = fake_alloc(&f->fm, TX_SLOT * TX_SLOTS, 8);
	f->rx_gpa = fake_alloc(&f->fm, RX_SLOT * RX_SLOTS, 8);
	must(fake_device_activate(&f->dev, NULL) == 0);
}

static void close_call_fds(struct fuzz *f)
{
	(void)close(f->rx.call_fd);
	(void)close(f->tx.call_fd);
	(void)close(f->event.call_fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f;
	struct input in = { data, size };
	unsigned int alive = 0;
	int step;

	memset(&f, 0, sizeof(f));
	f.flags = input_u8(&in);
	fake_memory_init(&f.fm, 256u << 10);
	must(loop_new(&f.loop, NULL) == 0);
	must(vsock_new(&f.fm.mem, f.loop, CID, &f.vsock, NULL) == 0);
	must(vsock_listen(f.vsock, PORT, 32, on_accept, &f, NULL) == 0);
	must(loop_add(f.loop, &f.step, eventfd(0, EFD_CLOEXEC), EPOLLIN, on_step, NULL) ==
	     0);
	fake_device_init(&f.dev, vsock_device(f.vsock));
	start_driver(&f);
	for (unsigned int i = 0; i < 300 && in.left; i++) {
		switch (input_u8(&in) % 8) {
		case 0:
		case 1:
		case 2:
			send_packet(&f, &in);
			break;
		case 3:
			send_raw(&f, &in);
			break;
		case 4:
			post_buffers(&f, &in);
			break;
		case 5:
			own(&f, &in);
			break;
		case 6:
			run(&f);
			break;
		default:
			if (input_u8(&in) < 250)
				break;
			fake_device_reset(&f.dev);
			close_call_fds(&f);
			memset(f.fm.host, 0, f.fm.size);
			start_driver(&f);
			break;
		}
	}
	run(&f);
	for (unsigned int i = 0; i < f.n_owners; i++)
		alive += f.owners[i].conn != NULL;
	must(alive <= vsock_stats(f.vsock)->conns);
	fake_device_reset(&f.dev);
	run(&f);
	for (unsigned int i = 0; i < f.n_owners; i++)
		must(!f.owners[i].conn);
	must(vsock_stats(f.vsock)->conns == 0);
	step = f.step.fd;
	loop_remove(f.loop, &f.step);
	(void)close(step);
	vsock_free(f.vsock);
	loop_free(f.loop);
	close_call_fds(&f);
	fake_memory_release(&f.fm);
	return 0;
}
