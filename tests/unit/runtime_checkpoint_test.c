/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/cmd_checkpoint.c against a hull-vmm of the test's: who is told what, in which
 * order, and that the container lives on unless the image is complete.  On a small tmpfs
 * in a mount namespace of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/arena.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "runtime/checkpoint_image.h"
#include "runtime/cli.h"
#include "runtime/container.h"
#include "runtime/unix_socket.h"
#include "runtime/verbs.h"
#include "tests/unit/tap.h"
#include "vmm/control.h"
#include "vmm/snapshot/image.h"
#include "vmm/vm_config.h"

#define PAUSED_US 1234
#define MAX_WORDS 8

/* What the hull-vmm of a test does, and what it has seen. */
static struct fake {
	bool fails; /* the checkpoint */
	bool dies; /* at it */
	bool saves_nothing;
	bool was_saved, was_stopped;
	uint32_t flags; /* of CONTROL_CHECKPOINT */
} * fake; /* shared with it */

static char root[] = "/tmp/hull-checkpoint-test-XXXXXX";
static int fill = -1; /* what fills the disk when the machine is saved */

static void must(bool cond)
{
	if (!cond)
		abort();
}

/* ---- hull-vmm ----------------------------------------------------------------------- */

static void answer(int sock, uint32_t type, uint32_t a, uint32_t b, const char *text)
{
	char data[128] = { 0 };
	const struct control_msg head = { .type = type, .a = a, .b = b };

	memcpy(data, &head, sizeof(head));
	memcpy(data + sizeof(head), text, strlen(text));
	must(sock_send(sock, data, sizeof(head) + strlen(text), NULL, 0) == 0);
}

/* receive() - the type of the next message; 0: the end. */
static uint32_t receive(int sock, struct control_msg *msg, int *fds)
{
	char data[256];
	unsigned int n_fds = 0;
	ssize_t n = sock_recv(sock, data, sizeof(data), fds, fds ? &n_fds : NULL);

	if (n <= 0)
		return 0;
	must((size_t)n >= sizeof(*msg));
	memcpy(msg, data, sizeof(*msg));
	must(n_fds == (msg->type == CONTROL_CHECKPOINT));
	return msg->type;
}

static void save(int fd)
{
	const struct image_machine m = {
		.magic = IMAGE_MACHINE_MAGIC,
		.version = IMAGE_VERSION,
		.memory = 256u << 20,
		.boot_memory = 128u << 20,
		.vcpus = 1,
		.n_roots = 1,
	};
	static const char block[4096];

	must(pwrite(fd, &m, sizeof(m), 0) == sizeof(m));
	must(ftruncate(fd, (off_t)(IMAGE_RAM_AT + m.memory)) == 0);
	while (fill >= 0 && write(fill, block, sizeof(block)) > 0)
		;
	fake->was_saved = true;
}

static void be_hull_vmm(int listener)
{
	int fds[SOCK_MAX_FDS];
	struct control_msg msg;
	int sock;

	(void)alarm(60);
	sock = accept(listener, NULL, NULL);
	must(sock >= 0 && receive(sock, &msg, fds) == CONTROL_CHECKPOINT);
	must(msg.b > 0 && msg.b <= CONTROL_FREEZE_MAX_MS);
	fake->flags = msg.a;
	if (fake->dies)
		_exit(9);
	if (fake->fails) {
		answer(sock, CONTROL_RESULT, EBUSY, 0,
		       "another checkpoint is being made");
	} else {
		if (!fake->saves_nothing)
			save(fds[0]);
		answer(sock, CONTROL_RESULT, 0, PAUSED_US, "");
	}
	if (receive(sock, &msg, NULL) == CONTROL_STOP) {
		fake->was_stopped = true;
		_exit(137);
	}
	for (;;)
		(void)pause();
}

/* ---- the command ---------------------------------------------------------------------- */

static struct container *a_container(uint32_t phase)
{
	const struct vm_status status = { .phase = phase };
	struct container *c = NULL;
	auto_fd int listener = -1;
	auto_fd int fd = -1;
	pid_t pid;

	must(container_new("state", "c1", &c, NULL) == 0);
	c->oci_version = arena_strdup(&c->arena, "1.2.0");
	c->bundle = arena_strdup(&c->arena, "/b");
	c->rootfs = arena_strdup(&c->arena, "/b/rootfs");
	c->created = arena_strdup(&c->arena, "2024-01-01T00:00:00Z");
	must(unix_listen(c->dir, "control.sock", SOCK_SEQPACKET, &listener, NULL) == 0);
	pid = fork();
	if (pid == 0)
		be_hull_vmm(listener);
	must(pid > 0 && container_set_pid(c, pid, NULL) == 0);
	fd = openat(c->dir, "status", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	must(write(fd, &status, sizeof(status)) == sizeof(status));
	must(container_save(c, NULL) == 0);
	return c;
}

/* end() - what is left of it. */
static void end(struct container *c)
{
	(void)kill(c->pid, SIGKILL);
	(void)waitpid(c->pid, NULL, 0);
	must(container_remove(c, NULL) == 0);
	container_free(c);
}

/* checkpoint() - as if "checkpoint @words c1" had been typed. */
static int checkpoint(const char *words, struct err *err)
{
	static const struct option_def global[] = {
		{ OPTION_STRING, "root", NULL, "DIR", "", "state" },
		{ 0 },
	};
	char line[256];
	char *argv[MAX_WORDS], *rest[MAX_WORDS] = { NULL };
	struct cli cli = { .argv = rest };
	char *save_ptr = NULL;
	int n = 0;
	int ret;

	(void)!snprintf(line, sizeof(line), "%s c1", words);
	for (char *w = strtok_r(line, " ", &save_ptr); w;
	     w = strtok_r(NULL, " ", &save_ptr))
		argv[n++] = w;
	*err = ERR_INIT;
	must(cli_parse_options(&cli.global, global, 0, argv, NULL, NULL, false, &cli.help,
			       NULL) == 0);
	must(cli_parse_options(&cli.options, cmd_checkpoint.options, n, argv, rest,
			       &cli.argc, false, &cli.help, NULL) == n);
	ret = cmd_checkpoint.run(&cli, err);
	cli_release(&cli);
	return ret;
}

/* an_image() - is there one, and nothing half? */
static bool an_image(const char *path)
{
	struct image_machine m;
	int fd = checkpoint_image_open(path, &m, NULL);

	close_fd(fd);
	return fd >= 0;
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static void test_states(void)
{
	static const struct {
		uint32_t phase;
		const char *name;
	} states[] = {
		{ VM_PHASE_CREATING, "creating" },
		{ VM_PHASE_CREATED, "created" },
		{ VM_PHASE_STOPPED, "stopped" },
	};
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct container *c = a_container(states[i].phase);
		char want[128];

		(void)!snprintf(want, sizeof(want),
				"Container cannot be checkpointed in %s state",
				states[i].name);
		is_int(checkpoint("--image-path i", &err), -EINVAL, "%s", states[i].name);
		is_str(err.msg, want, "in runc's words");
		end(c);
	}
	is_int(checkpoint("--image-path i", &err), -ENOENT, "no container");
	ok(!is_there("i"), "and no folder is made");
}

static void test_options(void)
{
	static const struct {
		const char *words;
		const char *says;
	} bad[] = {
		{ "--image-path i --parent-path ../a", "parent '../a': No such file" },
		{ "--image-path i --parent-path /a", "'/a' must be relative to" },
		{ "--page-server 1.2.3.4:5", "--page-server is not supported" },
		{ "--manage-cgroups-mode hard",
		  "\"hard\" for flag -manage-cgroups-mode" },
		{ "--empty-ns mount", "namespace \"mount\" is not supported" },
		{ "--status-fd 999", "invalid --status-fd argument 999: Bad file" },
		{ "--status-fd 9999999999",
		  "invalid --status-fd argument 9999999999: Bad" },
		{ "--status-fd 30", "invalid --status-fd argument 30: not writable" },
	};
	struct container *c = a_container(VM_PHASE_RUNNING);
	struct err err;

	must(dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 30) == 30);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int ret = checkpoint(bad[i].words, &err);

		ok(ret < 0 && strstr(err.msg, bad[i].says), "%s: %s", bad[i].words,
		   err.msg);
	}
	ok(!fake->was_saved && container_alive(c), "hull-vmm has not been asked");
	end(c);
}

static void test_stops(void)
{
	struct container *c = a_container(VM_PHASE_RUNNING);
	char text[128] = "";
	struct err err;
	int pipes[2];

	must(pipe(pipes) == 0 && dup2(pipes[1], 31) == 31);
	close_fd(pipes[1]);
	is_int(checkpoint("--image-path i --status-fd 31 --tcp-established "
			  "--manage-cgroups-mode soft",
			  &err),
	       0, "a container is saved: %s", err.msg);
	close_fd(31);
	ok(fake->was_saved && fake->was_stopped, "and hull-vmm is told to end");
	is_int(fake->flags, 0, "it was to freeze and to stand still");
	ok(an_image("i"), "there is an image");
	ok(!is_there("state/c1"), "and no container any more");
	ok(read(pipes[0], text, sizeof(text) - 1) > 2 && text[0] == 0,
	   "--status-fd gets CRIU's byte");
	ok(strcspn(text + 1, "\n") == strlen(text + 1) - 1, "and a line");
	text[strlen(text + 1)] = 0;
	ok(strncmp(text + 1, "{\"paused_us\":1234,\"taken_us\":", 29) == 0, "%s",
	   text + 1);
	close_fd(pipes[0]);
	(void)waitpid(c->pid, NULL, 0);
	container_free(c);
}

static void test_leaves(void)
{
	struct container *c = a_container(VM_PHASE_PAUSED);
	struct err err;

	is_int(checkpoint("--image-path i --leave-running", &err), 0, "--leave-running");
	is_int(fake->flags, CONTROL_CHECKPOINT_LEAVE, "hull-vmm knows it");
	ok(!fake->was_stopped, "it lives");
	ok(an_image("i") && container_alive(c) && is_there("state/c1"),
	   "it is still there");
	end(c);
	c = a_container(VM_PHASE_RUNNING);
	is_int(checkpoint("--image-path i --leave-running --no-freeze", &err), 0,
	       "without a freeze");
	is_int(fake->flags, CONTROL_CHECKPOINT_LEAVE | CONTROL_CHECKPOINT_NO_FREEZE,
	       "hull-vmm knows that, too");
	ok(fake->was_saved && !fake->was_stopped, "it lives");
	end(c);
}

/* What CRIU leaves in --work-path, byte by byte, but for the time until the freeze. */
static void test_stats(void)
{
	static const unsigned char magic[] = { 0x40, 0x59, 0x10, 0x55,
					       0x06, 0x33, 0x09, 0x57 };
	/* frozen_time 1234, no memdump_time, no memwrite_time, 65536 pages, none of a parent's */
	static const unsigned char numbers[] = { 0x10, 0xd2, 0x09, 0x18, 0x00, 0x20, 0x00,
						 0x28, 0x80, 0x80, 0x04, 0x30, 0x00, 0x38 };
	struct container *c = a_container(VM_PHASE_RUNNING);
	unsigned char file[64] = { 0 };
	struct err err;
	ssize_t n;
	int fd;

	is_int(checkpoint("--image-path i --work-path w/x --leave-running", &err), 0,
	       "--work-path: %s", err.msg);
	fd = open("w/x/stats-dump", O_RDONLY | O_CLOEXEC);
	n = read(fd, file, sizeof(file));
	close_fd(fd);
	ok(n > 16 && !memcmp(file, magic, sizeof(magic)), "a file as CRIU's");
	ok(file[8] == n - 12 && !file[9] && file[12] == 0x0a && file[13] == n - 14 &&
		   file[14] == 0x08,
	   "of one message, the dump's");
	ok(memmem(file + 15, (size_t)n - 15, numbers, sizeof(numbers)),
	   "with how long it stood still, and how much memory it has");
	is_int(file[n - 2] << 8 | file[n - 1], 0x4800, "and no pages left for later");
	end(c);
	c = a_container(VM_PHASE_RUNNING);
	is_int(checkpoint("--image-path i --work-path i/machine --leave-running", &err), 0,
	       "a folder that cannot be made is none of the checkpoint's failures");
	end(c);
}

/* fails() - @words and *fake make it fail with @says, and the container lives on. */
static void fails(const char *words, const char *says)
{
	struct container *c = a_container(VM_PHASE_RUNNING);
	struct err err;
	int ret = checkpoint(words, &err);

	ok(ret < 0 && strstr(err.msg, says), "%s", err.msg);
	ok(!fake->was_stopped && (fake->dies || container_alive(c)),
	   "the container lives on");
	ok(is_there("state/c1"), "its state is there");
	end(c);
	memset(fake, 0, sizeof(*fake));
}

static void test_failures(void)
{
	must(an_image("i"));
	fake->fails = true;
	fails("--image-path j",
	      "checkpoint container 'c1': another checkpoint is being made");
	fake->dies = true;
	fails("--image-path j", "hull-vmm has ended meanwhile");
	fake->saves_nothing = true;
	fails("--image-path j", "what hull-vmm has saved: it is no image of a container");
	must(unlink("i/" CHECKPOINT_IMAGE_MARK) == 0);
	fill = open("fill", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	fails("--image-path j", "No space left on device");
	close_fd(take_fd(&fill));
	must(unlink("fill") == 0);
	ok(!is_there("j"), "nothing is left of any");
	ok(an_image("i"), "the image of before is there");
}

int main(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		return TAP_SKIP;
	log_init(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_TEXT, LOG_INFO);
	fake = mmap(NULL, sizeof(*fake), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(fake != MAP_FAILED);
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	must(mkdtemp(root) && mount("none", root, "tmpfs", 0, "size=1M") == 0);
	must(chdir(root) == 0);
	test_states();
	test_options();
	test_stops();
	memset(fake, 0, sizeof(*fake));
	test_leaves();
	test_stats();
	memset(fake, 0, sizeof(*fake));
	test_failures();
	must(chdir("/") == 0 && umount(root) == 0 && rmdir(root) == 0);
	return tap_done();
}
