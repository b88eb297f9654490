/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container in a machine that is saved: its processes, their streams, and what of these
 * waits for a reader.  The connections themselves are the vsock device's.
 *
 * Bytes that were handed to the caller's descriptors are not saved, those that were not are:
 * so none is lost or doubled, whoever reads on.  stdin's are in the guest's memory or still
 * in the caller's descriptor.  The streams of exec'd processes end: their callers were
 * processes of the host's.
 */
#include <errno.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "vmm/container_internal.h"
#include "vmm/snapshot/image.h"
#include "vmm/snapshot/sections.h"
#include "vmm/virtio/vsock.h"

#define TAG_CONTAINER SECTION_TAG('c', 'o', 'n', 't')
#define TAG_PROC SECTION_TAG('p', 'r', 'o', 'c')
#define TAG_STREAM SECTION_TAG('s', 't', 'r', 'm')
#define TAG_WAITING SECTION_TAG('w', 'a', 'i', 't')

struct saved {
	uint32_t n_procs;
	uint32_t last_number;
	uint32_t n_ooms;
	uint32_t reserved;
};

struct saved_proc {
	uint32_t number;
	uint32_t ended; /* its streams go on */
	uint32_t status;
	uint32_t n_streams; /* that are attached */
};

struct saved_stream {
	uint32_t which;
	uint32_t guest_port; /* 0: the connection has ended */
};

static int save_stream(const struct stream *s, uint32_t which, struct buf *out,
		       struct err *err)
{
	const struct vsock_conn *conn = stream_conn(s);
	const struct saved_stream saved = {
		.which = which,
		.guest_port = conn ? vsock_conn_guest_port(conn) : 0,
	};
	auto_buf struct buf waiting = BUF_INIT;
	int ret = stream_save(s, &waiting);

	if (ret < 0)
		return err_set(err, -ret, "a stream");
	section_put(out, TAG_STREAM, &saved, sizeof(saved));
	section_put(out, TAG_WAITING, waiting.data, waiting.len);
	return 0;
}

static int save_proc(const struct proc *p, struct buf *out, struct err *err)
{
	struct saved_proc saved = {
		.number = p->number,
		.ended = p->state == PROC_ENDED,
		.status = p->status,
	};
	int ret = 0;

	if (p->state == PROC_STARTING)
		return err_msg(err, EAGAIN, "a process is being started");
	for (unsigned int i = 0; i < p->n_streams; i++)
		saved.n_streams += p->streams[i] && stream_attached(p->streams[i]);
	section_put(out, TAG_PROC, &saved, sizeof(saved));
	for (unsigned int i = 0; ret == 0 && i < p->n_streams; i++)
		if (p->streams[i] && stream_attached(p->streams[i]))
			ret = save_stream(p->streams[i], i, out, err);
	return ret;
}

int procs_save(const struct container *c, struct buf *out, struct err *err)
{
	const struct proc *p;
	int ret = 0;

	for (p = LIST_FIRST(&c->procs); ret == 0 && p; p = LIST_NEXT(p, link))
		ret = save_proc(p, out, err);
	return ret;
}

/* names_stream() - is a connection about to say what it is for?  One that has said nothing, as
 * the agent keeps some, says it to the next machine. */
static bool names_stream(const struct container *c)
{
	const struct incoming *in;

	for (in = LIST_FIRST(&c->incoming); in; in = LIST_NEXT(in, link))
		if (in->len)
			return true;
	return false;
}

int container_save(const struct container *c, struct buf *out, struct err *err)
{
	const struct saved saved = {
		.n_procs = c->n_procs,
		.last_number = c->last_number,
		.n_ooms = c->n_ooms,
	};

	if (!agent_link_quiet(c->link))
		return err_msg(err, EAGAIN, "the agent is at work");
	if (names_stream(c))
		return err_msg(err, EAGAIN, "a stream is being opened");
	section_put(out, TAG_CONTAINER, &saved, sizeof(saved));
	return procs_save(c, out, err);
}

uint32_t container_image_flags(const struct container *c)
{
	return (c->checkpoint.frozen ? IMAGE_FROZEN : 0u) |
	       (c->paused ? IMAGE_PAUSED : 0u) |
	       (c->config->terminal ? IMAGE_TERMINAL : 0u) |
	       (c->config->has_template ? IMAGE_HAS_TEMPLATE : 0u);
}

/* ---- back again ------------------------------------------------------------------- */

/* take_conn() - from those that wait to be named; NULL: there is none of that port. */
static struct vsock_conn *take_conn(struct container *c, uint32_t guest_port)
{
	struct incoming *in;

	for (in = LIST_FIRST(&c->incoming); in; in = LIST_NEXT(in, link)) {
		struct vsock_conn *conn = in->conn;

		if (vsock_conn_guest_port(conn) != guest_port)
			continue;
		incoming_free(in);
		return conn;
	}
	return NULL;
}

static int restore_stream(struct container *c, const struct proc *p, struct sections *in,
			  struct err *err)
{
	struct vsock_conn *conn = NULL;
	struct saved_stream saved;
	const void *waiting = NULL;
	size_t len = 0;
	int ret = section_get(in, TAG_STREAM, &saved, sizeof(saved), err);

	if (ret == 0)
		ret = section_look(in, TAG_WAITING, &waiting, &len, err);
	if (ret < 0)
		return ret;
	if (saved.guest_port) {
		conn = take_conn(c, saved.guest_port);
		if (!conn)
			return err_msg(err, EPROTO, "a stream without a connection");
	}
	/* A descriptor that nobody has given here (--preserve-fds): its other end is gone. */
	if (saved.which >= p->n_streams || !p->streams[saved.which]) {
		if (conn)
			vsock_conn_close(conn);
		return 0;
	}
	ret = stream_attached(p->streams[saved.which])
		      ? -EEXIST
		      : stream_resume(p->streams[saved.which], conn, waiting, len);
	if (ret == 0)
		return 0;
	if (conn)
		vsock_conn_close(conn);
	return err_set(err, -ret, "a stream");
}

static int restore_proc(struct container *c, struct sections *in, struct err *err)
{
	struct saved_proc saved;
	struct proc *p;
	int ret = section_get(in, TAG_PROC, &saved, sizeof(saved), err);

	if (ret < 0)
		return ret;
	p = procs_find(c, saved.number);
	if (saved.number >= AGENT_MAX_PROCS || saved.ended > 1 || saved.status > 255 ||
	    (p && p->state != PROC_STARTING) ||
	    (saved.number == AGENT_PROC_INIT && saved.ended))
		return err_msg(err, EPROTO, "process %u cannot be", saved.number);
	if (!p)
		p = procs_restored(c, saved.number, err);
	if (!p)
		return -ENOMEM;
	p->state = saved.ended ? PROC_ENDED : PROC_RUNNING;
	p->status = saved.status;
	for (uint32_t i = 0; ret == 0 && i < saved.n_streams; i++)
		ret = restore_stream(c, p, in, err);
	return ret;
}

int procs_restore(struct container *c, struct sections *in, struct err *err)
{
	struct saved saved;
	int ret = section_get(in, TAG_CONTAINER, &saved, sizeof(saved), err);

	if (ret < 0)
		return ret;
	if (saved.n_procs > CONTAINER_MAX_PROCS || saved.last_number >= AGENT_MAX_PROCS)
		return err_msg(err, EPROTO, "%u processes", saved.n_procs);
	c->last_number = saved.last_number;
	c->n_ooms = saved.n_ooms;
	for (uint32_t i = 0; ret == 0 && i < saved.n_procs; i++)
		ret = restore_proc(c, in, err);
	if (ret == 0 && procs_find(c, AGENT_PROC_INIT)->state != PROC_RUNNING)
		ret = err_msg(err, EPROTO, "no container");
	return ret;
}

int container_restore(struct container *c, struct sections *in, struct err *err)
{
	int ret = agent_link_restore(c->link, err);

	if (ret == 0)
		ret = procs_restore(c, in, err);
	return ret < 0 ? err_wrap(err, ret, "the container") : 0;
}

void procs_go_on(struct container *c)
{
	const struct proc *p;

	for (p = LIST_FIRST(&c->procs); p; p = LIST_NEXT(p, link))
		for (unsigned int i = 0; i < p->n_streams; i++)
			if (p->streams[i] && stream_attached(p->streams[i]))
				stream_go_on(p->streams[i]);
}

void procs_hold(struct container *c, bool hold)
{
	const struct proc *p;

	for (p = LIST_FIRST(&c->procs); p; p = LIST_NEXT(p, link))
		for (unsigned int i = 0; i < p->n_streams; i++)
			if (p->streams[i] && stream_attached(p->streams[i]))
				(hold ? stream_hold : stream_let_go)(p->streams[i]);
}
