/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm/container*.c, control_server.c, agent_link.c: the container's life as the
 * creating command, the other commands and the agent see it.
 */
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "tests/unit/fake_agent.h"
#include "tests/unit/tap.h"
#include "vmm/control_server.h"
#include "vmm/net/proto.h"

#define EXITED(code) ((code) << 8)

static struct fake_vm vm;

/* ---- the whole life --------------------------------------------------------------------- */

static void test_life(void)
{
	auto_buf struct buf payload = BUF_INIT;
	struct fake_conn *io;
	struct fake_conn *errc;
	struct agent_frame f;
	int start;
	int again;

	fake_vm_begin(&vm, 60000);
	is_int(fake_status(&vm).phase, VM_PHASE_CREATING, "status: creating");
	agent_hello(&vm);
	f = agent_next(&vm, &payload);
	ok(f.type == AGENT_CREATE && payload.len == 4 + strlen(FAKE_SPEC) &&
		   !memcmp(payload.data, "box", 4) &&
		   !memcmp(payload.data + 4, FAKE_SPEC, strlen(FAKE_SPEC)),
	   "hello is answered with the container's id and configuration");
	agent_send(&vm, (struct agent_frame){ .type = AGENT_MARK, .value = 5 }, "mounts",
		   6);
	io = agent_stream(&vm, AGENT_PROC_INIT, AGENT_STREAM_IO);
	errc = agent_stream(&vm, AGENT_PROC_INIT, AGENT_STREAM_STDERR);
	is_int(fake_sync(&vm).type, 0, "the creating command still waits");
	agent_answer(&vm, &f, 0, 0, "");
	is_int(fake_sync(&vm).type, VM_SYNC_CREATED, "it is told when the agent is done");
	is_int(fake_status(&vm).phase, VM_PHASE_CREATED, "status: created");

	start = control_ask(&vm, CONTROL_START, 0, 0);
	f = agent_next(&vm, NULL);
	is_int(f.type, AGENT_START, "start is passed on");
	is_int(control_next(&vm, start, NULL).type, 0,
	       "and not answered before the execve");
	again = control_ask(&vm, CONTROL_START, 0, 0);
	is_int(control_next(&vm, again, &payload).a, EALREADY,
	       "a second start is refused");
	is_str(payload.data, "cannot start an already running container",
	       "by its reason");
	agent_answer(&vm, &f, 0, 0, "");
	ok(control_next(&vm, start, NULL).type == CONTROL_RESULT &&
		   control_next(&vm, start, NULL).type == 1,
	   "then answered, and the connection ends");
	is_int(fake_status(&vm).phase, VM_PHASE_RUNNING, "status: running");

	fake_check(write(vm.in, "input", 5) == 5);
	fake_send(&vm.g, io, "output", 6);
	fake_send(&vm.g, errc, "errors", 6);
	fake_run(&vm.g);
	ok(io->in.len == 5 && !memcmp(io->in.data, "input", 5),
	   "stdin reaches the guest");
	is_str(fake_caller_text(vm.out), "output", "stdout the caller");
	is_str(fake_caller_text(vm.err), "errors", "and stderr");
	is_int(errc->shut, 0, "for which no end of file has to be sent");

	fake_send(&vm.g, io, "last words", 10);
	is_int(vm.shutdowns, 0, "before_shutdown was not called yet");
	agent_exit(&vm, AGENT_PROC_INIT, EXITED(7));
	f = agent_next(&vm, NULL);
	is_int(vm.shutdowns, 1, "init's end: before_shutdown is called, once");
	is_int(f.type, AGENT_SHUTDOWN, "and the agent is asked to write back");
	is_int(fake_status(&vm).phase, VM_PHASE_RUNNING, "until it has, it runs");
	agent_answer(&vm, &f, 0, 0, "");
	is_int(fake_status(&vm).phase, VM_PHASE_RUNNING,
	       "and until its streams have ended");
	agent_eof(&vm, io);
	agent_eof(&vm, errc);
	ok(fake_status(&vm).phase == VM_PHASE_STOPPED &&
		   fake_status(&vm).exit_status == 7,
	   "status: stopped, with the exit status");
	is_int(container_exit_status(vm.c), 7, "which is hull-vmm's");
	is_str(fake_caller_text(vm.out), "last words", "nothing was lost");
	ok(fake_caller_end(vm.out) && fake_caller_end(vm.err),
	   "and the pipes are closed");
	(void)close(start);
	(void)close(again);
	fake_vm_end(&vm);
}

static void test_killed(void)
{
	fake_vm_running(&vm);
	agent_exit(&vm, AGENT_PROC_INIT, SIGTERM);
	fake_shut_down(&vm);
	is_int(container_exit_status(vm.c), 128 + SIGTERM,
	       "init killed by a signal: 128 + it");
	is_int(fake_status(&vm).phase, VM_PHASE_STOPPED,
	       "a container without streams just ends");
	fake_vm_end(&vm);
}

/* ---- failures ------------------------------------------------------------------------------ */

static void test_create_fails(void)
{
	struct agent_frame f;
	struct vm_sync sync;

	fake_vm_begin(&vm, 60000);
	agent_hello(&vm);
	f = agent_next(&vm, NULL);
	agent_answer(&vm, &f, ENOENT, 0, "exec: \"nosuch\"\x1b[2J: not found\n");
	sync = fake_sync(&vm);
	ok(sync.type == VM_SYNC_ERROR && sync.err.code == ENOENT,
	   "create that fails is told");
	is_str(sync.err.msg, "exec: \"nosuch\"?[2J: not found ",
	       "in the agent's words, without its escapes");
	is_int(container_exit_status(vm.c), 1, "hull-vmm's status is 1");
	is_int(fake_status(&vm).phase, VM_PHASE_STOPPED, "it is over");
	ok(fcntl(vm.config.sync_fd, F_GETFD) >= 0,
	   "but hull-vmm stays: hooks may look for its namespaces");
	(void)close(vm.sync);
	vm.sync = -1;
	fake_run(&vm.g);
	ok(fcntl(vm.config.sync_fd, F_GETFD) < 0, "until the creator has gone");
	fake_vm_end(&vm);
}

static void test_boot_deadline(void)
{
	struct vm_sync sync = { 0 };

	fake_vm_begin(&vm, 200);
	vm.tail = "[ 0.1] one\n[ 0.2] Kernel panic - not syncing\n";
	for (unsigned int i = 0; i < 1000000 && !sync.type; i++)
		sync = fake_sync(&vm);
	ok(sync.type == VM_SYNC_ERROR && sync.err.code == ETIMEDOUT,
	   "a guest that never answers is an error");
	is_str(sync.err.msg,
	       "the guest did not answer within 0.2 s; the guest's last messages: "
	       "[ 0.1] one [ 0.2] Kernel panic - not syncing",
	       "with the kernel's last messages");
	is_int(fake_status(&vm).phase, VM_PHASE_STOPPED, "status: stopped");
	fake_vm_end(&vm);
}

static void test_guest_stops(void)
{
	struct vm_sync sync;
	struct err err = ERR_INIT;

	fake_vm_begin(&vm, 60000);
	container_guest_stopped(vm.c, VM_STOP_SHUTDOWN, NULL);
	sync = fake_sync(&vm);
	ok(sync.type == VM_SYNC_ERROR && strstr(sync.err.msg, "panic"),
	   "a guest that stops while the container is made is an error");
	is_int(container_exit_status(vm.c), 1, "status 1");
	fake_vm_end(&vm);

	fake_vm_running(&vm);
	(void)err_msg(&err, EFAULT, "KVM_RUN: Bad address");
	container_guest_stopped(vm.c, VM_STOP_ERROR, &err);
	is_int(container_exit_status(vm.c), 137, "one that stops later: as if killed");
	is_int(fake_status(&vm).phase, VM_PHASE_STOPPED, "status: stopped");
	fake_vm_end(&vm);
}

static void test_creator_gone(void)
{
	struct agent_frame f;

	fake_vm_begin(&vm, 60000);
	agent_hello(&vm);
	is_int(agent_next(&vm, NULL).type, AGENT_CREATE, "while the container is made");
	(void)close(vm.sync);
	vm.sync = -1;
	is_int(agent_next(&vm, NULL).type, AGENT_SHUTDOWN, "the creator goes: it ends");
	fake_vm_end(&vm);

	/* Told, but it may have hooks to run still. */
	fake_vm_begin(&vm, 60000);
	agent_hello(&vm);
	f = agent_next(&vm, NULL);
	agent_answer(&vm, &f, 0, 0, "");
	is_int(fake_sync(&vm).type, VM_SYNC_CREATED, "the creator is told");
	(void)close(vm.sync);
	vm.sync = -1;
	is_int(agent_next(&vm, NULL).type, AGENT_SHUTDOWN, "and goes: it ends");
	fake_vm_end(&vm);

	fake_vm_created(&vm);
	(void)close(vm.sync);
	vm.sync = -1;
	is_int(agent_next(&vm, NULL).type, 0, "once it has answered it may go");
	is_int(fake_status(&vm).phase, VM_PHASE_CREATED, "and the container stays");
	fake_vm_end(&vm);
}

/* One frame that a good agent never sends; the VM must end. */
static void violate(const char *what, struct agent_frame frame, const void *payload,
		    size_t len)
{
	fake_vm_running(&vm);
	agent_send(&vm, frame, payload, len);
	ok(vm.ctl->reset && container_exit_status(vm.c) == 137 &&
		   fake_status(&vm).phase == VM_PHASE_STOPPED,
	   "violation ends the VM: %s", what);
	fake_vm_end(&vm);
}

static void test_violations(void)
{
	struct agent_frame huge = { .len = AGENT_MAX_PAYLOAD + 1, .type = AGENT_MARK };

	violate("unknown type", (struct agent_frame){ .type = 99 }, NULL, 0);
	violate("a request", (struct agent_frame){ .type = AGENT_START, .seq = 1 }, NULL,
		0);
	violate("a second hello", (struct agent_frame){ .type = AGENT_HELLO, .arg = 1 },
		NULL, 0);
	violate("a result for no request",
		(struct agent_frame){ .type = AGENT_RESULT, .seq = 4711 }, NULL, 0);
	violate("a result without a number", (struct agent_frame){ .type = AGENT_RESULT },
		NULL, 0);
	violate("an event with a number",
		(struct agent_frame){ .type = AGENT_OOM, .seq = 1 }, NULL, 0);
	violate("a container that cannot be",
		(struct agent_frame){ .type = AGENT_OOM,
				      .container = AGENT_MAX_CONTAINERS },
		NULL, 0);
	violate("exit of a container that is not",
		(struct agent_frame){ .type = AGENT_EXIT, .container = 1 }, NULL, 0);
	violate("exit of a process that is not",
		(struct agent_frame){ .type = AGENT_EXIT, .proc = 5 }, NULL, 0);
	violate("exit of a process that cannot be",
		(struct agent_frame){ .type = AGENT_EXIT, .proc = AGENT_MAX_PROCS }, NULL,
		0);
	violate("exit with a status that cannot be",
		(struct agent_frame){ .type = AGENT_EXIT, .arg = 0x7f }, NULL, 0);
	violate("exit with a payload", (struct agent_frame){ .type = AGENT_EXIT }, "x",
		1);
	violate("a long mark", (struct agent_frame){ .type = AGENT_MARK },
		"0123456789012345678901234567890123456789", 40);

	fake_vm_running(&vm);
	fake_send(&vm.g, vm.ctl, &huge, sizeof(huge));
	fake_run(&vm.g);
	ok(vm.ctl->reset, "violation ends the VM: a length that cannot be");
	fake_vm_end(&vm);

	fake_vm_running(&vm);
	fake_packet(&vm.g, vm.ctl, VIRTIO_VSOCK_OP_RST, 0, NULL, 0);
	fake_run(&vm.g);
	is_int(container_exit_status(vm.c), 137, "an agent that goes away: as if killed");
	fake_vm_end(&vm);

	fake_vm_running(&vm);
	(void)fake_connect(&vm.g, 5999, AGENT_PORT_CONTROL);
	ok(vm.ctl->reset && fake_status(&vm).phase == VM_PHASE_STOPPED,
	   "violation ends the VM: a second control connection");
	fake_vm_end(&vm);

	fake_vm_begin(&vm, 60000);
	vm.ctl = fake_connect(&vm.g, 5000, AGENT_PORT_CONTROL);
	agent_send(&vm, (struct agent_frame){ .type = AGENT_HELLO, .arg = 99 }, NULL, 0);
	ok(strstr(fake_sync(&vm).err.msg, "version 99"), "another version is told");
	fake_vm_end(&vm);
}

static void test_stray_streams(void)
{
	const struct agent_stream bad = { .kind = AGENT_STREAM_KINDS };
	struct fake_conn *c;

	fake_vm_running(&vm);
	(void)agent_stream(&vm, AGENT_PROC_INIT, AGENT_STREAM_IO);
	c = agent_stream(&vm, AGENT_PROC_INIT, AGENT_STREAM_IO);
	ok(c->reset, "a second stream of the same kind is reset");
	c = agent_stream(&vm, 17, AGENT_STREAM_IO);
	ok(c->reset, "so is one of a process that is not there");
	c = fake_connect(&vm.g, 7001, AGENT_PORT_STREAM);
	agent_eof(&vm, c);
	ok(c->reset, "so is one that never says what it is for");
	for (unsigned int i = 0; i < 64; i++)
		(void)fake_connect(&vm.g, 8000 + i, AGENT_PORT_STREAM);
	c = fake_connect(&vm.g, 8064, AGENT_PORT_STREAM);
	ok(c->reset && !c->answered, "65 that do not say it are too many");
	ok(!vm.ctl->reset, "none of these is the end");
	c = fake_find(&vm.g, 8000, AGENT_PORT_STREAM);
	fake_send(&vm.g, c, &bad, sizeof(bad));
	fake_run(&vm.g);
	ok(c->reset && vm.ctl->reset, "an unknown kind is");
	fake_vm_end(&vm);
}

/* ---- other requests -------------------------------------------------------------------------------- */

static void test_requests(void)
{
	auto_buf struct buf text = BUF_INIT;
	struct control_stats stats;
	struct answer m;
	struct agent_frame f;
	int fd;

	fake_vm_created(&vm);
	fd = control_ask(&vm, CONTROL_KILL, SIGKILL, 1);
	f = agent_next(&vm, NULL);
	ok(f.type == AGENT_KILL && f.proc == AGENT_KILL_ALL && f.arg == SIGKILL,
	   "kill --all");
	agent_answer(&vm, &f, ESRCH, 0, "nobody is there");
	m = control_next(&vm, fd, &text);
	ok(m.a == ESRCH && !strcmp(text.data, "nobody is there"),
	   "its error is passed on");
	(void)close(fd);
	fd = control_ask(&vm, CONTROL_WINSIZE, 50, 132);
	f = agent_next(&vm, NULL);
	ok(f.type == AGENT_WINSIZE && f.proc == AGENT_PROC_INIT &&
		   f.arg == (50 << 16 | 132),
	   "the size of init's terminal");
	agent_answer(&vm, &f, 0, 0, "");
	(void)close(fd);
	fd = control_ask(&vm, CONTROL_STATS, 0, 0);
	m = control_next(&vm, fd, &text);
	fake_check(text.len == sizeof(stats));
	memcpy(&stats, text.data, sizeof(stats));
	ok(m.a == 0 && stats.vm_exits == 12345 && stats.vsock_rx_packets > 3 &&
		   stats.vsock_tx_packets > 3,
	   "stats");
	(void)close(fd);
	fd = control_ask(&vm, CONTROL_PS, 0, 0);
	f = agent_next(&vm, NULL);
	is_int(f.type, AGENT_PS, "ps");
	agent_send(&vm, (struct agent_frame){ .type = AGENT_RESULT, .seq = f.seq },
		   &(struct control_ps){ .pid = 1, .comm = "sh" },
		   sizeof(struct control_ps));
	m = control_next(&vm, fd, &text);
	ok(m.a == 0 && text.len == sizeof(struct control_ps), "its list is passed on");
	(void)close(fd);
	fd = control_ask(&vm, CONTROL_PS, 0, 0);
	f = agent_next(&vm, NULL);
	(void)close(fd);
	agent_answer(&vm, &f, 0, 0, "");
	ok(!vm.ctl->reset, "a client that does not wait for its answer harms nobody");

	fd = control_ask(&vm, CONTROL_STOP, 0, 0);
	f = agent_next(&vm, NULL);
	is_int(f.type, AGENT_SHUTDOWN, "stop");
	agent_exit(&vm, AGENT_PROC_INIT, SIGKILL);
	is_int(control_next(&vm, fd, NULL).type, 0, "is answered when all is done");
	agent_answer(&vm, &f, 0, 0, "");
	m = control_next(&vm, fd, NULL);
	ok(m.type == CONTROL_RESULT && m.a == 0, "not before");
	is_int(container_exit_status(vm.c), 137, "init was killed");
	(void)close(fd);
	fake_vm_end(&vm);
}

static void test_long_ps(void)
{
	static struct control_ps ps[2500];
	static char frame[sizeof(struct agent_frame) + sizeof(ps)];
	auto_buf struct buf text = BUF_INIT;
	struct answer m;
	struct agent_frame f;
	size_t sent = 0;
	size_t got = 0;
	int fd;

	fake_vm_running(&vm);
	fd = control_ask(&vm, CONTROL_PS, 0, 0);
	f = agent_next(&vm, NULL);
	f = (struct agent_frame){ .len = sizeof(ps), .type = AGENT_RESULT, .seq = f.seq };
	memcpy(frame, &f, sizeof(f));
	for (unsigned int i = 0; i < 2500; i++)
		ps[i].pid = (int32_t)i + 1;
	memcpy(frame + sizeof(f), ps, sizeof(ps));
	while (sent < sizeof(frame)) {
		sent += fake_send(&vm.g, vm.ctl, frame + sent, sizeof(frame) - sent);
		fake_run(&vm.g);
	}
	do {
		m = control_next(&vm, fd, &text);
		fake_check(m.type == CONTROL_RESULT && m.a == 0);
		if (memcmp(text.data, (char *)ps + got, text.len) != 0)
			break;
		got += text.len;
	} while (m.b);
	is_int(got, sizeof(ps), "2500 processes come in several parts");
	is_int(control_next(&vm, fd, NULL).type, 1, "and the connection ends");
	(void)close(fd);
	fake_vm_end(&vm);
}

static void test_start_fails(void)
{
	auto_buf struct buf text = BUF_INIT;
	struct agent_frame f;
	int fd;

	fake_vm_created(&vm);
	fd = control_ask(&vm, CONTROL_START, 0, 0);
	f = agent_next(&vm, NULL);
	agent_answer(&vm, &f, ENOEXEC, 0, "exec format error");
	is_int(control_next(&vm, fd, &text).a, ENOEXEC, "start that fails is told");
	is_str(text.data, "exec format error", "in the agent's words");
	fake_shut_down(&vm);
	ok(container_exit_status(vm.c) == 1 && fake_status(&vm).phase == VM_PHASE_STOPPED,
	   "and the container ends");
	(void)close(fd);
	fake_vm_end(&vm);
}

/* refused() - does a first message end in an error, and the server go on? */
static void refused(const char *what, const void *data, size_t len, const int *fds,
		    unsigned int n_fds)
{
	int fd = control_connect(&vm);
	struct answer m;

	fake_check(sock_send(fd, data, len, fds, n_fds) == 0);
	m = control_next(&vm, fd, NULL);
	ok(m.type == 1 || (m.type == CONTROL_RESULT && m.a), "refused: %s", what);
	is_int(agent_next(&vm, NULL).type, 0, "the agent hears nothing of it");
	(void)close(fd);
}

/* limit() - network limits that are refused. @len: (bytes) of them */
static void limit(uint64_t rx, uint64_t tx, uint8_t antispoof, size_t len,
		  const char *what)
{
	const struct net_limits limits = { .rx = rx, .tx = tx, .antispoof = antispoof };
	const struct control_msg m = { .type = CONTROL_NET_LIMIT };
	char packet[sizeof(m) + sizeof(limits)];

	memcpy(packet, &m, sizeof(m));
	memcpy(packet + sizeof(m), &limits, sizeof(limits));
	refused(what, packet, sizeof(m) + len, NULL, 0);
}

/* test_limit() - where there is no hull-net nothing is to be done. */
static void test_limit(void)
{
	const struct net_limits limits = { .rx = 64000, .antispoof = 1 };
	const struct control_msg m = { .type = CONTROL_NET_LIMIT };
	char packet[sizeof(m) + sizeof(limits)];
	struct answer a;
	int fd;

	memcpy(packet, &m, sizeof(m));
	memcpy(packet + sizeof(m), &limits, sizeof(limits));
	fake_vm_running(&vm);
	fd = control_connect(&vm);
	fake_check(sock_send(fd, packet, sizeof(packet), NULL, 0) == 0);
	a = control_next(&vm, fd, NULL);
	ok(a.type == CONTROL_RESULT && a.a == 0, "network limits without a network");
	(void)close(fd);
	fake_vm_end(&vm);
}

static void test_bad_requests(void)
{
	struct control_msg m = { .type = CONTROL_KILL };
	char exec[sizeof(m) + 2];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[SOCK_MAX_FDS];
	int fd;

	for (unsigned int i = 0; i < SOCK_MAX_FDS; i++)
		fds[i] = null;
	fake_vm_running(&vm);
	refused("a message of 3 bytes", "abc", 3, NULL, 0);
	refused("kill with signal 0", &m, sizeof(m), NULL, 0);
	m.a = 65;
	refused("kill with signal 65", &m, sizeof(m), NULL, 0);
	m = (struct control_msg){ .type = CONTROL_KILL, .a = 9, .reserved = 1 };
	refused("a reserved field", &m, sizeof(m), NULL, 0);
	m = (struct control_msg){ .type = CONTROL_KILL, .a = 9 };
	refused("descriptors that are not wanted", &m, sizeof(m), fds, 1);
	m = (struct control_msg){ .type = 40 };
	refused("an unknown type", &m, sizeof(m), NULL, 0);
	m = (struct control_msg){ .type = CONTROL_SIGNAL, .a = 9 };
	refused("a signal for no process", &m, sizeof(m), NULL, 0);
	m = (struct control_msg){ .type = CONTROL_RESULT };
	refused("an answer", &m, sizeof(m), NULL, 0);
	limit(0, 0, 0, 23, "network limits that are cut");
	limit(63999, 0, 0, 24, "a rate too low");
	limit(0, 1000000000001, 0, 24, "a rate too high");
	limit(0, 0, 2, 24, "half a filter");
	m = (struct control_msg){ .type = CONTROL_WINSIZE, .a = 65536 };
	refused("a window too large", &m, sizeof(m), NULL, 0);
	m = (struct control_msg){ .type = CONTROL_EXEC };
	refused("exec without a process", &m, sizeof(m), fds, 3);
	memcpy(exec, &m, sizeof(m));
	memcpy(exec + sizeof(m), "{}", 2);
	refused("exec with two descriptors", exec, sizeof(exec), fds, 2);
	refused("exec with 17 descriptors besides stdio", exec, sizeof(exec), fds, 20);
	m.a = CONTROL_EXEC_TTY;
	memcpy(exec, &m, sizeof(m));
	refused("exec with a terminal and 17 descriptors", exec, sizeof(exec), fds, 19);
	m.a = 4;
	memcpy(exec, &m, sizeof(m));
	refused("exec with unknown flags", exec, sizeof(exec), fds, 3);

	fd = control_ask(&vm, CONTROL_PS, 0, 0);
	is_int(agent_next(&vm, NULL).type, AGENT_PS, "after all that it still works");
	control_send(&vm, fd, CONTROL_PS, 0, 0, NULL, NULL, 0);
	is_int(control_next(&vm, fd, NULL).type, 1,
	       "a second request on a connection ends it");
	(void)close(fd);
	(void)close(null);
	fake_vm_end(&vm);
}

static void test_after_the_end(void)
{
	int fd;

	fake_vm_running(&vm);
	agent_exit(&vm, AGENT_PROC_INIT, EXITED(0));
	fd = control_ask(&vm, CONTROL_KILL, 9, 0);
	is_int(control_next(&vm, fd, NULL).a, ESRCH,
	       "while it ends there is nobody to kill");
	(void)close(fd);
	fd = control_ask(&vm, CONTROL_START, 0, 0);
	is_int(control_next(&vm, fd, NULL).a, ESRCH, "or to start");
	(void)close(fd);
	fake_vm_end(&vm);
}

/* ---- signals, terminals, the rest of streams ---------------------------------------------------- */

static void test_signals(void)
{
	struct signalfd_siginfo si = { .ssi_signo = SIGUSR2 };
	struct agent_frame f;

	fake_vm_created(&vm);
	container_signal(vm.c, &si);
	f = agent_next(&vm, NULL);
	ok(f.type == AGENT_KILL && f.proc == AGENT_PROC_INIT && f.arg == SIGUSR2,
	   "a signal is forwarded to init");
	si.ssi_signo = SIGCHLD;
	container_signal(vm.c, &si);
	is_int(agent_next(&vm, NULL).type, 0, "SIGCHLD is not");
	si.ssi_signo = SIGPIPE;
	si.ssi_pid = (uint32_t)getpid();
	container_signal(vm.c, &si);
	is_int(agent_next(&vm, NULL).type, 0, "nor is SIGPIPE of our own");
	si.ssi_pid++;
	container_signal(vm.c, &si);
	is_int(agent_next(&vm, NULL).arg, SIGPIPE, "but another's is");
	si.ssi_signo = SIGWINCH;
	container_signal(vm.c, &si);
	is_int(agent_next(&vm, NULL).arg, SIGWINCH, "without a console SIGWINCH as well");
	fake_vm_end(&vm);

	fake_vm_begin(&vm, 60000);
	si.ssi_signo = SIGUSR1;
	container_signal(vm.c, &si);
	is_int(fake_sync(&vm).type, 0, "while it is made most are ignored");
	si.ssi_signo = SIGINT;
	container_signal(vm.c, &si);
	is_str(fake_sync(&vm).err.msg, "interrupted by signal 2", "SIGINT ends it");
	fake_vm_end(&vm);
}

static void test_console(void)
{
	struct signalfd_siginfo si = { .ssi_signo = SIGWINCH };
	struct winsize ws = { .ws_row = 30, .ws_col = 100 };
	struct agent_frame f;
	int master;
	int slave;

	fake_check(openpty(&master, &slave, NULL, NULL, &ws) == 0);
	fake_vm_begin_on(&vm, 60000, slave);
	agent_hello(&vm);
	f = agent_next(&vm, NULL);
	agent_answer(&vm, &f, 0, 0, "");
	f = agent_next(&vm, NULL);
	ok(f.type == AGENT_WINSIZE && f.arg == (30 << 16 | 100),
	   "a console: the size that it has is told first");
	ws.ws_col = 120;
	fake_check(ioctl(master, TIOCSWINSZ, &ws) == 0);
	container_signal(vm.c, &si);
	f = agent_next(&vm, NULL);
	ok(f.type == AGENT_WINSIZE && f.arg == (30 << 16 | 120), "and every new one");
	(void)close(master);
	fake_vm_end(&vm);
}

static void test_stalled_at_the_end(void)
{
	static char junk[240 << 10];
	struct fake_conn *io;

	fake_vm_running(&vm);
	io = agent_stream(&vm, AGENT_PROC_INIT, AGENT_STREAM_IO);
	fake_check(fake_send(&vm.g, io, junk, sizeof(junk)) == sizeof(junk));
	fake_run(&vm.g);
	agent_exit(&vm, AGENT_PROC_INIT, EXITED(0));
	fake_shut_down(&vm);
	agent_eof(&vm, io);
	is_int(fake_status(&vm).phase, VM_PHASE_STOPPED,
	       "nobody reads stdout: the end comes at once");
	is_int(fcntl(vm.out, F_GETPIPE_SZ), 1 << 20, "all of it is in the pipe");
	is_int(read(vm.out, junk, sizeof(junk)), sizeof(junk),
	       "for whoever reads it later");
	fake_vm_end(&vm);
}

/* A pipe that cannot take it all, however large: given up after a while. */
static void test_given_up(void)
{
	static char junk[VSOCK_BUF_ALLOC];
	struct fake_conn *io;
	size_t sent = 0;

	fake_vm_running(&vm);
	fake_check(fcntl(vm.out, F_SETPIPE_SZ, 1 << 20) == 1 << 20);
	io = agent_stream(&vm, AGENT_PROC_INIT, AGENT_STREAM_IO);
	for (unsigned int i = 0; i < 40; i++) {
		sent += fake_send(&vm.g, io, junk, sizeof(junk));
		fake_run(&vm.g);
	}
	ok(sent > 1 << 20, "more than the largest pipe holds is under way");
	agent_exit(&vm, AGENT_PROC_INIT, EXITED(0));
	fake_shut_down(&vm);
	agent_eof(&vm, io);
	is_int(fake_status(&vm).phase, VM_PHASE_RUNNING, "the end waits for a reader");
	for (unsigned int i = 0;
	     i < 100000000 && fake_status(&vm).phase != VM_PHASE_STOPPED; i++)
		fake_turn(&vm.g);
	is_int(fake_status(&vm).phase, VM_PHASE_STOPPED, "but not for ever");
	is_int(container_exit_status(vm.c), 0, "and the status stays what it was");
	fake_vm_end(&vm);
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	test_life();
	test_killed();
	test_create_fails();
	test_boot_deadline();
	test_guest_stops();
	test_creator_gone();
	test_violations();
	test_stray_streams();
	test_requests();
	test_long_ps();
	test_start_fails();
	test_limit();
	test_bad_requests();
	test_after_the_end();
	test_signals();
	test_console();
	test_stalled_at_the_end();
	test_given_up();
	return tap_done();
}
