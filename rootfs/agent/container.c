/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "oci/cgroup2.h"
#include "oci/honoured.h"
#include "oci/spec.h"
#include "rootfs/agent/agent.h"
#include "rootfs/agent/cgroup.h"
#include "rootfs/agent/container.h"
#include "rootfs/agent/devices.h"
#include "rootfs/agent/freeze.h"
#include "rootfs/agent/mounts.h"
#include "rootfs/agent/net.h"
#include "rootfs/agent/oom.h"
#include "rootfs/agent/resolver.h"
#include "rootfs/agent/rootfs.h"
#include "rootfs/agent/seccomp.h"
#include "rootfs/agent/sockets.h"
#include "rootfs/agent/spawn.h"
#include "rootfs/agent/stream.h"
#include "rootfs/agent/userns.h"
#include "vmm/control.h"

/* Processes of one container that are signalled or listed at once. */
#define MAX_PIDS 4096

/* cgroup_name() - of container @number, in params->cgroup_dir. */
static void cgroup_name(char name[16], uint16_t number)
{
	(void)!snprintf(name, 16, "%u", number);
}

static void container_free(struct agent *a, struct container *c)
{
	container_freeze_cancel(a, c);
	fsfreeze_end(a, c);
	oom_unwatch(a, c);
	close_fd(c->memory_events_fd);
	close_fd(c->pid_ns_fd);
	resolver_free(c->resolver);
	net_free(c->net);
	close_fd(c->net_ns_fd);
	if (c->cgroup_fd >= 0)
		a->stale_cgroups |= UINT64_C(1) << c->number;
	close_fd(c->cgroup_fd);
	filter_free(c->filter);
	oci_spec_free(c->spec);
	free(c->id);
	if (a->containers[c->number] == c)
		a->containers[c->number] = NULL;
	free(c);
}

void container_sweep(struct agent *a)
{
	char name[16];

	for (uint16_t i = 0; a->stale_cgroups; i++) {
		uint64_t bit = UINT64_C(1) << i;

		if (!(a->stale_cgroups & bit))
			continue;
		a->stale_cgroups &= ~bit;
		cgroup_name(name, i);
		cgroup_remove(a->cgroup_fd, name);
	}
}

/* check_spec() - what the code below dereferences. */
static int check_spec(const struct oci_spec *spec, struct err *err)
{
	if (!spec->process || !spec->process->args.n)
		return err_msg(err, EINVAL, "process.args must not be empty");
	if (!spec->root || !spec->root->path)
		return err_msg(err, EINVAL, "root.path must not be empty");
	if (!spec->linux_)
		return err_msg(err, EINVAL, "linux must not be empty");
	return 0;
}

/* set_up() - all that is done before the clone. */
static int set_up(struct agent *a, struct container *c, const char *config, size_t len,
		  uint64_t more_memory, struct err *err)
{
	const struct oci_linux *l;
	char name[16];
	int ret;

	ret = oci_spec_parse(config, len, &c->spec, err);
	if (ret < 0)
		return ret;
	ret = check_spec(c->spec, err);
	if (ret < 0)
		return ret;
	agent_mark(a, "parsed", 0);
	if (a->params->prepare) {
		ret = a->params->prepare(a->params->opaque, c->spec, err);
		if (ret < 0)
			return ret;
		agent_mark(a, "roots visited", 0);
	}
	ret = memory_begin(a, more_memory, err);
	if (ret == 0 && a->memory.more)
		ret = memory_size_tmpfs(c->spec, memory_ceiling(&a->memory), err);
	if (ret < 0)
		return ret;
	cgroup_name(name, c->number);
	c->cgroup_fd = cgroup_make(a->cgroup_fd, name, err);
	if (c->cgroup_fd < 0)
		return c->cgroup_fd;
	l = c->spec->linux_;
	ret = userns_own_cgroup(c->cgroup_fd, c->spec, err);
	if (ret == 0)
		ret = cgroup_set(c->cgroup_fd, l->resources, OCI_BY_AGENT, err);
	if (ret < 0)
		return ret;
	agent_mark(a, "cgroup", 0);
	ret = devices_restrict(c->cgroup_fd, l->resources, err);
	if (ret < 0)
		return ret;
	agent_mark(a, "device rules", 0);
	if (userns_wanted(c->spec)) {
		ret = devices_prepare(c->spec, err);
		if (ret == 0)
			ret = mounts_prepare(c->spec, err);
		if (ret < 0)
			return ret;
	}
	oom_watch(a, c);
	if (l->seccomp)
		ret = filter_compile(l->seccomp, &c->filter, err);
	agent_mark(a, "filters", 0);
	return ret;
}

int container_create(struct agent *a, const struct agent_frame *f, const char *id,
		     const char *config, size_t len, struct err *err)
{
	uint16_t number = f->container;
	struct container *c;
	int ret;

	if (a->containers[number])
		return err_msg(err, EEXIST, "container %u exists", number);
	if (a->shutdown_seq)
		return err_msg(err, ESHUTDOWN, "the guest is shutting down");
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, ENOMEM, "container");
	c->agent = a;
	c->number = number;
	c->cgroup_fd = c->pid_ns_fd = c->net_ns_fd = c->memory_events_fd = -1;
	c->memory_watch = c->events_watch = -1;
	fsfreeze_init(&c->fsfreeze);
	c->id = strdup(id);
	a->containers[number] = c;
	ret = c->id ? set_up(a, c, config, len, f->value, err)
		    : err_set(err, ENOMEM, "container");
	if (ret == 0)
		ret = spawn_init(a, c, f, err);
	if (ret < 0)
		container_free(a, c);
	return ret;
}

int container_exec(struct agent *a, struct container *c, const struct agent_frame *f,
		   const char *process, struct err *err)
{
	auto_oci_spec struct oci_spec *spec = NULL;
	const struct proc *init = container_proc(c, AGENT_PROC_INIT);
	char cgroup[PATH_MAX];
	size_t len;
	int ret;

	if (!init || c->init_gone || a->shutdown_seq)
		return err_msg(err, ESRCH, "cannot exec in a stopped container");
	if (container_proc(c, f->proc))
		return err_msg(err, EEXIST, "process %u exists", f->proc);
	if (frame_split_exec(process, f->len, &len, cgroup) < 0)
		return err_msg(err, EPROTO, "malformed request to run a process");
	ret = oci_process_parse(process, len, &spec, err);
	if (ret < 0)
		return ret;
	if (!spec->process || !spec->process->args.n)
		return err_msg(err, EINVAL, "process.args must not be empty");
	if (f->flags & CONTROL_EXEC_TTY)
		spec->process->terminal = true;
	return spawn_exec(a, c, f, spec->process, *cgroup ? cgroup : NULL, err);
}

/* wants_resolver() - does its resolv.conf name docker's, which has to be brought here? */
static bool wants_resolver(const struct container *c, const struct proc *init)
{
	auto_fd int root = -1;
	char path[64];

	(void)!snprintf(path, sizeof(path), "/proc/%d/root", (int)init->pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root >= 0 && !c->resolver && resolver_wanted(root);
}

int container_ready_network(struct container *c, const struct proc *init, struct err *err)
{
	bool sysctls = sysctl_has_interfaces(c->spec);
	bool resolver;
	int ret = 0;

	if (sysctls && !c->net) /* of interfaces that nobody has told of: their error */
		ret = container_network(c, "", 0, err);
	if (ret < 0 || !c->net)
		return ret;
	resolver = wants_resolver(c, init);
	if (!sysctls && !resolver)
		return 0;
	ret = net_enter(c->net, err);
	if (ret < 0)
		return ret;
	if (sysctls)
		ret = sysctl_apply_interfaces(c->spec, err);
	if (ret == 0 && resolver)
		ret = resolver_new(c->agent, &c->resolver, err);
	net_leave(c->net);
	return ret;
}

int container_network(struct container *c, const void *messages, size_t len,
		      struct err *err)
{
	bool own = spawn_namespaces(c->spec) & CLONE_NEWNET && !c->given_network;
	int ret = 0;

	if (own && c->net_ns_fd < 0)
		return err_msg(err, ESRCH, "network: the container has ended");
	if (!c->net)
		ret = net_new(c->net_ns_fd, &c->net, err);
	return ret < 0 ? ret : net_apply(c->net, messages, len, err);
}

struct proc *container_proc(const struct container *c, uint32_t number)
{
	struct proc *p = c->procs;

	while (p && p->number != number)
		p = p->next;
	return p;
}

int container_kill_all(const struct container *c, int sig)
{
	pid_t pids[MAX_PIDS];
	ssize_t n;

	if (sig == SIGKILL && cgroup_kill(c->cgroup_fd) == 0)
		return 0;
	n = cgroup_pids(c->cgroup_fd, pids, MAX_PIDS);
	if (n < 0)
		return (int)n;
	for (ssize_t i = 0; i < n && i < MAX_PIDS; i++)
		(void)kill(pids[i], sig); /* it may have ended meanwhile */
	return 0;
}

void container_done(struct agent *a, struct container *c)
{
	if (!c->init_gone)
		return;
	/* Without a pid namespace of its own, processes may be left. */
	if (cgroup_populated(c->cgroup_fd))
		(void)container_kill_all(c, SIGKILL);
	if (!c->procs)
		container_free(a, c);
}

void container_shutdown_all(struct agent *a)
{
	bool left = false;

	for (unsigned int i = 0; i < AGENT_MAX_CONTAINERS; i++) {
		struct container *c = a->containers[i];

		if (!c)
			continue;
		left = true;
		/* A process that waits for a frozen file system cannot be killed. */
		fsfreeze_end(a, c);
		(void)container_kill_all(c, SIGKILL);
	}
	if (left)
		return; /* proc_reap_all() comes back */
	agent_mark(a, "all processes ended", 0);
	sockets_end(a); /* the child has files open there */
	if (a->params->finish)
		a->params->finish(a->params->opaque);
	agent_mark(a, "written back", 0);
	agent_result(a, a->shutdown_seq, 0);
	a->shutdown_seq = 0;
}
