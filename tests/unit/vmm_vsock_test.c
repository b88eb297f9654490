/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/virtio/vsock*.c: the protocol, credit, fairness, and a guest that does it wrong. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "tests/unit/fake_vsock.h"
#include "tests/unit/tap.h"

#define PORT 1024u
#define NOBODY 7u

/* The host's side of a connection: records, and sends what the test gives it. */
struct owner {
	struct vsock_conn *conn;
	struct buf in;
	unsigned int peer_shut;
	unsigned int closed;
	size_t to_send; /* (bytes) of pattern */
	size_t sent;
	bool eof; /* after that */
	bool hold; /* do not give credit */
	bool refuse_data;
};

static struct owner owners[2048];
static unsigned int n_owners;
static struct fake_guest g;

static char pattern(size_t at)
{
	return (char)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static int owner_recv(struct vsock_conn *conn, const struct iovec *iov, unsigned int n,
		      size_t len)
{
	struct owner *o = vsock_conn_opaque(conn);
	size_t sum = 0;

	for (unsigned int i = 0; i < n; i++) {
		sum += iov[i].iov_len;
		fake_check(buf_append(&o->in, iov[i].iov_base, iov[i].iov_len) == 0);
	}
	fake_check(sum == len);
	if (o->refuse_data)
		return -1;
	if (!o->hold)
		vsock_conn_consumed(conn, len);
	return 0;
}

static ssize_t owner_pull(struct vsock_conn *conn, const struct iovec *iov,
			  unsigned int n, size_t room)
{
	struct owner *o = vsock_conn_opaque(conn);
	size_t done = 0;

	for (unsigned int i = 0; i < n; i++)
		for (size_t k = 0; k < iov[i].iov_len && o->sent < o->to_send;
		     k++, done++)
			((char *)iov[i].iov_base)[k] = pattern(o->sent++);
	fake_check(done <= room);
	return done ? (ssize_t)done : o->eof ? VSOCK_PULL_EOF : 0;
}

static void owner_peer_shutdown(struct vsock_conn *conn, unsigned int flags)
{
	struct owner *o = vsock_conn_opaque(conn);

	fake_check(!(o->peer_shut & flags));
	o->peer_shut |= flags;
}

static void owner_closed(struct vsock_conn *conn)
{
	struct owner *o = vsock_conn_opaque(conn);

	o->closed++;
	o->conn = NULL;
}

static const struct vsock_conn_ops owner_ops = {
	.recv = owner_recv,
	.pull = owner_pull,
	.peer_shutdown = owner_peer_shutdown,
	.closed = owner_closed,
};

static int accept_owner(void *opaque, struct vsock_conn *conn)
{
	struct owner *o = &owners[n_owners++];

	(void)opaque;
	*o = (struct owner){ .conn = conn };
	vsock_conn_own(conn, &owner_ops, o);
	return 0;
}

static void begin(unsigned int n_rx, unsigned int flags)
{
	n_owners = 0;
	fake_guest_init(&g, n_rx, flags);
	fake_check(vsock_listen(g.vsock, PORT, 100, accept_owner, NULL, NULL) == 0);
}

static void end(void)
{
	fake_guest_release(&g);
	for (unsigned int i = 0; i < n_owners; i++)
		buf_release(&owners[i].in);
}

static bool is_pattern(const char *data, size_t len, size_t at)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != pattern(at + i))
			return false;
	return true;
}

static void test_connect(void)
{
	struct virtio_vsock_hdr hdr;
	struct fake_conn *c;

	begin(32, FAKE_EVENT_IDX);
	c = fake_connect(&g, 5000, PORT);
	ok(c->answered && !c->reset, "a request to a port that listens is answered");
	is_int(c->peer_buf_alloc, VSOCK_BUF_ALLOC, "the answer tells our credit");
	is_int(n_owners, 1, "accept() was called once");
	is_int(vsock_conn_guest_port(owners[0].conn), 5000, "with the guest's port");
	c = fake_connect(&g, 5001, NOBODY);
	ok(c->reset && !c->answered, "a request to any other port is reset");

	c = fake_conn(&g, 5002, PORT);
	hdr = fake_header(c, VIRTIO_VSOCK_OP_REQUEST, 0, 0);
	hdr.type = VIRTIO_VSOCK_TYPE_SEQPACKET;
	fake_chain(&g, &hdr, NULL, 0, FAKE_HDR);
	fake_run(&g);
	ok(c->reset && n_owners == 1, "a type that we do not have is reset");

	c = fake_conn(&g, 5003, PORT);
	hdr = fake_header(c, VIRTIO_VSOCK_OP_REQUEST, 0, 0);
	hdr.dst_cid = 9;
	fake_chain(&g, &hdr, NULL, 0, FAKE_HDR);
	hdr.dst_cid = VSOCK_HOST_CID;
	hdr.src_cid = 4;
	fake_chain(&g, &hdr, NULL, 0, FAKE_HDR);
	fake_run(&g);
	ok(!c->reset && !c->answered && n_owners == 1,
	   "packets of or for other CIDs vanish");
	is_int(vsock_stats(g.vsock)->dropped, 2, "and are counted");
	is_int(vsock_listen(g.vsock, PORT, 1, accept_owner, NULL, NULL), -EEXIST,
	       "a port listens once");
	end();
}

static void test_data(unsigned int flags, const char *with)
{
	static char data[300 << 10];
	struct fake_conn *c;
	struct owner *o;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = pattern(i);
	begin(64, flags);
	c = fake_connect(&g, 5000, PORT);
	o = &owners[0];
	for (size_t done = 0; done < sizeof(data); fake_run(&g))
		done += fake_send(&g, c, data + done, sizeof(data) - done);
	fake_run(&g);
	ok(o->in.len == sizeof(data) && is_pattern(o->in.data, o->in.len, 0),
	   "300 KiB from the guest arrive (%s)", with);
	o->to_send = 300 << 10;
	vsock_conn_want_send(o->conn);
	fake_run(&g);
	ok(c->in.len == (300 << 10) && is_pattern(c->in.data, c->in.len, 0),
	   "300 KiB to the guest arrive (%s)", with);
	ok(c->packets <= 76, "in full buffers: %u packets", c->packets);
	end();
}

static void test_guest_exceeds_credit(void)
{
	static char data[VSOCK_BUF_ALLOC];
	struct fake_conn *c;
	struct owner *o;

	begin(32, FAKE_EVENT_IDX);
	c = fake_connect(&g, 5000, PORT);
	o = &owners[0];
	o->hold = true;
	is_int(fake_send(&g, c, data, sizeof(data)), sizeof(data),
	       "all the credit is used");
	fake_run(&g);
	ok(o->in.len == VSOCK_BUF_ALLOC && !c->reset && !c->credit_updates,
	   "that much is taken, and no credit comes back");
	is_int(fake_credit(c), 0, "the guest has none left");

	vsock_conn_consumed(o->conn, VSOCK_BUF_ALLOC / 2 - 1);
	fake_run(&g);
	is_int(c->credit_updates, 0, "less than half is not worth a packet");
	fake_packet(&g, c, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0, NULL, 0);
	fake_run(&g);
	ok(c->credit_updates == 1 && fake_credit(c) == VSOCK_BUF_ALLOC / 2 - 1,
	   "unless the guest asks");
	vsock_conn_consumed(o->conn, VSOCK_BUF_ALLOC / 2 + 1);
	fake_run(&g);
	ok(c->credit_updates == 2 && fake_credit(c) == VSOCK_BUF_ALLOC,
	   "more than half is told");

	is_int(fake_send(&g, c, data, sizeof(data)), sizeof(data), "used up again");
	fake_packet(&g, c, VIRTIO_VSOCK_OP_RW, 0, "x", 1);
	fake_run(&g);
	ok(c->reset && o->closed == 1, "one byte more resets the connection");
	is_int(o->in.len, 2 * VSOCK_BUF_ALLOC, "and is not taken");
	is_int(vsock_stats(g.vsock)->conns, 0, "the table is empty");
	end();
}

static void test_guest_gives_little_credit(void)
{
	struct fake_conn *c;
	struct owner *o;

	begin(32, FAKE_EVENT_IDX);
	c = fake_conn(&g, 5000, PORT);
	c->buf_alloc = 10000;
	c->no_credit = true;
	fake_packet(&g, c, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	fake_run(&g);
	o = &owners[0];
	o->to_send = 25000;
	o->eof = true;
	vsock_conn_want_send(o->conn);
	fake_run(&g);
	is_int(c->in.len, 10000, "sent as far as the credit goes");
	is_int(vsock_conn_sendable(o->conn), 0, "none is left");
	vsock_conn_want_send(o->conn);
	fake_run(&g);
	is_int(c->in.len, 10000, "asking again does not help");
	c->fwd_cnt += 7;
	fake_packet(&g, c, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, NULL, 0);
	fake_run(&g);
	is_int(c->in.len, 10007, "goes on with what comes back");
	/* A guest that claims to have read more than it got: all of buf_alloc is in flight
	 * by our count, nothing more is sent. */
	c->fwd_cnt += 5000000;
	fake_packet(&g, c, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, NULL, 0);
	fake_run(&g);
	is_int(c->in.len, 10007, "an impossible count gives no credit");
	c->fwd_cnt = 10007;
	fake_packet(&g, c, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, NULL, 0);
	fake_run(&g);
	c->fwd_cnt = 20007;
	fake_packet(&g, c, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, NULL, 0);
	fake_run(&g);
	ok(c->in.len == 25000 && is_pattern(c->in.data, c->in.len, 0),
	   "until all is there");
	is_int(c->shut, VSOCK_SHUT_SEND, "and its end");
	end();
}

static void test_half_close(void)
{
	struct fake_conn *c;
	struct owner *o;

	begin(32, FAKE_EVENT_IDX);
	c = fake_connect(&g, 5000, PORT);
	o = &owners[0];
	fake_send(&g, c, "abc", 3);
	fake_packet(&g, c, VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND, NULL, 0);
	fake_packet(&g, c, VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND, NULL, 0);
	fake_run(&g);
	ok(o->in.len == 3 && o->peer_shut == VSOCK_SHUT_SEND && !c->reset,
	   "the guest's end of file comes behind its data, once");
	o->to_send = 5000;
	o->eof = true;
	vsock_conn_want_send(o->conn);
	fake_run(&g);
	ok(c->in.len == 5000 && c->shut == VSOCK_SHUT_SEND && !c->reset,
	   "the other direction still works, to its own end");
	fake_packet(&g, c, VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUT_RCV | VSOCK_SHUT_SEND,
		    NULL, 0);
	fake_run(&g);
	ok(c->reset && o->closed == 1, "both halves shut: reset, as the guest waits for");
	ok(o->peer_shut == (VSOCK_SHUT_RCV | VSOCK_SHUT_SEND), "the owner saw the rest");

	c = fake_connect(&g, 5001, PORT);
	o = &owners[1];
	vsock_conn_shutdown(o->conn, VSOCK_SHUT_RCV);
	fake_run(&g);
	is_int(c->shut, VSOCK_SHUT_RCV, "ours: a reader that has gone is told");
	fake_send(&g, c, "under way", 9);
	fake_run(&g);
	ok(!o->in.len && !c->reset, "what was under way is dropped");
	fake_packet(&g, c, VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND, NULL, 0);
	fake_send(&g, c, "more", 4);
	fake_run(&g);
	ok(c->reset && o->closed, "data behind its own end of file resets");
	end();
}

static void test_reset(void)
{
	struct fake_conn *c;
	struct fake_conn *d;
	struct owner *o;

	begin(32, FAKE_EVENT_IDX);
	c = fake_connect(&g, 5000, PORT);
	o = &owners[0];
	fake_packet(&g, c, VIRTIO_VSOCK_OP_RST, 0, NULL, 0);
	fake_run(&g);
	ok(o->closed == 1 && !c->reset, "the guest's reset closes, and is not answered");

	d = fake_conn(&g, 6000, PORT);
	fake_packet(&g, d, VIRTIO_VSOCK_OP_RST, 0, NULL, 0);
	fake_run(&g);
	ok(!d->reset, "a reset of nothing is not answered");
	fake_packet(&g, d, VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND, NULL, 0);
	fake_run(&g);
	ok(d->reset, "a stray shutdown is reset");
	d->reset = false;
	fake_packet(&g, d, VIRTIO_VSOCK_OP_RW, 0, "stray", 5);
	fake_run(&g);
	ok(d->reset && n_owners == 1, "stray data is reset");

	c = fake_connect(&g, 5001, PORT);
	vsock_conn_close(owners[1].conn);
	fake_run(&g);
	ok(c->reset && !owners[1].closed, "the owner's close: reset, without a callback");
	is_int(vsock_stats(g.vsock)->conns, 0, "nothing is left");

	c = fake_connect(&g, 5002, PORT);
	fake_packet(&g, c, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	fake_run(&g);
	ok(c->reset && owners[2].closed == 1,
	   "a second request on a connection resets it");
	c = fake_connect(&g, 5003, PORT);
	fake_packet(&g, c, VIRTIO_VSOCK_OP_RESPONSE, 0, NULL, 0);
	fake_run(&g);
	ok(c->reset && owners[3].closed == 1, "so does an answer that nobody asked for");
	c = fake_connect(&g, 5004, PORT);
	fake_packet(&g, c, 77, 0, NULL, 0);
	fake_run(&g);
	ok(c->reset && owners[4].closed == 1, "so does an unknown operation");
	c = fake_connect(&g, 5005, PORT);
	owners[5].refuse_data = true;
	fake_send(&g, c, "no", 2);
	fake_run(&g);
	ok(c->reset && owners[5].closed == 1, "so does an owner that refuses the data");
	end();
}

static void test_malformed(void)
{
	struct virtio_vsock_hdr hdr;
	struct fake_conn *c;

	begin(32, FAKE_EVENT_IDX);
	c = fake_connect(&g, 5000, PORT);
	hdr = fake_header(c, VIRTIO_VSOCK_OP_RW, 0, 0);
	fake_chain(&g, &hdr, NULL, 0, 20);
	fake_run(&g);
	ok(vsock_stats(g.vsock)->dropped == 1 && !owners[0].closed,
	   "a packet shorter than a header vanishes");
	hdr.len = 100;
	fake_chain(&g, &hdr, "0123456789", 10, FAKE_HDR + 10);
	fake_run(&g);
	ok(c->reset && owners[0].closed == 1 && !owners[0].in.len,
	   "a length beyond the packet resets");
	c = fake_connect(&g, 5001, PORT);
	hdr = fake_header(c, VIRTIO_VSOCK_OP_RW, 0, 0xffffffffu);
	fake_chain(&g, &hdr, "0123456789", 10, FAKE_HDR + 10);
	fake_run(&g);
	ok(c->reset && owners[1].closed == 1, "so does the largest length");
	c = fake_connect(&g, 5002, PORT);
	hdr = fake_header(c, VIRTIO_VSOCK_OP_RW, 0, 4);
	fake_chain(&g, &hdr, "0123456789", 10, FAKE_HDR + 10);
	fake_run(&g);
	ok(!c->reset && owners[2].in.len == 4, "bytes behind the length do not count");
	is_int(g.dev.needs_reset, 0, "none of this is the device's end");
	end();
}

static void test_bad_buffers(void)
{
	struct fake_conn *c;
	gpa_t gpa;

	begin(0, FAKE_EVENT_IDX);
	gpa = fake_alloc(&g.fm, 64, 8);
	fake_add(&g.rx, NULL, 0, &(struct fake_buf){ gpa, FAKE_HDR }, 1);
	fake_kick(&g.rx);
	c = fake_conn(&g, 5000, PORT);
	fake_packet(&g, c, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	fake_run(&g);
	is_int(g.dev.needs_reset, 1,
	       "a receive buffer without room for data breaks the device");
	fake_run(&g);
	is_int(g.dev.needs_reset, 1, "which is told once");
	is_int(owners[0].closed, 1, "and its connections are over");
	end();
}

static void test_starved(void)
{
	struct fake_conn *c[3];
	unsigned int seen[3] = { 0 };

	begin(32, FAKE_EVENT_IDX);
	for (unsigned int i = 0; i < 3; i++)
		c[i] = fake_connect(&g, 5000 + i, PORT);
	g.no_refill = true;
	for (unsigned int i = 0; i < 3; i++) {
		owners[i].to_send = 200 << 10;
		vsock_conn_want_send(owners[i].conn);
	}
	fake_run(&g);
	ok(g.n_rx_free == 32 && vsock_stats(g.vsock)->rx_starved, "all buffers are used");
	for (unsigned int i = 0; i < 3; i++)
		seen[i] = c[i]->packets;
	ok(seen[0] + seen[1] + seen[2] == 32, "for data");
	/* From here on buffers come two at a time: everybody gets its turn. */
	for (unsigned int turn = 0; turn < 30; turn++) {
		fake_post(&g, 2);
		fake_turn(&g);
	}
	ok(c[0]->packets - seen[0] >= 18 && c[1]->packets - seen[1] >= 18 &&
		   c[2]->packets - seen[2] >= 18,
	   "no connection waits for ever: %u, %u, %u packets", c[0]->packets,
	   c[1]->packets, c[2]->packets);
	end();
}

static void test_many_strays(void)
{
	struct fake_conn *c;

	begin(32, FAKE_EVENT_IDX);
	fake_run(&g);
	c = fake_connect(&g, 5000, PORT);
	g.no_refill = true;
	owners[0].to_send = 256 << 10;
	vsock_conn_want_send(owners[0].conn);
	fake_run(&g); /* no buffer is left */
	for (unsigned int i = 0; i < 100; i++) {
		struct fake_conn stray = { .guest_port = 9000 + i, .host_port = NOBODY };

		if (!g.n_tx_free)
			break;
		fake_packet(&g, &stray, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	}
	fake_run(&g);
	is_int(g.stray_resets, 0, "without buffers no reset goes out");
	g.no_refill = false;
	fake_refill(&g);
	for (unsigned int i = 64; i < 100; i++) {
		struct fake_conn stray = { .guest_port = 9000 + i, .host_port = NOBODY };

		fake_packet(&g, &stray, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	}
	fake_run(&g);
	is_int(g.stray_resets, 100, "then every one of 100 strays is reset");
	ok(!c->reset && owners[0].sent == 256 << 10, "and the connection goes on");
	end();
}

static void test_bounds(void)
{
	unsigned int answered = 0;
	unsigned int reset = 0;

	begin(64, FAKE_EVENT_IDX);
	fake_check(vsock_listen(g.vsock, 2000, VSOCK_MAX_CONNS * 2, accept_owner, NULL,
				NULL) == 0);
	for (unsigned int i = 0; i < 110; i++) {
		struct fake_conn *c = fake_connect(&g, 5000 + i, PORT);

		answered += c->answered;
		reset += c->reset;
	}
	ok(answered == 100 && reset == 10, "a port takes as many connections as it said");
	for (unsigned int i = 0; i < VSOCK_MAX_CONNS; i++)
		reset += fake_connect(&g, 10000 + i * 256, 2000)->reset;
	is_int(vsock_stats(g.vsock)->conns, VSOCK_MAX_CONNS, "the table has its limit");
	is_int(reset, 10 + 100, "what is beyond is reset");
	end();
}

static void test_device_reset(void)
{
	struct fake_conn *c;

	begin(32, FAKE_EVENT_IDX);
	c = fake_connect(&g, 5000, PORT);
	fake_device_reset(&g.dev);
	fake_run(&g);
	is_int(owners[0].closed, 1, "a reset of the device closes its connections");
	(void)close(g.rx.call_fd);
	(void)close(g.tx.call_fd);
	(void)close(g.event.call_fd);
	fake_guest_start(&g, 0);
	c = fake_connect(&g, 5000, PORT);
	ok(c->answered && n_owners == 2, "and after DRIVER_OK new ones can be made");
	fake_send(&g, c, "abc", 3);
	fake_run(&g);
	is_int(owners[1].in.len, 3, "that work");
	end();
}

/* ---- the vCPU thread starts and resets the device while the loop is at work ---- */

#define ROUNDS 300

static bool vcpu_done;

static void *vcpu(void *arg)
{
	struct fake_conn *c = arg;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		fake_device_reset(&g.dev);
		(void)close(g.rx.call_fd);
		(void)close(g.tx.call_fd);
		(void)close(g.event.call_fd);
		memset(g.fm.host, 0, g.fm.used);
		g.fm.used = 0;
		fake_guest_start(&g, i & 1 ? FAKE_EVENT_IDX : 0);
		c->tx_cnt = 0;
		fake_packet(&g, c, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
		fake_packet(&g, c, VIRTIO_VSOCK_OP_RW, 0, "hello", 5);
		/* Sometimes the loop is to get so far, sometimes not. */
		while (i % 3 == 0 && __atomic_load_n(&g.tx.used[1], __ATOMIC_ACQUIRE) < 2)
			(void)sched_yield();
	}
	__atomic_store_n(&vcpu_done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void test_threads(void)
{
	static const uint64_t one = 1;
	struct fake_conn *c;
	unsigned int got = 0;
	unsigned int open = 0;
	pthread_t thread;

	begin(8, FAKE_EVENT_IDX);
	c = fake_conn(&g, 5000, PORT);
	fake_check(pthread_create(&thread, NULL, vcpu, c) == 0);
	while (!__atomic_load_n(&vcpu_done, __ATOMIC_ACQUIRE)) {
		fake_check(write(g.step.fd, &one, sizeof(one)) == sizeof(one));
		fake_check(loop_run(g.loop, NULL) == 0);
		for (unsigned int i = 0; i < n_owners; i++) {
			if (!owners[i].conn)
				continue;
			owners[i].to_send += 100;
			vsock_conn_want_send(owners[i].conn);
		}
	}
	fake_check(pthread_join(thread, NULL) == 0);
	for (unsigned int i = 0; i < n_owners; i++) {
		got += owners[i].in.len == 5;
		open += !owners[i].closed;
	}
	ok(got >= ROUNDS / 3, "the device is reset at any time: %u of %u got through",
	   got, n_owners);
	ok(open <= 1, "and the connections of before are closed");
	end();
}

static void test_costs(void)
{
	static char data[64 << 10];
	struct fake_conn *c;
	uint64_t interrupts;
	unsigned int kicks;

	begin(64, FAKE_EVENT_IDX);
	c = fake_connect(&g, 5000, PORT);
	(void)fake_interrupts(&g.tx);
	(void)fake_interrupts(&g.rx);
	for (unsigned int i = 0; i < 16; i++)
		fake_send(&g, c, "a small one", 11);
	fake_run(&g);
	is_int(fake_interrupts(&g.tx), 0, "16 small packets cost the guest no interrupt");
	for (unsigned int i = 0; i < 32; i++) {
		fake_send(&g, c, data, sizeof(data));
		fake_run(&g);
	}
	interrupts = fake_interrupts(&g.tx);
	ok(interrupts >= 6 && interrupts <= 9, "2 MiB cost one for each 256 KiB: %d",
	   (int)interrupts);
	interrupts = fake_interrupts(&g.rx);
	ok(interrupts <= 17, "and the credit one for each 128 KiB: %d", (int)interrupts);
	owners[0].to_send = 128 << 10;
	vsock_conn_want_send(owners[0].conn);
	fake_run(&g);
	interrupts = fake_interrupts(&g.rx);
	ok(c->in.len == 128 << 10 && interrupts <= 3,
	   "128 KiB to the guest cost few interrupts: %d", (int)interrupts);

	/* How often the driver would have to kick, by its own rule (§2.7.7.2). */
	kicks = 0;
	for (unsigned int i = 0; i < 16; i++) {
		uint16_t old = *fake_avail_idx(&g.tx);

		fake_send(&g, c, "x", 1);
		kicks += (uint16_t)(*fake_avail_idx(&g.tx) - *fake_avail_event(&g.tx) -
				    1) < (uint16_t)(*fake_avail_idx(&g.tx) - old);
	}
	is_int(kicks, 1, "of 16 packets sent in a row only the first needs a kick");
	end();
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	test_connect();
	test_data(FAKE_EVENT_IDX, "event index");
	test_data(0, "flags");
	test_data(FAKE_EVENT_IDX | FAKE_INDIRECT, "indirect");
	test_guest_exceeds_credit();
	test_guest_gives_little_credit();
	test_half_close();
	test_reset();
	test_malformed();
	test_bad_buffers();
	test_starved();
	test_many_strays();
	test_bounds();
	test_device_reset();
	test_costs();
	test_threads();
	return tap_done();
}
