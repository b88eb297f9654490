/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/container.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/io.h"
#include "tests/unit/tap.h"
#include "vmm/vm_config.h"

static char root[64] = "/tmp/hull-container-test-XXXXXX";

static void test_ids(void)
{
	static const char *const good[] = { "a", "a.b", "A-Z_0+9", "..." };
	static const char *const bad[] = { "", ".", "..", "../x", "a/b", "a b", "\xc3\xa4", "a\n" };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		is_int(container_check_id(good[i], &err), 0, "id '%s'", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		is_int(container_check_id(bad[i], &err), -EINVAL, "bad id %zu", i);
	(void)container_check_id("../x", &err);
	is_str(err.msg, "invalid container ID format: ../x", "in runc's words");
}

/* a_sleeper() - a process that lives until it is killed. */
static pid_t a_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	return pid;
}

static struct container *made(const char *id, pid_t pid)
{
	struct container *c = NULL;
	struct err err = ERR_INIT;

	is_int(container_new(root, id, &c, &err), 0, "new");
	c->oci_version = arena_strdup(&c->arena, "1.2.0");
	c->bundle = arena_strdup(&c->arena, "/b \"quoted\"");
	c->rootfs = arena_strdup(&c->arena, "/b/rootfs");
	c->created = arena_strdup(&c->arena, "2024-01-01T00:00:00Z");
	c->cgroup = arena_strdup(&c->arena, "/sys/fs/cgroup/system.slice/hull-one.scope");
	c->unit = arena_strdup(&c->arena, "hull-one.scope");
	c->rdt.root = arena_strdup(&c->arena, "/sys/fs/resctrl");
	c->rdt.group = arena_strdup(&c->arena, "/sys/fs/resctrl/one");
	c->rdt.monitor = arena_strdup(&c->arena, "/sys/fs/resctrl/one/mon_groups/one");
	c->rdt.remove = arena_strdup(&c->arena, "/sys/fs/resctrl/one");
	is_int(container_set_pid(c, pid, &err), 0, "its pid");
	is_int(container_save(c, &err), 0, "save: %s", err.msg);
	return c;
}

static void set_phase(const struct container *c, uint32_t phase)
{
	struct vm_status status = { .phase = phase };
	auto_fd int fd = openat(c->dir, "status", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ok(pwrite(fd, &status, sizeof(status), 0) == sizeof(status), "status file");
}

static void test_life(void)
{
	pid_t pid = a_sleeper();
	auto_container struct container *c = made("one", pid);
	auto_container struct container *again = NULL;
	auto_container struct container *twin = NULL;
	auto_buf struct buf state = BUF_INIT;
	struct err err = ERR_INIT;

	is_int(container_new(root, "one", &twin, &err), -EEXIST, "the id is taken");
	is_str(err.msg, "container with given ID already exists", "in runc's words");
	is_int(container_load(root, "one", &again, &err), 0, "load: %s", err.msg);
	is_str(again->bundle, "/b \"quoted\"", "what was saved comes back");
	is_int(again->pid, pid, "the pid too");
	is_str(again->cgroup, c->cgroup, "the cgroup");
	is_str(again->unit, "hull-one.scope", "systemd's unit");
	is_int(container_status(again), CONTAINER_CREATING, "no status yet");
	set_phase(c, VM_PHASE_CREATED);
	is_int(container_status(again), CONTAINER_CREATED, "created");
	set_phase(c, VM_PHASE_RUNNING);
	is_int(container_status(again), CONTAINER_RUNNING, "running");
	set_phase(c, 77);
	is_int(container_status(again), CONTAINER_CREATING, "a phase that is none");
	again->start_time++;
	is_int(container_status(again), CONTAINER_STOPPED, "the pid is another process'");
	again->start_time--;
	(void)container_state_json(again, "running", again->pid, NULL, &state);
	ok(strstr(state.data, "\"bundle\":\"/b \\\"quoted\\\"\""), "state is JSON");
	(void)kill(pid, SIGKILL);
	{
		siginfo_t info;

		(void)waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	}
	is_int(container_status(again), CONTAINER_STOPPED, "a zombie is stopped");
	(void)waitpid(pid, NULL, 0);
	is_int(container_status(again), CONTAINER_STOPPED, "gone is stopped");
	is_int(container_pidfd(again, &err), -ESRCH, "no pidfd of what is gone");
	is_int(container_remove(again, &err), 0, "remove");
	is_int(container_load(root, "one", &twin, &err), -ENOENT, "it is gone");
	is_str(err.msg, "container does not exist", "in runc's words");
}

static void test_remains(void)
{
	auto_container struct container *c = NULL;
	auto_container struct container *other = NULL;
	auto_container struct container *next = NULL;
	struct err err = ERR_INIT;

	is_int(container_new(root, "cut", &c, &err), 0, "a create begins");
	is_int(container_new(root, "cut", &other, &err), -EEXIST, "another has to keep off");
	is_int(container_load(root, "cut", &other, &err), -ENOENT, "it is not there yet");
	container_free(take_ptr(&c)); /* as if it had been killed */
	is_int(container_new(root, "cut", &next, &err), 0, "what was cut off is taken over");
	is_int(container_remove(next, &err), 0, "and removed");
}

static void test_broken(void)
{
	auto_container struct container *c = NULL;
	auto_container struct container *loaded = NULL;
	struct err err = ERR_INIT;

	(void)container_new(root, "bad", &c, &err);
	(void)io_replace_file(c->dir, "state.json", "{", 1, 0600, &err);
	ok(container_load(root, "bad", &loaded, &err) < 0, "a broken state.json");
	ok(strstr(err.msg, "container 'bad'"), "is an error that names it: %s", err.msg);
	(void)io_replace_file(c->dir, "state.json", "{}", 2, 0600, &err);
	is_int(container_load(root, "bad", &loaded, &err), -EINVAL, "without a pid");
	is_str(err.msg, "container 'bad': state.json: pid is missing", "says so");
	(void)container_remove(c, &err);
}

static void test_list(void)
{
	auto_arena struct arena arena = ARENA_INIT;
	auto_container struct container *b = made("b", getpid());
	auto_container struct container *a = made("a", getpid());
	struct oci_strings ids = { 0 };
	struct err err = ERR_INIT;

	is_int(container_list(root, &ids, &arena, &err), 0, "list");
	is_int(ids.n, 2, "two of them");
	is_str(ids.v[0], "a", "in order");
	(void)container_remove(a, &err);
	(void)container_remove(b, &err);
	is_int(container_list("/nonexistent/hull", &ids, &arena, &err), -ENOENT,
	       "no root folder");
}

int main(void)
{
	if (!mkdtemp(root))
		return 1;
	test_ids();
	test_life();
	test_remains();
	test_broken();
	test_list();
	ok(rmdir(root) == 0, "nothing is left in the root folder");
	return tap_done();
}
