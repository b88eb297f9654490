/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/agent_link.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "vmm/virtio/vsock.h"

struct pending {
	struct pending *next;
	uint32_t seq;
	agent_done_fn done;
	void *opaque;
};

struct agent_link {
	struct vsock *vsock;
	const struct agent_link_ops *ops;
	void *opaque;
	struct vsock_conn *conn; /* NULL: not there yet, or gone */
	bool connected; /* once: a second one is a violation */
	bool hello;
	bool failed;

	uint32_t next_seq;
	unsigned int n_pending;
	struct pending *pending; /* in no order */

	struct buf out; /* frames still to be sent */
	size_t out_sent; /* of these, sent */

	/* The frame that is coming in. */
	struct agent_frame frame;
	size_t frame_len; /* (bytes) of the header that are there */
	struct buf payload;
};

void agent_clean_text(char *dst, size_t size, const char *src, size_t len)
{
	size_t n = len < size - 1 ? len : size - 1;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)src[i];

		/* Bytes of UTF-8 stay; C1 controls are its continuation bytes only. */
		dst[i] = c == '\n' || c == '\t'  ? ' '
			 : c < 0x20 || c == 0x7f ? '?'
						 : (char)c;
	}
	dst[n] = 0;
}

/* ---- the end ------------------------------------------------------------------ */

static void answer_all(struct agent_link *link)
{
	static const struct agent_result gone = {
		.code = ECONNRESET,
		.msg = "the guest has stopped",
	};
	struct pending *p;

	while ((p = link->pending)) {
		link->pending = p->next;
		link->n_pending--;
		if (p->done)
			p->done(p->opaque, &gone);
		free(p);
	}
}

static void fail(struct agent_link *link, const struct err *err)
{
	struct vsock_conn *conn = link->conn;

	if (link->failed)
		return;
	link->failed = true;
	link->conn = NULL;
	link->ops->failed(link->opaque, err);
	answer_all(link);
	if (conn)
		vsock_conn_close(conn);
}

void agent_violated(struct agent_link *link, const char *fmt, ...)
{
	struct err err = ERR_INIT;
	char why[AGENT_MAX_TEXT];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	(void)err_msg(&err, EPROTO, "the guest broke the protocol: %s",
		      n < 0 ? "?" : why);
	fail(link, &err);
}

/* ---- frames from the agent ------------------------------------------------------ */

/* max_payload() - (bytes) of a frame of @type; -1: not one that the agent sends. */
static int64_t max_payload(uint16_t type)
{
	switch (type) {
	case AGENT_HELLO:
	case AGENT_EXIT:
	case AGENT_OOM:
	case AGENT_MEMORY:
		return 0;
	case AGENT_MARK:
		return AGENT_MAX_NAME;
	case AGENT_RESULT:
		return AGENT_MAX_RESULT;
	default:
		return -1;
	}
}

/* check_header() - what can be said before the payload is there. */
static bool check_header(struct agent_link *link)
{
	const struct agent_frame *f = &link->frame;
	int64_t max = max_payload(f->type);

	if (max < 0)
		agent_violated(link, "frame of type %u", f->type);
	else if (f->len > max)
		agent_violated(link, "frame of type %u with %u bytes", f->type, f->len);
	else if (!link->hello && f->type != AGENT_HELLO)
		agent_violated(link, "frame of type %u before hello", f->type);
	else if (link->hello && f->type == AGENT_HELLO)
		agent_violated(link, "a second hello");
	else if (f->container >= AGENT_MAX_CONTAINERS)
		agent_violated(link, "container %u", f->container);
	else if (f->proc >= AGENT_MAX_PROCS)
		agent_violated(link, "process %u", f->proc);
	else if ((f->seq != 0) != (f->type == AGENT_RESULT))
		agent_violated(link, "frame of type %u with sequence number %u", f->type,
			       f->seq);
	return !link->failed;
}

static void on_result(struct agent_link *link)
{
	const struct agent_frame *f = &link->frame;
	char msg[AGENT_MAX_TEXT + 1] = "";
	struct agent_result result = { .code = f->arg, .msg = msg, .value = f->value };
	struct pending **at = &link->pending;
	struct pending *p;

	while (*at && (*at)->seq != f->seq)
		at = &(*at)->next;
	p = *at;
	if (!p) {
		agent_violated(link, "answer to request %u", f->seq);
		return;
	}
	if (f->arg > 4095) { /* no errno value */
		agent_violated(link, "error code %u", f->arg);
		return;
	}
	if (f->arg) {
		agent_clean_text(msg, sizeof(msg), link->payload.data, link->payload.len);
	} else {
		result.payload = link->payload.data;
		result.payload_len = link->payload.len;
	}
	*at = p->next;
	link->n_pending--;
	if (p->done)
		p->done(p->opaque, &result);
	free(p);
}

static void on_exit_frame(struct agent_link *link)
{
	const struct agent_frame *f = &link->frame;
	int status = (int)f->arg;

	if (f->arg > 0xffff || (!WIFEXITED(status) && !WIFSIGNALED(status)))
		agent_violated(link, "exit status 0x%x", f->arg);
	else
		link->ops->exited(link->opaque, f->container, f->proc, status);
}

static void on_frame(struct agent_link *link)
{
	const struct agent_frame *f = &link->frame;
	char name[AGENT_MAX_NAME + 1];

	switch (f->type) {
	case AGENT_HELLO:
		if (f->arg != AGENT_PROTO_VERSION) {
			agent_violated(link, "agent speaks version %u, not %u", f->arg,
				       AGENT_PROTO_VERSION);
			return;
		}
		link->hello = true;
		link->ops->hello(link->opaque, f->value);
		break;
	case AGENT_RESULT:
		on_result(link);
		break;
	case AGENT_EXIT:
		on_exit_frame(link);
		break;
	case AGENT_MARK:
		agent_clean_text(name, sizeof(name), link->payload.data,
				 link->payload.len);
		link->ops->mark(link->opaque, name, f->value);
		break;
	case AGENT_OOM:
		link->ops->oom(link->opaque, f->container);
		break;
	case AGENT_MEMORY:
		link->ops->memory(link->opaque, (uint64_t)f->arg << 20);
		break;
	default: /* check_header() let nothing else through */
		break;
	}
}

/* take() - as much of @data as the frame under way needs; how much that was. */
static size_t take(struct agent_link *link, const char *data, size_t len)
{
	size_t want;

	if (link->frame_len < sizeof(link->frame)) {
		want = sizeof(link->frame) - link->frame_len;
		if (want > len)
			want = len;
		memcpy((char *)&link->frame + link->frame_len, data, want);
		link->frame_len += want;
		if (link->frame_len < sizeof(link->frame) || !check_header(link))
			return want;
	} else {
		want = link->frame.len - link->payload.len;
		if (want > len)
			want = len;
		if (buf_append(&link->payload, data, want) < 0) {
			agent_violated(link, "no memory for %u bytes", link->frame.len);
			return want;
		}
	}
	if (link->payload.len < link->frame.len)
		return want;
	on_frame(link);
	buf_release(&link->payload);
	link->frame_len = 0;
	return want;
}

static int link_recv(struct vsock_conn *conn, const struct iovec *iov, unsigned int n,
		     size_t len)
{
	struct agent_link *link = vsock_conn_opaque(conn);

	for (unsigned int i = 0; i < n; i++) {
		const char *data = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left) {
			size_t done = take(link, data, left);

			if (link->failed)
				return 0; /* conn is gone already */
			data += done;
			left -= done;
		}
	}
	vsock_conn_consumed(conn, len);
	return 0;
}

/* ---- frames to the agent --------------------------------------------------------- */

static ssize_t link_pull(struct vsock_conn *conn, const struct iovec *iov, unsigned int n,
			 size_t room)
{
	struct agent_link *link = vsock_conn_opaque(conn);
	size_t done = 0;

	(void)room;
	for (unsigned int i = 0; i < n; i++) {
		size_t left = link->out.len - link->out_sent;
		size_t len = iov[i].iov_len < left ? iov[i].iov_len : left;

		if (!len)
			break;
		memcpy(iov[i].iov_base, link->out.data + link->out_sent, len);
		link->out_sent += len;
		done += len;
	}
	if (link->out_sent == link->out.len) {
		buf_release(&link->out);
		link->out_sent = 0;
	}
	return (ssize_t)done;
}

int agent_request(struct agent_link *link, const struct agent_request *req,
		  struct err *err)
{
	struct agent_frame frame = {
		.len = (uint32_t)req->payload_len,
		.type = (uint16_t)req->type,
		.container = (uint16_t)req->container,
		.proc = req->proc,
		.arg = req->arg,
		.flags = req->flags,
		.value = req->value,
	};
	struct pending *p;
	size_t start = link->out.len;

	if (!agent_link_ready(link))
		return err_msg(err, ECONNRESET, "the guest does not answer");
	if (req->payload_len > AGENT_MAX_PAYLOAD)
		return err_msg(err, EMSGSIZE, "request of %zu bytes to the agent",
			       req->payload_len);
	if (link->n_pending >= AGENT_MAX_REQUESTS)
		return err_msg(err, EBUSY, "too many requests to the agent");
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(err, ENOMEM, "request to the agent");
	do {
		p->seq = ++link->next_seq;
	} while (!p->seq);
	p->done = req->done;
	p->opaque = req->opaque;
	frame.seq = p->seq;
	if (buf_append(&link->out, &frame, sizeof(frame)) < 0 ||
	    buf_append(&link->out, req->payload, req->payload_len) < 0) {
		free(p);
		link->out.len = start; /* half a frame must not go out */
		link->out.oom = false;
		return err_set(err, ENOMEM, "request to the agent");
	}
	p->next = link->pending;
	link->pending = p;
	link->n_pending++;
	vsock_conn_want_send(link->conn);
	return 0;
}

void agent_forget(struct agent_link *link, const void *opaque)
{
	struct pending *p;

	for (p = link->pending; p; p = p->next)
		if (p->opaque == opaque)
			p->done = NULL;
}

/* ---- the connection --------------------------------------------------------------- */

static void link_peer_shutdown(struct vsock_conn *conn, unsigned int flags)
{
	struct err err = ERR_INIT;

	(void)flags;
	(void)err_msg(&err, ECONNRESET, "the agent closed its connection");
	fail(vsock_conn_opaque(conn), &err);
}

static void link_closed(struct vsock_conn *conn)
{
	struct agent_link *link = vsock_conn_opaque(conn);
	struct err err = ERR_INIT;

	link->conn = NULL;
	(void)err_msg(&err, ECONNRESET, "the agent closed its connection");
	fail(link, &err);
}

static const struct vsock_conn_ops link_ops = {
	.recv = link_recv,
	.pull = link_pull,
	.peer_shutdown = link_peer_shutdown,
	.closed = link_closed,
};

static int link_accept(void *opaque, struct vsock_conn *conn)
{
	struct agent_link *link = opaque;

	if (link->connected) {
		agent_violated(link, "a second control connection");
		return -EEXIST;
	}
	link->connected = true;
	link->conn = conn;
	vsock_conn_own(conn, &link_ops, link);
	return 0;
}

int agent_link_new(struct vsock *vsock, const struct agent_link_ops *ops, void *opaque,
		   struct agent_link **ret_link, struct err *err)
{
	struct agent_link *link = calloc(1, sizeof(*link));
	int ret;

	if (!link)
		return err_set(err, ENOMEM, "agent link");
	link->vsock = vsock;
	link->ops = ops;
	link->opaque = opaque;
	ret = vsock_listen(vsock, AGENT_PORT_CONTROL, 2, link_accept, link, err);
	if (ret < 0) {
		free(link);
		return ret;
	}
	vsock_keep(vsock, AGENT_PORT_CONTROL);
	*ret_link = link;
	return 0;
}

void agent_link_free(struct agent_link *link)
{
	struct pending *p;

	if (!link)
		return;
	while ((p = link->pending)) {
		link->pending = p->next;
		free(p);
	}
	if (link->conn)
		vsock_conn_close(link->conn);
	buf_release(&link->out);
	buf_release(&link->payload);
	free(link);
}

bool agent_link_ready(const struct agent_link *link)
{
	return link->conn && link->hello;
}

bool agent_link_quiet(const struct agent_link *link)
{
	return agent_link_ready(link) && !link->frame_len && !link->out.len &&
	       !link->n_pending;
}

int agent_link_restore(struct agent_link *link, struct err *err)
{
	if (!link->conn)
		return err_msg(err, EPROTO, "the saved machine has no agent");
	link->hello = true;
	return 0;
}
