/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `hull checkpoint`: hull-vmm saves the machine into a file of ours.  Until that is
 * durable and has its name the machine can go on: the connection that asked for it goes
 * away, or we say CONTROL_STOP on it (vmm/control.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/json.h"
#include "lib/log.h"
#include "runtime/boot_file.h"
#include "runtime/checkpoint_image.h"
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/criu_options.h"
#include "runtime/criu_stats.h"
#include "runtime/host_cgroup.h"
#include "runtime/verbs.h"
#include "vmm/control.h"
#include "vmm/snapshot/image.h"

/* (ms) until the file systems must be frozen and nothing may be under way: as long as
 * `hull freeze` waits. */
#define MOMENT_MS 60000u
/* (ms) hull-vmm's end takes once it is told to, without a word to the guest. */
#define STOP_TIMEOUT_MS 10000

struct checkpoint {
	struct container *container; /* borrowed */
	struct checkpoint_image image;
	uint32_t flags; /* enum control_checkpoint_flags */
	int status_fd; /* or -1 */
	const char *work_path; /* where CRIU's statistics are wanted, or NULL */
	int sock; /* the machine stands still as long as it is open; or -1 */
	uint32_t paused_us; /* how long no vCPU ran, until the machine was saved */
	uint64_t taken_us; /* for all of it: with the freeze */
};

static uint64_t now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail */
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* ---- the machine into the file -------------------------------------------------------- */

static int save(struct checkpoint *cp, struct err *err)
{
	const bool parent = cp->flags & CONTROL_CHECKPOINT_PARENT;
	const struct control_request request = {
		.type = CONTROL_CHECKPOINT,
		.payload = parent ? cp->image.parent.id : NULL,
		.len = parent ? sizeof(cp->image.parent.id) : 0,
		.a = cp->flags,
		.b = MOMENT_MS,
		.fds = &cp->image.fd,
		.n_fds = 1,
	};
	struct control_answer answer = { 0 };
	uint64_t since = now_us();
	int ret = control_connect(cp->container, &cp->sock, err);

	if (ret == 0)
		ret = control_send(cp->sock, &request, err);
	/* As long as it takes to write that much: no deadline of ours. */
	if (ret == 0)
		ret = control_receive(cp->sock, &answer, NULL, err);
	if (ret == 0 || ret == -EPIPE || ret == -ECONNRESET)
		return err_msg(err, ESRCH, "hull-vmm has ended meanwhile");
	if (ret < 0)
		return ret;
	if (answer.type != CONTROL_RESULT)
		return err_msg(err, EPROTO, "hull-vmm sent message %u", answer.type);
	cp->paused_us = answer.b;
	cp->taken_us = now_us() - since;
	return 0;
}

static int commit(struct checkpoint *cp, struct image_machine *machine, struct err *err)
{
	const struct container *c = cp->container;
	int ret = checkpoint_image_head(&cp->image, machine, err);

	if (ret < 0)
		return ret;
	boot_file_recall(c->kernel, &machine->kernel);
	boot_file_recall(c->initrd, &machine->initrd);
	return checkpoint_image_commit(&cp->image, machine, err);
}

/* ---- what comes after ------------------------------------------------------------------ */

/* report() - into --status-fd: CRIU's byte, and a line of our own. */
static int report(const struct checkpoint *cp, struct err *err)
{
	auto_buf struct buf b = BUF_INIT;
	struct json_writer w = JSON_WRITER(&b, NULL);
	int ret;

	if (cp->status_fd < 0)
		return 0;
	(void)buf_append(&b, "", 1);
	json_open_object(&w, NULL);
	json_put_u64(&w, "paused_us", cp->paused_us);
	json_put_u64(&w, "taken_us", cp->taken_us);
	json_close_object(&w);
	(void)buf_puts(&b, "\n");
	if (buf_ok(&b) < 0)
		return err_set(err, ENOMEM, "--status-fd");
	ret = io_write_full(cp->status_fd, b.data, b.len);
	return ret < 0 ? err_set(err, -ret, "write to --status-fd %d", cp->status_fd) : 0;
}

/* leave_stats() - of the image, for who looks for CRIU's. */
static int leave_stats(const struct checkpoint *cp, const struct image_machine *m,
		       struct err *err)
{
	struct criu_stats stats = {
		.freezing_us = cp->taken_us < cp->paused_us ?
				       0 :
				       (uint32_t)(cp->taken_us - cp->paused_us),
		.frozen_us = cp->paused_us,
		.pages_scanned = m->memory / IMAGE_PAGE,
	};
	struct stat st;

	if (!cp->work_path || !*cp->work_path)
		return 0;
	if (fstat(cp->image.fd, &st) < 0)
		return err_set(err, errno, "fstat");
	stats.pages_written = (uint64_t)st.st_blocks * 512u / IMAGE_PAGE;
	return criu_stats_write(cp->work_path, &stats, err);
}

/* stop() - hull-vmm ends; what is left of the container goes as runc has it: a failure
 * there is none of the checkpoint's. */
static void stop(struct checkpoint *cp, int pidfd)
{
	static const struct control_request request = { .type = CONTROL_STOP };
	struct container *c = cp->container;
	struct err why = ERR_INIT;
	int ret = control_send(cp->sock, &request, &why);

	if (ret < 0 || io_wait_readable(pidfd, STOP_TIMEOUT_MS) <= 0) {
		log_warn("container '%s' does not end by itself%s%s: killing hull-vmm",
			 c->id, ret < 0 ? ": " : "", why.msg);
		(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
		host_cgroup_thaw(c);
		(void)io_wait_readable(pidfd, -1);
	}
	if (container_delete(c, true, &why) < 0)
		log_warn("container '%s': %s", c->id, why.msg);
}

/* @parent: --parent-path, or "" */
static int checkpoint(struct checkpoint *cp, const char *path, const char *parent,
		      struct err *err)
{
	auto_fd int pidfd = container_pidfd(cp->container, err);
	struct image_machine machine;
	int ret = pidfd < 0 ? pidfd : checkpoint_image_begin(path, &cp->image, err);

	if (ret == 0 && *parent)
		ret = checkpoint_image_upon(&cp->image, parent, err);
	if (ret == 0)
		ret = save(cp, err);
	if (ret == 0)
		ret = commit(cp, &machine, err);
	if (ret == 0) {
		struct err why = ERR_INIT;

		/* The image is there: who does not listen does not undo it. */
		if (leave_stats(cp, &machine, &why) < 0)
			log_warn("%s", why.msg);
		if (report(cp, &why) < 0)
			log_warn("%s", why.msg);
		if (!(cp->flags & CONTROL_CHECKPOINT_LEAVE))
			stop(cp, pidfd);
	}
	close_fd(take_fd(&cp->sock)); /* if it has not ended, it goes on now */
	checkpoint_image_release(&cp->image);
	return ret;
}

/* ---- the command line ------------------------------------------------------------------ */

/* take_status_fd() - one that can be written to, as runc wants it. */
static int take_status_fd(const struct option_set *options, int *ret_fd, struct err *err)
{
	long n = cli_int(options, "status-fd");
	int flags;

	*ret_fd = -1;
	if (!cli_string(options, "status-fd"))
		return 0;
	flags = n > INT_MAX ? -1 : fcntl((int)n, F_GETFL);
	if (flags < 0)
		return err_set(err, n > INT_MAX ? EBADF : errno,
			       "invalid --status-fd argument %ld", n);
	if ((flags & O_ACCMODE) == O_RDONLY)
		return err_msg(err, EINVAL,
			       "invalid --status-fd argument %ld: not writable", n);
	*ret_fd = (int)n;
	return 0;
}

static int check_options(const struct option_set *options, struct err *err)
{
	int ret = criu_options_check(options, err);

	return ret == 0 ? criu_option_refuse(options, "page-server", err) : ret;
}

static int run(struct cli *cli, struct err *err)
{
	auto_container struct container *c = NULL;
	const char *path = cli_string(&cli->options, "image-path");
	const char *parent = cli_string(&cli->options, "parent-path");
	struct checkpoint cp = {
		.image = CHECKPOINT_IMAGE_INIT,
		.sock = -1,
	};
	enum container_status status;
	int ret = container_of(cli, &c, err);

	if (ret < 0)
		return ret;
	status = container_status(c);
	if (status != CONTAINER_RUNNING && status != CONTAINER_PAUSED)
		return err_msg(err, EINVAL,
			       "Container cannot be checkpointed in %s state",
			       container_status_name(status));
	ret = check_options(&cli->options, err);
	if (ret == 0)
		ret = take_status_fd(&cli->options, &cp.status_fd, err);
	if (ret < 0)
		return ret;
	cp.work_path = cli_string(&cli->options, "work-path");
	if (cli_flag(&cli->options, "leave-running"))
		cp.flags |= CONTROL_CHECKPOINT_LEAVE;
	if (cli_flag(&cli->options, "no-freeze"))
		cp.flags |= CONTROL_CHECKPOINT_NO_FREEZE;
	if (cli_flag(&cli->options, "pre-dump"))
		cp.flags |= CONTROL_CHECKPOINT_PRE_DUMP | CONTROL_CHECKPOINT_LEAVE;
	if (parent && *parent)
		cp.flags |= CONTROL_CHECKPOINT_PARENT;
	cp.container = c;
	(void)signal(SIGPIPE, SIG_IGN); /* a reader of --status-fd may have gone */
	ret = checkpoint(&cp, *path ? path : CHECKPOINT_DEFAULT_PATH,
			 parent ? parent : "", err);
	return ret < 0 ? err_wrap(err, ret, "checkpoint container '%s'", cli->argv[0])
		       : 0;
}

static const struct option_def options[] = {
	{ OPTION_STRING, "image-path", NULL, "DIR", "where the image is put",
	  CHECKPOINT_DEFAULT_PATH },
	{ OPTION_BOOL, "leave-running", NULL, NULL,
	  "the container goes on after the checkpoint", NULL },
	{ OPTION_BOOL, "no-freeze", NULL, NULL,
	  "do not freeze the container's file systems before", NULL },
	{ OPTION_INT, "status-fd", NULL, "FD",
	  "tell there when the image is complete, and for how long the container stood "
	  "still",
	  NULL },
	{ OPTION_BOOL, "tcp-skip-in-flight", NULL, NULL, CRIU_NO_MEANING, NULL },
	{ OPTION_BOOL, "link-remap", NULL, NULL, CRIU_NO_MEANING, NULL },
	{ OPTION_STRING, "work-path", NULL, "DIR",
	  "where CRIU's statistics are put (stats-dump)", NULL },
	CRIU_OPTIONS,
	{ OPTION_BOOL, "lazy-pages", NULL, NULL,
	  "accepted: every image can be restored with --lazy-pages", NULL },
	{ OPTION_BOOL, "pre-dump", NULL, NULL,
	  "save the memory only, while the container runs", NULL },
	{ OPTION_STRING, "parent-path", NULL, "DIR",
	  "save what changed since that pre-dump; relative to --image-path", NULL },
	{ OPTION_STRING, "page-server", NULL, "ADDRESS:PORT", "not supported", NULL },
	{ 0 },
};

const struct command cmd_checkpoint = {
	.name = "checkpoint",
	.synopsis = "<container-id>",
	.summary = "save a running container, to be restored later",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
