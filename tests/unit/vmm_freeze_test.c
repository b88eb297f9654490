/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONTROL_FREEZE: holders, their union and their deadlines, the order of guest and
 * gate, and every way in which it comes to nothing.
 */
#include "tests/unit/fake_agent.h"
#include "tests/unit/tap.h"

static struct fake_vm vm;

static int ask(uint32_t timeout_ms)
{
	int fd = control_connect(&vm);

	control_send(&vm, fd, CONTROL_FREEZE, timeout_ms, (uint32_t)getpid(), "backup",
		     NULL, 0);
	return fd;
}

/* agent_asked() - to freeze (@arg 1) or to thaw. */
static struct agent_frame agent_asked(uint32_t arg)
{
	struct agent_frame f = agent_next(&vm, NULL);

	ok(f.type == AGENT_FSFREEZE && f.arg == arg, "the agent is asked to %s",
	   arg ? "freeze" : "thaw");
	return f;
}

static void answer(uint32_t arg, uint32_t code, const char *text)
{
	struct agent_frame f = agent_asked(arg);

	agent_answer(&vm, &f, code, 0, text);
}

static void is_answer(int fd, uint32_t type, uint32_t a, const char *what)
{
	struct answer m = control_next(&vm, fd, NULL);

	ok(m.type == type && m.a == a, "%s (%u %u)", what, m.type, m.a);
}

static void is_refused(int fd, uint32_t code, const char *text)
{
	auto_buf struct buf why = BUF_INIT;
	struct answer m = control_next(&vm, fd, &why);

	ok(m.type == CONTROL_RESULT && m.a == code, "refused with %u", m.a);
	is_str(why.data, text, "which says why");
	(void)close(fd);
}

/* freeze() - all the way; the holder's connection. */
static int freeze(uint32_t timeout_ms)
{
	int fd = ask(timeout_ms);

	answer(1, 0, "gate /\n");
	is_answer(fd, CONTROL_RESULT, 0, "frozen");
	is_int(vm.gate, CONTAINER_GATE_CLOSED, "the gate is closed");
	return fd;
}

static void is_thawed(void)
{
	is_int(vm.gate, CONTAINER_GATE_OPEN, "the gate is open");
	answer(0, 0, "");
}

static int watch(void)
{
	int fd = control_ask(&vm, CONTROL_EVENTS, 0, 0);

	is_answer(fd, CONTROL_RESULT, 0, "events");
	return fd;
}

static void test_whole(void)
{
	struct agent_frame f;
	int events, fd;

	fake_vm_running(&vm);
	events = watch();
	fd = ask(60000);
	f = agent_asked(1);
	is_int(vm.gate, CONTAINER_GATE_OPEN, "the guest comes first: it must write");
	is_answer(fd, 0, 0, "no answer yet");
	agent_answer(&vm, &f, 0, 0, "");
	is_int(vm.gate, CONTAINER_GATE_CLOSED, "then the gate");
	is_answer(fd, CONTROL_RESULT, 0, "frozen");
	is_answer(events, CONTROL_FROZEN, (uint32_t)getpid(), "an event says by whom");
	control_send(&vm, fd, CONTROL_THAW, 0, 0, NULL, NULL, 0);
	is_int(vm.gate, CONTAINER_GATE_OPEN, "let go: the gate comes first");
	is_answer(events, CONTROL_THAWED, CONTROL_THAW_RELEASED, "an event says so");
	f = agent_asked(0);
	is_answer(fd, 0, 0, "no answer yet");
	agent_answer(&vm, &f, 0, 0, "");
	is_answer(fd, CONTROL_EXIT, CONTROL_THAW_RELEASED, "thawed");
	is_answer(fd, 1, 0, "and the connection ends");
	(void)close(fd);
	(void)close(events);
	fake_vm_end(&vm);
}

static void test_holder_dies(void)
{
	int fd;

	fake_vm_running(&vm);
	fd = freeze(60000);
	(void)close(fd);
	fake_run(&vm.g);
	is_thawed();
	fd = ask(60000);
	(void)close(fd);
	fake_run(&vm.g);
	answer(1, ECANCELED, "cancelled");
	is_thawed();
	ok(agent_next(&vm, NULL).type == 0, "nothing more is asked");
	fd = freeze(60000);
	(void)close(fd);
	fake_run(&vm.g);
	is_thawed();
	fake_vm_end(&vm);
}

static void test_union(void)
{
	int a, b, c;

	fake_vm_running(&vm);
	a = freeze(60000);
	b = ask(60000);
	is_answer(b, CONTROL_RESULT, 0, "a second holder has it at once");
	control_send(&vm, a, CONTROL_THAW, 0, 0, NULL, NULL, 0);
	is_answer(a, CONTROL_EXIT, CONTROL_THAW_RELEASED, "the first lets go");
	is_int(vm.gate, CONTAINER_GATE_CLOSED, "and undoes nothing");
	ok(agent_next(&vm, NULL).type == 0, "not in the guest either");
	c = ask(60000);
	is_answer(c, CONTROL_RESULT, 0, "a third");
	(void)close(b);
	fake_run(&vm.g);
	is_int(vm.gate, CONTAINER_GATE_CLOSED, "the second dies");
	(void)close(c);
	fake_run(&vm.g);
	is_thawed();
	(void)close(a);
	fake_vm_end(&vm);
}

/* Two who wait for one freeze; who comes during a thaw has a freeze of his own. */
static void test_together(void)
{
	struct agent_frame f;
	int a, b, c;

	fake_vm_running(&vm);
	a = ask(60000);
	b = ask(60000);
	answer(1, 0, "");
	is_answer(a, CONTROL_RESULT, 0, "one freeze");
	is_answer(b, CONTROL_RESULT, 0, "for both");
	(void)close(a);
	(void)close(b);
	fake_run(&vm.g);
	f = agent_asked(0);
	c = ask(60000);
	is_answer(c, 0, 0, "who comes during the thaw waits");
	agent_answer(&vm, &f, 0, 0, "");
	answer(1, 0, "");
	is_answer(c, CONTROL_RESULT, 0, "for the next freeze");
	(void)close(c);
	fake_run(&vm.g);
	is_thawed();
	fake_vm_end(&vm);
}

static void await_deadline(int fd, struct answer *ret)
{
	for (int i = 0; i < 20000; i++) {
		*ret = control_next(&vm, fd, NULL);
		if (ret->type)
			return;
		(void)poll(NULL, 0, 1);
	}
}

static void test_deadline(void)
{
	struct answer m;
	int a, b, events;

	fake_vm_running(&vm);
	a = freeze(60000);
	b = ask(30);
	is_answer(b, CONTROL_RESULT, 0, "a second holder, for 30 ms");
	events = watch();
	await_deadline(b, &m);
	ok(m.type == CONTROL_EXIT && m.a == CONTROL_THAW_DEADLINE,
	   "is told that its time is over");
	is_int(vm.gate, CONTAINER_GATE_CLOSED, "the first holds it yet");
	is_answer(a, 0, 0, "and is told nothing");
	(void)close(a);
	(void)close(b);
	fake_run(&vm.g);
	is_answer(events, CONTROL_THAWED, CONTROL_THAW_RELEASED, "thawed by the last");
	is_thawed();
	a = freeze(30);
	is_answer(events, CONTROL_FROZEN, (uint32_t)getpid(), "frozen for 30 ms");
	await_deadline(a, &m);
	ok(m.type == CONTROL_EXIT && m.a == CONTROL_THAW_DEADLINE, "that are over");
	is_answer(events, CONTROL_THAWED, CONTROL_THAW_DEADLINE,
		  "thawed by itself, as the event says");
	is_thawed();
	(void)close(a);
	(void)close(events);
	fake_vm_end(&vm);
}

/* An agent that lives and hangs. */
static void test_silent_agent(void)
{
	struct agent_frame f;
	struct answer m;
	int fd;

	fake_vm_running(&vm);
	fd = ask(30);
	(void)agent_asked(1);
	await_deadline(fd, &m);
	ok(m.type == CONTROL_RESULT && m.a == ETIMEDOUT, "the guest did not answer");
	(void)close(fd);
	f = agent_asked(0);
	is_int(vm.gate, CONTAINER_GATE_OPEN, "nothing is frozen");
	fd = ask(30);
	ok(agent_next(&vm, NULL).type == 0, "it is not asked again before it answers");
	await_deadline(fd, &m);
	is_int(m.a, ETIMEDOUT, "so the next one fails as well");
	(void)close(fd);
	agent_answer(&vm, &f, 0, 0, "");
	fd = freeze(60000);
	(void)close(fd);
	fake_run(&vm.g);
	is_thawed();
	fake_vm_end(&vm);
}

static void test_refused(void)
{
	int fd;

	fake_vm_running(&vm);
	fd = ask(60000);
	answer(1, EIO, "freeze hook '/h': exit status 1");
	is_answer(fd, 0, 0, "what was done is undone first");
	is_thawed();
	is_refused(fd, EIO, "freeze hook '/h': exit status 1");
	fd = ask(60000);
	vm.gate_slow = true;
	answer(1, 0, "");
	is_answer(fd, 0, 0, "a change is under way");
	vm.gate_slow = false;
	fake_gate(&vm, -EOPNOTSUPP);
	is_thawed();
	is_refused(fd, EOPNOTSUPP,
		   "a file is mapped for writing, and the host's kernel has no "
		   "/proc/self/pagemap to tell what is stored there meanwhile");
	fd = control_ask(&vm, CONTROL_THAW, 0, 0);
	is_refused(fd, EINVAL, "container not frozen");
	fd = control_ask(&vm, CONTROL_FREEZE, 0, 0);
	is_refused(fd, EPROTO, "deadline out of range");
	fd = control_ask(&vm, CONTROL_FREEZE, CONTROL_FREEZE_MAX_MS + 1, 0);
	is_refused(fd, EPROTO, "deadline out of range");
	fd = control_ask(&vm, CONTROL_FREEZE, 1, 1u << 31);
	is_refused(fd, EPROTO, "no such process");
	fake_vm_end(&vm);
}

static void test_slow_gate(void)
{
	struct answer m;
	int fd;

	fake_vm_running(&vm);
	vm.gate_slow = true;
	fd = ask(60000);
	answer(1, 0, "");
	is_answer(fd, 0, 0, "the gate is closing");
	fake_gate(&vm, CONTAINER_GATE_CLOSED);
	is_answer(fd, CONTROL_RESULT, 0, "closed");
	(void)close(fd);
	fake_run(&vm.g);
	ok(agent_next(&vm, NULL).type == 0, "the gate is opening");
	fake_gate(&vm, CONTAINER_GATE_OPEN);
	is_thawed();
	fd = ask(30);
	answer(1, 0, "");
	await_deadline(fd, &m);
	is_int(m.a, ETIMEDOUT, "a change that does not end");
	vm.gate_slow = false;
	fake_gate(&vm, CONTAINER_GATE_OPEN);
	is_thawed();
	(void)close(fd);
	fake_vm_end(&vm);
}

static void test_administrator(void)
{
	int a, b, admin;

	fake_vm_running(&vm);
	a = freeze(60000);
	b = ask(60000);
	is_answer(b, CONTROL_RESULT, 0, "two holders");
	admin = control_ask(&vm, CONTROL_THAW, 0, 0);
	is_answer(a, CONTROL_EXIT, CONTROL_THAW_ADMINISTRATOR, "both are told");
	is_answer(b, CONTROL_EXIT, CONTROL_THAW_ADMINISTRATOR, "that it is over");
	is_answer(admin, 0, 0, "the guest has to thaw yet");
	is_thawed();
	is_answer(admin, CONTROL_RESULT, 0, "thawed");
	(void)close(a);
	(void)close(b);
	(void)close(admin);
	a = ask(60000);
	admin = control_ask(&vm, CONTROL_THAW, 0, 0);
	answer(1, ECANCELED, "cancelled");
	is_thawed();
	is_refused(a, ECANCELED, "an administrator thaws the container");
	is_answer(admin, CONTROL_RESULT, 0, "also while it freezes");
	(void)close(admin);
	fake_vm_end(&vm);
}

static void test_kill(void)
{
	struct agent_frame f;
	int fd, kill_fd;

	fake_vm_running(&vm);
	fd = freeze(60000);
	kill_fd = control_ask(&vm, CONTROL_KILL, SIGTERM, 0);
	f = agent_next(&vm, NULL);
	is_int(f.type, AGENT_KILL, "SIGTERM is passed on");
	is_int(vm.gate, CONTAINER_GATE_CLOSED, "and thaws nothing");
	agent_answer(&vm, &f, 0, 0, "");
	(void)close(kill_fd);
	kill_fd = control_ask(&vm, CONTROL_KILL, SIGKILL, 0);
	is_int(vm.gate, CONTAINER_GATE_OPEN, "who waits at the gate can be killed");
	is_answer(fd, CONTROL_EXIT, CONTROL_THAW_KILLED, "the holder is told");
	answer(0, 0, "");
	f = agent_next(&vm, NULL);
	is_int(f.type, AGENT_KILL, "and the signal is passed on");
	(void)close(fd);
	(void)close(kill_fd);
	fake_vm_end(&vm);
}

static void test_end(void)
{
	struct agent_frame f;
	int fd, stop;

	fake_vm_running(&vm);
	fd = freeze(60000);
	stop = control_ask(&vm, CONTROL_STOP, 0, 0);
	is_int(vm.gate, CONTAINER_GATE_OPEN, "a stop thaws first");
	is_answer(fd, CONTROL_EXIT, CONTROL_THAW_ENDED, "the holder is told");
	f = agent_next(&vm, NULL);
	is_int(f.type, AGENT_SHUTDOWN, "then the guest shuts down");
	agent_answer(&vm, &f, 0, 0, "");
	(void)close(fd);
	(void)close(stop);
	fake_vm_end(&vm);

	fake_vm_running(&vm);
	fd = freeze(60000);
	agent_exit(&vm, AGENT_PROC_INIT, 0);
	is_answer(fd, CONTROL_EXIT, CONTROL_THAW_ENDED, "init has ended");
	is_int(vm.gate, CONTAINER_GATE_OPEN, "thawed");
	fake_shut_down(&vm);
	(void)close(fd);
	fake_vm_end(&vm);

	fake_vm_running(&vm);
	fd = freeze(60000);
	fake_packet(&vm.g, vm.ctl, VIRTIO_VSOCK_OP_RST, 0, NULL, 0);
	fake_run(&vm.g);
	is_answer(fd, CONTROL_EXIT, CONTROL_THAW_ENDED, "the agent has died");
	(void)close(fd);
	fake_vm_end(&vm);
}

static void is_status(enum control_freeze_state state, unsigned int holders,
		      const char *mounts)
{
	int fd = control_ask(&vm, CONTROL_FREEZE_STATUS, 0, 0);
	auto_buf struct buf text = BUF_INIT;
	struct control_freeze_status s = { 0 };
	struct control_freeze_holder h = { 0 };
	size_t at;

	is_int(control_next(&vm, fd, &text).a, 0, "status");
	fake_check(text.len >= sizeof(s));
	memcpy(&s, text.data, sizeof(s));
	at = sizeof(s) + s.n_holders * sizeof(h);
	is_int(s.state, state, "its state");
	is_int(s.n_holders, holders, "%u holders", holders);
	is_int(s.waiting, 3, "requests wait");
	ok((s.since_ns != 0) == (state == CONTROL_FREEZE_FROZEN), "since when");
	fake_check(text.len == at + s.mounts_len);
	ok(s.mounts_len == strlen(mounts) &&
		   memcmp(text.data + at, mounts, s.mounts_len) == 0,
	   "its mounts");
	(void)close(fd);
	if (!holders)
		return;
	memcpy(&h, text.data + sizeof(s), sizeof(h));
	is_int(h.pid, getpid(), "the holder's pid");
	is_int(h.uid, getuid(), "and user");
	is_str(h.command, "backup", "its name");
	is_int((h.deadline_ns - h.since_ns) / 1000000, 60000, "its deadline");
	is_int(h.holds, state == CONTROL_FREEZE_FROZEN, "what it has");
}

static void test_status(void)
{
	struct agent_frame f;
	int fd;

	fake_vm_running(&vm);
	is_status(CONTROL_FREEZE_NONE, 0, "");
	fd = ask(60000);
	f = agent_asked(1);
	is_status(CONTROL_FREEZE_FREEZING, 1, "");
	agent_answer(&vm, &f, 0, 0, "gate /\ngate /data\n");
	is_status(CONTROL_FREEZE_FROZEN, 1, "gate /\ngate /data\n");
	(void)close(fd);
	fake_run(&vm.g);
	is_status(CONTROL_FREEZE_THAWING, 0, "");
	is_thawed();
	is_status(CONTROL_FREEZE_NONE, 0, "");
	fake_vm_end(&vm);
}

int main(void)
{
	test_whole();
	test_holder_dies();
	test_union();
	test_together();
	test_deadline();
	test_silent_agent();
	test_refused();
	test_slow_gate();
	test_administrator();
	test_kill();
	test_end();
	test_status();
	return tap_done();
}
