/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONTROL_CHECKPOINT: the order of freeze and save, every way in which it comes to nothing, and
 * a container that goes on in another machine with its processes and streams.
 */
#include "tests/unit/fake_agent.h"
#include "tests/unit/tap.h"
#include "vmm/snapshot/image.h"

#define KILLED 137

static struct fake_vm vm;

/* What the machine does when it is asked to be saved. */
static int save_ret; /* of the next look */
static unsigned int n_looks, n_let_go;
static bool stands_still;

static uint8_t parent_id[IMAGE_ID_SIZE]; /* that was asked for; zeros: none */

static int save_all(void *opaque, int fd, const uint8_t *parent, struct err *err)
{
	(void)opaque;
	memset(parent_id, 0, sizeof(parent_id));
	if (parent)
		memcpy(parent_id, parent, sizeof(parent_id));
	fake_check(fd >= 0 && !stands_still);
	n_looks++;
	if (save_ret < 0)
		return err_msg(err, -save_ret, "a reason");
	vsock_hold(vm.g.vsock); /* as machine_hold() does */
	stands_still = true;
	return 0;
}

static void let_go(void *opaque)
{
	(void)opaque;
	fake_check(stands_still);
	vsock_let_go(vm.g.vsock);
	stands_still = false;
	n_let_go++;
}

static void begin(void)
{
	save_ret = 0;
	n_looks = n_let_go = 0;
	stands_still = false;
	fake_save_all = save_all;
	fake_let_go = let_go;
	fake_vm_running(&vm);
}

static int ask_for(uint32_t flags, uint32_t ms)
{
	int image = memfd_create("image", MFD_CLOEXEC);
	int fd = control_connect(&vm);

	control_send(&vm, fd, CONTROL_CHECKPOINT, flags, ms, NULL, &image, 1);
	(void)close(image);
	return fd;
}

/* answer() - the agent is asked to freeze (@arg 1) or to thaw, and says @code. */
static void answer(uint32_t arg, uint32_t code)
{
	struct agent_frame f = agent_next(&vm, NULL);

	ok(f.type == AGENT_FSFREEZE && f.arg == arg, "the agent is asked to %s",
	   arg ? "freeze" : "thaw");
	agent_answer(&vm, &f, code, 0, code ? "no" : "");
}

/* next() - the next answer, which may need timers. */
static struct answer next(int fd, struct buf *text)
{
	struct answer m = { 0 };

	for (unsigned int i = 0; i < 5000 && !m.type; i++) {
		m = control_next(&vm, fd, text);
		if (!m.type)
			(void)poll(NULL, 0, 1);
	}
	return m;
}

static void is_answer(int fd, uint32_t type, uint32_t a, const char *what)
{
	struct answer m = next(fd, NULL);

	ok(m.type == type && m.a == a, "%s (%u %u)", what, m.type, m.a);
}

static void is_refused(int fd, uint32_t code, const char *text)
{
	auto_buf struct buf why = BUF_INIT;
	struct answer m = next(fd, &why);

	ok(m.type == CONTROL_RESULT && m.a == code, "refused with %u", m.a);
	is_str(why.data, text, "which says why");
	(void)close(fd);
	fake_run(&vm.g);
}

static void test_stop(void)
{
	int fd;

	begin();
	fd = ask_for(0, 60000);
	is_int((int)n_looks, 0, "not before the guest has frozen");
	answer(1, 0);
	is_answer(fd, CONTROL_RESULT, 0, "saved");
	ok(stands_still, "the machine stands still");
	control_send(&vm, fd, CONTROL_STOP, 0, 0, NULL, NULL, 0);
	is_answer(fd, CONTROL_EXIT, 0, "told to stop: it ends");
	ok(agent_next(&vm, NULL).type == 0, "without a word to the guest");
	is_int((int)fake_status(&vm).phase, VM_PHASE_STOPPED,
	       "the container has stopped");
	is_int(fake_status(&vm).exit_status, KILLED, "as if it was killed");
	(void)close(fd);
	fake_vm_end(&vm);
}

static void test_leave(void)
{
	int fd;

	begin();
	fd = ask_for(CONTROL_CHECKPOINT_LEAVE, 60000);
	answer(1, 0);
	is_answer(fd, CONTROL_RESULT, 0, "saved");
	is_int((int)n_let_go, 1, "and it goes on");
	is_answer(fd, 1, 0, "the connection ends");
	answer(0, 0);
	is_int((int)fake_status(&vm).phase, VM_PHASE_RUNNING, "the container runs");
	(void)close(fd);
	fd = ask_for(CONTROL_CHECKPOINT_LEAVE | CONTROL_CHECKPOINT_NO_FREEZE, 60000);
	is_answer(fd, CONTROL_RESULT, 0, "and can be saved again");
	ok(agent_next(&vm, NULL).type == 0, "without a freeze");
	(void)close(fd);
	fake_vm_end(&vm);
}

static void test_given_up(void)
{
	int fd;

	begin();
	fd = ask_for(0, 60000);
	answer(1, 0);
	is_answer(fd, CONTROL_RESULT, 0, "saved");
	(void)close(fd);
	fake_run(&vm.g);
	is_int((int)n_let_go, 1, "the client goes away: it goes on");
	answer(0, 0);
	fd = ask_for(0, 60000);
	(void)close(fd);
	fake_run(&vm.g);
	answer(1, 0);
	answer(0, 0);
	is_int((int)n_looks, 1, "one that goes away before gets nothing");
	is_int((int)fake_status(&vm).phase, VM_PHASE_RUNNING, "the container runs");
	fake_vm_end(&vm);
}

/* say_too_much() - fill the caller's pipe, which takes no more: @text waits. */
static void say_too_much(struct fake_conn *io, const char *text)
{
	static char full[1 << 16];
	size_t len = 0;

	memset(full, '.', sizeof(full));
	while (len < sizeof(full)) {
		len += fake_send(&vm.g, io, full, sizeof(full) - len);
		fake_run(&vm.g);
	}
	fake_check(fake_send(&vm.g, io, text, strlen(text)) == strlen(text));
	fake_run(&vm.g);
}

/* What is in the image is not handed to those who listen to the machine that was saved. */
static void test_nothing_twice(void)
{
	static char text[(1 << 16) + 64];
	struct fake_conn *io;
	size_t len;
	int fd;

	begin();
	io = agent_stream(&vm, AGENT_PROC_INIT, AGENT_STREAM_IO);
	say_too_much(io, "waits ");
	fd = ask_for(CONTROL_CHECKPOINT_NO_FREEZE, 60000);
	is_answer(fd, CONTROL_RESULT, 0, "saved");
	fake_check(fake_send(&vm.g, io, "late", 4) == 4);
	len = (size_t)read(vm.out, text, sizeof(text));
	is_int((int64_t)len, 1 << 16, "what was handed over is read");
	fake_run(&vm.g);
	is_str(fake_caller_text(vm.out), "", "and nothing follows: it is in the image");
	(void)close(fd);
	fake_run(&vm.g);
	is_str(fake_caller_text(vm.out), "waits late", "unless the machine goes on");
	fake_vm_end(&vm);
}

static void test_busy(void)
{
	int fd;

	begin();
	save_ret = -EAGAIN;
	fd = ask_for(0, 60000);
	answer(1, 0);
	while (n_looks < 3) {
		fake_run(&vm.g);
		(void)poll(NULL, 0, 1);
	}
	save_ret = 0;
	is_answer(fd, CONTROL_RESULT, 0, "a machine that is busy is looked at again");
	(void)close(fd);
	fake_run(&vm.g);
	answer(0, 0);
	save_ret = -EAGAIN;
	fd = ask_for(0, 50);
	answer(1, 0);
	is_refused(fd, ETIMEDOUT, "no moment to save it came in time: a reason");
	answer(0, 0);
	save_ret = -ENOSPC;
	fd = ask_for(0, 60000);
	answer(1, 0);
	is_refused(fd, ENOSPC, "a reason");
	answer(0, 0);
	fake_vm_end(&vm);
}

/* turns() - time for whoever looks again. */
static void turns(void)
{
	for (unsigned int i = 0; i < 20; i++) {
		fake_run(&vm.g);
		(void)poll(NULL, 0, 1);
	}
}

static unsigned int parts; /* that are still to be dumped */

static int dump_begin(void *opaque, int fd, const uint8_t *parent, struct err *err)
{
	int ret = save_all(opaque, fd, parent, err);

	if (ret == 0)
		let_go(opaque);
	return ret;
}

static int dump_some(void *opaque, int fd, struct err *err)
{
	(void)opaque;
	fake_check(fd >= 0 && !stands_still);
	if (save_ret < 0)
		return err_msg(err, -save_ret, "a reason");
	return parts ? (int)(parts-- > 0) : 0;
}

static void ask_upon(int fd, uint32_t flags, const char *parent)
{
	int image = memfd_create("image", MFD_CLOEXEC);

	control_send(&vm, fd, CONTROL_CHECKPOINT, flags, 60000, parent, &image, 1);
	(void)close(image);
}

/* Memory while the machine runs, in parts. */
static void test_pre_dump(void)
{
	const uint32_t flags = CONTROL_CHECKPOINT_PRE_DUMP | CONTROL_CHECKPOINT_LEAVE;
	int fd;

	fake_dump_begin = dump_begin;
	fake_dump_some = dump_some;
	begin();
	parts = 3;
	fd = ask_for(flags, 60000);
	is_answer(fd, CONTROL_RESULT, 0, "a pre-dump is made");
	is_int((int)parts, 0, "to its end");
	is_int((int)n_let_go, 1, "the machine stood still once");
	ok(agent_next(&vm, NULL).type == 0, "and nothing was frozen");
	(void)close(fd);
	fd = control_connect(&vm);
	ask_upon(fd, flags | CONTROL_CHECKPOINT_PARENT, "sixteen letters.");
	is_answer(fd, CONTROL_RESULT, 0, "one upon another");
	ok(memcmp(parent_id, "sixteen letters.", 16) == 0, "which is named");
	(void)close(fd);
	fd = control_connect(&vm);
	ask_upon(fd, CONTROL_CHECKPOINT_PARENT | CONTROL_CHECKPOINT_NO_FREEZE,
		 "sixteen letters.");
	is_answer(fd, CONTROL_RESULT, 0, "so is a whole machine");
	ok(stands_still && memcmp(parent_id, "sixteen letters.", 16) == 0, "likewise");
	(void)close(fd);
	fake_run(&vm.g);
	parts = 1000000;
	fd = ask_for(flags, 60000);
	is_refused(ask_for(0, 60000), EBUSY, "another checkpoint is being made");
	(void)close(fd);
	turns();
	parts = 1;
	fd = ask_for(flags, 60000);
	is_answer(fd, CONTROL_RESULT, 0, "after one that was given up there is another");
	(void)close(fd);
	parts = 1000000;
	fd = ask_for(flags, 60000);
	turns();
	save_ret = -ENOSPC;
	is_refused(fd, ENOSPC, "a reason");
	save_ret = 0;
	is_refused(ask_for(CONTROL_CHECKPOINT_PRE_DUMP, 60000), EPROTO,
		   "checkpoint with unknown flags, or a deadline out of range");
	fd = control_connect(&vm);
	ask_upon(fd, flags | CONTROL_CHECKPOINT_PARENT, "too short");
	is_refused(fd, EPROTO, "a parent's id of a wrong size");
	fake_vm_end(&vm);
	fake_dump_begin = NULL;
	fake_dump_some = NULL;
}

static bool is_whole;

static bool whole(void *opaque)
{
	(void)opaque;
	return is_whole;
}

/* A machine that was restored, and has not all of its memory yet. */
static void test_reading(void)
{
	int fd;

	is_whole = false;
	fake_whole = whole;
	begin();
	fd = ask_for(0, 1);
	turns();
	ok(agent_next(&vm, NULL).type == 0 && n_looks == 0,
	   "nothing is frozen before its memory is there, nor is it late");
	is_refused(ask_for(0, 60000), EBUSY, "another checkpoint is being made");
	(void)close(fd);
	turns();
	ok(agent_next(&vm, NULL).type == 0,
	   "a client that goes away leaves nothing to thaw");
	fd = ask_for(0, 60000);
	is_whole = true;
	turns();
	answer(1, 0);
	is_answer(fd, CONTROL_RESULT, 0, "then it is saved");
	(void)close(fd);
	fake_run(&vm.g);
	answer(0, 0);
	fake_vm_end(&vm);
	fake_whole = NULL;
}

static void test_no_freeze(void)
{
	int fd;

	begin();
	fd = ask_for(0, 60000);
	answer(1, EIO);
	is_refused(fd, EIO, "freeze: no");
	answer(0, 0);
	fd = ask_for(0, 20);
	is_refused(fd, ETIMEDOUT, "the guest did not freeze its files in time");
	answer(1, 0); /* late */
	answer(0, 0);
	is_int((int)n_looks, 0, "nothing was saved");
	fake_vm_end(&vm);
}

static void test_others(void)
{
	int a, b;

	begin();
	a = ask_for(0, 60000);
	is_refused(ask_for(0, 60000), EBUSY, "another checkpoint is being made");
	b = control_connect(&vm);
	control_send(&vm, b, CONTROL_FREEZE, 1000, 1, "backup", NULL, 0);
	is_refused(b, EBUSY, "a checkpoint is being made");
	answer(1, 0);
	is_answer(a, CONTROL_RESULT, 0, "saved");
	(void)close(a);
	fake_run(&vm.g);
	answer(0, 0);
	b = control_connect(&vm);
	control_send(&vm, b, CONTROL_FREEZE, 60000, 1, "backup", NULL, 0);
	is_refused(ask_for(0, 60000), EBUSY, "the container's file systems are frozen");
	answer(1, 0);
	(void)close(b);
	fake_run(&vm.g);
	fake_vm_end(&vm);

	fake_vm_created(&vm);
	is_refused(ask_for(0, 60000), ESRCH, "container not running");
	fake_vm_end(&vm);
}

static void test_end(void)
{
	int fd;

	begin();
	save_ret = -EAGAIN;
	fd = ask_for(0, 60000);
	answer(1, 0);
	agent_exit(&vm, AGENT_PROC_INIT, 3 << 8);
	is_refused(fd, ESRCH, "the container has ended");
	fake_shut_down(&vm);
	fake_vm_end(&vm);
}

/* ---- another machine ------------------------------------------------------------------ */

/* saved_one() - a container with @text in stdout's stream that nobody has taken yet. */
static void saved_one(struct fake_saved *saved, const char *text)
{
	struct fake_conn *io, *err;

	begin();
	io = agent_stream(&vm, AGENT_PROC_INIT, AGENT_STREAM_IO);
	err = agent_stream(&vm, AGENT_PROC_INIT, AGENT_STREAM_STDERR);
	say_too_much(io, text);
	/* As the agent opens them ahead. */
	fake_connect(&vm.g, vm.next_port++, AGENT_PORT_STREAM);
	is_int(fake_save(&vm, saved), 0, "the connections are saved");
	is_int(container_save(vm.c, &saved->container, NULL), 0, "and the container");
	saved->streams[0] = *io;
	saved->streams[1] = *err;
	saved->n_streams = 2;
}

static void free_saved(struct fake_saved *saved)
{
	buf_release(&saved->vsock);
	buf_release(&saved->container);
}

static void test_goes_on(void)
{
	auto_buf struct buf payload = BUF_INIT;
	struct agent_wake wake;
	struct fake_saved saved;
	struct agent_frame f;

	saved_one(&saved, "waits");
	saved.image_flags = IMAGE_FROZEN;
	fake_vm_end(&vm);
	fake_saved = &saved;
	fake_vm_begin(&vm, 60000);
	fake_saved = NULL;
	is_int(fake_restored, 0, "another machine has it");
	is_str(fake_caller_text(vm.out), "waits",
	       "what waited comes to the new caller, once");
	f = agent_next(&vm, &payload);
	fake_check(payload.len == sizeof(wake));
	memcpy(&wake, payload.data, sizeof(wake));
	ok(f.type == AGENT_WAKE && wake.restored == 1, "the agent is woken");
	is_int((int)fake_status(&vm).phase, VM_PHASE_CREATING, "not before it runs");
	agent_answer(&vm, &f, 0, 0, "");
	is_int((int)fake_sync(&vm).type, VM_SYNC_CREATED,
	       "the restoring command is told");
	is_int((int)fake_status(&vm).phase, VM_PHASE_RUNNING, "that the container runs");
	answer(0, 0);
	agent_exit(&vm, AGENT_PROC_INIT, 7 << 8);
	fake_shut_down(&vm);
	is_int(container_exit_status(vm.c), 7, "and it ends as any other");
	fake_vm_end(&vm);
	free_saved(&saved);
}

static void test_paused(void)
{
	struct fake_saved saved;
	struct agent_frame f;

	saved_one(&saved, "");
	saved.image_flags = IMAGE_PAUSED;
	fake_vm_end(&vm);
	fake_saved = &saved;
	fake_vm_begin(&vm, 60000);
	fake_saved = NULL;
	f = agent_next(&vm, NULL);
	agent_answer(&vm, &f, 0, 0, "");
	is_int((int)fake_status(&vm).phase, VM_PHASE_PAUSED, "what was paused is");
	fake_vm_end(&vm);
	free_saved(&saved);
}

/* Sections that no hull-vmm writes. */
static void test_damaged(void)
{
	unsigned int loaded = 0;
	struct fake_saved saved;

	saved_one(&saved, "waits");
	fake_vm_end(&vm);
	for (size_t i = 0; i < saved.container.len; i += 5) {
		saved.container.data[i] = (char)(saved.container.data[i] ^ 0x41);
		fake_saved = &saved;
		fake_vm_begin(&vm, 60000);
		fake_saved = NULL;
		loaded += fake_restored == 0;
		fake_restored = 0;
		fake_vm_end(&vm);
		saved.container.data[i] = (char)(saved.container.data[i] ^ 0x41);
	}
	ok(loaded < saved.container.len / 10,
	   "most damage is noticed, and none does harm");
	free_saved(&saved);
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	test_stop();
	test_leave();
	test_given_up();
	test_nothing_twice();
	test_busy();
	test_no_freeze();
	test_reading();
	test_pre_dump();
	test_others();
	test_end();
	test_goes_on();
	test_paused();
	test_damaged();
	return tap_done();
}
