/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hull-vmm - one VM, one container; see docs/design.md for its threads and trust.
 *
 *	hull-vmm FD	FD is the memfd of vmm/vm_config.h
 *
 * The order in run() is the order of trust: what needs paths comes before the empty
 * root, what needs capabilities before they are dropped, and no vCPU runs before
 * the last filter is loaded.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "vmm/agent_proto.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/bus_guard.h"
#include "vmm/cmdline.h"
#include "vmm/config_file.h"
#include "vmm/container.h"
#include "vmm/host_oom.h"
#include "vmm/jail/jail.h"
#include "vmm/loop.h"
#include "vmm/main.h"
#include "vmm/net_cards.h"
#include "vmm/pci.h"
#include "vmm/resolver.h"
#include "vmm/timeline.h"
#include "vmm/virtio/mem.h"
#include "vmm/virtio/pci.h"
#include "vmm/virtio/virtio.h"
#include "vmm/virtio/vsock.h"
#include "vmm/vm.h"
#include "vmm/vm_config.h"

#define RESOLVER_PORT 53u
#define FD_TABLE 1024 /* what every process may have */

/* The callbacks get no pointer of their own. */
static struct vmm vmm = {
	.gate_lock = PTHREAD_MUTEX_INITIALIZER,
	.gate_open = PTHREAD_COND_INITIALIZER,
	.signals = { .fd = -1 },
	.stopped = { .fd = -1 },
	.gate = { .fd = -1 },
};

/* ---- on vCPU threads ---------------------------------------------------------- */

void main_on_stop(void *opaque, enum vm_stop_reason reason, const struct err *err)
{
	struct vmm *v = opaque;

	v->stop_reason = reason;
	if (err)
		v->stop_err = *err;
	(void)eventfd_write(v->stopped.fd, 1); /* cannot fail: nobody else writes */
}

static int on_vcpu_thread(void *opaque, struct err *err)
{
	struct vmm *v = opaque;
	int ret = jail_thread(JAIL_VCPU, err);

	(void)pthread_mutex_lock(&v->gate_lock);
	while (!v->open)
		(void)pthread_cond_wait(&v->gate_open, &v->gate_lock);
	(void)pthread_mutex_unlock(&v->gate_lock);
	return ret;
}

static void open_gate(struct vmm *v)
{
	(void)pthread_mutex_lock(&v->gate_lock);
	v->open = true;
	(void)pthread_cond_broadcast(&v->gate_open);
	(void)pthread_mutex_unlock(&v->gate_lock);
}

/* ---- on the loop ---------------------------------------------------------------- */

static void signal_ready(struct loop_source *src, uint32_t events)
{
	struct signalfd_siginfo si;

	(void)events; /* it is only ever readable */
	if (read(src->fd, &si, sizeof(si)) == sizeof(si))
		container_signal(vmm.container, &si);
}

static void stopped_ready(struct loop_source *src, uint32_t events)
{
	eventfd_t n;

	(void)events; /* it is only ever readable */
	(void)eventfd_read(src->fd, &n);
	container_guest_stopped(vmm.container, vmm.stop_reason, &vmm.stop_err);
}

static void gate_ready(struct loop_source *src, uint32_t events)
{
	eventfd_t n;

	(void)events; /* it is only ever readable */
	(void)eventfd_read(src->fd, &n);
	container_gate_moved(vmm.container);
}

static size_t console_tail(void *opaque, char *dst, size_t max)
{
	return vm_console_tail(((struct vmm *)opaque)->vm, dst, max);
}

/* resident_memory() - (bytes) of guest RAM that the host has given out. */
static uint64_t resident_memory(const struct guest_memory *mem)
{
	const size_t page = 4096;
	const size_t chunk = 64u << 20;
	auto_free unsigned char *in_core = malloc(chunk / page);
	uint64_t pages = 0;

	if (!in_core)
		return 0;
	for (unsigned int i = 0; i < mem->n_regions; i++) {
		const struct guest_region *r = &mem->regions[i];

		for (uint64_t at = 0; at < r->size; at += chunk) {
			size_t len = r->size - at < chunk ? r->size - at : chunk;

			if (mincore(r->host + at, len, in_core) < 0)
				return 0;
			for (size_t k = 0; k < len / page; k++)
				pages += in_core[k] & 1;
		}
	}
	return pages * page;
}

static void fill_stats(void *opaque, struct control_stats *stats)
{
	struct vmm *v = opaque;

	stats->vm_exits = vm_exits(v->vm);
	stats->kvm_exits = vm_kvm_exits(v->vm);
	stats->fs_requests = main_fs_requests(v);
	stats->guest_memory = resident_memory(vm_memory(v->vm));
}

static void grow(void *opaque, uint64_t bytes)
{
	const struct vmm *v = opaque;

	(void)mem_grow(v->mem, bytes); /* takes no more than there is */
}

/* ---- building the machine ---------------------------------------------------------- */

static int watch(struct vmm *v, struct err *err)
{
	sigset_t all;
	int fd;
	int ret;

	bus_guard_mask(&all);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return err_set(err, errno, "block signals");
	/* PID 1 of its namespace has children that it did not make (hull-net): the
	 * kernel reaps them. */
	if (signal(SIGCHLD, SIG_IGN) == SIG_ERR)
		return err_set(err, errno, "ignore SIGCHLD");
	fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_set(err, errno, "signalfd");
	ret = loop_add(v->loop, &v->signals, fd, EPOLLIN, signal_ready, err);
	if (ret < 0)
		return ret;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return err_set(err, errno, "eventfd");
	ret = loop_add(v->loop, &v->stopped, fd, EPOLLIN, stopped_ready, err);
	if (ret < 0)
		return ret;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return err_set(err, errno, "eventfd");
	return loop_add(v->loop, &v->gate, fd, EPOLLIN, gate_ready, err);
}

static int make_cards(struct vmm *v, const struct guest_memory *mem, struct err *err)
{
	const struct net_cards_params params = {
		.mem = mem,
		.loop = v->loop,
		.n_pairs = net_pairs(v->config->vcpus),
		.plug = main_plug,
		.opaque = v,
	};

	return net_cards_new(&params, &v->cards, err);
}

static int make_container(struct vmm *v, struct err *err)
{
	const struct container_params container = {
		.config = v->config,
		.spec = v->spec,
		.loop = v->loop,
		.vsock = v->vsock,
		.cards = v->cards,
		.console_tail = console_tail,
		.fill_stats = fill_stats,
		.grow = grow,
		.set_gate = main_set_gate,
		.gate = main_gate,
		.waiting = main_fs_waiting,
		.ready = main_on_ready,
		.made = main_on_made,
		.resumes = v->resumes,
		.image_flags = v->image_flags,
		.save = main_save,
		.dump_begin = main_dump_begin,
		.dump_some = main_dump_some,
		.whole = main_memory_is_there,
		.let_go = main_let_go,
		.before_shutdown = main_relax_sync,
		.opaque = v,
	};

	return container_new(&container, &v->container, err);
}

/*
 * make_beside() - what needs paths, /proc or the caller's descriptors, and no VM; then the
 * empty root.
 */
static int make_beside(void *opaque, struct vm *vm, struct err *err)
{
	struct vmm *v = opaque;
	int ret = 0;

	for (unsigned int i = 0; ret == 0 && i < VM_FS_DEVICES; i++)
		ret = main_make_fs(v, vm_memory(vm), (enum vm_fs_device)i, err);
	if (ret == 0)
		ret = vsock_new(vm_memory(vm), v->loop, AGENT_GUEST_CID, &v->vsock, err);
	if (ret == 0)
		ret = make_cards(v, vm_memory(vm), err);
	if (ret == 0)
		ret = resolver_new(v->loop, v->vsock, AGENT_RESOLVER, RESOLVER_PORT,
				   &v->resolver, err);
	if (ret == 0)
		ret = main_make_sockets(v, err);
	if (ret == 0)
		ret = main_make_notices(v, err);
	if (ret == 0)
		ret = make_container(v, err);
	if (ret == 0)
		ret = jail_root(v->placed_roots, v->n_placed_roots, err);
	timeline_mark("empty root");
	return ret;
}

/* make_outside() - the VM, and all that is to be done before the user namespace. */
static int make_outside(struct vmm *v, struct err *err)
{
	const struct vm_boot boot = {
		.kernel_fd = v->config->kernel_fd,
		.initrd_fd = v->config->initrd_fd,
		.modules_fd = v->config->modules_fd,
	};
	struct vm_params vm = {
		.beside = make_beside,
		.boot = &boot,
		.kvm_fd = v->config->kvm_fd,
		.cgroup_fd = v->config->cgroup_fd,
		.memory = v->config->boot_memory,
		.more = v->config->memory - v->config->boot_memory,
		.vcpus = v->config->vcpus,
		.on_stop = main_on_stop,
		.on_vcpu_thread = on_vcpu_thread,
		.on_fault = main_mend_fs,
		.opaque = v,
	};
	int ret;

	v->placed_roots = calloc(v->config->n_roots, sizeof(*v->placed_roots));
	if (!v->placed_roots)
		return err_set(err, ENOMEM, "roots");
	v->oom_fd = v->config->memory_limit ? host_oom_prepare() : -1;
	ret = loop_new(&v->loop, err);
	if (ret == 0)
		ret = watch(v, err);
	main_look_at_template(v);
	if (ret == 0)
		ret = main_look_at_image(v, err);
	if (ret == 0)
		ret = main_new_vm(v, &vm, err);
	main_stop_lazy(v);
	/* It could make other machines. */
	close_fd(v->config->kvm_fd);
	close_fd(v->config->cgroup_fd);
	return ret;
}

static int load_kernel(struct vmm *v, struct err *err)
{
	auto_buf struct buf cmdline = BUF_INIT;
	struct vm_boot boot = {
		.kernel_fd = v->config->kernel_fd,
		.initrd_fd = v->config->initrd_fd,
		.modules_fd = v->config->modules_fd,
	};
	int ret = cmdline_build(&cmdline, v->config->cmdline, err);

	if (ret < 0)
		return ret;
	boot.cmdline = cmdline.data;
	return vm_load(v->vm, &boot, err);
}

/* make_inside() - the bus and the kernel: descriptors are enough. */
static int make_inside(struct vmm *v, struct err *err)
{
	int ret;

	ret = pci_bus_new(v->vm, &v->bus, err);
	if (ret == 0)
		ret = main_plug(v, vsock_device(v->vsock), err);
	for (unsigned int i = 0; ret == 0 && i < VM_FS_DEVICES; i++)
		if (v->fs[i])
			ret = main_plug(v, v->fs[i], err);
	if (ret == 0)
		ret = main_plug_small(v, err);
	if (ret == 0)
		ret = net_cards_expect(v->cards, v->config->n_nics, err);
	if (ret < 0)
		return ret;
	if (v->config->template_new_fd >= 0 && !v->restored)
		net_cards_defer(v->cards); /* until it is saved */
	if (v->restored) {
		ret = main_load_template(v, err);
		timeline_mark("template loaded");
	} else if (!v->resumes) {
		ret = load_kernel(v, err);
		timeline_mark("kernel loaded");
	}
	/* In guest memory now: what stays open is what a fallen hull-vmm could read. */
	close_fd(v->config->kernel_fd);
	close_fd(v->config->initrd_fd);
	close_fd(v->config->modules_fd);
	close_fd(v->config->template_fd);
	main_close_image(v);
	return ret;
}

static int start_threads(struct vmm *v, struct err *err)
{
	int ret = 0;

	for (unsigned int i = 0; ret == 0 && i < VM_FS_DEVICES; i++)
		if (v->fs[i])
			ret = fs_start(v->fs[i], err);
	if (ret == 0)
		ret = vm_run(v->vm, err);
	if (ret == 0)
		ret = jail_thread(JAIL_LOOP, err);
	return ret;
}

static int run(struct vmm *v, struct err *err)
{
	const struct vm_config *c = v->config;
	int ret;

	ret = make_outside(v, err);
	timeline_mark("VM made");
	if (ret == 0)
		ret = jail_user_begin(c->sync_fd, c->no_userns, err);
	if (ret == 0)
		ret = make_inside(v, err);
	if (ret == 0)
		ret = jail_user_end(c->sync_fd, c->no_userns, c->roots[0].fd, err);
	if (ret == 0)
		ret = jail_limits(err);
	if (ret == 0)
		ret = main_start_lazy(v, err);
	/* Its files are looked for with no more rights than a worker has. */
	if (ret == 0 && v->resumes)
		ret = main_resume(v, err);
	if (ret == 0)
		ret = start_threads(v, err);
	timeline_mark("jailed");
	if (ret < 0)
		return ret;
	ret = container_begin(v->container, v->restored, err);
	if (ret < 0)
		return ret;
	open_gate(v);
	ret = loop_run(v->loop, err);
	for (unsigned int i = 0; i < VM_FS_DEVICES; i++)
		if (v->fs[i])
			fs_log_requests(v->fs[i]);
	return ret;
}

/* fail() - tell the creating command why there will be no container. */
static int fail(const struct vmm *v, const struct err *err)
{
	struct vm_sync sync = { .type = VM_SYNC_ERROR, .err = *err };

	if (!v->config) {
		log_error("hull-vmm: %s", err->msg);
		return 1;
	}
	/* When even this does not arrive, it sees our end. Until it has looked (see over() in
	 * container.c) we are here. */
	if (sock_send(v->config->sync_fd, &sync, sizeof(sync), NULL, 0) == 0)
		while (sock_recv(v->config->sync_fd, &sync, sizeof(sync), NULL, NULL) > 0)
			;
	return 1;
}

/*
 * widen_fd_table() - the kernel's table of our descriptors, which begins with 64.  Once there
 * are threads, whoever opens the one that does not fit waits for a grace period of the
 * host's, 10 ms (Linux, expand_fdtable()): a container that starts does.
 */
static void widen_fd_table(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, FD_TABLE - 1);

	close_fd(high); /* and if it was beyond the limit, it takes that time */
}

/* parse_fd() - the only argument. */
static int parse_fd(int argc, char **argv, struct err *err)
{
	char *end;
	long fd;

	if (argc != 2)
		return err_msg(err, EINVAL, "hull-vmm is started by hull");
	fd = strtol(argv[1], &end, 10);
	if (end == argv[1] || *end || fd < 3 || fd > 65535)
		return err_msg(err, EINVAL, "hull-vmm: bad argument '%s'", argv[1]);
	return (int)fd;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	int fd = parse_fd(argc, argv, &err);
	int ret;

	/* One heap for all threads: an arena for each would be paid for in pages. */
	(void)mallopt(M_ARENA_MAX, 1);
	if (fd < 0)
		return fail(&vmm, &err);
	widen_fd_table(fd);
	ret = config_file_read(fd, &vmm.config, &vmm.spec, &err);
	close_fd(fd);
	if (ret < 0)
		return fail(&vmm, &err);
	log_init(vmm.config->log_fd, (enum log_format)vmm.config->log_format,
		 vmm.config->log_fd < 0 ? LOG_NONE
					: (enum log_level)vmm.config->log_level);
	timeline_start(vmm.config->start_ns);
	timeline_mark("hull-vmm");
	ret = run(&vmm, &err);
	if (ret < 0)
		return fail(&vmm, &err);
	if (vmm.oom_fd >= 0 && container_ended_by_oom(vmm.container))
		host_oom_die(vmm.oom_fd, vmm.config->memory_limit);
	/* Threads, memory and descriptors end with the process: nothing waits for them. */
	_exit(container_exit_status(vmm.container));
}
