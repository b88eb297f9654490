/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "runtime/intel_rdt.h"
#include "runtime/selinux.h"
#include "vmm/vm_config.h"

/* make_config_file() - the memfd that hull-vmm reads. */
static int make_config_file(const struct launch_params *p, int *ret_fd, struct err *err)
{
	auto_fd int fd = memfd_create("hull-vm-config", MFD_CLOEXEC);
	int ret;

	if (fd < 0)
		return err_set(err, errno, "memfd_create");
	ret = io_write_full(fd, p->config, sizeof(*p->config));
	if (ret == 0)
		ret = io_write_full(fd, p->spec, p->config->spec_size);
	if (ret < 0)
		return err_set(err, -ret, "write the VM configuration");
	*ret_fd = take_fd(&fd);
	return 0;
}

static int keep(int fd, struct err *err)
{
	if (fd >= 0 && fcntl(fd, F_SETFD, 0) < 0)
		return err_set(err, errno, "keep descriptor %d", fd);
	return 0;
}

/* keep_descriptors() - everything else closes with the exec, whoever left it open. */
static int keep_descriptors(const struct vm_config *c, int config_fd, struct err *err)
{
	const int fds[] = {
		config_fd,     c->kvm_fd,     c->kernel_fd, c->initrd_fd,
		c->modules_fd, c->control_fd, c->sync_fd,   c->status_fd,
		c->log_fd,     c->stdio_fd[0], c->stdio_fd[1], c->stdio_fd[2],
		c->template_fd, c->template_new_fd, c->restore_fd, c->cgroup_fd,
		c->working_set_fd,
	};
	int ret = 0;

	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return err_set(err, errno, "close_range");
	for (size_t i = 0; ret == 0 && i < ARRAY_SIZE(fds); i++)
		ret = keep(fds[i], err);
	for (uint8_t i = 0; ret == 0 && i < c->n_parents; i++)
		ret = keep(c->parent_fd[i], err);
	for (uint8_t i = 0; ret == 0 && i < c->n_preserved; i++)
		ret = keep(c->preserved_fd[i], err);
	for (uint32_t i = 0; ret == 0 && i < c->n_roots; i++)
		ret = keep(c->roots[i].fd, err);
	return ret;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL); /* SIGKILL and SIGSTOP cannot be: fine */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* exec_vmm() - the child's part; returns only on failure. */
static int exec_vmm(const struct launch_params *p, int config_fd, struct err *err)
{
	char fd_text[16];
	char name[] = "hull-vmm";
	char *argv[] = { name, fd_text, NULL };
	char *envp[] = { NULL };
	int ret = host_cgroup_join(&p->cgroup, err);

	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < p->n_join; i++)
		if (setns(p->join_fd[i], 0) < 0)
			return err_set(err, errno, "join a namespace");
	if (setsid() < 0)
		return err_set(err, errno, "setsid");
	if (p->config->console && ioctl(p->config->stdio_fd[0], TIOCSCTTY, 0) < 0)
		return err_set(err, errno, "take the console as controlling terminal");
	reset_signals();
	/* With a console the caller's own are nobody's: whoever reads the output of
	 * `create`, as containerd's shim does, must see its end. */
	ret = p->config->console ? io_leave_stdio(err) : 0;
	if (ret == 0)
		ret = cpuset_apply(&p->cpuset, err);
	if (ret == 0 && p->rdt)
		ret = intel_rdt_enter(p->rdt, err);
	if (ret < 0)
		return ret;
	ret = keep_descriptors(p->config, config_fd, err);
	if (ret < 0)
		return ret;
	/* The last thing: what follows is to be allowed to the label. */
	ret = selinux_label_exec(&selinux_host, p->selinux_label, err);
	if (ret < 0)
		return ret;
	(void)!snprintf(fd_text, sizeof(fd_text), "%d", config_fd);
	(void)syscall(SYS_execveat, p->vmm_fd, "", argv, envp, AT_EMPTY_PATH);
	return err_set(err, errno, "exec hull-vmm");
}

int launch_vmm(const struct launch_params *p, pid_t *ret_pid, int *ret_pidfd,
	       struct err *err)
{
	auto_fd int config_fd = -1;
	int pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_PIDFD | p->new_namespaces,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	int birthplace = host_cgroup_birthplace(&p->cgroup);
	long pid;
	int ret;

	ret = make_config_file(p, &config_fd, err);
	if (ret < 0)
		return ret;
	if (birthplace >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned int)birthplace;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		return err_set(err, errno, "clone hull-vmm");
	if (pid == 0) {
		struct vm_sync sync = { .type = VM_SYNC_ERROR };

		(void)exec_vmm(p, config_fd, &sync.err);
		/* The parent sees the end of file if this cannot be sent. */
		(void)sock_send(p->config->sync_fd, &sync, sizeof(sync), NULL, 0);
		_exit(1);
	}
	*ret_pid = (pid_t)pid;
	*ret_pidfd = pidfd;
	return 0;
}

int launch_map_users(pid_t pid, struct err *err)
{
	static const char *const maps[][2] = {
		{ "/proc/self/uid_map", "uid_map" },
		{ "/proc/self/gid_map", "gid_map" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		auto_buf struct buf ours = BUF_INIT;
		auto_buf struct buf theirs = BUF_INIT;
		unsigned long first, outside, count;
		char path[64];
		char *line;
		char *rest;
		int used;
		int ret;

		ret = io_read_file(AT_FDCWD, maps[i][0], 65536, &ours, err);
		if (ret < 0)
			return ret;
		/* What is mapped for us is mapped to itself for it. */
		for (line = strtok_r(ours.data, "\n", &rest); line;
		     line = strtok_r(NULL, "\n", &rest)) {
			if (sscanf(line, "%lu %lu %lu%n", &first, &outside, &count,
				   &used) != 3)
				return err_msg(err, EINVAL, "'%s' has the line '%s'",
					       maps[i][0], line);
			(void)buf_printf(&theirs, "%lu %lu %lu\n", first, first, count);
		}
		if (buf_ok(&theirs) < 0 || !theirs.data)
			return err_set(err, ENOMEM, "read '%s'", maps[i][0]);
		(void)!snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, maps[i][1]);
		ret = io_write_file(AT_FDCWD, path, theirs.data, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}
