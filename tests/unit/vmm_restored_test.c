/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm/container.c around a template: a machine that is saved before its container is made,
 * and one that goes on from there.
 */
#include <time.h>

#include "tests/unit/fake_agent.h"
#include "tests/unit/tap.h"

static struct fake_vm vm;

static unsigned int n_ready, n_made;
static bool hold; /* ready() says so */
static bool told_before; /* of the container, when made() was called */

static bool ready(void *opaque)
{
	(void)opaque;
	n_ready++;
	return hold;
}

static void made(void *opaque)
{
	struct fake_vm *v = opaque;
	struct vm_sync sync;

	n_made++;
	told_before = recv(v->sync, &sync, sizeof(sync), MSG_DONTWAIT) > 0 ||
		      fake_status(v).phase != VM_PHASE_CREATING;
}

static void begin(bool holds, const struct fake_saved *saved)
{
	n_ready = 0;
	n_made = 0;
	told_before = false;
	hold = holds;
	fake_ready = ready;
	fake_made = made;
	fake_saved = saved;
	fake_vm_begin(&vm, 60000);
}

/* save() - a machine whose agent has said hello and was asked for nothing. */
static void save(struct fake_saved *saved)
{
	begin(true, NULL);
	ok(!container_is_quiet(vm.c), "a guest that boots is not quiet");
	agent_hello(&vm);
	is_int(n_ready, 1, "ready() is asked when the agent has said hello");
	is_int(agent_next(&vm, NULL).type, 0, "true: the agent is asked for nothing");
	ok(container_is_quiet(vm.c), "the container is quiet");
	is_int(fake_save(&vm, saved), 0, "and so is the connection");
}

static void test_held(void)
{
	struct fake_saved saved;
	struct agent_frame f;

	save(&saved);
	container_go_on(vm.c);
	f = agent_next(&vm, NULL);
	is_int(f.type, AGENT_CREATE, "container_go_on(): the container is made");
	ok(!container_is_quiet(vm.c), "which is not quiet");
	container_go_on(vm.c);
	is_int(agent_next(&vm, NULL).type, 0, "once");
	is_int(n_made, 0, "made() comes when it is");
	agent_answer(&vm, &f, 0, 0, "");
	is_int(fake_sync(&vm).type, VM_SYNC_CREATED, "the creator is told");
	is_int(n_made, 1, "made() was called");
	ok(!told_before, "before that");
	fake_vm_end(&vm);
	buf_release(&saved.vsock);
}

static void test_not_held(void)
{
	struct agent_frame f;

	begin(false, NULL);
	agent_hello(&vm);
	f = agent_next(&vm, NULL);
	ok(n_ready == 1 && f.type == AGENT_CREATE, "ready() false: it is made at once");
	agent_answer(&vm, &f, ENOENT, 0, "no such program");
	is_int(fake_sync(&vm).type, VM_SYNC_ERROR, "a container that cannot be made");
	is_int(n_made, 0, "is not");
	fake_vm_end(&vm);
}

/* now_ns() - CLOCK_REALTIME */
static uint64_t now_ns(void)
{
	struct timespec now;

	fake_check(clock_gettime(CLOCK_REALTIME, &now) == 0);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* woken() - the next request is AGENT_WAKE with sense in it; what it says. */
static struct agent_frame woken(uint64_t before, struct agent_wake *ret)
{
	auto_buf struct buf payload = BUF_INIT;
	struct agent_frame f = agent_next(&vm, &payload);

	is_int(f.type, AGENT_WAKE, "the first that a restored machine is told");
	is_int(payload.len, sizeof(*ret), "is of the right length");
	fake_check(payload.len == sizeof(*ret));
	memcpy(ret, payload.data, sizeof(*ret));
	ok(ret->realtime_ns >= before && ret->realtime_ns <= now_ns(), "the time of now");
	return f;
}

static void test_restored(void)
{
	static const struct agent_wake none;
	auto_buf struct buf payload = BUF_INIT;
	struct agent_wake first, second;
	struct fake_saved saved;
	struct agent_frame wake, create;
	uint64_t before = now_ns();

	save(&saved);
	fake_vm_end(&vm);
	begin(true, &saved);
	wake = woken(before, &first);
	create = agent_next(&vm, &payload);
	ok(create.type == AGENT_CREATE && payload.len == 4 + strlen(FAKE_SPEC) &&
		   !memcmp(payload.data, "box", 4),
	   "then comes the container, which waits for no answer");
	is_int(n_ready, 0, "ready() is not asked again");
	agent_answer(&vm, &wake, 0, 0, "");
	is_int(fake_sync(&vm).type, 0, "awake is not created");
	agent_answer(&vm, &create, 0, 0, "");
	is_int(fake_sync(&vm).type, VM_SYNC_CREATED, "but then it is");
	is_int(n_made, 1, "and made() was called");
	fake_vm_end(&vm);

	begin(true, &saved);
	(void)woken(before, &second);
	ok(memcmp(first.seed, second.seed, sizeof(first.seed)) &&
		   memcmp(first.seed, none.seed, sizeof(first.seed)),
	   "two machines of one template have random numbers of their own");
	fake_vm_end(&vm);
	buf_release(&saved.vsock);
}

static void test_does_not_wake(void)
{
	struct fake_saved saved;
	struct agent_wake w;
	struct agent_frame f;
	struct vm_sync sync;

	save(&saved);
	fake_vm_end(&vm);
	begin(true, &saved);
	f = woken(0, &w);
	agent_answer(&vm, &f, EPERM, 0, "set the clock: Operation not permitted");
	sync = fake_sync(&vm);
	ok(sync.type == VM_SYNC_TEMPLATE && sync.err.code == EPERM,
	   "the template is refused, so that the next machine boots");
	sync = fake_sync(&vm);
	ok(sync.type == VM_SYNC_ERROR && sync.err.code == EPERM,
	   "a machine that does not wake up fails its container");
	is_str(sync.err.msg,
	       "the saved machine does not wake up: set the clock: Operation not "
	       "permitted",
	       "by name");
	is_int(n_made, 0, "which is not made");
	fake_vm_end(&vm);
	buf_release(&saved.vsock);
}

/* The deadline of a boot holds for it as well. */
static void test_never_wakes(void)
{
	struct vm_sync sync = { 0 };
	struct fake_saved saved;

	save(&saved);
	fake_vm_end(&vm);
	fake_saved = &saved;
	fake_vm_begin(&vm, 200);
	for (unsigned int i = 0; i < 1000000 && !sync.type; i++)
		sync = fake_sync(&vm);
	ok(sync.type == VM_SYNC_TEMPLATE && sync.err.code == ETIMEDOUT,
	   "the template of one that never answers is refused");
	sync = fake_sync(&vm);
	ok(sync.type == VM_SYNC_ERROR && sync.err.code == ETIMEDOUT,
	   "one that never answers is an error");
	is_str(sync.err.msg, "the guest did not answer within 0.2 s", "by name");
	fake_vm_end(&vm);
	buf_release(&saved.vsock);
}

int main(void)
{
	test_held();
	test_not_held();
	test_restored();
	test_does_not_wake();
	test_never_wakes();
	return tap_done();
}
