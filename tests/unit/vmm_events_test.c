/* SPDX-License-Identifier: Apache-2.0 */
/* The container's counters, new limits and events, as hull-vmm passes them on. */
#include "tests/unit/fake_agent.h"
#include "tests/unit/tap.h"
#include "vmm/cgroup_stats.h"
#include "vmm/container_internal.h"

static struct fake_vm vm;

/* ---- counters ----------------------------------------------------------------------- */

/* answer_stats() - @len bytes of @stats. */
static void answer_stats(const struct cgroup_stats *stats, size_t len)
{
	struct agent_frame f = agent_next(&vm, NULL);

	is_int(f.type, AGENT_STATS, "the agent is asked");
	agent_send(&vm, (struct agent_frame){ .type = AGENT_RESULT, .seq = f.seq }, stats,
		   len);
}

static void test_stats(void)
{
	const struct cgroup_stats s = { .n_io = CGROUP_MAX_IO,
					.n_hugetlb = CGROUP_MAX_HUGETLB,
					.memory_usage = 5,
					.pids = UINT64_MAX };
	auto_buf struct buf text = BUF_INIT;
	struct answer m;
	struct agent_frame f;
	int fd;

	fake_vm_created(&vm);
	fd = control_ask(&vm, CONTROL_CGROUP_STATS, 0, 0);
	answer_stats(&s, sizeof(s));
	m = control_next(&vm, fd, &text);
	ok(m.type == CONTROL_RESULT && m.a == 0, "counters");
	ok(text.len == sizeof(s) && memcmp(text.data, &s, sizeof(s)) == 0,
	   "as the guest told them");
	(void)close(fd);
	fd = control_ask(&vm, CONTROL_CGROUP_STATS, 0, 0);
	f = agent_next(&vm, NULL);
	agent_answer(&vm, &f, ENOMEM, 0, "no memory");
	m = control_next(&vm, fd, &text);
	ok(m.a == ENOMEM && !strcmp(text.data, "no memory"), "its error is passed on");
	(void)close(fd);
	fake_vm_end(&vm);
}

static void malformed(const char *what, const struct cgroup_stats *s, size_t len)
{
	int fd;

	fake_vm_running(&vm);
	fd = control_ask(&vm, CONTROL_CGROUP_STATS, 0, 0);
	answer_stats(s, len);
	is_int(control_next(&vm, fd, NULL).a, EPROTO, "refused: %s", what);
	is_int(container_exit_status(vm.c), 137, "and the guest is no more");
	(void)close(fd);
	fake_vm_end(&vm);
}

static void test_malformed(void)
{
	struct cgroup_stats s = { 0 };
	char longer[sizeof(s) + 1] = { 0 };

	malformed("nothing", NULL, 0);
	malformed("a byte too few", &s, sizeof(s) - 1);
	malformed("a byte too many", (struct cgroup_stats *)(void *)longer,
		  sizeof(longer));
	s.n_io = CGROUP_MAX_IO + 1;
	malformed("more devices than there is room", &s, sizeof(s));
	s.n_io = 0;
	s.n_hugetlb = UINT32_MAX;
	malformed("more sizes of pages than there is room", &s, sizeof(s));
}

/* ---- new limits ----------------------------------------------------------------------- */

static void test_update(void)
{
	auto_buf struct buf text = BUF_INIT;
	struct agent_frame f;
	struct answer m;
	int fd;

	fake_vm_running(&vm);
	fd = control_connect(&vm);
	control_send(&vm, fd, CONTROL_UPDATE, 0, 0, "{\"pids\":{}}", NULL, 0);
	f = agent_next(&vm, &text);
	ok(f.type == AGENT_UPDATE && f.container == CONTAINER_NUMBER,
	   "new limits go to the agent");
	is_str(text.data, "{\"pids\":{}}", "as they came");
	is_int(control_next(&vm, fd, NULL).type, 0, "and are answered by it");
	agent_answer(&vm, &f, 0, 0, "");
	m = control_next(&vm, fd, NULL);
	ok(m.type == CONTROL_RESULT && m.a == 0, "done");
	(void)close(fd);
	fd = control_connect(&vm);
	control_send(&vm, fd, CONTROL_UPDATE, 0, 0, "{}", NULL, 0);
	f = agent_next(&vm, NULL);
	agent_answer(&vm, &f, EINVAL, 0, "cgroup: write '\x1b[2J'");
	m = control_next(&vm, fd, &text);
	is_int(m.a, EINVAL, "its error is passed on");
	is_str(text.data, "cgroup: write '?[2J'", "without its escapes");
	(void)close(fd);
	fd = control_ask(&vm, CONTROL_UPDATE, 0, 0);
	is_int(control_next(&vm, fd, NULL).a, EPROTO, "no limits at all");
	(void)close(fd);
	fd = control_connect(&vm);
	control_send(&vm, fd, CONTROL_CGROUP_STATS, 0, 0, "{}", NULL, 0);
	is_int(control_next(&vm, fd, NULL).a, EPROTO, "words that mean nothing");
	(void)close(fd);
	is_int(agent_next(&vm, NULL).type, 0, "of which the agent hears nothing");
	fake_vm_end(&vm);
}

/* ---- events ---------------------------------------------------------------------------- */

static void tell_oom(void)
{
	agent_send(&vm, (struct agent_frame){ .type = AGENT_OOM }, NULL, 0);
}

static int watch(void)
{
	int fd = control_ask(&vm, CONTROL_EVENTS, 0, 0);
	struct answer m = control_next(&vm, fd, NULL);

	ok(m.type == CONTROL_RESULT && m.a == 0, "events are promised");
	return fd;
}

static void test_events(void)
{
	struct answer m;
	int first;
	int second;

	fake_vm_running(&vm);
	tell_oom();
	first = watch();
	second = watch();
	is_int(control_next(&vm, first, NULL).type, 0, "what was before is not told");
	tell_oom();
	is_int(control_next(&vm, first, NULL).type, CONTROL_OOM, "out of memory");
	is_int(control_next(&vm, second, NULL).type, CONTROL_OOM, "all are told");
	is_int(control_next(&vm, first, NULL).type, 0, "once");
	(void)close(second);
	tell_oom();
	is_int(control_next(&vm, first, NULL).type, CONTROL_OOM, "one has gone");
	agent_exit(&vm, AGENT_PROC_INIT, SIGKILL);
	is_int(control_next(&vm, first, NULL).type, 0, "init's end is not yet the end");
	second = control_ask(&vm, CONTROL_EVENTS, 0, 0);
	is_int(control_next(&vm, second, NULL).a, ESRCH,
	       "but there is nothing to be told any more");
	(void)close(second);
	fake_shut_down(&vm);
	m = control_next(&vm, first, NULL);
	ok(m.type == CONTROL_EXIT && m.a == 137, "the container's end is told");
	is_int(control_next(&vm, first, NULL).type, 1, "and is the connection's");
	is_int(fake_status(&vm).phase, VM_PHASE_STOPPED, "it has stopped by then");
	(void)close(first);
	fake_vm_end(&vm);
}

static void test_rude_watchers(void)
{
	int fd;

	fake_vm_running(&vm);
	fd = watch();
	control_send(&vm, fd, CONTROL_SIGNAL, 9, 0, NULL, NULL, 0);
	is_int(control_next(&vm, fd, NULL).type, 1, "one that talks is sent away");
	tell_oom();
	(void)close(fd);
	fd = watch();
	for (unsigned int i = 0; i < 2000; i++)
		tell_oom();
	agent_exit(&vm, AGENT_PROC_INIT, 0);
	fake_shut_down(&vm);
	is_int(fake_status(&vm).phase, VM_PHASE_STOPPED,
	       "one that does not read delays nothing");
	(void)close(fd);
	fake_vm_end(&vm);
}

static void test_many_watchers(void)
{
	int fds[CONTAINER_MAX_WATCHERS + 1];

	fake_vm_running(&vm);
	for (unsigned int i = 0; i <= CONTAINER_MAX_WATCHERS; i++)
		fds[i] = control_ask(&vm, CONTROL_EVENTS, 0, 0);
	is_int(control_next(&vm, fds[CONTAINER_MAX_WATCHERS - 1], NULL).a, 0,
	       "the last that there is room for");
	is_int(control_next(&vm, fds[CONTAINER_MAX_WATCHERS], NULL).a, EBUSY,
	       "one too many");
	(void)close(fds[0]);
	fds[0] = watch();
	for (unsigned int i = 0; i <= CONTAINER_MAX_WATCHERS; i++)
		(void)close(fds[i]);
	fake_vm_end(&vm);
}

/* ---- memory ---------------------------------------------------------------------------- */

static void test_memory(void)
{
	struct agent_frame f = { .type = AGENT_MEMORY, .arg = 384 };

	fake_vm_begin(&vm, 60000);
	vm.config.memory = UINT64_C(5) << 30;
	vm.config.boot_memory = UINT64_C(1) << 30;
	agent_hello(&vm);
	is_int((long long)agent_next(&vm, NULL).value, 4LL << 30,
	       "the agent is told what it can get");
	agent_send(&vm, f, NULL, 0);
	is_int((long long)vm.grown, 384 << 20, "it asks for some");
	f.arg = UINT32_MAX;
	agent_send(&vm, f, NULL, 0);
	is_int((long long)vm.grown, (long long)UINT32_MAX << 20, "any number is passed on");
	fake_vm_end(&vm);
	fake_vm_running(&vm);
	agent_send(&vm, f, "x", 1);
	is_int(container_exit_status(vm.c), 137, "one with a payload ends the guest");
	fake_vm_end(&vm);
}

int main(void)
{
	test_memory();
	test_stats();
	test_malformed();
	test_update();
	test_events();
	test_rude_watchers();
	test_many_watchers();
	return tap_done();
}
