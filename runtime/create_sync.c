/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "oci/spec.h"
#include "runtime/container.h"
#include "runtime/create_hooks.h"
#include "runtime/create_internal.h"
#include "runtime/network.h"
#include "runtime/verbs.h"
#include "vmm/vm_config.h"

/* answer_map_users() - @root: one to have in place of the first root, or -1 */
static int answer_map_users(struct creation *cr, const struct vm_sync *answer, int root,
			    struct err *err)
{
	int ret = sock_send(cr->sync, answer, sizeof(*answer), &root, root >= 0);

	/* If it is gone, the next receive tells why. */
	return ret < 0 && ret != -EPIPE ? err_set(err, -ret, "answer hull-vmm") : 0;
}

/*
 * on_map_users() - hull-vmm stands in its namespaces, and hooks fill them in.  It
 * goes on meanwhile, unless there are hooks that may change what the guest sees of
 * its root file system.
 */
static int on_map_users(struct creation *cr, struct err *err)
{
	struct vm_sync answer = { .type = VM_SYNC_MAP_USERS };
	const struct oci_hooks *hooks = cr->spec->hooks;
	bool wait = hooks && hooks->create_container.n;
	auto_fd int root = -1;
	int ret = 0;

	if (!cr->config->no_userns)
		ret = launch_map_users(cr->container->pid, &answer.err);
	if (ret < 0) {
		answer.err.code = -ret;
		return answer_map_users(cr, &answer, -1, err);
	}
	if (!wait)
		ret = answer_map_users(cr, &answer, -1, err);
	if (ret == 0)
		ret = network_move(cr->spec, cr->container, cr->params->image_path, err);
	if (ret == 0)
		ret = create_hooks_runtime(hooks, cr->container, err);
	if (ret == 0 && wait)
		ret = create_hooks_container(hooks, cr->container, cr->pidfd, &root, err);
	if (ret == 0 && wait)
		ret = answer_map_users(cr, &answer, root, err);
	/* Unless somebody brought interfaces there is nothing to look for yet; a container
	 * that is restored has no start in which to look again. */
	if (ret == 0 && (cr->config->n_nics || cr->params->image_path))
		ret = network_follow(cr->container, &cr->launch.cgroup, false, err);
	return ret;
}

/*
 * on_template() - hull-vmm waits, with its machine saved; or could not use the template.
 * A template that is not kept is no error of this container's.
 */
static int on_template(struct creation *cr, const struct vm_sync *sync, struct err *err)
{
	const struct vm_sync answer = { .type = VM_SYNC_TEMPLATE };
	struct err why = ERR_INIT;
	int ret;

	if (sync->err.code) {
		template_drop(&cr->templates);
		return 0;
	}
	if (cr->config->template_new_fd < 0)
		return err_msg(err, EPROTO, "hull-vmm has saved what it was not asked for");
	if (template_store(&cr->templates, cr->config, &why) < 0)
		log_warn("%s", why.msg);
	ret = sock_send(cr->sync, &answer, sizeof(answer), NULL, 0);
	/* The guest goes on meanwhile. */
	if (template_sum(&cr->templates, cr->config, &why) < 0)
		log_warn("%s", why.msg);
	/* If it is gone, the next receive tells why. */
	return ret < 0 && ret != -EPIPE ? err_set(err, -ret, "answer hull-vmm") : 0;
}

static void publish_template(struct creation *cr)
{
	struct err why = ERR_INIT;

	if (template_publish(&cr->templates, cr->config, &why) < 0)
		log_warn("%s", why.msg);
}

/* ended_early() - how hull-vmm went away without a word. */
static int ended_early(int pidfd, struct err *err)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOWAIT) < 0)
		return err_set(err, errno, "wait for hull-vmm");
	if (info.si_code == CLD_EXITED)
		return err_msg(err, ECHILD, "hull-vmm ended unexpectedly: exit status %d",
			       info.si_status);
	return err_msg(err, ECHILD, "hull-vmm ended unexpectedly: signal %d (%s)",
		       info.si_status, strsignal(info.si_status));
}

int create_keep(struct creation *cr, struct err *err)
{
	const struct vm_sync answer = { .type = VM_SYNC_CREATED };
	int ret = sock_send(cr->sync, &answer, sizeof(answer), NULL, 0);

	/* A container that has ended already is one that was created. */
	return ret < 0 && ret != -EPIPE ? err_set(err, -ret, "answer hull-vmm") : 0;
}

int create_await(struct creation *cr, struct err *err)
{
	for (;;) {
		struct vm_sync sync;
		ssize_t n = sock_recv(cr->sync, &sync, sizeof(sync), NULL, NULL);
		int ret;

		if (n == 0 || n == -ECONNRESET)
			return ended_early(cr->pidfd, err);
		if (n < 0)
			return err_set(err, (int)-n, "wait for hull-vmm");
		if (n != sizeof(sync))
			return err_msg(err, EPROTO, "hull-vmm sent %zd bytes", n);
		switch ((enum vm_sync_type)sync.type) {
		case VM_SYNC_MAP_USERS:
			ret = on_map_users(cr, err);
			if (ret < 0)
				return ret;
			break;
		case VM_SYNC_TEMPLATE:
			ret = on_template(cr, &sync, err);
			if (ret < 0)
				return ret;
			break;
		case VM_SYNC_CREATED:
			publish_template(cr);
			return 0;
		case VM_SYNC_ERROR:
			sync.err.msg[sizeof(sync.err.msg) - 1] = 0;
			return err_msg(err, sync.err.code > 0 ? sync.err.code : EIO,
				       RUNC_NO_PROCESS ": %s", sync.err.msg);
		default:
			return err_msg(err, EPROTO, "hull-vmm sent message %u", sync.type);
		}
	}
}
