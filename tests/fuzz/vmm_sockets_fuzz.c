/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest's bytes on a connection to a socket of the host's: its head, what comes
 * before the answer, messages with lengths that cannot be.
 *
 * Input: the type (u8), when the host answers and what it does (u8), then pieces: their
 * length (u8) and bytes.
 */
#include "tests/fuzz/input.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "tests/unit/fake_vsock.h"
#include "vmm/agent_proto.h"
#include "vmm/sockets.h"

#define MAX_PIECES 64u

enum host {
	HOST_WRITES = 1 << 0,
	HOST_CLOSES = 1 << 1,
	HOST_REFUSES = 1 << 2,
	WHOLE_HEAD = 1 << 3, /* a right one comes before the pieces */
};

static struct fake_guest g;
static uint64_t token; /* 0: nobody asked for a connection */

static int connect_(void *opaque, uint64_t node, int type, uint64_t t)
{
	(void)opaque;
	(void)node;
	must(type == SOCK_STREAM || type == SOCK_SEQPACKET);
	token = t;
	return 0;
}

static int ask(void *opaque, unsigned int root, uint64_t node, int type,
	       agent_done_fn done, void *done_opaque)
{
	(void)opaque;
	(void)root;
	(void)node;
	(void)type;
	(void)done;
	(void)done_opaque;
	return -1;
}

/* answer() - of the host, to what the guest has asked for; its end, or -1 */
static int answer(struct sockets *s, int type, unsigned int how)
{
	int pair[2];

	if (!token)
		return -1;
	if (how & HOST_REFUSES) {
		sockets_connected(s, token, -1);
		token = 0;
		return -1;
	}
	must(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	sockets_connected(s, token, pair[0]);
	token = 0;
	if (how & HOST_WRITES)
		must(write(pair[1], "bytes", 5) == 5);
	if (how & HOST_CLOSES) {
		(void)close(pair[1]);
		return -1;
	}
	return pair[1];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	int type = input_u8(&in) & 1 ? SOCK_SEQPACKET : SOCK_STREAM;
	unsigned int how = input_u8(&in);
	struct agent_socket head = { .node = 1, .type = (uint32_t)type };
	struct sockets_params params = { .ask_agent = ask, .connect = connect_ };
	struct sockets *s = NULL;
	struct fake_conn *c;
	int host = -1;

	fake_guest_init(&g, 8, 0);
	params.loop = g.loop;
	params.vsock = g.vsock;
	must(sockets_new(&params, &s, NULL) == 0);
	c = fake_connect(&g, 1000, AGENT_PORT_SOCKET);
	fake_run(&g);
	if (how & WHOLE_HEAD)
		(void)fake_send(&g, c, &head, sizeof(head));
	for (unsigned int i = 0; in.left && i < MAX_PIECES && !c->reset; i++) {
		uint8_t piece[255];
		uint8_t len = input_u8(&in);

		input_bytes(&in, piece, len);
		if (len)
			(void)fake_send(&g, c, piece, len);
		else if (host < 0)
			host = answer(s, type, how);
		fake_run(&g);
	}
	if (host >= 0)
		(void)close(host);
	fake_run(&g);
	token = 0;
	sockets_free(s);
	fake_guest_release(&g);
	return 0;
}
