/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pause is a kick after which the vCPU threads stay outside of KVM_RUN.  They park
 * only when KVM_RUN came back with EINTR: by then KVM has finished what the exit before
 * it began (an `in` that is still to get its value; Linux, Documentation/virt/kvm/api.rst,
 * KVM_RUN), and the vCPU's state is whole.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "vmm/vm_internal.h"

void vm_pause_init(struct vm *vm)
{
	(void)pthread_mutex_init(&vm->pause_lock, NULL); /* cannot fail on Linux */
	(void)pthread_cond_init(&vm->pause_cond, NULL); /* the same */
}

void vm_pause_release(struct vm *vm)
{
	(void)pthread_cond_destroy(&vm->pause_cond); /* the threads were joined */
	(void)pthread_mutex_destroy(&vm->pause_lock);
}

void vcpu_park(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	(void)pthread_mutex_lock(&vm->pause_lock);
	vm->n_parked++;
	(void)pthread_cond_broadcast(&vm->pause_cond);
	while (atomic_load(&vm->pausing))
		(void)pthread_cond_wait(&vm->pause_cond, &vm->pause_lock);
	vm->n_parked--;
	(void)pthread_mutex_unlock(&vm->pause_lock);
}

void vcpu_left(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	(void)pthread_mutex_lock(&vm->pause_lock);
	vm->n_left++;
	(void)pthread_cond_broadcast(&vm->pause_cond);
	(void)pthread_mutex_unlock(&vm->pause_lock);
}

int vm_pause(struct vm *vm)
{
	int ret;

	(void)pthread_mutex_lock(&vm->pause_lock);
	atomic_store(&vm->pausing, true);
	for (unsigned int i = 0; i < vm->n_vcpus; i++)
		vcpu_kick(&vm->vcpus[i]);
	while (vm->n_parked < vm->n_vcpus && !vm->n_left)
		(void)pthread_cond_wait(&vm->pause_cond, &vm->pause_lock);
	ret = vm->n_left ? -ESRCH : 0;
	(void)pthread_mutex_unlock(&vm->pause_lock);
	return ret;
}

void vm_resume(struct vm *vm)
{
	(void)pthread_mutex_lock(&vm->pause_lock);
	atomic_store(&vm->pausing, false);
	(void)pthread_cond_broadcast(&vm->pause_cond);
	(void)pthread_mutex_unlock(&vm->pause_lock);
}

bool vm_is_idle(const struct vm *vm)
{
	struct kvm_mp_state state;

	for (unsigned int i = 0; i < vm->n_vcpus; i++)
		if (ioctl(vm->vcpus[i].fd, KVM_GET_MP_STATE, &state) < 0 ||
		    state.mp_state != KVM_MP_STATE_HALTED)
			return false;
	return true;
}
