/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "rootfs/agent/frame.h"
#include "vmm/control.h"

/* A usual config.json fits; larger payloads make the buffer grow. */
#define READER_SIZE (64u << 10)

/* fds_ok() - preserved descriptors have no gaps between them. */
static bool fds_ok(uint32_t arg)
{
	for (unsigned int i = 1; i < AGENT_MAX_PRESERVED; i++)
		if (agent_fd_ways(arg, i) && !agent_fd_ways(arg, i - 1))
			return false;
	return true;
}

/* socket_ok() - the arg of AGENT_SOCKET. */
static bool socket_ok(uint32_t arg)
{
	uint32_t type = arg & 0xffff;

	return arg >> 16 <= AGENT_SOCKET_TOP &&
	       (!type || type == SOCK_STREAM || type == SOCK_SEQPACKET);
}

int frame_check(const struct agent_frame *f)
{
	bool payload = false;
	uint32_t flags = 0;

	switch (f->type) {
	case AGENT_EXEC:
		flags = CONTROL_EXEC_TTY | CONTROL_EXEC_NO_CR;
		if (f->proc == AGENT_PROC_INIT || !fds_ok(f->arg))
			return -EPROTO;
		payload = true;
		break;
	case AGENT_CREATE:
		flags = CONTROL_EXEC_NO_CR;
		if (!fds_ok(f->arg))
			return -EPROTO;
		payload = true;
		break;
	case AGENT_UPDATE:
		payload = true;
		break;
	case AGENT_WAKE:
		if (f->len != sizeof(struct agent_wake))
			return -EPROTO;
		payload = true;
		break;
	case AGENT_NOTICES:
	case AGENT_NET:
		if (f->arg)
			return -EPROTO;
		payload = true;
		break;
	case AGENT_KILL:
		if (f->proc == AGENT_KILL_ALL)
			goto any_proc;
		break;
	case AGENT_SOCKET:
		if (!socket_ok(f->arg))
			return -EPROTO;
		break;
	case AGENT_START:
	case AGENT_WINSIZE:
	case AGENT_FREEZE:
	case AGENT_PS:
	case AGENT_SHUTDOWN:
	case AGENT_STATS:
	case AGENT_FSFREEZE:
		break;
	default:
		return -EPROTO;
	}
	if (f->proc >= AGENT_MAX_PROCS)
		return -EPROTO;
any_proc:
	if (!f->seq || f->container >= AGENT_MAX_CONTAINERS || (f->flags & ~flags))
		return -EPROTO;
	if (f->len > AGENT_MAX_PAYLOAD || (f->len && !payload))
		return -EPROTO;
	return 0;
}

/* reader_reserve() - make room for @cap bytes in all. */
static int reader_reserve(struct frame_reader *r, size_t cap)
{
	char *data;

	if (cap <= r->cap)
		return 0;
	data = realloc(r->data, cap);
	if (!data)
		return -ENOMEM;
	r->data = data;
	r->cap = cap;
	return 0;
}

ssize_t frame_reader_fill(struct frame_reader *r, int fd)
{
	ssize_t n;

	if (reader_reserve(r, READER_SIZE) < 0)
		return -ENOMEM;
	n = recv(fd, r->data + r->len, r->cap - r->len, MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	r->len += (size_t)n;
	return n;
}

int frame_reader_next(struct frame_reader *r, struct agent_frame *ret_frame,
		      const char **ret_payload)
{
	struct agent_frame f;

	if (r->len < sizeof(f))
		return 0;
	memcpy(&f, r->data, sizeof(f));
	if (frame_check(&f) < 0)
		return -EPROTO;
	if (r->len < sizeof(f) + f.len)
		return reader_reserve(r, sizeof(f) + f.len);
	r->current = sizeof(f) + f.len;
	*ret_frame = f;
	*ret_payload = r->data + sizeof(f);
	return 1;
}

void frame_reader_drop(struct frame_reader *r)
{
	r->len -= r->current;
	memmove(r->data, r->data + r->current, r->len);
	r->current = 0;
}

void frame_reader_release(struct frame_reader *r)
{
	free(r->data);
	*r = (struct frame_reader){ 0 };
}

int frame_split_create(const char *payload, size_t len, const char **ret_id,
		       const char **ret_config, size_t *ret_len)
{
	const char *end = memchr(payload, 0, len);

	if (!end || end == payload)
		return -EPROTO;
	*ret_id = payload;
	*ret_config = end + 1;
	*ret_len = len - (size_t)(end + 1 - payload);
	return 0;
}

int frame_split_exec(const char *payload, size_t len, size_t *ret_len,
		     char cgroup[PATH_MAX])
{
	const char *end = memchr(payload, 0, len);
	size_t rest = end ? len - (size_t)(end + 1 - payload) : 0;

	*ret_len = end ? (size_t)(end - payload) : len;
	if (rest >= PATH_MAX || (end && (!rest || memchr(end + 1, 0, rest))))
		return -EPROTO;
	if (end)
		memcpy(cgroup, end + 1, rest);
	cgroup[rest] = 0;
	return 0;
}

int frame_writer_flush(struct frame_writer *w)
{
	while (w->pending.len) {
		ssize_t n = send(w->fd, w->pending.data, w->pending.len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n < 0)
			return -errno;
		buf_consume(&w->pending, (size_t)n);
	}
	return 0;
}

int frame_write(struct frame_writer *w, const struct agent_frame *f, const void *payload,
		bool hold)
{
	buf_append(&w->pending, f, sizeof(*f));
	if (f->len)
		buf_append(&w->pending, payload, f->len);
	if (buf_ok(&w->pending) < 0)
		return -ENOMEM;
	return hold ? 0 : frame_writer_flush(w);
}
