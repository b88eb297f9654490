/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hull-vmm's container with everything around it faked: the creating command (a
 * socket), the caller's stdio (pipes), commands (control connections), and the
 * agent in a fake guest, which does what the test says.
 */
#ifndef HULL_TESTS_UNIT_FAKE_AGENT_H
#define HULL_TESTS_UNIT_FAKE_AGENT_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/cleanup.h"
#include "lib/io.h"
#include "tests/unit/fake_vsock.h"
#include "vmm/agent_proto.h"
#include "vmm/container.h"
#include "vmm/control.h"
#include "vmm/snapshot/sections.h"
#include "vmm/vm_config.h"

#define FAKE_SPEC "{\"process\":{}}"

struct fake_vm {
	struct fake_guest g;
	struct vm_config config;
	struct container *c;
	struct fake_conn *ctl; /* the agent's control connection */
	char socket_path[64];
	int sync; /* our end */
	int status; /* a memfd */
	int in; /* our end of stdin */
	int out; /* of stdout */
	int err; /* of stderr */
	const char *tail; /* the guest's kernel log */
	uint32_t next_port;
	uint64_t grown; /* (bytes) of the last grow() */
	unsigned int shutdowns; /* calls of before_shutdown() */
	int gate; /* enum container_gate, or -errno */
	bool gate_slow; /* it moves when the test says so: fake_gate() */
};

static inline size_t fake_tail_(void *opaque, char *dst, size_t max)
{
	const struct fake_vm *vm = opaque;

	if (!vm->tail)
		return 0;
	fake_check(snprintf(dst, max, "%s", vm->tail) < (int)max);
	return strlen(dst);
}

static inline void fake_stats_(void *opaque, struct control_stats *stats)
{
	(void)opaque;
	stats->vm_exits = 12345;
}

static inline void fake_grow_(void *opaque, uint64_t bytes)
{
	((struct fake_vm *)opaque)->grown = bytes;
}

static inline void fake_before_shutdown_(void *opaque)
{
	((struct fake_vm *)opaque)->shutdowns++;
}

static inline void fake_set_gate_(void *opaque, bool closed)
{
	struct fake_vm *vm = opaque;

	if (vm->gate_slow)
		vm->gate = CONTAINER_GATE_MOVING;
	else
		vm->gate = closed ? CONTAINER_GATE_CLOSED : CONTAINER_GATE_OPEN;
}

static inline int fake_gate_(void *opaque)
{
	return ((const struct fake_vm *)opaque)->gate;
}

static inline unsigned int fake_waiting_(void *opaque)
{
	(void)opaque;
	return 3;
}

/* fake_gate() - it is so now. */
static inline void fake_gate(struct fake_vm *vm, int is)
{
	vm->gate = is;
	container_gate_moved(vm->c);
}

static inline int fake_listen(struct fake_vm *vm)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	static unsigned int n;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	fake_check(snprintf(vm->socket_path, sizeof(vm->socket_path),
			    "/tmp/hull-control-%d-%u", (int)getpid(), n++) > 0);
	memcpy(addr.sun_path, vm->socket_path, sizeof(vm->socket_path));
	fake_check(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	fake_check(listen(fd, 512) == 0);
	return fd;
}

static inline void fake_pair(int *ours, int *theirs, bool they_write)
{
	int p[2];

	fake_check(pipe2(p, O_CLOEXEC) == 0);
	*ours = p[they_write ? 0 : 1];
	*theirs = p[they_write ? 1 : 0];
}

/* What init of the next machine has besides stdio: taken. */
static const int *fake_preserved;
static unsigned int fake_n_preserved;

#define FAKE_SAVED_STREAMS 4u

/* A machine that was saved: its vsock device's state, and the agent's ends of it. */
struct fake_saved {
	struct buf vsock;
	struct fake_conn ctl;
	struct buf container; /* container_save(); empty: it had none */
	uint32_t image_flags;
	struct fake_conn streams[FAKE_SAVED_STREAMS];
	unsigned int n_streams;
};

/* What else is told of the next machine. */
static bool (*fake_ready)(void *opaque);
static void (*fake_made)(void *opaque);
static const struct fake_saved *fake_saved; /* it goes on from there; NULL: it boots */
static int (*fake_save_all)(void *opaque, int fd, const uint8_t *parent, struct err *err);
static int (*fake_dump_begin)(void *opaque, int fd, const uint8_t *parent, struct err *err);
static int (*fake_dump_some)(void *opaque, int fd, struct err *err);
static void (*fake_let_go)(void *opaque);
static bool (*fake_whole)(void *opaque);
static int fake_restored; /* what container_restore() said */
static struct err fake_restore_err;

/* fake_save() - @vm, whose agent has said hello.  Return: as of the device */
static inline int fake_save(struct fake_vm *vm, struct fake_saved *saved)
{
	struct virtio_device *dev = vsock_device(vm->g.vsock);

	*saved = (struct fake_saved){ .ctl = *vm->ctl };
	saved->ctl.in = BUF_INIT;
	return dev->ops->save(dev, &saved->vsock, NULL);
}

static inline void fake_restore_(struct fake_vm *vm, const struct fake_saved *saved)
{
	struct virtio_device *dev = vsock_device(vm->g.vsock);
	struct sections in = { .data = saved->vsock.data, .len = saved->vsock.len };

	vm->ctl = &vm->g.conns[vm->g.n_conns++];
	*vm->ctl = saved->ctl;
	fake_check(dev->ops->load(dev, &in, NULL) == 0);
	for (unsigned int i = 0; i < saved->n_streams; i++) {
		vm->g.conns[vm->g.n_conns] = saved->streams[i];
		vm->g.conns[vm->g.n_conns++].in = BUF_INIT;
	}
	if (!saved->container.len)
		return;
	in = (struct sections){ saved->container.data, saved->container.len };
	fake_restore_err = ERR_INIT;
	fake_restored = container_restore(vm->c, &in, &fake_restore_err);
}

/* fake_vm_begin_on() - with the terminal @slave (taken) as stdio; -1: three pipes. */
static inline void fake_vm_begin_on(struct fake_vm *vm, uint32_t boot_timeout_ms,
				    int slave)
{
	struct container_params params = {
		.config = &vm->config,
		.spec = FAKE_SPEC,
		.console_tail = fake_tail_,
		.fill_stats = fake_stats_,
		.grow = fake_grow_,
		.before_shutdown = fake_before_shutdown_,
		.set_gate = fake_set_gate_,
		.gate = fake_gate_,
		.waiting = fake_waiting_,
		.ready = fake_ready,
		.made = fake_made,
		.resumes = fake_saved && fake_saved->container.len,
		.image_flags = fake_saved ? fake_saved->image_flags : 0,
		.save = fake_save_all,
		.let_go = fake_let_go,
		.dump_begin = fake_dump_begin,
		.dump_some = fake_dump_some,
		.whole = fake_whole,
		.opaque = vm,
	};
	int sync[2];

	memset(vm, 0, sizeof(*vm));
	fake_guest_init(&vm->g, 64, FAKE_EVENT_IDX);
	vm->next_port = 6000;
	fake_check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) == 0);
	vm->sync = sync[0];
	vm->config.sync_fd = sync[1];
	vm->config.control_fd = fake_listen(vm);
	vm->status = memfd_create("status", MFD_CLOEXEC);
	vm->config.status_fd = fcntl(vm->status, F_DUPFD_CLOEXEC, 3);
	vm->in = vm->out = vm->err = -1;
	if (slave >= 0) {
		vm->config.terminal = 1;
		vm->config.console = 1;
		for (unsigned int i = 0; i < 3; i++)
			vm->config.stdio_fd[i] = slave;
	} else {
		fake_pair(&vm->in, &vm->config.stdio_fd[0], false);
		fake_pair(&vm->out, &vm->config.stdio_fd[1], true);
		fake_pair(&vm->err, &vm->config.stdio_fd[2], true);
	}
	for (unsigned int i = 0; i < fake_n_preserved; i++)
		vm->config.preserved_fd[i] = fake_preserved[i];
	vm->config.n_preserved = (uint8_t)fake_n_preserved;
	vm->config.spec_size = sizeof(FAKE_SPEC) - 1;
	vm->config.boot_timeout_ms = boot_timeout_ms;
	memcpy(vm->config.id, "box", 4);
	params.loop = vm->g.loop;
	params.vsock = vm->g.vsock;
	fake_check(container_new(&params, &vm->c, NULL) == 0);
	if (fake_saved)
		fake_restore_(vm, fake_saved);
	if (fake_restored == 0)
		fake_check(container_begin(
				   vm->c, fake_saved && !fake_saved->container.len,
				   NULL) == 0);
}

/* fake_vm_begin() - up to where the guest boots. */
static inline void fake_vm_begin(struct fake_vm *vm, uint32_t boot_timeout_ms)
{
	fake_vm_begin_on(vm, boot_timeout_ms, -1);
}

static inline void fake_vm_end(struct fake_vm *vm)
{
	container_free(vm->c);
	close_fd(vm->sync);
	close_fd(vm->status);
	close_fd(vm->in);
	close_fd(vm->out);
	close_fd(vm->err);
	(void)unlink(vm->socket_path);
	fake_guest_release(&vm->g);
}

/* ---- the agent -------------------------------------------------------------------- */

static inline void agent_send(struct fake_vm *vm, struct agent_frame frame,
			      const void *payload, size_t len)
{
	char data[4096];

	fake_check(len <= sizeof(data) - sizeof(frame));
	frame.len = (uint32_t)len;
	memcpy(data, &frame, sizeof(frame));
	if (len)
		memcpy(data + sizeof(frame), payload, len);
	fake_check(fake_send(&vm->g, vm->ctl, data, sizeof(frame) + len) ==
		   sizeof(frame) + len);
	fake_run(&vm->g);
}

/* agent_next() - the next request; type 0: there is none.  Its payload into @payload. */
static inline struct agent_frame agent_next(struct fake_vm *vm, struct buf *payload)
{
	struct agent_frame f = { 0 };

	fake_run(&vm->g);
	if (vm->ctl->in.len < sizeof(f))
		return f;
	memcpy(&f, vm->ctl->in.data, sizeof(f));
	fake_check(vm->ctl->in.len >= sizeof(f) + f.len && f.seq);
	if (payload) {
		buf_release(payload);
		fake_check(buf_append(payload, vm->ctl->in.data + sizeof(f), f.len) == 0);
	}
	buf_consume(&vm->ctl->in, sizeof(f) + f.len);
	return f;
}

static inline void agent_answer(struct fake_vm *vm, const struct agent_frame *req,
				uint32_t code, uint64_t value, const char *msg)
{
	agent_send(vm,
		   (struct agent_frame){ .type = AGENT_RESULT,
					 .seq = req->seq,
					 .arg = code,
					 .value = value },
		   msg, strlen(msg));
}

static inline void agent_exit(struct fake_vm *vm, uint32_t proc, uint32_t wait_status)
{
	agent_send(vm,
		   (struct agent_frame){
			   .type = AGENT_EXIT, .proc = proc, .arg = wait_status },
		   NULL, 0);
}

static inline void agent_hello(struct fake_vm *vm)
{
	vm->ctl = fake_connect(&vm->g, 5000, AGENT_PORT_CONTROL);
	agent_send(vm,
		   (struct agent_frame){ .type = AGENT_HELLO,
					 .arg = AGENT_PROTO_VERSION,
					 .value = 1000000 },
		   NULL, 0);
}

static inline struct fake_conn *agent_stream(struct fake_vm *vm, uint32_t proc,
					     uint16_t kind)
{
	const struct agent_stream head = { .kind = kind, .proc = proc };
	struct fake_conn *c = fake_connect(&vm->g, vm->next_port++, AGENT_PORT_STREAM);

	fake_check(c->answered);
	fake_check(fake_send(&vm->g, c, &head, sizeof(head)) == sizeof(head));
	fake_run(&vm->g);
	return c;
}

static inline void agent_eof(struct fake_vm *vm, struct fake_conn *c)
{
	fake_packet(&vm->g, c, VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND, NULL, 0);
	fake_run(&vm->g);
}

/* ---- the commands ------------------------------------------------------------------- */

static inline int control_connect(struct fake_vm *vm)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(addr.sun_path, vm->socket_path, sizeof(vm->socket_path));
	fake_check(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	return fd;
}

static inline void control_send(struct fake_vm *vm, int fd, uint32_t type, uint32_t a,
				uint32_t b, const char *payload, const int *fds,
				unsigned int n_fds)
{
	struct control_msg head = { .type = type, .a = a, .b = b };
	char data[4096];
	size_t len = payload ? strlen(payload) : 0;

	fake_check(len <= sizeof(data) - sizeof(head));
	memcpy(data, &head, sizeof(head));
	if (len)
		memcpy(data + sizeof(head), payload, len);
	fake_check(sock_send(fd, data, sizeof(head) + len, fds, n_fds) == 0);
	fake_run(&vm->g);
}

struct answer {
	uint32_t type; /* 0: none yet; 1: closed */
	uint32_t a;
	uint32_t b;
};

/* control_next() - the next answer, its payload into @text. */
static inline struct answer control_next(struct fake_vm *vm, int fd, struct buf *text)
{
	static char data[sizeof(struct control_msg) + CONTROL_MAX_PAYLOAD];
	struct control_msg head;
	struct answer m = { 0 };
	ssize_t n;

	fake_run(&vm->g);
	n = recv(fd, data, sizeof(data), 0);
	if (n <= 0) {
		m.type = n < 0 && errno == EAGAIN ? 0 : 1;
		n = sizeof(head);
	} else {
		memcpy(&head, data, sizeof(head));
		m = (struct answer){ .type = head.type, .a = head.a, .b = head.b };
	}
	if (text) {
		buf_release(text);
		fake_check(buf_append(text, data + sizeof(head),
				      (size_t)n - sizeof(head)) == 0);
	}
	return m;
}

/* control_ask() - a request on a connection of its own. */
static inline int control_ask(struct fake_vm *vm, uint32_t type, uint32_t a, uint32_t b)
{
	int fd = control_connect(vm);

	control_send(vm, fd, type, a, b, NULL, NULL, 0);
	return fd;
}

/* ---- shortcuts ------------------------------------------------------------------------ */

static inline struct vm_sync fake_sync(struct fake_vm *vm)
{
	struct vm_sync sync = { 0 };

	fake_run(&vm->g);
	(void)!recv(vm->sync, &sync, sizeof(sync), MSG_DONTWAIT);
	return sync;
}

/* fake_keep() - the creating command has done its work. */
static inline void fake_keep(struct fake_vm *vm)
{
	const struct vm_sync answer = { .type = VM_SYNC_CREATED };

	fake_check(send(vm->sync, &answer, sizeof(answer), MSG_DONTWAIT) ==
		   sizeof(answer));
	fake_run(&vm->g);
}

static inline struct vm_status fake_status(struct fake_vm *vm)
{
	struct vm_status s = { .phase = 99 };

	fake_check(pread(vm->status, &s, sizeof(s), 0) == sizeof(s));
	return s;
}

/* fake_vm_created() - booted and created; the streams are left to the test. */
static inline void fake_vm_created(struct fake_vm *vm)
{
	struct agent_frame f;

	fake_vm_begin(vm, 60000);
	agent_hello(vm);
	f = agent_next(vm, NULL);
	fake_check(f.type == AGENT_CREATE);
	agent_answer(vm, &f, 0, 0, "");
	fake_check(fake_sync(vm).type == VM_SYNC_CREATED);
	fake_keep(vm);
}

static inline void fake_vm_running(struct fake_vm *vm)
{
	struct agent_frame f;
	int fd;

	fake_vm_created(vm);
	fd = control_ask(vm, CONTROL_START, 0, 0);
	f = agent_next(vm, NULL);
	fake_check(f.type == AGENT_START);
	agent_answer(vm, &f, 0, 0, "");
	fake_check(control_next(vm, fd, NULL).type == CONTROL_RESULT);
	(void)close(fd);
}

/* fake_shut_down() - init has ended: answer AGENT_SHUTDOWN. */
static inline void fake_shut_down(struct fake_vm *vm)
{
	struct agent_frame f = agent_next(vm, NULL);

	fake_check(f.type == AGENT_SHUTDOWN);
	agent_answer(vm, &f, 0, 0, "");
}

/* fake_caller_text() - what is in the pipe that the caller reads; valid until the next. */
static inline const char *fake_caller_text(int fd)
{
	static char text[65536];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n = poll(&p, 1, 0) == 1 ? read(fd, text, sizeof(text) - 1) : 0;

	text[n > 0 ? n : 0] = 0;
	return text;
}

static inline bool fake_caller_end(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&p, 1, 0) == 1 && read(fd, &byte, 1) == 0;
}

#endif
