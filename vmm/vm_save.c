/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPUs and clocks, saved and put into a new machine.
 *
 * The TSC of each vCPU goes on from what it was, and so does KVM's clock: for the guest
 * no time has passed, and its wall clock is set by the agent (AGENT_WAKE).  That all TSCs
 * keep step is KVM's doing: it takes values set within a second of each other for
 * one (Linux, kvm_synchronize_tsc()).
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "lib/buf.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/snapshot/sections.h"
#include "vmm/vm_internal.h"

#define TAG_CLOCK SECTION_TAG('c', 'l', 'c', 'k')

int vm_save(struct vm *vm, int fd, uint64_t ram_size, bool changes, struct buf *out,
	    struct err *err)
{
	struct kvm_clock_data clock = { 0 };
	int ret = changes ? vm_track_look(vm, ram_size, err) : 0;

	if (ret == 0)
		ret = vm_ram_save(vm, fd, ram_size, changes, out, err);

	(void)buf_append(out, vm->cpuid.data, vm->cpuid.len);
	for (unsigned int i = 0; ret == 0 && i < vm->n_vcpus; i++) {
		ret = x86_vcpu_save(vm->fd, vm->vcpus[i].fd, vm->msrs, out, err);
		if (ret < 0)
			(void)err_wrap(err, ret, "vCPU %u", i);
	}
	if (ret == 0 && ioctl(vm->fd, KVM_GET_CLOCK, &clock) < 0)
		ret = err_set(err, errno, "KVM_GET_CLOCK");
	section_put(out, TAG_CLOCK, &clock.clock, sizeof(clock.clock));
	return ret;
}

int vm_restore(struct vm *vm, struct sections *in, struct err *err)
{
	struct kvm_clock_data clock = { 0 };
	int ret = x86_cpuid_check(vm->vcpus[0].fd, in, err);

	for (unsigned int i = 0; ret == 0 && i < vm->n_vcpus; i++) {
		ret = x86_vcpu_restore(vm->vcpus[i].fd, in, err);
		if (ret < 0)
			(void)err_wrap(err, ret, "vCPU %u", i);
	}
	if (ret == 0)
		ret = section_get(in, TAG_CLOCK, &clock.clock, sizeof(clock.clock), err);
	if (ret == 0 && ioctl(vm->fd, KVM_SET_CLOCK, &clock) < 0)
		ret = err_set(err, errno, "KVM_SET_CLOCK");
	vm->loaded = ret == 0;
	return ret;
}
