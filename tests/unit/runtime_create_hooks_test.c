/* SPDX-License-Identifier: Apache-2.0 */
/*
 * createContainer hooks: their namespaces, their directory, and what is left of
 * what they do.
 */
#include "runtime/create_hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "oci/spec.h"
#include "runtime/container.h"
#include "tests/unit/tap.h"

static char dir[64] = "/tmp/hull-create-hooks-test-XXXXXX";

/* a_vmm() - a process in a network namespace of its own; its pidfd. */
static int a_vmm(pid_t *ret_pid)
{
	int ready[2];
	char byte;

	if (pipe(ready) < 0)
		return -1;
	*ret_pid = fork();
	if (*ret_pid == 0) {
		if (unshare(CLONE_NEWNET) == 0)
			(void)!write(ready[1], "", 1);
		for (;;)
			(void)pause();
	}
	(void)!read(ready[0], &byte, 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	return (int)syscall(SYS_pidfd_open, *ret_pid, 0);
}

static char *text_of(int at, const char *name)
{
	struct buf b = BUF_INIT;

	(void)buf_puts(&b, "");
	(void)io_read_file(at, name, 65536, &b, NULL);
	return buf_take(&b);
}

/* a_hook() - a list with one createContainer hook, a shell script. */
static struct oci_hooks a_hook(char *script)
{
	static char path[] = "/bin/sh", name[] = "sh", option[] = "-c";
	static char env[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	static char *env_list[] = { env, NULL };
	static char *args[4] = { name, option };
	static struct oci_hook hook;

	args[2] = script;
	hook = (struct oci_hook){
		.path = path,
		.args = { .v = args, .n = 3 },
		.env = { .v = env_list, .n = 1 },
		.timeout = { .set = true, .value = 30 },
	};
	return (struct oci_hooks){ .create_container = { .v = &hook, .n = 1 } };
}

static void test_places(const struct container *c, int vmm, pid_t pid)
{
	static char script[] =
		"cat >state; pwd >place; readlink /proc/self/ns/net >net; "
		"readlink /proc/self/ns/mnt >mnt; mount -t tmpfs none mnt.d && "
		"echo mine >mnt.d/file";
	const struct oci_hooks hooks = a_hook(script);
	auto_fd int root = -1;
	auto_fd int rootfs = open(c->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err err = ERR_INIT;
	char path[64], link[64] = "";
	auto_free char *state = NULL;
	auto_free char *place = NULL;
	auto_free char *net = NULL;
	auto_free char *mnt = NULL;
	auto_free char *inside = NULL;
	auto_free char *outside = NULL;

	is_int(create_hooks_container(&hooks, c, vmm, &root, &err), 0, "run: %s",
	       err.msg);
	state = text_of(rootfs, "state");
	ok(strstr(state, "\"status\":\"creating\"") && strstr(state, "\"bundle\":\"/b\""),
	   "the state on stdin: %s", state);
	place = text_of(rootfs, "place");
	ok(strncmp(place, c->rootfs, strlen(c->rootfs)) == 0,
	   "in the root file system: %s", place);
	net = text_of(rootfs, "net");
	(void)!snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	(void)!readlink(path, link, sizeof(link) - 1);
	ok(link[0] && strncmp(net, link, strlen(link)) == 0, "the network namespace");
	mnt = text_of(rootfs, "mnt");
	memset(link, 0, sizeof(link));
	(void)!readlink("/proc/self/ns/mnt", link, sizeof(link) - 1);
	ok(mnt[0] && strncmp(mnt, link, strlen(link)) != 0,
	   "a mount namespace of its own");
	if (!ok(root >= 0, "a root comes back"))
		return;
	inside = text_of(root, "mnt.d/file");
	is_str(inside, "mine\n", "with what was mounted in it");
	outside = text_of(rootfs, "mnt.d/file");
	is_str(outside, "", "which is not seen outside");
	ok(openat(root, "../../../etc", O_PATH | O_CLOEXEC) < 0,
	   "nothing above it is reached");
}

static void test_failure(const struct container *c, int vmm)
{
	static char script[] = "echo on no account; exit 4";
	const struct oci_hooks hooks = a_hook(script);
	const struct oci_hooks none = { 0 };
	struct err err = ERR_INIT;
	int root = -1;

	is_int(create_hooks_container(&hooks, c, vmm, &root, &err), -EIO, "a failure");
	is_str(err.msg,
	       "error running createContainer hook #0: hook '/bin/sh': exit status 4, "
	       "output: on no account ",
	       "the message");
	is_int(root, -1, "no root");
	is_int(create_hooks_container(&none, c, vmm, &root, &err), 0, "no hooks");
	is_int(create_hooks_container(NULL, c, vmm, &root, &err), 0, "none at all");
	is_int(root, -1, "no root");
}

int main(void)
{
	struct container c = { .dir = -1 };
	char id[] = "c", bundle[] = "/b", version[] = "1.2.0",
	     created[] = "2024-01-01T00:00:00Z";
	char rootfs[96], below[128];
	pid_t pid = 0;
	int vmm;

	if (geteuid() != 0) {
		(void)printf("1..0 # SKIP needs root\n");
		return TAP_SKIP;
	}
	if (!mkdtemp(dir))
		return 1;
	(void)!snprintf(rootfs, sizeof(rootfs), "%s/rootfs", dir);
	(void)!snprintf(below, sizeof(below), "%s/mnt.d", rootfs);
	if (mkdir(rootfs, 0755) < 0 || mkdir(below, 0755) < 0)
		return 1;
	c.id = id;
	c.bundle = bundle;
	c.rootfs = rootfs;
	c.oci_version = version;
	c.created = created;
	vmm = a_vmm(&pid);
	c.pid = pid;
	test_places(&c, vmm, pid);
	test_failure(&c, vmm);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)close(vmm);
	(void)!snprintf(below, sizeof(below), "rm -rf --one-file-system %s", dir);
	(void)!system(below);
	return tap_done();
}
