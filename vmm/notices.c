/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/notices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "lib/log.h"
#include "vmm/loop.h"

struct notices {
	struct notices_params params;
	struct loop_source event; /* an eventfd: there may be some to take */
	bool under_way; /* the agent has not answered yet */
	bool warned;
};

static void send_some(struct notices *n);

static void on_answer(void *opaque, const struct agent_result *r)
{
	struct notices *n = opaque;
	size_t count = r->payload_len / sizeof(struct agent_unwatched);

	n->under_way = false;
	if (r->code) {
		if (!n->warned)
			log_warn("changes on the host are not told in the guest: %s",
				 r->msg);
		n->warned = true;
	} else if (count) {
		struct agent_unwatched *u = malloc(count * sizeof(*u));

		/* Without memory they are watched until the next change. */
		if (u) {
			memcpy(u, r->payload, count * sizeof(*u));
			n->params.unwatched(n->params.opaque, u, count);
		}
		free(u);
	}
	if (r->code != ECONNRESET)
		send_some(n);
}

static void send_some(struct notices *n)
{
	auto_buf struct buf out = BUF_INIT;

	if (n->under_way || n->params.take(n->params.opaque, &out) < 0 || !out.len)
		return;
	n->under_way = true;
	if (n->params.ask_agent(n->params.opaque, out.data, out.len, on_answer, n) < 0)
		n->under_way = false;
}

static void on_told(struct loop_source *src, uint32_t events)
{
	struct notices *n = container_of(src, struct notices, event);
	eventfd_t count;

	(void)events; /* it is only ever readable */
	(void)eventfd_read(src->fd, &count);
	send_some(n);
}

int notices_new(const struct notices_params *params, struct notices **ret,
		struct err *err)
{
	struct notices *n = calloc(1, sizeof(*n));
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int code;

	if (!n || fd < 0) {
		code = n ? errno : ENOMEM;
		free(n);
		close_fd(fd);
		return err_set(err, code, "notices");
	}
	n->params = *params;
	code = loop_add(params->loop, &n->event, fd, EPOLLIN, on_told, err);
	if (code < 0) {
		close_fd(fd);
		free(n);
		return code;
	}
	*ret = n;
	return 0;
}

void notices_free(struct notices *n)
{
	int fd;

	if (!n)
		return;
	fd = n->event.fd;
	loop_remove(n->params.loop, &n->event);
	close_fd(fd);
	free(n);
}

void notices_told(struct notices *n)
{
	(void)eventfd_write(n->event.fd, 1); /* full: told anyway */
}
