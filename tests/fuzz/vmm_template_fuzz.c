/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a template that is not what it was: sections, a virtio function, its
 * queues, and connections of the vsock device, which then goes on as far as it can.
 *
 * Input: the sections.  Guest memory is zeros.
 */
#include "tests/fuzz/input.h"
#include "tests/unit/fake_machine.h"

#include <sys/epoll.h>

#include "lib/log.h"
#include "vmm/loop.h"
#include "vmm/snapshot/sections.h"
#include "vmm/virtio/pci.h"
#include "vmm/virtio/vsock.h"

#define CID 3u
#define PORT 1024u
#define MEMORY 65536u
#define TURNS 3

static struct {
	struct loop *loop;
	struct loop_source step;
	struct vsock *vsock;
	unsigned int conns;
} f;

static int on_recv(struct vsock_conn *conn, const struct iovec *iov, unsigned int n,
		   size_t len)
{
	(void)conn;
	(void)iov;
	(void)n;
	must(len <= VSOCK_BUF_ALLOC); /* what the owner has room for */
	return 0;
}

static ssize_t on_pull(struct vsock_conn *conn, const struct iovec *iov, unsigned int n,
		       size_t room)
{
	(void)conn;
	must(n > 0 && iov[0].iov_len <= room);
	memset(iov[0].iov_base, 0x5a, iov[0].iov_len);
	return (ssize_t)iov[0].iov_len;
}

static void on_shutdown(struct vsock_conn *conn, unsigned int flags)
{
	(void)conn;
	(void)flags;
}

static void on_closed(struct vsock_conn *conn)
{
	(void)conn;
	must(f.conns > 0);
	f.conns--;
}

static int on_accept(void *opaque, struct vsock_conn *conn)
{
	static const struct vsock_conn_ops ops = {
		.recv = on_recv,
		.pull = on_pull,
		.peer_shutdown = on_shutdown,
		.closed = on_closed,
	};

	(void)opaque;
	f.conns++;
	vsock_conn_own(conn, &ops, NULL);
	vsock_conn_want_send(conn);
	return 0;
}

static void on_step(struct loop_source *src, uint32_t events)
{
	uint64_t n;

	(void)events;
	must(read(src->fd, &n, sizeof(n)) == sizeof(n));
	loop_quit(f.loop);
}

static void turn(void)
{
	static const uint64_t one = 1;

	must(write(f.step.fd, &one, sizeof(one)) == sizeof(one));
	must(loop_run(f.loop, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sections in = { .data = (const char *)data, .len = size };
	struct fake_memory fm;
	struct virtio_pci *vp;
	int step = eventfd(0, EFD_CLOEXEC);

	log_init(-1, LOG_TEXT, LOG_ERROR); /* warnings are expected */
	memset(&m, 0, sizeof(m));
	memset(&f, 0, sizeof(f));
	fake_memory_init(&fm, MEMORY);
	must(loop_new(&f.loop, NULL) == 0);
	must(loop_add(f.loop, &f.step, step, EPOLLIN, on_step, NULL) == 0);
	must(vsock_new(&fm.mem, f.loop, CID, &f.vsock, NULL) == 0);
	must(vsock_listen(f.vsock, PORT, 8, on_accept, NULL, NULL) == 0);
	must(virtio_pci_new(NULL, NULL, vsock_device(f.vsock), &vp, NULL) == 0);
	if (virtio_pci_load(vp, &in, NULL) == 0)
		for (unsigned int i = 0; i < TURNS; i++)
			turn();
	virtio_pci_free(vp);
	must(f.conns == 0);
	must(m.n_io == 0);
	for (unsigned int i = 0; i < m.gsis; i++)
		must(m.gsi[i].fd == -1);
	loop_remove(f.loop, &f.step);
	(void)close(step);
	loop_free(f.loop);
	fake_memory_release(&fm);
	return 0;
}
