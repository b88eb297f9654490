/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/control_client.h"

#include <errno.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "runtime/container.h"
#include "runtime/unix_socket.h"
#include "vmm/control.h"

static int not_running(struct err *err)
{
	return err_msg(err, ESRCH, "container not running");
}

int control_connect(const struct container *c, int *ret_sock, struct err *err)
{
	int ret = unix_connect(c->dir, "control.sock", SOCK_SEQPACKET, ret_sock, err);

	return ret == -ECONNREFUSED || ret == -ENOENT ? not_running(err) : ret;
}

int control_send(int sock, const struct control_request *r, struct err *err)
{
	struct control_msg head = { .type = r->type, .a = r->a, .b = r->b };
	auto_buf struct buf msg = BUF_INIT;
	int ret;

	if (r->len > CONTROL_MAX_PAYLOAD)
		return err_msg(err, E2BIG, "control message of %zu bytes", r->len);
	(void)buf_append(&msg, &head, sizeof(head));
	(void)buf_append(&msg, r->payload, r->len);
	if (buf_ok(&msg) < 0)
		return err_set(err, ENOMEM, "control message");
	ret = sock_send(sock, msg.data, msg.len, r->fds, r->n_fds);
	return ret < 0 ? err_set(err, -ret, "send to hull-vmm") : 0;
}

int control_receive(int sock, struct control_answer *ret, struct buf *payload,
		    struct err *err)
{
	const size_t size = sizeof(struct control_msg) + CONTROL_MAX_PAYLOAD;
	auto_free struct control_msg *msg = malloc(size + 1);
	size_t len;
	ssize_t n;

	if (!msg)
		return err_set(err, ENOMEM, "receive from hull-vmm");
	n = sock_recv(sock, msg, size, NULL, NULL);
	if (n == 0 || n == -ECONNRESET)
		return 0;
	if (n < 0)
		return err_set(err, (int)-n, "receive from hull-vmm");
	if ((size_t)n < sizeof(*msg))
		return err_msg(err, EPROTO, "hull-vmm sent a message of %zd bytes", n);
	len = (size_t)n - sizeof(*msg);
	msg->payload[len] = 0;
	if (msg->type == CONTROL_RESULT && msg->a)
		return err_msg(err, msg->a < 4096 ? (int)msg->a : EIO, "%s",
			       msg->payload);
	if (payload && buf_append(payload, msg->payload, len) < 0)
		return err_set(err, ENOMEM, "receive from hull-vmm");
	*ret = (struct control_answer){ msg->type, msg->a, msg->b };
	return 1;
}

static int await_answer(int sock, int timeout_ms, struct err *err)
{
	int ret = io_wait_readable(sock, timeout_ms);

	if (ret < 0)
		return err_set(err, -ret, "poll");
	return ret > 0 ? 0
		       : err_msg(err, ETIMEDOUT, "no answer of hull-vmm within %d s",
				 timeout_ms / 1000);
}

int control_exchange(int sock, const struct control_request *r, struct buf *payload,
		     struct err *err)
{
	struct control_answer answer = { 0 };
	int ret = control_send(sock, r, err);

	if (ret == -EPIPE || ret == -ECONNRESET)
		return not_running(err);
	if (ret == 0 && r->timeout_ms)
		ret = await_answer(sock, r->timeout_ms, err);
	if (ret < 0)
		return ret;
	do { /* a long list comes in parts */
		ret = control_receive(sock, &answer, payload, err);
	} while (ret > 0 && r->type == CONTROL_PS && answer.b);
	if (ret <= 0)
		return ret < 0 ? ret : not_running(err);
	if (answer.type != CONTROL_RESULT)
		return err_msg(err, EPROTO, "hull-vmm sent message %u", answer.type);
	return 0;
}

int control_call(const struct container *c, const struct control_request *r,
		 struct buf *payload, struct err *err)
{
	auto_fd int sock = -1;
	int ret = control_connect(c, &sock, err);

	return ret == 0 ? control_exchange(sock, r, payload, err) : ret;
}
