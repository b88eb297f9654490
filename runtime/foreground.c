/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/foreground.h"

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

/* adopt_size() - of the terminal, which the container knew with another one. */
static void adopt_size(struct supervised *s)
{
	uint32_t rows = 0, cols = 0;

	tty_size(s->tty, &rows, &cols);
	if (rows || cols)
		(void)resize(s, rows, cols); /* a program may also do without */
}

static int stay(struct created *created, int signals, bool restored, struct err *err)
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
	if (ret == 0 && restored && created->tty >= 0)
		adopt_size(&f.s);
	if (ret == 0 && !restored)
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

int run_container(struct create_params *params, bool detach, bool keep, struct err *err)
{
	bool restored = params->image_path;
	struct created created;
	struct err ended;
	auto_fd int signals = -1;
	int ret;

	params->foreground = !detach;
	if (!detach) {
		signals = supervise_signals(err);
		if (signals < 0)
			return signals;
	}
	ret = create_container(params, &created, err);
	if (ret < 0)
		return ret;
	if (!detach)
		ret = stay(&created, signals, restored, err);
	else if (!restored)
		ret = container_start(created.container, err);
	if (ret < 0) {
		create_abort(&created);
		return ret;
	}
	if (finish(&created, detach || keep, &ended) < 0)
		log_error("container '%s': %s", params->id, ended.msg);
	return ret;
}
