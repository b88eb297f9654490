/* SPDX-License-Identifier: Apache-2.0 */
/* Preserved descriptors: vmm/container_preserved.c and the half close of vmm/stream.c. */
#include "tests/unit/fake_agent.h"
#include "tests/unit/tap.h"

#define EXITED(code) ((code) << 8)
#define WAYS (AGENT_FD_READ | AGENT_FD_WRITE << 2 | AGENT_FD_BOTH << 4)

static struct fake_vm vm;

/* Three descriptors and what the caller and the guest have of them. */
struct fds {
	int in;
	int out;
	int sock;
	int theirs[3];
	struct fake_conn *c[3];
};

static void fds_make(struct fds *f)
{
	int pair[2];

	fake_pair(&f->in, &f->theirs[0], false);
	fake_pair(&f->out, &f->theirs[1], true);
	fake_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	f->sock = pair[0];
	f->theirs[2] = pair[1];
}

static void fds_close(const struct fds *f)
{
	close_fd(f->in);
	close_fd(f->out);
	close_fd(f->sock);
}

static void fds_connect(struct fds *f, uint32_t proc)
{
	for (uint16_t i = 0; i < 3; i++)
		f->c[i] = agent_stream(&vm, proc, (uint16_t)(AGENT_STREAM_FD + i));
}

/* exec() - a process with @theirs besides stdio; the client, which owns nothing else. */
static int exec(const int *theirs, unsigned int n, struct agent_frame *ret_req)
{
	int fds[SOCK_MAX_FDS];
	int client = control_connect(&vm);

	for (unsigned int i = 0; i < 3; i++)
		fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
	memcpy(fds + 3, theirs, n * sizeof(*theirs));
	control_send(&vm, client, CONTROL_EXEC, 0, 0, "{}", fds, 3 + n);
	for (unsigned int i = 0; i < 3; i++)
		(void)close(fds[i]);
	*ret_req = agent_next(&vm, NULL);
	return client;
}

static bool ends(int fd)
{
	char byte;

	fake_run(&vm.g);
	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

/* begin() - an exec with three descriptors that runs; its client */
static int begin(struct fds *f, bool keep_socket, struct agent_frame *ret_req)
{
	int client;

	fake_vm_running(&vm);
	fds_make(f);
	client = exec(f->theirs, 3, ret_req);
	for (unsigned int i = 0; i < (keep_socket ? 2 : 3); i++)
		(void)close(f->theirs[i]);
	fake_check(ret_req->type == AGENT_EXEC);
	fds_connect(f, ret_req->proc);
	agent_answer(&vm, ret_req, 0, 42, "");
	fake_check(control_next(&vm, client, NULL).type == CONTROL_RESULT);
	return client;
}

static void test_bytes(void)
{
	struct agent_frame req;
	struct fds f;
	int client = begin(&f, false, &req);

	is_int(req.arg, WAYS, "the agent is told the directions");
	fake_check(write(f.in, "in", 2) == 2 && write(f.sock, "sock", 4) == 4);
	fake_run(&vm.g);
	ok(f.c[0]->in.len == 2 && !memcmp(f.c[0]->in.data, "in", 2), "a pipe to read");
	ok(f.c[2]->in.len == 4, "a socket to read");
	is_int(f.c[1]->shut, 0, "a pipe to write has no end to read");
	fake_send(&vm.g, f.c[1], "out", 3);
	fake_send(&vm.g, f.c[2], "back", 4);
	fake_run(&vm.g);
	is_str(fake_caller_text(f.out), "out", "a pipe to write");
	is_str(fake_caller_text(f.sock), "back", "a socket to write");
	(void)close(f.in);
	f.in = -1;
	fake_run(&vm.g);
	is_int(f.c[0]->shut, VSOCK_SHUT_SEND, "the end of the pipe is told");
	fake_send(&vm.g, f.c[0], "junk", 4);
	fake_run(&vm.g);
	ok(!f.c[0]->reset, "what a guest says where nobody listens goes nowhere");
	agent_exit(&vm, req.proc, EXITED(0));
	is_int(control_next(&vm, client, NULL).type, CONTROL_EXIT,
	       "what is open yet delays no end");
	(void)close(client);
	fds_close(&f);
	fake_vm_end(&vm);
}

/* The guest's shutdown(2) is the socket's, also when others hold it. */
static void test_half_close(void)
{
	struct agent_frame req;
	struct fds f;
	int client = begin(&f, true, &req);

	fake_send(&vm.g, f.c[2], "last", 4);
	agent_eof(&vm, f.c[2]);
	is_str(fake_caller_text(f.sock), "last", "the last words");
	ok(ends(f.sock), "the end that the process has told");
	fake_check(write(f.sock, "on", 2) == 2);
	fake_run(&vm.g);
	is_int(f.c[2]->in.len, 2, "the other direction goes on");
	fake_check(shutdown(f.sock, SHUT_WR) == 0);
	fake_run(&vm.g);
	is_int(f.c[2]->shut, VSOCK_SHUT_SEND, "until it ends as well");
	(void)close(client);
	(void)close(f.theirs[2]);
	fds_close(&f);
	fake_vm_end(&vm);
}

/* A process that closes its socket does not end it for others. */
static void test_close(void)
{
	struct agent_frame req;
	struct fds f;
	int client = begin(&f, true, &req);

	fake_send(&vm.g, f.c[2], "last", 4);
	fake_packet(&vm.g, f.c[2], VIRTIO_VSOCK_OP_SHUTDOWN, VSOCK_SHUT_RCV, NULL, 0);
	fake_run(&vm.g);
	ok(!f.c[2]->reset, "it does not read any more");
	fake_packet(&vm.g, f.c[2], VIRTIO_VSOCK_OP_SHUTDOWN,
		    VSOCK_SHUT_RCV | VSOCK_SHUT_SEND, NULL, 0);
	fake_run(&vm.g);
	ok(f.c[2]->reset, "and does not write");
	is_str(fake_caller_text(f.sock), "last", "its last words");
	ok(!ends(f.sock), "the caller's copy is still open");
	is_int(write(f.theirs[2], "caller", 6), 6, "and can be written to");
	is_str(fake_caller_text(f.sock), "caller", "from one end to the other");
	(void)close(f.theirs[2]);
	ok(ends(f.sock), "and is the only one");
	(void)close(client);
	fds_close(&f);
	fake_vm_end(&vm);
}

/* The caller's end of the socket goes away: both directions end. */
static void test_peer_gone(void)
{
	struct agent_frame req;
	struct fds f;
	int client = begin(&f, false, &req);

	fake_check(write(f.sock, "unread", 6) == 6);
	(void)close(f.sock);
	(void)close(f.out);
	f.sock = f.out = -1;
	fake_run(&vm.g);
	is_int(f.c[2]->in.len, 6, "what it had said still comes");
	is_int(f.c[2]->shut, VSOCK_SHUT_SEND | VSOCK_SHUT_RCV,
	       "then the process is told of both ends");
	is_int(f.c[1]->shut, VSOCK_SHUT_RCV, "the reader of a pipe has gone");
	(void)close(client);
	fds_close(&f);
	fake_vm_end(&vm);
}

static void test_hostile(void)
{
	struct agent_frame req;
	struct fds f;
	int client = begin(&f, false, &req);

	ok(agent_stream(&vm, req.proc, AGENT_STREAM_FD + 2)->reset,
	   "a second stream of a descriptor is reset");
	ok(agent_stream(&vm, req.proc, AGENT_STREAM_FD + 3)->reset,
	   "so is one of a descriptor that is not there");
	ok(agent_stream(&vm, AGENT_PROC_INIT, AGENT_STREAM_FD)->reset,
	   "or of a process that has none");
	ok(!vm.ctl->reset, "none of these is the end");
	(void)agent_stream(&vm, req.proc, 0);
	ok(vm.ctl->reset, "kind 0 is");
	(void)close(client);
	fds_close(&f);
	fake_vm_end(&vm);
}

static void test_refused(void)
{
	auto_buf struct buf text = BUF_INIT;
	int many[AGENT_MAX_PRESERVED];
	struct agent_frame req;
	struct fds f;
	int clients[200];
	unsigned int n = 0;
	int client;

	fake_vm_running(&vm);
	fds_make(&f);
	(void)close(f.theirs[1]);
	f.theirs[1] = open("/dev/null", O_ACCMODE | O_CLOEXEC);
	client = exec(f.theirs, 3, &req);
	ok(req.type == 0 && control_next(&vm, client, &text).a == EBADF,
	   "one that goes neither way is refused");
	is_str(text.data, "descriptor 4 can neither be read nor written", "by name");
	for (unsigned int i = 0; i < 3; i++)
		(void)close(f.theirs[i]);
	ok(ends(f.sock), "and the others are closed");
	(void)close(client);
	fds_close(&f);

	for (unsigned int i = 0; i < AGENT_MAX_PRESERVED; i++)
		many[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	do {
		clients[n] = exec(many, AGENT_MAX_PRESERVED, &req);
	} while (req.type == AGENT_EXEC && ++n < 200);
	is_int(n, (1024 - 2) / 18, "as many as there may be streams");
	is_int(control_next(&vm, clients[n], NULL).a, EAGAIN, "the next is told");
	for (unsigned int i = 0; i <= n; i++)
		(void)close(clients[i]);
	for (unsigned int i = 0; i < AGENT_MAX_PRESERVED; i++)
		(void)close(many[i]);
	fake_vm_end(&vm);
}

/* Those of the container's init come with the configuration. */
static void test_init(void)
{
	struct agent_frame req;
	struct fds f;

	fds_make(&f);
	fake_preserved = f.theirs;
	fake_n_preserved = 3;
	fake_vm_begin(&vm, 60000);
	fake_n_preserved = 0;
	agent_hello(&vm);
	req = agent_next(&vm, NULL);
	ok(req.type == AGENT_CREATE && req.arg == WAYS, "the container's process");
	fds_connect(&f, AGENT_PROC_INIT);
	agent_answer(&vm, &req, 0, 0, "");
	fake_check(fake_sync(&vm).type == VM_SYNC_CREATED);
	fake_check(write(f.in, "in", 2) == 2);
	fake_send(&vm.g, f.c[1], "out", 3);
	fake_send(&vm.g, f.c[2], "sock", 4);
	fake_run(&vm.g);
	is_int(f.c[0]->in.len, 2, "reads");
	is_str(fake_caller_text(f.out), "out", "writes");
	is_str(fake_caller_text(f.sock), "sock", "has a socket");
	agent_eof(&vm, f.c[1]);
	ok(fake_caller_end(f.out), "each ends by itself");
	fds_close(&f);
	fake_vm_end(&vm);
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	test_bytes();
	test_half_close();
	test_close();
	test_peer_gone();
	test_hostile();
	test_refused();
	test_init();
	return tap_done();
}
