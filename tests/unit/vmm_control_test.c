/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm/container*.c, control_server.c, agent_link.c: the container's life as the
 * creating command, the other commands and the agent see it.
 */
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>

#include "tests/unit/fake_agent.h"
#include "tests/unit/tap.h"
#include "vmm/control_server.h"

#define EXITED(code) ((code) << 8)

static struct fake_vm vm;

static const char *read_text(int fd)
{
	static char text[65536];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n = poll(&p, 1, 0) == 1 ? read(fd, text, sizeof(text) - 1) : 0;

	text[n > 0 ? n : 0] = 0;
	return text;
}

static bool at_end(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&p, 1, 0) == 1 && read(fd, &byte, 1) == 0;
}

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
	is_str(read_text(vm.out), "output", "stdout the caller");
	is_str(read_text(vm.err), "errors", "and stderr");
	is_int(errc->shut, 0, "for which no end of file has to be sent");

	fake_send(&vm.g, io, "last words", 10);
	agent_exit(&vm, AGENT_PROC_INIT, EXITED(7));
	f = agent_next(&vm, NULL);
	is_int(f.type, AGENT_SHUTDOWN, "init's end: the agent is asked to write back");
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
	is_str(read_text(vm.out), "last words", "nothing was lost");
	ok(at_end(vm.out) && at_end(vm.err), "and the pipes are closed");
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
	fake_vm_begin(&vm, 60000);
	agent_hello(&vm);
	is_int(agent_next(&vm, NULL).type, AGENT_CREATE, "while the container is made");
	(void)close(vm.sync);
	vm.sync = -1;
	is_int(agent_next(&vm, NULL).type, AGENT_SHUTDOWN, "the creator goes: it ends");
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
	const struct agent_stream bad = { .kind = 9 };
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

/* ---- exec ------------------------------------------------------------------------------------- */

struct exec {
	int client;
	int in;
	int out;
	int err;
	uint32_t proc;
	struct fake_conn *io;
	struct fake_conn *errc;
	struct agent_frame req;
};

/* exec_ask() - `hull exec`: up to where the agent has its request. */
static void exec_ask(struct exec *e)
{
	auto_buf struct buf payload = BUF_INIT;
	int theirs[3];

	fake_pair(&e->in, &theirs[0], false);
	fake_pair(&e->out, &theirs[1], true);
	fake_pair(&e->err, &theirs[2], true);
	e->client = control_connect(&vm);
	control_send(&vm, e->client, CONTROL_EXEC, 0, 0, "{\"args\":[\"ls\"]}", theirs,
		     3);
	for (unsigned int i = 0; i < 3; i++)
		(void)close(theirs[i]);
	e->req = agent_next(&vm, &payload);
	fake_check(e->req.type == AGENT_EXEC && payload.len == 15 &&
		   !memcmp(payload.data, "{\"args\":[\"ls\"]}", 15));
	e->proc = e->req.proc;
}

static void exec_start(struct exec *e)
{
	struct answer m;

	exec_ask(e);
	e->io = agent_stream(&vm, e->proc, AGENT_STREAM_IO);
	e->errc = agent_stream(&vm, e->proc, AGENT_STREAM_STDERR);
	agent_answer(&vm, &e->req, 0, 42, "");
	m = control_next(&vm, e->client, NULL);
	fake_check(m.type == CONTROL_RESULT && m.a == 0 && m.b == 42);
}

static void exec_close(struct exec *e)
{
	close_fd(e->client);
	close_fd(e->in);
	close_fd(e->out);
	close_fd(e->err);
}

static void test_exec(void)
{
	struct answer m;
	struct agent_frame f;
	struct exec e;

	fake_vm_running(&vm);
	exec_start(&e);
	ok(e.proc > 0 && e.proc < AGENT_MAX_PROCS,
	   "exec: gets a number, its pid is told");
	fake_check(write(e.in, "in", 2) == 2);
	(void)close(e.in);
	e.in = -1;
	fake_run(&vm.g);
	ok(e.io->in.len == 2 && e.io->shut == VSOCK_SHUT_SEND,
	   "its stdin, and the end of it");
	control_send(&vm, e.client, CONTROL_SIGNAL, SIGUSR1, 0, NULL, NULL, 0);
	f = agent_next(&vm, NULL);
	ok(f.type == AGENT_KILL && f.proc == e.proc && f.arg == SIGUSR1,
	   "a signal goes to the process");
	agent_answer(&vm, &f, 0, 0, "");
	control_send(&vm, e.client, CONTROL_WINSIZE, 24, 80, NULL, NULL, 0);
	f = agent_next(&vm, NULL);
	ok(f.type == AGENT_WINSIZE && f.proc == e.proc && f.arg == (24 << 16 | 80),
	   "a window size too");
	agent_answer(&vm, &f, ENOTTY, 0, "no terminal");
	fake_send(&vm.g, e.io, "out", 3);
	fake_send(&vm.g, e.errc, "err", 3);
	agent_exit(&vm, e.proc, EXITED(3));
	m = control_next(&vm, e.client, NULL);
	ok(m.type == CONTROL_EXIT && m.a == 3, "its exit status is told");
	is_str(read_text(e.out), "out", "behind its output");
	is_str(read_text(e.err), "err", "and its errors");
	is_int(control_next(&vm, e.client, NULL).type, 1, "then the connection ends");
	ok(!at_end(e.out), "a child in the background may still write");
	fake_send(&vm.g, e.io, "late", 4);
	fake_run(&vm.g);
	is_str(read_text(e.out), "late", "and is heard");
	agent_eof(&vm, e.io);
	agent_eof(&vm, e.errc);
	ok(at_end(e.out) && at_end(e.err), "until it ends");
	ok(e.io->reset && e.errc->reset, "then the connections go");
	is_int(agent_next(&vm, NULL).type, 0, "and the container goes on");
	exec_close(&e);
	fake_vm_end(&vm);
}

static void test_exec_fails(void)
{
	auto_buf struct buf text = BUF_INIT;
	struct answer m;
	struct exec e;

	fake_vm_running(&vm);
	exec_ask(&e);
	agent_answer(&vm, &e.req, EACCES, 0, "exec: \"x\": permission denied");
	m = control_next(&vm, e.client, &text);
	ok(m.type == CONTROL_RESULT && m.a == EACCES, "exec that fails");
	is_str(text.data, "exec: \"x\": permission denied", "is told why");
	is_int(control_next(&vm, e.client, NULL).type, 1, "the connection ends");
	fake_run(&vm.g);
	ok(at_end(e.out), "its descriptors are closed");
	exec_close(&e);
	fake_vm_end(&vm);
}

static void test_exec_client_gone(void)
{
	struct agent_frame f;
	struct exec e;

	fake_vm_running(&vm);
	exec_start(&e);
	(void)close(e.client);
	e.client = -1;
	f = agent_next(&vm, NULL);
	ok(f.type == AGENT_KILL && f.proc == e.proc && f.arg == SIGKILL,
	   "a client that goes away: its process is killed");
	agent_answer(&vm, &f, 0, 0, "");
	agent_exit(&vm, e.proc, SIGKILL);
	agent_eof(&vm, e.io);
	agent_eof(&vm, e.errc);
	ok(!vm.ctl->reset && at_end(e.out), "and goes");
	exec_close(&e);

	exec_ask(&e);
	(void)close(e.client);
	e.client = -1;
	f = agent_next(&vm, NULL);
	ok(f.type == AGENT_KILL && f.proc == e.proc, "before it has started: killed");
	agent_answer(&vm, &f, ESRCH, 0, "no such process");
	agent_answer(&vm, &e.req, 0, 43, "");
	f = agent_next(&vm, NULL);
	ok(f.type == AGENT_KILL && f.proc == e.proc && f.arg == SIGKILL,
	   "and once more when it has");
	agent_answer(&vm, &f, 0, 0, "");
	agent_exit(&vm, e.proc, SIGKILL);
	ok(!vm.ctl->reset, "all in order");
	exec_close(&e);
	fake_vm_end(&vm);
}

static void test_exec_stalled(void)
{
	static char junk[200 << 10];
	struct answer m;
	struct exec e;

	fake_vm_running(&vm);
	exec_start(&e);
	fake_send(&vm.g, e.io, junk, sizeof(junk));
	fake_run(&vm.g);
	agent_exit(&vm, e.proc, EXITED(0));
	m = control_next(&vm, e.client, NULL);
	is_int(m.type, CONTROL_EXIT, "nobody reads its output: the exit is told at once");
	is_int(fcntl(e.out, F_GETPIPE_SZ), 1 << 20, "the pipe was made larger");
	is_int(read(e.out, junk, sizeof(junk)), sizeof(junk), "and all of it is there");
	exec_close(&e);
	fake_vm_end(&vm);
}

static void test_exec_tty(void)
{
	struct answer m;
	struct termios raw;
	struct fake_conn *io;
	struct agent_frame f;
	int client;
	int master;
	int slave;

	fake_vm_running(&vm);
	fake_check(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	fake_check(tcgetattr(slave, &raw) == 0);
	cfmakeraw(&raw);
	fake_check(tcsetattr(slave, TCSANOW, &raw) == 0);
	client = control_connect(&vm);
	control_send(&vm, client, CONTROL_EXEC, CONTROL_EXEC_TTY, 0, "{}", &slave, 1);
	f = agent_next(&vm, NULL);
	ok(f.type == AGENT_EXEC && f.flags == CONTROL_EXEC_TTY, "exec with a terminal");
	io = agent_stream(&vm, f.proc, AGENT_STREAM_IO);
	ok(agent_stream(&vm, f.proc, AGENT_STREAM_STDERR)->reset, "has no stderr");
	agent_answer(&vm, &f, 0, 50, "");
	fake_check(write(master, "key", 3) == 3);
	fake_run_for(&vm.g, io, 3);
	is_int(io->in.len, 3, "keys reach the process");
	fake_send(&vm.g, io, "screen", 6);
	fake_run(&vm.g);
	ok(fake_screen(master, "screen", 6), "and its output the screen");
	m = control_next(&vm, client, NULL);
	is_int(m.type, CONTROL_RESULT, "started");
	agent_exit(&vm, f.proc, EXITED(0));
	is_int(control_next(&vm, client, NULL).type, CONTROL_EXIT, "and ended");
	(void)close(client);
	(void)close(master);
	(void)close(slave);
	fake_vm_end(&vm);
}

static void test_exec_at_the_end(void)
{
	auto_buf struct buf text = BUF_INIT;
	struct answer m;
	struct exec e;
	struct exec late;

	fake_vm_running(&vm);
	exec_start(&e);
	exec_ask(&late);
	agent_exit(&vm, AGENT_PROC_INIT, EXITED(0));
	fake_shut_down(&vm);
	agent_eof(&vm, e.io);
	agent_eof(&vm, e.errc);
	m = control_next(&vm, e.client, NULL);
	ok(m.type == CONTROL_EXIT && m.a == 137,
	   "init ends: what exec started was killed");
	m = control_next(&vm, late.client, &text);
	ok(m.type == CONTROL_RESULT && m.a == ESRCH,
	   "what had not started yet never will");
	is_str(text.data, "the container has stopped", "and is told why");
	exec_close(&e);
	exec_close(&late);
	fake_vm_end(&vm);
}

static void test_many_execs(void)
{
	static struct exec e[CONTROL_MAX_EXECS];
	auto_buf struct buf text = BUF_INIT;
	struct rlimit rl;
	int fds[3];
	int client;

	fake_check(getrlimit(RLIMIT_NOFILE, &rl) == 0);
	rl.rlim_cur = rl.rlim_max;
	fake_check(setrlimit(RLIMIT_NOFILE, &rl) == 0);
	fake_vm_running(&vm);
	for (unsigned int i = 0; i < CONTROL_MAX_EXECS; i++)
		exec_ask(&e[i]);
	client = control_connect(&vm);
	for (unsigned int i = 0; i < 3; i++)
		fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
	control_send(&vm, client, CONTROL_EXEC, 0, 0, "{}", fds, 3);
	is_int(control_next(&vm, client, &text).a, EAGAIN, "exec has a limit");
	is_str(text.data, "too many processes started by exec are running",
	       "that is told");
	(void)close(client);
	for (unsigned int i = 0; i < CONTROL_MAX_EXECS; i++) {
		agent_answer(&vm, &e[i].req, ENOENT, 0, "no");
		exec_close(&e[i]);
	}
	client = control_connect(&vm);
	control_send(&vm, client, CONTROL_EXEC, 0, 0, "{}", fds, 3);
	is_int(agent_next(&vm, NULL).type, AGENT_EXEC, "and is over when they are");
	(void)close(client);
	for (unsigned int i = 0; i < 3; i++)
		(void)close(fds[i]);
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

static void test_bad_requests(void)
{
	struct control_msg m = { .type = CONTROL_KILL };
	char exec[sizeof(m) + 2];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[3] = { null, null, null };
	int fd;

	fake_vm_running(&vm);
	refused("a message of 3 bytes", "abc", 3, NULL, 0);
	refused("kill with signal 0", &m, sizeof(m), NULL, 0);
	m.a = 65;
	refused("kill with signal 65", &m, sizeof(m), NULL, 0);
	m = (struct control_msg){ .type = CONTROL_KILL, .a = 9, .reserved = 1 };
	refused("a reserved field", &m, sizeof(m), NULL, 0);
	m = (struct control_msg){ .type = CONTROL_KILL, .a = 9 };
	refused("descriptors that are not wanted", &m, sizeof(m), fds, 1);
	m = (struct control_msg){ .type = 17 };
	refused("an unknown type", &m, sizeof(m), NULL, 0);
	m = (struct control_msg){ .type = CONTROL_SIGNAL, .a = 9 };
	refused("a signal for no process", &m, sizeof(m), NULL, 0);
	m = (struct control_msg){ .type = CONTROL_RESULT };
	refused("an answer", &m, sizeof(m), NULL, 0);
	m = (struct control_msg){ .type = CONTROL_WINSIZE, .a = 65536 };
	refused("a window too large", &m, sizeof(m), NULL, 0);
	m = (struct control_msg){ .type = CONTROL_EXEC };
	refused("exec without a process", &m, sizeof(m), fds, 3);
	memcpy(exec, &m, sizeof(m));
	memcpy(exec + sizeof(m), "{}", 2);
	refused("exec with two descriptors", exec, sizeof(exec), fds, 2);
	m.a = CONTROL_EXEC_TTY;
	memcpy(exec, &m, sizeof(m));
	refused("exec with a terminal and three descriptors", exec, sizeof(exec), fds, 3);
	m.a = 2;
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
	test_exec();
	test_exec_fails();
	test_exec_client_gone();
	test_exec_stalled();
	test_exec_tty();
	test_exec_at_the_end();
	test_many_execs();
	test_requests();
	test_long_ps();
	test_start_fails();
	test_bad_requests();
	test_after_the_end();
	test_signals();
	test_console();
	test_stalled_at_the_end();
	test_given_up();
	return tap_done();
}
