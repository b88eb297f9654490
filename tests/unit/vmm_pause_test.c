/* SPDX-License-Identifier: Apache-2.0 */
/* CONTROL_PAUSE, CONTROL_RESUME: what hull-vmm asks the agent, and what status tells. */
#include <sys/wait.h>

#include "tests/unit/fake_agent.h"
#include "tests/unit/tap.h"

static struct fake_vm vm;

/* ask() - a request to freeze (@frozen 1) or thaw; the agent's side of it. */
static struct agent_frame ask(uint32_t type, uint32_t frozen, int *ret_client)
{
	struct agent_frame f;

	*ret_client = control_ask(&vm, type, 0, 0);
	f = agent_next(&vm, NULL);
	ok(f.type == AGENT_FREEZE && f.arg == frozen, "the agent is asked to %s",
	   frozen ? "freeze" : "thaw");
	return f;
}

static void finish(int client, const struct agent_frame *f, uint32_t code,
		   const char *text)
{
	struct answer m;

	agent_answer(&vm, f, code, 0, text);
	m = control_next(&vm, client, NULL);
	ok(m.type == CONTROL_RESULT && m.a == code, "its answer is the answer");
	(void)close(client);
}

static void test_running(void)
{
	struct agent_frame f;
	int client;

	fake_vm_running(&vm);
	f = ask(CONTROL_PAUSE, 1, &client);
	is_int(fake_status(&vm).phase, VM_PHASE_RUNNING, "until it is done, it runs");
	finish(client, &f, 0, "");
	is_int(fake_status(&vm).phase, VM_PHASE_PAUSED, "status: paused");
	f = ask(CONTROL_RESUME, 0, &client);
	finish(client, &f, 0, "");
	is_int(fake_status(&vm).phase, VM_PHASE_RUNNING, "status: running");
	f = ask(CONTROL_PAUSE, 1, &client);
	finish(client, &f, EIO, "no");
	is_int(fake_status(&vm).phase, VM_PHASE_RUNNING, "it could not be paused");
	f = ask(CONTROL_PAUSE, 1, &client);
	finish(client, &f, 0, "");
	agent_exit(&vm, AGENT_PROC_INIT, SIGKILL);
	f = agent_next(&vm, NULL);
	is_int(f.type, AGENT_SHUTDOWN, "a paused container can be killed");
	agent_answer(&vm, &f, 0, 0, "");
	is_int(fake_status(&vm).phase, VM_PHASE_STOPPED, "status: stopped");
	fake_vm_end(&vm);
}

static void test_created(void)
{
	struct agent_frame f;
	int client;

	fake_vm_created(&vm);
	f = ask(CONTROL_PAUSE, 1, &client);
	finish(client, &f, 0, "");
	is_int(fake_status(&vm).phase, VM_PHASE_PAUSED, "a created one too");
	f = ask(CONTROL_RESUME, 0, &client);
	finish(client, &f, 0, "");
	is_int(fake_status(&vm).phase, VM_PHASE_CREATED, "and is created again");
	fake_vm_end(&vm);
}

/* The client that waited too long asks to resume, and goes. */
static void test_given_up(void)
{
	struct agent_frame first;
	struct agent_frame f;
	int waiting;
	int client;

	fake_vm_running(&vm);
	first = ask(CONTROL_PAUSE, 1, &waiting);
	client = control_ask(&vm, CONTROL_RESUME, 0, 0);
	(void)close(client);
	f = agent_next(&vm, NULL);
	ok(f.type == AGENT_FREEZE && f.arg == 0, "a resume in the middle");
	finish(waiting, &first, ECANCELED, "the container did not freeze");
	agent_answer(&vm, &f, 0, 0, "");
	is_int(fake_status(&vm).phase, VM_PHASE_RUNNING, "it runs");
	fake_vm_end(&vm);
}

/* The end came between the agent's answer and ours. */
static void test_late_answer(void)
{
	struct agent_frame f;
	struct agent_frame end;
	int client;

	fake_vm_running(&vm);
	f = ask(CONTROL_PAUSE, 1, &client);
	agent_exit(&vm, AGENT_PROC_INIT, 0);
	end = agent_next(&vm, NULL);
	is_int(end.type, AGENT_SHUTDOWN, "init ended");
	finish(client, &f, 0, "");
	ok(fake_status(&vm).phase != VM_PHASE_PAUSED, "what ends is not paused");
	agent_answer(&vm, &end, 0, 0, "");
	is_int(fake_status(&vm).phase, VM_PHASE_STOPPED, "status: stopped");
	fake_vm_end(&vm);
}

int main(void)
{
	test_running();
	test_created();
	test_given_up();
	test_late_answer();
	return tap_done();
}
