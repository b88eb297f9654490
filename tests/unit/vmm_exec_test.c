/* SPDX-License-Identifier: Apache-2.0 */
/* CONTROL_EXEC: vmm/container_procs.c as the client of an exec and the agent see it. */
#include <pty.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>

#include "tests/unit/fake_agent.h"
#include "tests/unit/tap.h"
#include "vmm/control_server.h"

#define EXITED(code) ((code) << 8)

static struct fake_vm vm;

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
	is_str(fake_caller_text(e.out), "out", "behind its output");
	is_str(fake_caller_text(e.err), "err", "and its errors");
	is_int(control_next(&vm, e.client, NULL).type, 1, "then the connection ends");
	ok(!fake_caller_end(e.out), "a child in the background may still write");
	fake_send(&vm.g, e.io, "late", 4);
	fake_run(&vm.g);
	is_str(fake_caller_text(e.out), "late", "and is heard");
	agent_eof(&vm, e.io);
	agent_eof(&vm, e.errc);
	ok(fake_caller_end(e.out) && fake_caller_end(e.err), "until it ends");
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
	ok(fake_caller_end(e.out), "its descriptors are closed");
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
	ok(!vm.ctl->reset && fake_caller_end(e.out), "and goes");
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
	control_send(&vm, client, CONTROL_EXEC, CONTROL_EXEC_TTY, 0, "{}",
		     (int[]){ slave, slave }, 2);
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

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	test_exec();
	test_exec_fails();
	test_exec_client_gone();
	test_exec_stalled();
	test_exec_tty();
	test_exec_at_the_end();
	test_many_execs();
	return tap_done();
}
