/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/vm.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/arch/x86/x86.h"
#include "vmm/late_close.h"
#include "vmm/vm_config.h"
#include "vmm/vm_internal.h"

DEFINE_CLEANUP(vm, struct vm, vm_free)

/* What every file server, transport and the event loop rely on. */
static int check_kvm(int kvm_fd, struct err *err)
{
	static const struct {
		int cap;
		const char *name;
	} needed[] = {
		{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
		{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
		{ KVM_CAP_IOEVENTFD_ANY_LENGTH, "KVM_CAP_IOEVENTFD_ANY_LENGTH" },
		{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
		{ KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING" },
		{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
		{ KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM" },
	};
	int version = ioctl(kvm_fd, KVM_GET_API_VERSION, 0);

	if (version < 0)
		return err_set(err, errno, "/dev/kvm: KVM_GET_API_VERSION");
	if (version != KVM_API_VERSION)
		return err_msg(err, ENOTSUP, "KVM has API version %d, not %d", version,
			       KVM_API_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
			return err_msg(err, ENOTSUP, "this host's KVM lacks %s",
				       needed[i].name);
	}
	return 0;
}

/* may_boot() - a template that does not fit costs a boot; another image has no substitute. */
static bool may_boot(const struct vm *vm)
{
	return vm->params.image && vm->params.image->is_template;
}

static int map_image(struct vm *vm, struct err *err)
{
	if (!may_boot(vm))
		return vm_ram_map(vm, vm->params.image, err);
	if (vm_ram_map(vm, vm->params.image, &vm->why) == 0)
		return 0;
	vm->params.image = NULL;
	return vm_memory_clear(vm, err);
}

/* prepare() - all that does not depend on the VM. */
static int prepare(struct vm *vm, struct err *err)
{
	const struct vm_boot *boot = vm->params.boot;
	int ret = vm_memory_new(vm, err);

	if (ret == 0 && vm->params.image)
		ret = map_image(vm, err);
	if (ret == 0 && boot && !vm->params.image) {
		ret = x86_load_image(&vm->memory, boot, &vm->image, err);
		vm->image_loaded = ret == 0;
	}
	if (ret == 0 && vm->params.beside)
		ret = vm->params.beside(vm->params.opaque, vm, err);
	return ret;
}

/* make_vm() - and see to it that its end keeps nobody waiting. */
static int make_vm(struct vm *vm, int (*beside)(struct vm *vm, struct err *err),
		   struct err *err)
{
	bool outside = false;
	int ret = vm_create(vm, beside, &outside, err);

	/* Inside the container's cgroup its thread would be in the way of whoever removes
	 * that: then its end is waited for. */
	if (ret == 0 && outside)
		(void)late_close(vm->fd); /* without io_uring likewise */
	return ret;
}

static int make_vcpus(struct vm *vm, struct err *err)
{
	auto_free struct kvm_cpuid2 *cpuid = NULL;
	int size = ioctl(vm->params.kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	int ret;

	if (size < (int)sizeof(struct kvm_run))
		return err_set(err, size < 0 ? errno : EINVAL, "KVM_GET_VCPU_MMAP_SIZE");
	vm->run_size = (size_t)size;
	ret = x86_cpuid_get(vm->params.kvm_fd, &cpuid, err);
	for (unsigned int i = 0; ret == 0 && i < vm->params.vcpus; i++) {
		ret = vcpu_new(vm, i, err);
		if (ret == 0)
			ret = x86_vcpu_init(vm->vcpus[i].fd, cpuid, i, vm->params.vcpus,
					    err);
		if (ret < 0)
			return err_wrap(err, ret, "vCPU %u", i);
	}
	return ret;
}

/*
 * vm_coalesce_pio() - KVM keeps guest writes of @size bytes to @port in a ring
 * instead of leaving the guest for each; they are delivered before anything the
 * same vCPU does later.  Where KVM cannot, each write exits, as others do.
 */
static void vm_coalesce_pio(struct vm *vm, uint16_t port, uint32_t size)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = port, .size = size, .pio = 1 };
	int page = ioctl(vm->params.kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);

	if (page <= 0 ||
	    ioctl(vm->params.kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_PIO) <= 0 ||
	    vm->run_size < ((size_t)page + 1) * LAYOUT_PAGE)
		return;
	if (ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &zone) == 0)
		vm->coalesced = (void *)((char *)vm->vcpus[0].run +
					 (size_t)page * (size_t)LAYOUT_PAGE);
}

/* init_state() - of the new VM: its own, or that of the image. */
static int init_state(struct vm *vm, struct err *err)
{
	int ret = x86_vm_init(vm->fd, err);

	if (ret == 0)
		ret = vm_memory_attach(vm, err);
	if (ret == 0)
		ret = vm_irq_init(vm, err);
	if (ret == 0)
		ret = make_vcpus(vm, err);
	if (ret == 0 && vm->params.image)
		ret = vm_restore(vm, vm->params.image->state, err);
	return ret;
}

/* start_over() - without the template, which does not fit: as a machine that boots. */
static int start_over(struct vm *vm, struct err *err)
{
	int ret;

	while (vm->n_vcpus)
		vcpu_release(&vm->vcpus[--vm->n_vcpus]);
	vm_irq_release(vm);
	close_fd(take_fd(&vm->fd));
	vm->params.image = NULL;
	ret = vm_memory_clear(vm, err);
	if (ret == 0)
		ret = make_vm(vm, NULL, err);
	return ret < 0 ? ret : init_state(vm, err);
}

static int init_machine(struct vm *vm, struct err *err)
{
	int ret = make_vm(vm, prepare, err);

	if (ret == 0 && may_boot(vm)) {
		if (init_state(vm, &vm->why) < 0)
			ret = start_over(vm, err);
	} else if (ret == 0) {
		ret = init_state(vm, err);
	}
	if (ret == 0)
		ret = x86_msr_list(vm->params.kvm_fd, &vm->msrs, err);
	if (ret == 0)
		ret = x86_cpuid_save(vm->vcpus[0].fd, &vm->cpuid, err);
	if (ret == 0)
		ret = vm_add_pio(vm, LAYOUT_PORT_UART, LAYOUT_PORT_UART_SIZE, &uart_ops,
				 &vm->uart, err);
	if (ret == 0)
		ret = vm_power_init(vm, err);
	if (ret == 0)
		vm_coalesce_pio(vm, LAYOUT_PORT_UART, 1);
	return ret;
}

static int check_params(const struct vm_params *p, struct err *err)
{
	if (p->vcpus < 1 || p->vcpus > VM_MAX_VCPUS)
		return err_msg(err, EINVAL, "%u vCPUs: 1 to %u are possible", p->vcpus,
			       VM_MAX_VCPUS);
	if (p->memory < 16 * LAYOUT_1MIB || p->memory % (2 * LAYOUT_1MIB) ||
	    p->more % (2 * LAYOUT_1MIB))
		return err_msg(
			err, EINVAL,
			"%llu and %llu bytes of guest memory: both must be multiples of "
			"2 MiB, the first at least 16 MiB",
			(unsigned long long)p->memory, (unsigned long long)p->more);
	return 0;
}

int vm_new(const struct vm_params *params, struct vm **ret_vm, struct err *ret_why,
	   struct err *err)
{
	auto_call(cleanup_vm_) struct vm *vm = NULL;
	int ret;

	ret = check_params(params, err);
	if (ret == 0)
		ret = check_kvm(params->kvm_fd, err);
	if (ret == 0)
		ret = x86_check(params->kvm_fd, params->memory, err);
	if (ret < 0)
		return ret;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return err_set(err, ENOMEM, "the VM");
	vm->params = *params;
	vm->fd = vm->pagemap = vm->track.clear_refs = -1;
	address_space_init(&vm->mmio, "MMIO");
	address_space_init(&vm->pio, "port");
	uart_init(&vm->uart);
	(void)pthread_mutex_init(&vm->irq_lock, NULL); /* cannot fail on Linux */
	(void)pthread_mutex_init(&vm->coalesced_lock, NULL);
	vm_pause_init(vm);
	atomic_flag_clear(&vm->stop_told);
	vm->vcpus = calloc(params->vcpus, sizeof(*vm->vcpus));
	if (!vm->vcpus)
		return err_set(err, ENOMEM, "the VM");
	ret = init_machine(vm, err);
	if (ret < 0)
		return ret;
	ret = params->image && !vm->params.image;
	if (ret)
		*ret_why = vm->why;
	vm->params.boot = NULL; /* the caller's for the call only */
	vm->params.image = NULL;
	*ret_vm = take_ptr(&vm);
	return ret;
}

void vm_free(struct vm *vm)
{
	if (!vm)
		return;
	vm_stop(vm);
	for (unsigned int i = 0; i < vm->n_vcpus; i++)
		vcpu_release(&vm->vcpus[i]);
	free(vm->vcpus);
	free(vm->msrs);
	buf_release(&vm->cpuid);
	vm_pause_release(vm);
	close_fd(vm->fd);
	vm_irq_release(vm);
	vm_memory_free(vm);
	(void)pthread_mutex_destroy(
		&vm->coalesced_lock); /* nobody is left to hold them */
	(void)pthread_mutex_destroy(&vm->irq_lock);
	uart_release(&vm->uart);
	address_space_release(&vm->pio);
	address_space_release(&vm->mmio);
	free(vm);
}

int vm_load(struct vm *vm, const struct vm_boot *boot, struct err *err)
{
	int ret = 0;

	if (!vm->image_loaded)
		ret = x86_load_image(&vm->memory, boot, &vm->image, err);
	vm->image_loaded = ret == 0;
	if (ret == 0)
		ret = x86_load_entry(&vm->memory, vm->n_ram, vm->params.vcpus, &vm->image,
				     boot->cmdline, err);
	if (ret == 0)
		ret = x86_boot_vcpu(vm->vcpus[0].fd, vm->image.entry, err);
	vm->loaded = ret == 0;
	return ret;
}

int vm_add_mmio(struct vm *vm, gpa_t gpa, uint64_t size, const struct vm_range_ops *ops,
		void *opaque, struct err *err)
{
	return address_space_add(&vm->mmio, gpa, size, ops, opaque, err);
}

int vm_add_pio(struct vm *vm, uint16_t port, uint16_t size,
	       const struct vm_range_ops *ops, void *opaque, struct err *err)
{
	return address_space_add(&vm->pio, port, size, ops, opaque, err);
}

void vm_remove_mmio(struct vm *vm, gpa_t gpa)
{
	address_space_remove(&vm->mmio, gpa);
}

void vm_tell_stop(struct vm *vm, enum vm_stop_reason reason, const struct err *err)
{
	if (!atomic_flag_test_and_set(&vm->stop_told))
		vm->params.on_stop(vm->params.opaque, reason, err);
}

size_t vm_console_tail(struct vm *vm, char *dst, size_t max)
{
	vm_drain_coalesced(vm);
	return uart_tail(&vm->uart, dst, max);
}

int64_t vm_first_run_ns(const struct vm *vm)
{
	return atomic_load(&vm->first_run_ns);
}
