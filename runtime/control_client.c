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

int control_connect(const struct container *c, int *ret_sock, struct err *err)
{
	int ret = unix_connect(c->dir, "control.sock", SOCK_SEQPACKET, ret_sock, err);

	if (ret == -ECONNREFUSED || ret == -ENOENT)
		return err_msg(err, ESRCH, "container not running");
	return ret;
}

int control_send(int sock, uint32_t type, uint32_t a, uint32_t b, const void *payload,
		 size_t len, const int *fds, unsigned int n_fds, struct err *err)
{
	struct control_msg head = { .type = type, .a = a, .b = b };
	auto_buf struct buf msg = BUF_INIT;
	int ret;

	if (len > CONTROL_MAX_PAYLOAD)
		return err_msg(err, E2BIG, "control message of %zu bytes", len);
	(void)buf_append(&msg, &head, sizeof(head));
	(void)buf_append(&msg, payload, len);
	if (buf_ok(&msg) < 0)
		return err_set(err, ENOMEM, "control message");
	ret = sock_send(sock, msg.data, msg.len, fds, n_fds);
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

int control_call(const struct container *c, uint32_t type, uint32_t a, uint32_t b,
		 struct control_answer *ret_answer, struct buf *payload, struct err *err)
{
	auto_fd int sock = -1;
	int ret = control_connect(c, &sock, err);

	if (ret == 0)
		ret = control_send(sock, type, a, b, NULL, 0, NULL, 0, err);
	if (ret == 0) {
		do { /* a long list comes in parts */
			ret = control_receive(sock, ret_answer, payload, err);
		} while (ret > 0 && type == CONTROL_PS && ret_answer->b);
	} else if (ret == -EPIPE || ret == -ECONNRESET)
		ret = 0;
	if (ret == 0)
		return err_msg(err, ESRCH, "container not running");
	return ret < 0 ? ret : 0;
}
