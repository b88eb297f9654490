/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm/virtio/vsock_save.c: the guest of fake_vsock.h is at rest, its device is saved and
 * another takes its place; the guest's end of a connection has seen nothing of it.
 */
#include "tests/unit/fake_vsock.h"
#include "tests/unit/tap.h"
#include "vmm/snapshot/sections.h"
#include "vmm/virtio/vsock_internal.h"

#define PORT 1024u
#define OTHER_PORT 1027u /* whose connections are not kept */
#define TAG_CONNS SECTION_TAG('v', 's', 'c', 'k')

/* ---- the host's end -------------------------------------------------------------------- */

struct owner {
	struct vsock_conn *conn;
	struct buf in;
	const char *out; /* to be sent */
	size_t out_len;
	bool hold; /* do not give credit */
};

static struct owner owners[16];
static unsigned int n_owners;
static struct fake_guest g;

static int owner_recv(struct vsock_conn *conn, const struct iovec *iov, unsigned int n,
		      size_t len)
{
	struct owner *o = vsock_conn_opaque(conn);

	for (unsigned int i = 0; i < n; i++)
		fake_check(buf_append(&o->in, iov[i].iov_base, iov[i].iov_len) == 0);
	if (!o->hold)
		vsock_conn_consumed(conn, len);
	return 0;
}

static ssize_t owner_pull(struct vsock_conn *conn, const struct iovec *iov,
			  unsigned int n, size_t room)
{
	struct owner *o = vsock_conn_opaque(conn);
	size_t done = 0;

	(void)room;
	for (unsigned int i = 0; i < n && o->out_len; i++) {
		size_t len = iov[i].iov_len < o->out_len ? iov[i].iov_len : o->out_len;

		memcpy(iov[i].iov_base, o->out, len);
		o->out += len;
		o->out_len -= len;
		done += len;
	}
	return (ssize_t)done;
}

static void owner_peer_shutdown(struct vsock_conn *conn, unsigned int flags)
{
	(void)conn;
	(void)flags;
}

static void owner_closed(struct vsock_conn *conn)
{
	struct owner *o = vsock_conn_opaque(conn);

	o->conn = NULL;
}

static int accept_owner(void *opaque, struct vsock_conn *conn)
{
	static const struct vsock_conn_ops ops = {
		.recv = owner_recv,
		.pull = owner_pull,
		.peer_shutdown = owner_peer_shutdown,
		.closed = owner_closed,
	};
	struct owner *o = &owners[n_owners++];

	(void)opaque;
	fake_check(n_owners <= sizeof(owners) / sizeof(owners[0]));
	*o = (struct owner){ .conn = conn };
	vsock_conn_own(conn, &ops, o);
	return 0;
}

static void owner_send(struct owner *o, const char *data, size_t len)
{
	o->out = data;
	o->out_len = len;
	vsock_conn_want_send(o->conn);
}

static void listen_all(void)
{
	fake_check(vsock_listen(g.vsock, PORT, 8, accept_owner, NULL, NULL) == 0);
	fake_check(vsock_listen(g.vsock, OTHER_PORT, 8, accept_owner, NULL, NULL) == 0);
	vsock_keep(g.vsock, PORT);
}

static void begin(void)
{
	n_owners = 0;
	fake_guest_init(&g, 64, FAKE_EVENT_IDX);
	listen_all();
}

static void end(void)
{
	fake_guest_release(&g);
	for (unsigned int i = 0; i < n_owners; i++)
		buf_release(&owners[i].in);
}

/* ---- saving and loading ---------------------------------------------------------------- */

static int save(struct buf *out, struct err *err)
{
	struct virtio_device *dev = vsock_device(g.vsock);

	return dev->ops->save(dev, out, err);
}

/* move_queue() - of the device, to the same queue of @to, as the transport does. */
static void move_queue(struct fake_queue *fq, struct vq *to)
{
	auto_buf struct buf state = BUF_INIT;
	struct sections in;

	fake_check(vq_save(fq->vq, &state, NULL) == 0);
	in = (struct sections){ .data = state.data, .len = state.len };
	fake_check(vq_load(to, &in, NULL) == 0);
	vq_set_call_fd(fq->vq, -1);
	vq_set_call_fd(to, fq->call_fd);
	fq->vq = to;
}

/*
 * move() - the guest goes on with a device of a new machine, in which @state was loaded.
 * The owners of before are void.
 */
static int move(const struct buf *state, struct err *err)
{
	struct sections in = { .data = state->data, .len = state->len };
	struct vsock *old = g.vsock;
	struct virtio_device *dev;
	int ret;

	fake_check(vsock_new(&g.fm.mem, g.loop, FAKE_CID, &g.vsock, NULL) == 0);
	listen_all();
	dev = vsock_device(g.vsock);
	fake_device_init(&g.dev, dev);
	move_queue(&g.rx, &dev->queues[VSOCK_VQ_RX]);
	move_queue(&g.tx, &dev->queues[VSOCK_VQ_TX]);
	move_queue(&g.event, &dev->queues[VSOCK_VQ_EVENT]);
	old->dev.ops->reset(&old->dev);
	vsock_free(old);
	for (unsigned int i = 0; i < n_owners; i++)
		buf_release(&owners[i].in);
	n_owners = 0;
	ret = dev->ops->load(dev, &in, err);
	fake_check(fake_device_activate(&g.dev, NULL) == 0);
	return ret;
}

/* saved_and_moved() - of a guest that is at rest. */
static void saved_and_moved(void)
{
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;

	is_int(save(&state, &err), 0, "a guest at rest is saved");
	is_int(move(&state, &err), 0, "and goes on in another machine");
}

/* ---- tests ------------------------------------------------------------------------------- */

/* talk() - @len bytes each way. */
static void talk(struct fake_conn *c, struct owner *o, size_t len, const char *when)
{
	static char data[600 << 10];
	size_t in_before = c->in.len, out_before = o->in.len;

	fake_check(len <= sizeof(data));
	for (size_t i = 0; i < len; i++)
		data[i] = (char)(i * 31 + (i >> 8) * 7 + len);
	for (size_t done = 0; done < len; fake_run(&g))
		done += fake_send(&g, c, data + done, len - done);
	fake_run(&g);
	ok(o->in.len == out_before + len && !memcmp(o->in.data + out_before, data, len),
	   "%zu bytes from the guest arrive %s", len, when);
	owner_send(o, data, len);
	fake_run(&g);
	ok(c->in.len == in_before + len && !memcmp(c->in.data + in_before, data, len),
	   "%zu bytes to the guest arrive %s", len, when);
}

static void test_goes_on(void)
{
	uint32_t rx, fwd, tx, told;
	struct fake_conn *c;
	struct vsock_conn *conn;

	begin();
	c = fake_connect(&g, 5000, PORT);
	talk(c, &owners[0], 100001, "before");
	conn = owners[0].conn;
	rx = conn->rx_cnt;
	fwd = conn->fwd_cnt;
	told = conn->fwd_told;
	tx = conn->tx_cnt;
	c->answered = false;
	saved_and_moved();
	fake_run(&g);
	is_int(n_owners, 1, "the listener is given the connection");
	conn = owners[0].conn;
	is_int(vsock_conn_guest_port(conn), 5000, "with the guest's port");
	ok(!c->answered && !c->reset, "the guest is told nothing");
	ok(conn->rx_cnt == rx && conn->fwd_cnt == fwd && conn->tx_cnt == tx &&
		   conn->fwd_told == told && rx == 100001 && tx == 100001,
	   "the counters of both directions go on");
	is_int(conn->peer_buf_alloc, c->buf_alloc, "with the guest's credit");
	/* More than the credit, which so must be given and taken rightly. */
	talk(c, &owners[0], 600 << 10, "afterwards");
	ok(!c->reset && !g.stray_resets, "nobody was reset");
	end();
}

static void test_several(void)
{
	struct fake_conn *c[3];

	begin();
	for (unsigned int i = 0; i < 3; i++)
		c[i] = fake_connect(&g, 5000 + 256 * i, PORT); /* all in one bucket */
	talk(c[1], &owners[1], 50, "before");
	saved_and_moved();
	is_int(n_owners, 3, "three connections are there again");
	for (unsigned int i = 0; i < 3; i++)
		for (unsigned int k = 0; k < 3; k++)
			if (vsock_conn_guest_port(owners[k].conn) == 5000 + 256 * i)
				talk(c[i], &owners[k], 100 + i, "at the right end");
	end();
}

/* What the device had popped ahead is the guest's again, and nothing of it is lost. */
static void test_buffers_popped_ahead(void)
{
	auto_buf struct buf state = BUF_INIT;
	static const char data[64 * FAKE_RX_LEN];
	struct fake_conn *c;
	struct vq *rx;

	begin();
	c = fake_connect(&g, 5000, PORT);
	c->buf_alloc = 1u << 20; /* so that credit is nothing to wait for */
	talk(c, &owners[0], 10, "before");
	rx = &vsock_device(g.vsock)->queues[VSOCK_VQ_RX];
	ok(g.vsock->n_stash > 0 && rx->last_avail != rx->used_idx,
	   "receive buffers are popped ahead");
	is_int(vq_save(rx, &state, NULL), -EAGAIN, "by which the queue is busy");
	is_int(save(&state, NULL), 0, "the device is saved");
	is_int(g.vsock->n_stash, 0, "it gives them back");
	is_int(rx->last_avail, rx->used_idx, "and so the queue is not");
	talk(c, &owners[0], 100000, "in the one that was saved, which goes on");
	buf_release(&state);
	saved_and_moved();
	g.no_refill = true;
	c->in.len = 0;
	owner_send(&owners[0], data, sizeof(data));
	fake_run(&g);
	is_int(c->in.len, 64 * FAKE_RX_LEN, "as many buffers as there were are filled");
	is_int(g.n_rx_free, 64, "and each has come back once");
	end();
}

/* A packet that the device had not seen when it was saved. */
static void test_packet_that_waits(void)
{
	auto_buf struct buf state = BUF_INIT;
	struct fake_conn *c;

	begin();
	c = fake_connect(&g, 5000, PORT);
	is_int(save(&state, NULL), 0, "saved");
	fake_check(fake_send(&g, c, "late", 4) == 4); /* the loop did not run since */
	is_int(move(&state, NULL), 0, "and loaded");
	fake_run(&g);
	ok(owners[0].in.len == 4 && !memcmp(owners[0].in.data, "late", 4),
	   "what was sent before anybody looked arrives, without another kick");
	end();
}

/* Connections in the middle of something. */
static void test_halves(void)
{
	static char data[300 << 10];
	struct fake_conn *c;
	uint32_t sent;

	begin();
	c = fake_connect(&g, 5000, PORT);
	owners[0].hold = true;
	fake_send(&g, c, "xy", 2);
	fake_run(&g);
	saved_and_moved();
	is_int(vsock_conn_unconsumed(owners[0].conn), 2,
	       "what the owner had not used is not his credit either");
	vsock_conn_consumed(owners[0].conn, 2);
	talk(c, &owners[0], 600 << 10, "afterwards");
	end();

	begin();
	c = fake_connect(&g, 5000, PORT);
	c->no_credit = true;
	owner_send(&owners[0], data, sizeof(data));
	fake_run(&g);
	sent = owners[0].conn->tx_cnt;
	saved_and_moved();
	ok(sent < sizeof(data) && owners[0].conn->tx_cnt == sent &&
		   !vsock_conn_sendable(owners[0].conn),
	   "an owner who waits for credit waits on");
	end();

	begin();
	c = fake_connect(&g, 5000, PORT);
	fake_packet(&g, c, VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND, NULL, 0);
	fake_run(&g);
	saved_and_moved();
	is_int(vsock_conn_peer_shut(owners[0].conn), VSOCK_SHUT_SEND,
	       "a half that the guest has shut is shut");
	end();

	begin();
	c = fake_connect(&g, 5000, PORT);
	vsock_conn_shutdown(owners[0].conn, VSOCK_SHUT_SEND);
	saved_and_moved();
	fake_run(&g);
	ok(vsock_conn_shut(owners[0].conn) == VSOCK_SHUT_SEND && !c->reset,
	   "and so is one that the owner has shut");
	end();
}

/* What nobody goes on with. */
static void test_reset(void)
{
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;
	struct fake_conn *c;

	begin();
	c = fake_connect(&g, 5000, OTHER_PORT);
	saved_and_moved();
	fake_run(&g);
	ok(c->reset, "a connection of a port that is not kept is reset");
	end();

	begin();
	g.no_refill = true;
	fake_run(&g);
	while (g.n_rx_free < 64) { /* no buffer is left for an answer */
		c = fake_conn(&g, 6000 + g.n_conns, 7);
		fake_packet(&g, c, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
		fake_run(&g);
	}
	c = fake_conn(&g, 7000, 7);
	fake_packet(&g, c, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	fake_run(&g);
	ok(!c->reset, "a reset is owed");
	saved_and_moved();
	g.no_refill = false;
	fake_run(&g);
	ok(c->reset, "and is paid by the other");
	end();

	begin();
	fake_offer(&g.tx, 999);
	fake_kick(&g.tx);
	fake_run(&g);
	is_int(save(&state, &err), -EAGAIN, "the driver has broken a queue: not now");
	is_str(err.msg, "its driver does what cannot be saved", "and why");
	end();
}

/* ---- what was saved by others ---------------------------------------------------------------- */

/* A connection as it is saved. */
struct saved {
	uint32_t guest_port;
	uint32_t host_port;
	uint32_t counters[6];
	uint8_t pending, shut, peer_shut, lost;
};

static void refused(const void *data, size_t len, const char *why, const char *what)
{
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;

	begin();
	section_put(&state, TAG_CONNS, data, len);
	is_int(move(&state, &err), -EPROTO, "%s", what);
	is_str(err.msg, why, "is refused by name");
	end();
}

static void test_of_another(void)
{
	struct saved conns[2] = { { .guest_port = 5000, .host_port = PORT },
				  { .guest_port = 5000, .host_port = PORT } };
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;

	refused(conns, sizeof(conns[0]) - 1, "section 'vsck' has 35 bytes",
		"half a connection");
	refused(conns, 2 * sizeof(conns[0]), "a connection that is there twice",
		"one twice");
	conns[0].counters[0] = VSOCK_BUF_ALLOC + 1;
	refused(conns, sizeof(conns[0]), "a connection that cannot be",
		"one that has sent more than it may");
	conns[0].counters[0] = 0;
	conns[0].shut = 4;
	refused(conns, sizeof(conns[0]), "a connection that cannot be",
		"one with a third half");

	begin();
	section_put(&state, SECTION_TAG('n', 'o', 'n', 'e'), NULL, 0);
	is_int(move(&state, &err), -EPROTO, "another section");
	is_str(err.msg, "section 'none' stands where 'vsck' should",
	       "is refused by name");
	end();

	begin();
	buf_release(&state);
	section_put(&state, TAG_CONNS, NULL, 0);
	is_int(move(&state, &err), 0, "no connection at all can be loaded");
	ok(fake_connect(&g, 5000, PORT)->answered, "and one be made");
	end();
}

int main(void)
{
	test_goes_on();
	test_several();
	test_buffers_popped_ahead();
	test_packet_that_waits();
	test_halves();
	test_reset();
	test_of_another();
	return tap_done();
}
