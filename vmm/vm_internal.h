/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the machine share: vm.c (making and freeing), vm_create.c, vm_memory.c,
 * vm_irq.c, vm_vcpu.c (the threads), vm_pause.c, vm_save.c (its state) and vm_ram.c
 * (the RAM's part of that).  Nobody else includes it.
 */
#ifndef HULL_VMM_VM_INTERNAL_H
#define HULL_VMM_VM_INTERNAL_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "vmm/address_space.h"
#include "vmm/arch/x86/x86.h"
#include "vmm/uart.h"
#include "vmm/vm.h"

struct vcpu {
	struct vm *vm;
	unsigned int index;
	int fd; /* -1 until made */
	struct kvm_run *run; /* mapped, vm->run_size bytes; NULL until made */
	int stats_fd; /* KVM's binary statistics; -1: none */
	off_t exits_offset; /* of the counter "exits" in them */
	pthread_t thread; /* valid while started */
	bool started;
	_Atomic uint64_t exits; /* returns of KVM_RUN; written by the thread only */
	unsigned int mended; /* vm.mended when this vCPU last asked */
	timer_t poll; /* of the thread's CPU time; with `polling` */
	bool polling;
};

/* What changes in RAM (vm_track.c).  Main thread; but given_back. */
struct vm_track {
	int clear_refs; /* our own /proc/self/clear_refs; -1: not opened */
	bool on; /* since the last dump */
	bool marks; /* the host's kernel marks what changes */
	uint8_t *own; /* owned: a bit for each page: it belongs into the dump */
	bool *pieces; /* owned: of each IMAGE_PIECE: one of the dumps has something of it */
	_Atomic uint8_t *given_back; /* owned: a bit for each page; any thread */
};

struct vm {
	struct vm_params params;
	int fd; /* -1 until made */
	size_t run_size; /* (bytes) of each vCPU's shared mapping */

	struct guest_memory memory;
	unsigned int n_ram; /* the first of memory.regions are RAM */
	void *ram; /* mapped, params.memory bytes; NULL until made */
	void *more; /* mapped, params.more bytes; NULL: none */
	int pagemap; /* our own /proc/self/pagemap; -1: not opened */
	struct vm_track track;
	bool *from_file; /* of each IMAGE_PIECE of both: mapped from a file; owned */

	struct address_space mmio, pio;
	struct uart uart;

	/* Writes that KVM collected for us (vm_coalesce_pio()); NULL: it cannot. */
	struct kvm_coalesced_mmio_ring *coalesced;
	pthread_mutex_t coalesced_lock; /* who takes entries out */

	pthread_mutex_t irq_lock; /* routes, n_gsis */
	struct kvm_irq_routing *routes; /* room for LAYOUT_GSI_MSI_COUNT; owned */
	unsigned int n_gsis; /* given out */

	unsigned int n_vcpus; /* made so far */
	struct vcpu *vcpus; /* owned, params.vcpus of them */
	struct x86_image image; /* valid when image_loaded */
	bool image_loaded;
	bool loaded; /* vm_load() was called */
	atomic_bool poll_faults; /* vm_poll_faults() */
	atomic_uint mended; /* times that on_fault() had something to do */
	atomic_bool stopping; /* set before the vCPUs are kicked */
	atomic_bool pausing; /* likewise; written under pause_lock */
	pthread_mutex_t pause_lock; /* n_parked, n_left */
	pthread_cond_t pause_cond; /* each change of these, and of pausing */
	unsigned int n_parked; /* vCPUs that wait for vm_resume() */
	unsigned int n_left; /* vCPUs that will never run again */
	struct err why; /* the template could not be used */
	/* For vm_save(), which can ask /dev/kvm no more: */
	struct kvm_msr_list *msrs; /* what there is to ask for; owned */
	struct buf cpuid; /* x86_cpuid_save() */
	atomic_flag stop_told; /* on_stop was called */
	_Atomic int64_t first_run_ns;
};

/*
 * vm_create.c: vm->fd, and @beside() while KVM makes it.
 * @beside: may be NULL
 * @ret_outside: KVM's thread for it is not in our cgroup
 */
int vm_create(struct vm *vm, int (*beside)(struct vm *vm, struct err *err),
	      bool *ret_outside, struct err *err);

/* vm_memory.c */
int vm_memory_new(struct vm *vm, struct err *err); /* before the VM */
int vm_memory_attach(struct vm *vm, struct err *err); /* to the VM */
int vm_memory_clear(struct vm *vm, struct err *err); /* RAM is as new, where it was */
void vm_memory_free(struct vm *vm);

/*
 * vm_track.c
 *
 * vm_track_open() - before the jail.
 * vm_track_look() - held: track.own: what changed since vm_track_begin(); up to @size.
 * vm_track_begin() - held: changes count from now on; @all: track.own is all pages.
 */
void vm_track_open(struct vm *vm);
void vm_track_free(struct vm *vm);
int vm_track_look(struct vm *vm, uint64_t size, struct err *err);
int vm_track_begin(struct vm *vm, bool all, struct err *err);

/* vm_ram.c */
struct sections;
uint64_t vm_ram_total(const struct vm *vm); /* (bytes) ram and more */
/* vm_ram_look_at() - pagemap(5)'s entries of the piece at @offset. */
int vm_ram_look_at(const struct vm *vm, uint64_t offset, uint64_t *map, struct err *err);
/* vm_ram_save() - @changes: only pages of track.own */
int vm_ram_save(const struct vm *vm, int fd, uint64_t size, bool changes, struct buf *out,
		struct err *err);
int vm_ram_map(struct vm *vm, const struct vm_image *image, struct err *err);

/* vm_save.c: CPUID (which must be ours), vCPUs and clocks of a saved machine. */
int vm_restore(struct vm *vm, struct sections *in, struct err *err);

/* vm_pause.c */
void vm_pause_init(struct vm *vm);
void vm_pause_release(struct vm *vm);
/* vcpu_park() - on a vCPU thread outside of KVM_RUN: stay while vm_pause() wants it. */
void vcpu_park(struct vcpu *vcpu);
/* vcpu_left() - the thread runs its vCPU no more. */
void vcpu_left(struct vcpu *vcpu);
/* vcpu_kick() - out of KVM_RUN, or back from it at once.  The thread is not joined. */
void vcpu_kick(struct vcpu *vcpu);

/* vm_irq.c */
int vm_irq_init(struct vm *vm, struct err *err);
void vm_irq_release(struct vm *vm);

/* vm_vcpu.c */
int vcpu_new(struct vm *vm, unsigned int index, struct err *err);
void vcpu_release(struct vcpu *vcpu);

/* vm_power.c: the ports by which the guest switches itself off. */
int vm_power_init(struct vm *vm, struct err *err);

/* vm_tell_stop() - the guest ended by itself; the first caller tells the owner. */
void vm_tell_stop(struct vm *vm, enum vm_stop_reason reason, const struct err *err);

/* vm_drain_coalesced() - deliver writes that KVM has collected. Any thread. */
void vm_drain_coalesced(struct vm *vm);

#endif
