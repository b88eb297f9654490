/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/create.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/json.h"
#include "lib/log.h"
#include "oci/honoured.h"
#include "oci/options.h"
#include "oci/spec.h"
#include "oci/validate.h"
#include "runtime/boot_file.h"
#include "runtime/cli.h"
#include "runtime/container.h"
#include "runtime/cpuset.h"
#include "runtime/create_internal.h"
#include "runtime/guest_modules.h"
#include "runtime/guest_spec.h"
#include "runtime/host_cgroup.h"
#include "runtime/host_limits.h"
#include "runtime/host_scope.h"
#include "runtime/install.h"
#include "runtime/kernel_release.h"
#include "runtime/launch.h"
#include "runtime/namespaces.h"
#include "runtime/network.h"
#include "runtime/pid_file.h"
#include "runtime/preserved_fds.h"
#include "runtime/roots.h"
#include "runtime/selinux.h"
#include "runtime/systemd_client.h"
#include "runtime/tty.h"
#include "runtime/unix_socket.h"
#include "runtime/verbs.h"
#include "vmm/vm_config.h"

static void close_config(struct vm_config *c)
{
	/* stdio is the caller's own, unless it is a console made for the container. */
	if (c->console)
		close_fd(c->stdio_fd[0]);
	close_fd(c->kvm_fd);
	close_fd(c->cgroup_fd);
	close_fd(c->kernel_fd);
	close_fd(c->initrd_fd);
	close_fd(c->modules_fd);
	close_fd(c->template_fd);
	close_fd(c->restore_fd);
	close_fd(c->working_set_fd);
	for (uint8_t i = 0; i < c->n_parents; i++)
		close_fd(c->parent_fd[i]);
	close_fd(c->template_new_fd);
	close_fd(c->control_fd);
	close_fd(c->status_fd);
	close_fd(c->log_fd);
	for (uint8_t i = 0; i < c->n_preserved; i++)
		close_fd(c->preserved_fd[i]);
	roots_release(c);
}

/* kill_vmm() - end hull-vmm, our child, and wait for it. */
static void kill_vmm(const struct container *c, int pidfd)
{
	siginfo_t info;

	if (pidfd < 0)
		return;
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	if (c)
		host_cgroup_thaw(c);
	(void)waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED);
	close_fd(pidfd);
}

/* remove_all() - what a failed create leaves: nothing. */
static void remove_all(struct container *c)
{
	struct err err;

	if (!c)
		return;
	container_leave_host(c);
	if (container_remove(c, &err) < 0)
		log_warn("container '%s': %s", c->id, err.msg);
	container_free(c);
}

/* undo() - @pidfd: of hull-vmm; -1: it was never there, and no hook ran */
static void undo(struct container *c, int pidfd)
{
	kill_vmm(c, pidfd);
	if (c && pidfd >= 0)
		container_poststop(c);
	remove_all(c);
}

void create_abort(struct created *created)
{
	undo(created->container, created->pidfd);
	close_fd(created->tty);
	*created = (struct created){ .pidfd = -1, .tty = -1 };
}

/* check_host() - what only some hosts have. */
static int check_host(const struct oci_spec *spec, struct err *err)
{
	int ret = selinux_check(&selinux_host, spec->process->selinux_label, err);

	if (ret == 0)
		ret = intel_rdt_check_host(spec->linux_->intel_rdt, err);
	return ret < 0 ? err_wrap(err, ret, "config.json") : 0;
}

/* check_unified() - before its cpuset.* are made those of resources.cpu. */
static int check_unified(const struct oci_spec *spec, struct err *err)
{
	int ret = host_cgroup_check(spec->linux_->resources, err);

	return ret < 0 ? err_wrap(err, ret, "config.json") : 0;
}

static int load_bundle(struct creation *cr, struct err *err)
{
	const char *given = cr->params->bundle ? cr->params->bundle : ".";
	struct container *c = cr->container;
	auto_buf struct buf text = BUF_INIT;
	auto_fd int dir = -1;
	char path[PATH_MAX];
	int ret;

	if (!realpath(given, path))
		return err_set(err, errno, "bundle '%s'", given);
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, errno, "bundle '%s'", path);
	ret = io_read_file(dir, "config.json", JSON_MAX_SIZE, &text, err);
	if (ret < 0)
		return err_wrap(err, ret, "bundle '%s'", path);
	ret = oci_spec_parse(text.data, text.len, &cr->spec, err);
	if (ret == 0)
		ret = create_restore_labels(cr, err);
	if (ret == 0)
		ret = check_unified(cr->spec, err);
	if (ret == 0)
		ret = cpuset_of_unified(cr->spec, err);
	if (ret == 0)
		ret = oci_validate(cr->spec, err);
	if (ret == 0)
		ret = oci_check_honoured(cr->spec, err);
	if (ret == 0)
		ret = check_host(cr->spec, err);
	if (ret == 0)
		ret = log_warnings(cr->spec, err);
	if (ret == 0 && cr->spec->linux_->seccomp)
		log_debug("seccomp filter flags: %u",
			  oci_seccomp_flags(cr->spec->linux_->seccomp));
	if (ret < 0)
		return ret;
	c->bundle = arena_strdup(&c->arena, path);
	if (*cr->spec->root->path == '/')
		c->rootfs = arena_strdup(&c->arena, cr->spec->root->path);
	else
		c->rootfs = arena_printf(&c->arena, "%s/%s", path, cr->spec->root->path);
	c->oci_version = arena_strdup(&c->arena, cr->spec->oci_version);
	if (!c->bundle || !c->rootfs || !c->oci_version)
		return err_set(err, ENOMEM, "load the bundle");
	return io_replace_file(c->dir, "config.json", text.data, text.len, 0600, err);
}

/*
 * boot_memory() - (bytes) that the guest has when it starts.  Its agent makes it grow,
 * with a kernel whose memory comes into use as soon as it is plugged.
 */
static uint64_t boot_memory(const struct hull_options *opt, bool own_kernel)
{
	uint64_t n = opt->boot_memory;

	if (!n)
		n = own_kernel ? HULL_BOOT_MEMORY : opt->memory;
	return n + HULL_GROW_MIN <= opt->memory ? n : opt->memory;
}

/* note_boot_files() - for a checkpoint, which tells what the machine was started with. */
static int note_boot_files(struct creation *cr, struct err *err)
{
	struct container *c = cr->container;

	if (boot_file_note(cr->config->kernel_fd, &c->arena, &c->kernel) < 0 ||
	    boot_file_note(cr->config->initrd_fd, &c->arena, &c->initrd) < 0)
		return err_set(err, ENOMEM, "kernel and initramfs");
	return 0;
}

/* open_machine() - kernel, initramfs, modules, KVM, sizes. */
static int open_machine(struct creation *cr, struct err *err)
{
	struct vm_config *c = cr->config;
	struct hull_options opt = { 0 };
	char release[KERNEL_RELEASE_SIZE];
	int ret;

	ret = hull_options_load(cr->spec, cr->params->set, cr->params->n_set, &opt, err);
	if (ret < 0)
		return ret;
	cr->vmm_fd = opt.hypervisor ? open(opt.hypervisor, O_RDONLY | O_CLOEXEC) :
				      install_open(INSTALL_VMM, err);
	if (cr->vmm_fd < 0)
		return opt.hypervisor ?
			       err_set(err, errno, "open hypervisor '%s'", opt.hypervisor) :
			       cr->vmm_fd;
	ret = network_check(cr->spec, &opt, cr->container, err);
	if (ret < 0)
		return ret;
	c->vcpus = cr->container->vcpus = opt.vcpus;
	c->memory = cr->container->memory = opt.memory;
	c->boot_timeout_ms = opt.boot_timeout_ms;
	c->dax_size = opt.dax;
	cr->freeze_hooks = opt.freeze_hooks;
	cr->no_template = opt.no_template;
	cr->template_group = opt.template_group;
	if (snprintf(c->cmdline, sizeof(c->cmdline), "%s", opt.cmdline ? opt.cmdline : "") >=
	    (int)sizeof(c->cmdline))
		return err_msg(err, E2BIG, "kernel parameters: more than %zu bytes",
			       sizeof(c->cmdline) - 1);
	c->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (c->kvm_fd < 0)
		return err_set(err, errno, "open '/dev/kvm'");
	c->kernel_fd = opt.kernel ? open(opt.kernel, O_RDONLY | O_CLOEXEC) :
				    install_open(INSTALL_KERNEL, err);
	if (c->kernel_fd < 0)
		return opt.kernel ? err_set(err, errno, "open guest kernel '%s'", opt.kernel) :
				    c->kernel_fd;
	c->initrd_fd = opt.initrd ? open(opt.initrd, O_RDONLY | O_CLOEXEC) :
				    install_open(INSTALL_INITRAMFS, err);
	if (c->initrd_fd < 0)
		return opt.initrd ? err_set(err, errno, "open initrd '%s'", opt.initrd) :
				    c->initrd_fd;
	if (cr->params->image_path)
		return create_restore_machine(cr, err);
	ret = note_boot_files(cr, err);
	if (ret == 0)
		ret = kernel_release(c->kernel_fd, release, sizeof(release), err);
	if (ret < 0)
		return ret;
	c->boot_memory = boot_memory(&opt, guest_kernel_is_own(release));
	if (opt.initrd)
		return 0;
	return guest_modules_build(release, "/lib/modules", &c->modules_fd, err);
}

static int make_sockets(struct creation *cr, struct err *err)
{
	struct vm_config *c = cr->config;
	int pair[2];
	int ret;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "socketpair");
	cr->sync = pair[0];
	cr->vmm_sync = c->sync_fd = pair[1];
	c->status_fd = openat(cr->container->dir, "status",
			      O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (c->status_fd < 0)
		return err_set(err, errno, "create the status file");
	ret = unix_listen(cr->container->dir, "control.sock", SOCK_SEQPACKET, &c->control_fd,
			  err);
	return ret;
}

static int set_console_size(struct oci_spec *spec, uint32_t rows, uint32_t cols)
{
	if (!rows && !cols)
		return 0;
	spec->process->console_size = oci_alloc(spec, sizeof(*spec->process->console_size));
	if (!spec->process->console_size)
		return -ENOMEM;
	spec->process->console_size->height = rows;
	spec->process->console_size->width = cols;
	return 0;
}

/* plan_stdio() - whose descriptors the container's streams end in. */
static int plan_stdio(struct creation *cr, struct err *err)
{
	const struct create_params *p = cr->params;
	struct oci_process *process = cr->spec->process;
	uint32_t rows = 0, cols = 0;
	int slave = -1;
	int ret;

	for (int i = 0; i < 3; i++)
		cr->config->stdio_fd[i] = i;
	cr->config->terminal = process->terminal;
	if (p->console_socket && (p->foreground || !process->terminal))
		return err_msg(err, EINVAL, "cannot use console socket if runc will not "
					    "detach or allocate tty");
	if (!process->terminal)
		return 0;
	if (p->console_socket) {
		if (process->console_size) {
			rows = process->console_size->height;
			cols = process->console_size->width;
		}
		ret = tty_open_console(p->console_socket, rows, cols, &slave, err);
		if (ret < 0)
			return ret;
		cr->config->console = 1;
		for (int i = 0; i < 3; i++)
			cr->config->stdio_fd[i] = slave;
		return 0;
	}
	if (!p->foreground)
		return err_msg(err, EINVAL, "cannot allocate tty if runc will detach "
					    "without setting console socket");
	cr->tty = tty_of_caller(err);
	if (cr->tty < 0)
		return err_wrap(err, cr->tty, "process.terminal");
	tty_size(cr->tty, &rows, &cols);
	if (set_console_size(cr->spec, rows, cols) < 0)
		return err_set(err, ENOMEM, "plan the terminal");
	cr->config->no_cr = !isatty(STDOUT_FILENO);
	/* What the process says on stderr goes to its terminal too. */
	cr->config->stdio_fd[2] = STDOUT_FILENO;
	return 0;
}

/* has_reader() - does somebody wait for the end of our stderr? */
static bool has_reader(void)
{
	struct stat st;

	return fstat(STDERR_FILENO, &st) == 0 &&
	       (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

/*
 * plan_log() - where hull-vmm's lines go: into --log's file, or with --debug to our
 * stderr, by a descriptor of its own, because the container's stderr is handed on.
 * Otherwise nowhere: who reads the container's stderr must see its end, and who reads
 * ours, that of a command which does not wait for the container.
 */
static int plan_log(struct vm_config *c, bool waits, struct err *err)
{
	if (log_fd() == STDERR_FILENO && (!c->debug || (!waits && has_reader())))
		return 0;
	c->log_fd = fcntl(log_fd(), F_DUPFD_CLOEXEC, 3);
	return c->log_fd < 0 ? err_set(err, errno, "duplicate the log's descriptor") : 0;
}

/* make_cgroup() - hull-vmm's, with its limits; none on a host without cgroups. */
static int make_cgroup(struct creation *cr, struct err *err)
{
	const struct machine machine = { .memory = cr->config->memory,
					 .vcpus = cr->config->vcpus };
	struct host_cgroup *cgroup = &cr->launch.cgroup;
	struct host_limits limits;
	int ret;

	host_limits_of(cr->spec->linux_->resources, &cr->launch.cpuset, &machine, &limits);
	if (cr->params->systemd_cgroup)
		ret = host_scope_create(cr->spec, cr->container, &limits,
					&cr->launch.cpuset, &cr->holder, cgroup, err);
	else
		ret = host_cgroup_create(cr->spec, cr->container, cgroup, err);
	if (ret < 0 || !cgroup->n)
		return ret;
	cr->config->memory_limit = host_limits_hard(cgroup, &limits);
	cr->config->cgroup_fd = host_cgroup_own();
	return host_limits_set(cgroup, &limits, err);
}

/* make_rdt() - resctrl groups for hull-vmm, if it is to have some. */
static int make_rdt(struct creation *cr, struct err *err)
{
	const struct oci_intel_rdt *config = cr->spec->linux_->intel_rdt;
	struct container *c = cr->container;

	if (!config)
		return 0;
	cr->launch.rdt = &c->rdt;
	return intel_rdt_create_on_host(config, c->id, &c->arena, &c->rdt, err);
}

static int prepare(struct creation *cr, struct err *err)
{
	struct vm_config *c = cr->config;
	int ret;

	c->debug = cr->params->debug;
	c->log_format = (uint8_t)log_format();
	c->log_level = (uint8_t)log_level();
	ret = plan_log(c, cr->params->foreground, err);
	if (ret < 0)
		return ret;
	c->no_userns = access("/proc/self/ns/user", F_OK) < 0;
	memcpy(c->id, cr->container->id, strlen(cr->container->id) + 1);
	/* What only looks comes before what makes things. */
	ret = open_machine(cr, err);
	if (ret == 0)
		ret = namespaces_plan(cr->spec, &cr->launch, err);
	if (ret == 0)
		ret = network_plan(cr->spec, &cr->launch, c, err);
	if (ret == 0)
		ret = roots_plan(cr->spec, cr->container->bundle, c, err);
	if (ret == 0)
		ret = cpuset_take(cr->spec, &cr->launch.cpuset, err); /* sized the machine */
	if (ret == 0)
		ret = create_restore_check(cr, err);
	if (ret == 0 && !cr->no_template && c->modules_fd < 0 && c->restore_fd < 0)
		template_plan(&cr->templates, cr->vmm_fd, cr->template_group, c);
	if (ret == 0)
		ret = make_sockets(cr, err);
	if (ret == 0)
		ret = make_cgroup(cr, err);
	if (ret == 0)
		ret = make_rdt(cr, err);
	if (ret == 0)
		ret = plan_stdio(cr, err);
	if (ret == 0)
		ret = preserved_fds_plan(&cr->preserved, cr->spec, c, err);
	return ret;
}

static int launch(struct creation *cr, struct err *err)
{
	pid_t pid;
	int ret;

	cr->launch.selinux_label = cr->spec->process->selinux_label;
	ret = guest_spec_write(cr->spec, cr->container->bundle, cr->freeze_hooks,
			       &cr->guest_spec, err);
	if (ret < 0)
		return ret;
	cr->config->spec_size = (uint32_t)cr->guest_spec.len;
	cr->launch.vmm_fd = cr->vmm_fd;
	cr->launch.config = cr->config;
	cr->launch.spec = cr->guest_spec.data;
	ret = launch_vmm(&cr->launch, &pid, &cr->pidfd, err);
	if (ret < 0)
		return ret;
	/* Ours must be the only copy of our end, or its end would not be seen. */
	close_fd(take_fd(&cr->vmm_sync));
	ret = container_set_pid(cr->container, pid, err);
	if (ret == 0)
		ret = container_save(cr->container, err);
	return ret;
}

static int hand_out_pid(struct creation *cr, struct err *err)
{
	const struct create_params *p = cr->params;
	int ret = 0;

	if (p->pidfd_socket)
		ret = unix_send_fd(p->pidfd_socket, cr->container->id, cr->pidfd, err);
	if (ret == 0 && p->pid_file)
		ret = pid_file_write(p->pid_file, cr->container->pid, err);
	return ret;
}

static int create(struct creation *cr, struct err *err)
{
	int ret = create_restore_open(cr, err);

	if (ret == 0)
		ret = load_bundle(cr, err);
	if (ret < 0)
		return ret;
	ret = container_describe(cr->container, &cr->spec->annotations, err);
	if (ret == 0)
		ret = prepare(cr, err);
	if (ret == 0)
		ret = create_restore_verify(cr, err);
	if (ret == 0)
		ret = launch(cr, err);
	if (ret == 0)
		ret = create_await(cr, err);
	if (ret == 0)
		ret = hand_out_pid(cr, err);
	if (ret == 0)
		ret = create_keep(cr, err);
	return ret;
}

static struct vm_config *new_config(void)
{
	struct vm_config *c = calloc(1, sizeof(*c));
	struct timespec now;

	if (!c)
		return NULL;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	*c = (struct vm_config){
		.magic = VM_CONFIG_MAGIC,
		.size = sizeof(*c),
		.start_ns = now.tv_sec * 1000000000LL + now.tv_nsec,
		.kvm_fd = -1,
		.cgroup_fd = -1,
		.kernel_fd = -1,
		.initrd_fd = -1,
		.modules_fd = -1,
		.template_fd = -1,
		.restore_fd = -1,
		.working_set_fd = -1,
		.template_new_fd = -1,
		.control_fd = -1,
		.sync_fd = -1,
		.status_fd = -1,
		.log_fd = -1,
		.stdio_fd = { -1, -1, -1 },
	};
	return c;
}

int create_container(const struct create_params *params, struct created *ret_created,
		     struct err *err)
{
	struct creation cr = {
		.params = params,
		.holder = SYSTEMD_CALL_INIT,
		.templates = TEMPLATE_USE_INIT,
		.vmm_fd = -1,
		.sync = -1,
		.vmm_sync = -1,
		.pidfd = -1,
		.tty = -1,
		.guest_spec = BUF_INIT,
	};
	int ret;

	ret = preserved_fds_take(params->preserve_fds, true, &cr.preserved, err);
	if (ret < 0)
		return ret;
	cr.config = new_config();
	if (!cr.config)
		return err_set(err, ENOMEM, "create");
	ret = container_new(params->root, params->id, &cr.container, err);
	if (ret == 0)
		ret = create(&cr, err);
	systemd_end(&cr.holder, false);
	close_fd(cr.vmm_fd);
	close_fd(cr.sync);
	close_fd(cr.vmm_sync);
	host_cgroup_close(&cr.launch.cgroup);
	namespaces_release(&cr.launch);
	template_release(&cr.templates);
	close_config(cr.config);
	free(cr.config);
	buf_release(&cr.guest_spec);
	if (ret == 0) {
		ret_created->container = take_ptr(&cr.container);
		ret_created->pidfd = take_fd(&cr.pidfd);
		ret_created->tty = take_fd(&cr.tty);
	}
	close_fd(cr.tty);
	oci_spec_free(cr.spec);
	undo(cr.container, cr.pidfd);
	return ret;
}

void create_params_of_global(const struct cli *cli, struct create_params *p)
{
	*p = (struct create_params){
		.root = cli_string(&cli->global, "root"),
		.systemd_cgroup = cli_flag(&cli->global, "systemd-cgroup"),
		.debug = cli_flag(&cli->global, "debug"),
	};
	p->set = cli_list(&cli->global, "set", &p->n_set);
}

void create_params_from(const struct cli *cli, struct create_params *p)
{
	create_params_of_global(cli, p);
	p->id = cli->argv[0];
	p->bundle = cli_string(&cli->options, "bundle");
	p->console_socket = cli_string(&cli->options, "console-socket");
	p->pid_file = cli_string(&cli->options, "pid-file");
	p->pidfd_socket = cli_string(&cli->options, "pidfd-socket");
	p->preserve_fds = cli_int(&cli->options, "preserve-fds");
}
