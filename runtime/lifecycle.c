/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start and end of a container: what `start`, `run` and `delete` share.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "oci/hooks.h"
#include "oci/spec.h"
#include "oci/validate.h"
#include "runtime/container.h"
#include "runtime/control_client.h"
#include "runtime/host_cgroup.h"
#include "runtime/intel_rdt.h"
#include "runtime/network.h"
#include "runtime/verbs.h"
#include "vmm/control.h"

/* (ms) an orderly end may take: the guest writes back what it holds. */
#define STOP_TIMEOUT_MS 10000

int container_of(const struct cli *cli, struct container **ret, struct err *err)
{
	return container_load(cli_string(&cli->global, "root"), cli->argv[0], ret, err);
}

int print_out(const char *text, struct err *err)
{
	int ret = io_write_full(STDOUT_FILENO, text, strlen(text));

	return ret < 0 ? err_set(err, -ret, "write to stdout") : 0;
}

int log_warnings(const struct oci_spec *spec, struct err *err)
{
	auto_buf struct buf lines = BUF_INIT;
	char *rest = NULL;

	if (oci_warnings(spec, host_cgroup_is_v1(), &lines) < 0)
		return err_set(err, ENOMEM, "warnings");
	for (char *line = lines.data ? strtok_r(lines.data, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest))
		log_warn("%s", line);
	return 0;
}

enum late_hooks {
	POSTSTART,
	POSTSTOP,
};

static int run_hooks(const struct container *c, enum late_hooks which, const char *status,
		     pid_t pid, struct err *err)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	auto_buf struct buf state = BUF_INIT;
	const struct oci_hook_list *hooks;
	int ret;

	ret = container_spec(c, &spec, err);
	if (ret < 0 || !spec->hooks)
		return ret;
	hooks = which == POSTSTART ? &spec->hooks->poststart : &spec->hooks->poststop;
	if (!hooks->n)
		return 0;
	ret = container_state_json(c, status, pid, NULL, &state);
	if (ret < 0)
		return err_set(err, -ret, "state for the hooks");
	if (which == POSTSTART)
		return hooks_run(hooks, "poststart", state.data, environ, err);
	/* None of these stops the others or the removal (runtime.md#lifecycle, 13). */
	for (size_t i = 0; i < hooks->n; i++) {
		struct err why = ERR_INIT;

		if (hooks_run_one(hooks, i, "poststop", state.data, environ, &why) < 0)
			log_warn("container '%s': %s", c->id, why.msg);
	}
	return 0;
}

int container_start(struct container *c, struct err *err)
{
	int ret;

	switch (container_status(c)) {
	case CONTAINER_RUNNING:
		return err_msg(err, EINVAL, "cannot start an already running container");
	case CONTAINER_STOPPED:
		return err_msg(err, EINVAL, "cannot start a container that has stopped");
	case CONTAINER_PAUSED:
		return err_msg(err, EINVAL,
			       "cannot start a container in the paused state");
	case CONTAINER_CREATING:
		return err_msg(err, EINVAL,
			       "cannot start a container that is being created");
	case CONTAINER_CREATED:
		break;
	}
	/* Somebody may have filled the namespace since the create. */
	ret = network_follow(c, NULL, true, err);
	if (ret == 0)
		ret = control_call(c, &(struct control_request){ .type = CONTROL_START },
				   NULL, err);
	if (ret < 0)
		return ret;
	return run_hooks(c, POSTSTART, "running", c->pid, err);
}

/*
 * end() - of hull-vmm with its last thread: until then its cgroup is not empty, though
 * the container is stopped already.  One that is not is stopped through the agent; by
 * force when it takes too long.
 */
static void end(const struct container *c, bool stopped, int pidfd)
{
	struct err err = ERR_INIT;
	auto_fd int sock = -1;
	int ret = stopped ? 0 : control_connect(c, &sock, &err);

	if (ret == 0 && !stopped)
		ret = control_send(
			sock, &(struct control_request){ .type = CONTROL_STOP }, &err);
	if (ret == 0 && io_wait_readable(pidfd, STOP_TIMEOUT_MS) > 0)
		return;
	if (io_wait_readable(pidfd, 0) <= 0)
		log_warn("container '%s' does not end by itself%s%s: killing hull-vmm",
			 c->id, ret < 0 ? ": " : "", ret < 0 ? err.msg : "");
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	host_cgroup_thaw(c);
	(void)io_wait_readable(pidfd, -1);
}

void container_poststop(const struct container *c)
{
	struct err err = ERR_INIT;

	/* Their failure is no reason to keep the container (runtime.md#lifecycle). */
	if (run_hooks(c, POSTSTOP, "stopped", 0, &err) < 0)
		log_warn("container '%s': %s", c->id, err.msg);
}

void container_leave_host(const struct container *c)
{
	struct err err = ERR_INIT;

	network_clean(c);
	if (intel_rdt_remove(&c->rdt, &err) < 0)
		log_warn("container '%s': %s", c->id, err.msg);
	if (host_cgroup_remove(c, &err) < 0)
		log_warn("container '%s': %s", c->id, err.msg);
}

/*
 * take() - one at a time takes a container away: who waited for the end of it, as `run`
 * does, and who brought it about.  By a lock on its status file.
 * @ret_lock: the caller's
 * Return: 1; 0: another one has done it
 */
static int take(const struct container *c, int *ret_lock)
{
	auto_fd int fd = openat(c->dir, "status", O_RDONLY | O_CLOEXEC);
	struct stat st;

	/* Without one hull-vmm was never there; or all of it has gone. */
	if (fd < 0)
		return faccessat(c->dir, "state.json", F_OK, 0) == 0;
	if (flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0)
		return 1; /* better twice than never */
	*ret_lock = take_fd(&fd);
	return st.st_nlink > 0;
}

int container_delete(struct container *c, bool force, struct err *err)
{
	enum container_status status = container_status(c);
	auto_fd int lock = -1;
	auto_fd int pidfd = -1;

	if ((status == CONTAINER_RUNNING || status == CONTAINER_PAUSED) && !force)
		return err_msg(err, EBUSY,
			       "cannot delete container %s that is not stopped: %s",
			       c->id, container_status_name(status));
	if (!take(c, &lock))
		return 0;
	pidfd = container_pidfd_to_end(c);
	if (pidfd >= 0)
		end(c, status == CONTAINER_STOPPED, pidfd);
	container_poststop(c);
	container_leave_host(c);
	return container_remove(c, err);
}
