/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/agent_proto.h"
#include "vmm/stream.h"
#include "vmm/virtio/vsock.h"

struct resolver {
	struct loop *loop;
	struct sockaddr_in server;
	struct stream *queries[AGENT_MAX_QUERIES];
};

/* place() - a free one; those that have ended are free. */
static struct stream **place(struct resolver *r)
{
	for (unsigned int i = 0; i < AGENT_MAX_QUERIES; i++) {
		struct stream **s = &r->queries[i];

		if (*s && stream_ended(*s))
			stream_free(take_ptr(s));
		if (!*s)
			return s;
	}
	return NULL;
}

/* ask() - a connection to the server, which may not stand yet; -errno */
static int ask(const struct resolver *r)
{
	auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&r->server, sizeof(r->server)) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	return take_fd(&fd);
}

static int accept_query(void *opaque, struct vsock_conn *conn)
{
	struct resolver *r = opaque;
	struct stream **s = place(r);
	struct stream_params params = { .loop = r->loop, .name = "query" };
	int ret;

	if (!s)
		return -EBUSY;
	params.source_fd = ask(r);
	if (params.source_fd < 0)
		return params.source_fd;
	params.sink_fd = fcntl(params.source_fd, F_DUPFD_CLOEXEC, 3);
	if (params.sink_fd < 0) {
		ret = -errno;
		close_fd(params.source_fd);
		return ret;
	}
	ret = stream_new(&params, s, NULL);
	if (ret == 0)
		stream_attach(*s, conn);
	return ret;
}

int resolver_new(struct loop *loop, struct vsock *vsock, uint32_t address, uint16_t port,
		 struct resolver **ret, struct err *err)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int code;

	if (!r)
		return err_set(err, ENOMEM, "resolver");
	r->loop = loop;
	r->server = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(address),
		.sin_port = htons(port),
	};
	code = vsock_listen(vsock, AGENT_PORT_RESOLVER, AGENT_MAX_QUERIES, accept_query, r,
			    err);
	if (code < 0) {
		free(r);
		return code;
	}
	*ret = r;
	return 0;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	for (unsigned int i = 0; i < AGENT_MAX_QUERIES; i++)
		stream_free(r->queries[i]);
	free(r);
}
