/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vCPU threads: KVM_RUN, and what it comes back for.
 *
 * A kick sets the vCPU's immediate_exit, then the thread gets VCPU_KICK_SIGNAL.  A
 * thread inside KVM_RUN is interrupted by the signal; one about to enter finds
 * immediate_exit: no kick is lost.  Stopping: `stopping` is set, then all are kicked.
 */
#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/bus_guard.h"
#include "vmm/vm_internal.h"

/* Entries in KVM's ring: the page after its two indices (KVM_COALESCED_MMIO_MAX,
 * whose PAGE_SIZE user space does not have). */
#define COALESCED_MAX                                                                    \
	((uint32_t)((LAYOUT_PAGE - sizeof(struct kvm_coalesced_mmio_ring)) /             \
		    sizeof(struct kvm_coalesced_mmio)))

#define FAULT_POLL_NS 100000000 /* of a vCPU's CPU time: see vm_poll_faults() */

/* The first that glibc leaves to programs. */
#define VCPU_KICK_SIGNAL SIGRTMIN

/* find_exits() - where KVM keeps the number of exits of this vCPU, or -1. */
static off_t find_exits(int fd)
{
	struct kvm_stats_header header;
	char name[64];
	struct kvm_stats_desc desc;

	if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    header.name_size > sizeof(name))
		return -1;
	for (uint32_t i = 0; i < header.num_desc; i++) {
		off_t at = (off_t)header.desc_offset +
			   (off_t)i * (off_t)(sizeof(desc) + header.name_size);

		if (pread(fd, &desc, sizeof(desc), at) != (ssize_t)sizeof(desc) ||
		    pread(fd, name, header.name_size, at + (off_t)sizeof(desc)) !=
			    (ssize_t)header.name_size)
			return -1;
		if (!strncmp(name, "exits", header.name_size))
			return (off_t)header.data_offset + (off_t)desc.offset;
	}
	return -1;
}

int vcpu_new(struct vm *vm, unsigned int index, struct err *err)
{
	struct vcpu *vcpu = &vm->vcpus[index];
	void *run;

	*vcpu = (struct vcpu){
		.vm = vm, .index = index, .stats_fd = -1, .exits_offset = -1
	};
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, index);
	if (vcpu->fd < 0)
		return err_set(err, errno, "KVM_CREATE_VCPU");
	vm->n_vcpus++;
	run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run == MAP_FAILED)
		return err_set(err, errno, "map the vCPU's state");
	vcpu->run = run;
	/* Statistics are a nicety that older hosts lack. */
	vcpu->stats_fd = ioctl(vcpu->fd, KVM_GET_STATS_FD, NULL);
	return 0;
}

void vcpu_release(struct vcpu *vcpu)
{
	if (vcpu->run)
		(void)munmap(vcpu->run, vcpu->vm->run_size); /* cannot fail: it is ours */
	vcpu->run = NULL;
	close_fd(vcpu->stats_fd);
	close_fd(vcpu->fd);
}

/* deliver_coalesced() - the entries from first to last; `first` moves behind each
 * after its delivery, so that who finds the ring empty sees the effects as well. */
static void deliver_coalesced(struct vm *vm, struct kvm_coalesced_mmio_ring *ring)
{
	while (ring->first != __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE)) {
		const struct kvm_coalesced_mmio *e =
			&ring->coalesced_mmio[ring->first % COALESCED_MAX];

		address_space_write(e->pio ? &vm->pio : &vm->mmio, e->phys_addr, e->data,
				    e->len <= sizeof(e->data) ? e->len : 0);
		__atomic_store_n(&ring->first, (ring->first + 1) % COALESCED_MAX,
				 __ATOMIC_RELEASE);
	}
}

void vm_drain_coalesced(struct vm *vm)
{
	struct kvm_coalesced_mmio_ring *ring = vm->coalesced;

	if (!ring || __atomic_load_n(&ring->first, __ATOMIC_ACQUIRE) ==
			     __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE))
		return;
	(void)pthread_mutex_lock(&vm->coalesced_lock);
	deliver_coalesced(vm, ring);
	(void)pthread_mutex_unlock(&vm->coalesced_lock);
}

static void handle_io(struct vm *vm, struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint32_t size = run->io.size;

	for (uint32_t i = 0; i < run->io.count; i++, data += size) {
		if (run->io.direction == KVM_EXIT_IO_OUT)
			address_space_write(&vm->pio, run->io.port, data, size);
		else
			address_space_read(&vm->pio, run->io.port, data, size);
	}
}

static void handle_mmio(struct vm *vm, struct kvm_run *run)
{
	uint32_t len = run->mmio.len;

	if (len > sizeof(run->mmio.data))
		len = sizeof(run->mmio.data); /* KVM never does that */
	if (run->mmio.is_write)
		address_space_write(&vm->mmio, run->mmio.phys_addr, run->mmio.data, len);
	else
		address_space_read(&vm->mmio, run->mmio.phys_addr, run->mmio.data, len);
}

/* describe_internal_error() - with the instruction that KVM could not emulate. */
static void describe_internal_error(const struct vcpu *vcpu, struct err *err)
{
	const struct kvm_run *run = vcpu->run;
	struct kvm_regs regs = { 0 };
	char bytes[3 * 15 + 1] = "";
	unsigned int n = 0;

	if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
	    run->emulation_failure.ndata >= 3 && /* flags, size and bytes */
	    (run->emulation_failure.flags &
	     KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
		n = run->emulation_failure.insn_size;
	for (unsigned int i = 0; i < n && i < 15; i++)
		(void)snprintf(bytes + 3 * i, 4, " %02x",
			       run->emulation_failure.insn_bytes[i]);
	(void)ioctl(vcpu->fd, KVM_GET_REGS, &regs); /* without it the address is 0 */
	(void)err_msg(err, EIO, "vCPU %u: KVM internal error %u at %#llx%s%s",
		      vcpu->index, run->internal.suberror, (unsigned long long)regs.rip,
		      n ? ", instruction" : "", bytes);
}

/* handle_exit() - Return: true when the vCPU goes on */
static bool handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct err err = ERR_INIT;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(vcpu->vm, run);
		return true;
	case KVM_EXIT_MMIO:
		handle_mmio(vcpu->vm, run);
		return true;
	case KVM_EXIT_INTR:
	case KVM_EXIT_HLT: /* not with local APICs in KVM; harmless */
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return true;
	case KVM_EXIT_SHUTDOWN:
		vm_tell_stop(vcpu->vm, VM_STOP_SHUTDOWN, NULL);
		return false;
	case KVM_EXIT_SYSTEM_EVENT:
		vm_tell_stop(vcpu->vm,
			     run->system_event.type == KVM_SYSTEM_EVENT_SHUTDOWN
				     ? VM_STOP_POWEROFF
				     : VM_STOP_SHUTDOWN,
			     NULL);
		return false;
	case KVM_EXIT_FAIL_ENTRY:
		(void)err_msg(&err, EIO,
			      "vCPU %u: the processor refused to enter the guest (%#llx)",
			      vcpu->index,
			      (unsigned long long)
				      run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		describe_internal_error(vcpu, &err);
		break;
	default:
		(void)err_msg(&err, EIO, "vCPU %u: unexpected exit %u from KVM",
			      vcpu->index, run->exit_reason);
		break;
	}
	vm_tell_stop(vcpu->vm, VM_STOP_ERROR, &err);
	return false;
}

/*
 * mended() - memory that could not be had is there now.  With several vCPUs at one
 * page the first one mends it, and the others find nothing to do: each goes on as long
 * as anything was mended since it last asked.
 */
static bool mended(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	unsigned int seen = vcpu->mended;

	if (vm->params.on_fault && vm->params.on_fault(vm->params.opaque))
		atomic_fetch_add(&vm->mended, 1);
	vcpu->mended = atomic_load(&vm->mended);
	return vcpu->mended != seen;
}

/* start_polling() - the kick comes by itself, each time the vCPU has run for a while. */
static void start_polling(struct vcpu *vcpu)
{
	const struct itimerspec every = {
		.it_value = { .tv_nsec = FAULT_POLL_NS },
		.it_interval = { .tv_nsec = FAULT_POLL_NS },
	};
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = VCPU_KICK_SIGNAL,
		._sigev_un._tid = gettid(),
	};

	if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &vcpu->poll) < 0)
		return; /* no memory for it now: asked again after the next kick */
	vcpu->polling = true;
	(void)timer_settime(vcpu->poll, 0, &every, NULL); /* cannot fail: it is there */
}

/* kicked() - KVM_RUN was interrupted, maybe by the vCPU's own timer. */
static void kicked(struct vcpu *vcpu)
{
	/* Who stops or pauses the VM says so first, and sets this again. */
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	if (atomic_load(&vcpu->vm->pausing))
		vcpu_park(vcpu);
	if (!atomic_load_explicit(&vcpu->vm->poll_faults, memory_order_relaxed))
		return;
	if (!vcpu->polling)
		start_polling(vcpu);
	(void)mended(vcpu);
}

static void run_loop(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct err err = ERR_INIT;
	bool go_on = true;

	while (go_on && !atomic_load_explicit(&vm->stopping, memory_order_relaxed)) {
		int ret = ioctl(vcpu->fd, KVM_RUN, 0);
		int code = errno;

		/* Only this thread writes: a plain increment that others may read. */
		atomic_store_explicit(&vcpu->exits, vcpu->exits + 1,
				      memory_order_relaxed);
		vm_drain_coalesced(vm);
		if (ret < 0 && code == EFAULT && mended(vcpu))
			continue;
		if (ret < 0 && code != EINTR && code != EAGAIN) {
			(void)err_set(&err, code, "vCPU %u: KVM_RUN", vcpu->index);
			vm_tell_stop(vm, VM_STOP_ERROR, &err);
			return;
		}
		if (ret < 0)
			kicked(vcpu);
		else
			go_on = handle_exit(vcpu);
	}
	if (vcpu->polling)
		(void)timer_delete(vcpu->poll); /* cannot fail: it is there */
}

static void *vcpu_thread(void *opaque)
{
	struct vcpu *vcpu = opaque;
	struct vm *vm = vcpu->vm;
	struct err err = ERR_INIT;
	struct timespec now;
	int64_t none = 0;

	if (vm->params.on_vcpu_thread &&
	    vm->params.on_vcpu_thread(vm->params.opaque, &err) < 0) {
		vm_tell_stop(vm, VM_STOP_ERROR, &err);
		vcpu_left(vcpu);
		return NULL;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	(void)atomic_compare_exchange_strong(
		&vm->first_run_ns, &none, now.tv_sec * INT64_C(1000000000) + now.tv_nsec);
	run_loop(vcpu);
	vcpu_left(vcpu);
	return NULL;
}

static void kick_handler(int sig)
{
	(void)sig; /* only there to interrupt KVM_RUN */
}

int vm_run(struct vm *vm, struct err *err)
{
	struct sigaction kick = { .sa_handler = kick_handler };
	sigset_t others, old;
	int code = 0;

	if (!vm->loaded)
		return err_msg(err, EINVAL, "no kernel was loaded");
	if (sigaction(VCPU_KICK_SIGNAL, &kick, NULL) < 0)
		return err_set(err, errno, "sigaction");
	/* The threads take nothing but the kick: signals are main's. */
	bus_guard_mask(&others);
	(void)sigdelset(&others, VCPU_KICK_SIGNAL);
	(void)pthread_sigmask(SIG_SETMASK, &others, &old);
	for (unsigned int i = 0; i < vm->n_vcpus && code == 0; i++) {
		code = pthread_create(&vm->vcpus[i].thread, NULL, vcpu_thread,
				      &vm->vcpus[i]);
		vm->vcpus[i].started = code == 0;
	}
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (code) {
		vm_stop(vm);
		return err_set(err, code, "start a vCPU thread");
	}
	return 0;
}

void vcpu_kick(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	(void)pthread_kill(vcpu->thread, VCPU_KICK_SIGNAL); /* it exists */
}

void vm_poll_faults(struct vm *vm)
{
	if (atomic_exchange(&vm->poll_faults, true))
		return;
	for (unsigned int i = 0; i < vm->n_vcpus; i++)
		if (vm->vcpus[i].started) /* those that are not see it when they are */
			vcpu_kick(&vm->vcpus[i]);
}

void vm_stop(struct vm *vm)
{
	atomic_store(&vm->stopping, true);
	vm_resume(vm);
	for (unsigned int i = 0; i < vm->n_vcpus; i++) {
		struct vcpu *vcpu = &vm->vcpus[i];

		if (vcpu->started)
			vcpu_kick(vcpu);
	}
	for (unsigned int i = 0; i < vm->n_vcpus; i++) {
		if (vm->vcpus[i].started)
			(void)pthread_join(vm->vcpus[i].thread, NULL); /* cannot fail */
		vm->vcpus[i].started = false;
	}
}

uint64_t vm_exits(const struct vm *vm)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < vm->n_vcpus; i++)
		sum += atomic_load_explicit(&vm->vcpus[i].exits, memory_order_relaxed);
	return sum;
}

uint64_t vm_kvm_exits(const struct vm *vm)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < vm->n_vcpus; i++) {
		struct vcpu *vcpu = &vm->vcpus[i];
		uint64_t n;

		if (vcpu->exits_offset < 0 && vcpu->stats_fd >= 0)
			vcpu->exits_offset = find_exits(vcpu->stats_fd);
		if (vcpu->exits_offset < 0 ||
		    pread(vcpu->stats_fd, &n, sizeof(n), vcpu->exits_offset) !=
			    (ssize_t)sizeof(n))
			return 0;
		sum += n;
	}
	return sum;
}
