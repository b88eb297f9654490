/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/log.h"
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/create.h"
#include "runtime/supervise.h"
#include "runtime/tty.h"
#include "runtime/verbs.h"
#include "vmm/control.h"

/* The container in the foreground: hull-vmm is our child. */
struct foreground {
	struct supervised s;
	struct container *container; /* borrowed */
};

static struct foreground *foreground_of(struct supervised *s)
{
	return (struct foreground *)s; /* its first member */
}

static int reap(struct supervised *s, int *ret_status, struct err *err)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)s->fd, &info, WEXITED | WNOHANG) < 0)
		return err_set(err, errno, "wait for hull-vmm");
	if (info.si_pid == 0)
		return 0;
	*ret_status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	return 1;
}

static int forward(struct supervised *s, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, s->fd, sig, NULL, 0);
}

static int resize(struct supervised *s, uint32_t rows, uint32_t cols)
{
	const struct control_request request = {
		.type = CONTROL_WINSIZE,
		.a = rows,
		.b = cols,
	};

	return control_call(foreground_of(s)->container, &request, NULL, NULL);
}

static int stay(struct created *created, int signals, struct err *err)
{
	struct foreground f = {
		.s = {
			.fd = created->pidfd,
			.news = reap,
			.forward = forward,
			.resize = resize,
			.tty = created->tty,
			.signals = signals,
		},
		.container = created->container,
	};
	struct tty_raw raw = { .fd = -1 };
	int ret = 0;

	if (created->tty >= 0)
		ret = tty_raw_begin(&raw, created->tty, err);
	if (ret == 0)
		ret = container_start(created->container, err);
	if (ret == 0)
		ret = supervise(&f.s, err);
	tty_raw_end(&raw);
	return ret;
}

static int finish(struct created *created, bool keep, struct err *err)
{
	int ret = keep ? 0 : container_delete(created->container, true, err);

	close_fd(created->pidfd);
	close_fd(created->tty);
	container_free(created->container);
	return ret;
}

static int run(struct cli *cli, struct err *err)
{
	bool detach = cli_flag(&cli->options, "detach");
	struct create_params params;
	struct created created;
	struct err ended;
	auto_fd int signals = -1;
	int ret;

	create_params_from(cli, &params);
	params.foreground = !detach;
	if (!detach) {
		signals = supervise_signals(err);
		if (signals < 0)
			return signals;
	}
	ret = create_container(&params, &created, err);
	if (ret < 0)
		return err_wrap(err, ret, "hull run failed");
	ret = detach ? container_start(created.container, err)
		     : stay(&created, signals, err);
	if (ret < 0) {
		create_abort(&created);
		return err_wrap(err, ret, "hull run failed");
	}
	if (finish(&created, detach || cli_flag(&cli->options, "keep"), &ended) < 0)
		log_error("container '%s': %s", params.id, ended.msg);
	return ret;
}

static const struct option_def options[] = {
	CREATE_OPTIONS,
	{ OPTION_BOOL, "detach", "d", NULL, "do not wait for the container's end", NULL },
	{ OPTION_BOOL, "keep", NULL, NULL, "do not delete the container after its end",
	  NULL },
	{ OPTION_BOOL, "no-subreaper", NULL, NULL, "accepted, has no meaning here",
	  NULL },
	{ 0 },
};

const struct command cmd_run = {
	.name = "run",
	.synopsis = "<container-id>",
	.summary = "create and start a container",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
