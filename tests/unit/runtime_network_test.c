/* SPDX-License-Identifier: Apache-2.0 */
/* Which network namespaces a machine can have, and how many cards it gets. */
#include "runtime/network.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/options.h"
#include "oci/spec.h"
#include "runtime/container.h"
#include "runtime/launch.h"
#include "tests/unit/tap.h"
#include "vmm/vm_config.h"

static char root[64] = "/tmp/hull-network-test-XXXXXX";

/* in_new_network() - a process in one of its own, in which @command has been run. */
static pid_t in_new_network(const char *command)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) == 0 && system(command) == 0)
			(void)!write(ready[1], "", 1);
		for (;;)
			(void)pause();
	}
	(void)close(ready[1]);
	is_int(read(ready[0], &byte, 1), 1, "a namespace: %s", command);
	(void)close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static struct container *made(const char *id)
{
	struct container *c = NULL;

	is_int(container_new(root, id, &c, NULL), 0, "container %s", id);
	c->oci_version = arena_strdup(&c->arena, "1.2.0");
	c->bundle = c->rootfs = arena_strdup(&c->arena, "/b");
	c->created = arena_strdup(&c->arena, "2024-01-01T00:00:00Z");
	return c;
}

/* check() - network_check() of a network namespace @path; "": a new one; NULL: none */
static int check(struct container *c, char *path, bool allow, char **ret_path,
		 struct err *err)
{
	struct oci_namespace ns = { .type = OCI_NS_NETWORK,
				    .path = path && *path ? path : NULL };
	struct oci_linux linux_ = { .namespaces = { .v = &ns, .n = path ? 1 : 0 } };
	struct oci_spec spec = { .linux_ = &linux_ };
	const struct hull_options opt = { .allow_host_net = allow,
					  .no_vhost = allow,
					  .net = { .rx = allow ? 1000000000000 : 0,
						   .antispoof = allow } };
	int ret = network_check(&spec, &opt, c, err);

	*ret_path = ns.path;
	return ret;
}

static void test_check(void)
{
	char own[] = "/proc/self/ns/net", none[] = "", gone[] = "/run/netns/none";
	struct container *c = made("one");
	struct err err = ERR_INIT;
	char *path;

	is_int(check(c, none, false, &path, &err), 0, "a new one");
	is_str(c->net_vhost, "on", "with vhost");
	ok(!c->net_joined, "nothing is joined");
	is_str(c->net_rx, "0", "no limit");
	is_str(c->net_antispoof, "off", "no filter");
	is_int(check(c, NULL, false, &path, &err), -ENOTSUP, "none at all");
	ok(strstr(err.msg, "the host's network cannot be the machine's"), "says: %s",
	   err.msg);
	is_int(check(c, own, false, &path, &err), -ENOTSUP, "the host's by path");
	is_int(check(c, NULL, true, &path, &err), 0, "allowed: none");
	is_int(check(c, own, true, &path, &err), 0, "allowed: by path");
	ok(!path, "and is not joined");
	is_str(c->net_vhost, "off", "without vhost");
	is_str(c->net_rx, "1000000000000", "a limit");
	is_str(c->net_tx, "0", "of one direction");
	is_str(c->net_antispoof, "on", "a filter");
	is_int(check(c, gone, false, &path, &err), -ENOENT, "one that is not there");
	is_str(err.msg,
	       "config.json: linux.namespaces: network '/run/netns/none': No such file or "
	       "directory",
	       "named");
	(void)container_remove(c, NULL);
	container_free(c);
}

static void test_others(void)
{
	struct container *one = made("one");
	struct container *two = made("two");
	pid_t vmm = in_new_network("true");
	struct err err = ERR_INIT;
	char theirs[64];
	char *path;

	(void)snprintf(theirs, sizeof(theirs), "/proc/%d/ns/net", (int)vmm);
	is_int(check(two, theirs, false, &path, &err), 0, "a namespace of nobody's");
	is_str(two->net_joined, theirs, "is remembered");
	is_int(container_set_pid(one, vmm, &err), 0, "that of a container");
	is_int(container_save(one, &err), 0, "which is known");
	is_int(check(two, theirs, false, &path, &err), -ENOTSUP, "is refused");
	ok(strstr(err.msg, "of container 'one' is not supported"), "named: %s", err.msg);
	is_int(check(one, theirs, false, &path, &err), 0, "but not to itself");
	end(vmm);
	(void)container_remove(one, NULL);
	(void)container_remove(two, NULL);
	container_free(one);
	container_free(two);
}

/* cards() - how many are planned for the namespace of a process; 0: a new namespace */
static int cards(pid_t pid, struct oci_hooks *hooks)
{
	struct launch_params launch = { 0 };
	struct oci_linux linux_ = { 0 };
	struct oci_spec spec = { .linux_ = &linux_, .hooks = hooks };
	struct vm_config config = { 0 };
	struct err err = ERR_INIT;
	char path[64];

	if (pid) {
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
		launch.join_fd[launch.n_join++] = open(path, O_RDONLY | O_CLOEXEC);
	}
	is_int(network_plan(&spec, &launch, &config, &err), 0, "plan");
	if (pid)
		close_fd(launch.join_fd[0]);
	return config.n_nics;
}

static void test_plan(void)
{
	struct oci_hook hook = { 0 };
	struct oci_hooks hooks = { .create_runtime = { .v = &hook, .n = 1 } };
	pid_t empty = in_new_network("ip link set lo up");
	pid_t two = in_new_network("ip link add a0 type veth peer name b0 && "
				   "{ ip tuntap add t0 mode tun || true; }");
	char before[64], after[64];
	ssize_t n = readlink("/proc/self/ns/net", before, sizeof(before));

	is_int(cards(0, NULL), 0, "a new namespace");
	is_int(cards(0, &hooks), 1, "which hooks may fill");
	is_int(cards(empty, NULL), 0, "with loopback only");
	is_int(cards(two, NULL), 2, "a veth and its peer, and no tun");
	is_int(readlink("/proc/self/ns/net", after, sizeof(after)), n, "still at home");
	ok(memcmp(before, after, (size_t)n) == 0, "in our own namespace");
	end(empty);
	end(two);
}

/* move() - what becomes of `gone0`, which nobody has, as @name of the namespace of @pid */
static int move(pid_t pid, char *name, bool restored, struct err *err)
{
	struct oci_net_device device = { .key = (char[]){ "gone0" }, .name = name };
	struct oci_linux linux_ = { .net_devices = { .v = &device, .n = 1 } };
	const struct oci_spec spec = { .linux_ = &linux_ };
	const struct container c = { .pid = pid };

	return network_move(&spec, &c, restored, err);
}

static void test_move(void)
{
	pid_t pid = in_new_network("ip link add a0 type veth peer name b0");
	struct err err = ERR_INIT;

	is_int(move(pid, (char[]){ "a0" }, true, &err), 0, "a restored container has it");
	ok(move(pid, (char[]){ "c0" }, true, &err) < 0, "another one is not there");
	ok(strstr(err.msg, "config.json: linux.netDevices: ") == err.msg, "%s", err.msg);
	ok(move(pid, (char[]){ "a0" }, false, &err) < 0, "a new container does not");
	end(pid);
}

int main(void)
{
	ok(mkdtemp(root) != NULL, "a folder for states");
	test_check();
	test_others();
	test_plan();
	test_move();
	is_int(rmdir(root), 0, "nothing is left");
	return tap_done();
}
