/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct vm - the machine: KVM, memory, vCPUs, address spaces, interrupts.
 *
 * Calling sequence (the order is vmm/main.c's, unwound in reverse):
 *	vm_new		KVM_CREATE_VM, in-kernel irqchip, guest RAM
 *	(devices)	pci_bus_new(), virtio_pci_new() ...: they register address
 *			ranges, ioeventfds and MSI routes
 *	vm_load		kernel, initrd, command line, ACPI tables, boot_params
 *	(jail)
 *	vm_run		starts the vCPU threads; returns at once
 *	vm_stop		kicks the vCPUs out of KVM_RUN and joins them
 *	vm_free
 */
#ifndef HULL_VMM_VM_H
#define HULL_VMM_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/memory.h"

struct buf;
struct err;
struct lazy;
struct saved_ram;
struct sections;
struct vm;

/* Why the guest stopped by itself; told to the on_stop callback. */
enum vm_stop_reason {
	VM_STOP_SHUTDOWN, /* triple fault or reset: a panic, or the agent died */
	VM_STOP_POWEROFF, /* ACPI S5 */
	VM_STOP_ERROR, /* KVM_RUN failed: struct err says why */
};

struct vm_boot {
	int kernel_fd; /* ELF vmlinux or bzImage; borrowed */
	int initrd_fd; /* or -1; borrowed */
	int modules_fd; /* put behind the initrd, or -1; borrowed */
	const char *cmdline; /* only vm_load() looks at it */
};

/* A machine that was saved (vmm/snapshot/image.h). */
struct vm_image {
	int fd; /* its file; borrowed */
	struct sections *state; /* advances as it is used */
	bool is_template; /* with notes of what others have changed since */
	/* Memory is read when it is asked for, and not mapped: new, and started when vm_new()
	 * returns 0 (vmm/snapshot/lazy.h).  Borrowed; or NULL. */
	struct lazy *lazy;
	/* Memory is copied, for it lies in several files, or NULL.  Borrowed. */
	const struct saved_ram *ram;
};

struct vm_params {
	int kvm_fd; /* borrowed until vm_new() returns */
	/* cgroup.procs of a cgroup for KVM's own thread, which outlives us; -1: it stays in
	 * ours, and our end waits for it.  Borrowed likewise. */
	int cgroup_fd;
	uint64_t memory; /* (bytes) that the guest finds when it starts */
	uint64_t more; /* (bytes) beyond them for vm_hotplug(); may be 0 */
	unsigned int vcpus;
	/*
	 * KVM takes its time to make a VM, as it waits for a grace period of the host's
	 * (two or three of its ticks).  What needs no VM is done meanwhile: RAM
	 * is filled, and then beside() is called, with a @vm that can do nothing but
	 * vm_memory().  May be NULL.
	 */
	int (*beside)(void *opaque, struct vm *vm, struct err *err);
	/* When given, vm_new() loads kernel and initrd, and vm_load() need not. Borrowed
	 * for the call; may be NULL. */
	const struct vm_boot *boot;
	/* Instead of `boot` and vm_load(): vCPUs, clocks and RAM of a machine that was
	 * saved; the RAM is private to us.  Its devices are still to be loaded.  Borrowed
	 * for the call; may be NULL. */
	struct vm_image *image;
	/* Called once, on a vCPU thread, when the guest ends by itself. */
	void (*on_stop)(void *opaque, enum vm_stop_reason reason, const struct err *err);
	/* Called first on each vCPU thread: the jail installs its filter. */
	int (*on_vcpu_thread)(void *opaque, struct err *err);
	/*
	 * Called on a vCPU thread when memory behind the guest's addresses cannot be
	 * had, or after vm_poll_faults() may not be: true when that was mended.
	 */
	bool (*on_fault)(void *opaque);
	void *opaque;
};

/*
 * vm_new() - Return: 0; -errno; 1: the template does not fit this host (@ret_why), and the
 * machine is one without.
 */
int vm_new(const struct vm_params *params, struct vm **ret_vm, struct err *ret_why,
	   struct err *err);
void vm_free(struct vm *vm);

int vm_load(struct vm *vm, const struct vm_boot *boot, struct err *err);
int vm_run(struct vm *vm, struct err *err);

/*
 * vm_poll_faults() - from now on on_fault() is asked every 100 ms of a vCPU's own CPU
 * time.  A page that cannot be had does not always make KVM_RUN fail: where KVM can
 * wait for pages asynchronously it tries again for ever (seen in Linux 6.1), and only
 * the time that the vCPU burns tells of it.  An idle guest is not woken.
 * Any thread; the vCPUs run.  Once is enough.
 */
void vm_poll_faults(struct vm *vm);
void vm_stop(struct vm *vm);

/*
 * vm_pause() / vm_resume() - no vCPU runs in between, and nothing that one of them
 * began is left undone: its state may be read.  Main thread, no lock held that a
 * handler of the guest's accesses takes.
 * Return: 0; -ESRCH: a vCPU has ended; resume all the same
 */
int vm_pause(struct vm *vm);
void vm_resume(struct vm *vm);

/* vm_is_idle() - paused: do all vCPUs wait for interrupts? */
bool vm_is_idle(const struct vm *vm);

/*
 * vm_save() - paused: RAM into @fd, from IMAGE_RAM_AT on, everything else of vCPUs,
 * clocks and memory into @out.  Devices save themselves.
 * @ram_size: (bytes) of RAM, a multiple of 2 MiB: first what the guest has found when it
 *	started, then what can be plugged
 * @changes: only what changed since the last dump: -EINVAL: there was none
 */
int vm_save(struct vm *vm, int fd, uint64_t ram_size, bool changes, struct buf *out,
	    struct err *err);

/*
 * RAM is written while the machine runs, and what changes from its beginning on is known to
 * a later dump, or vm_save().  Whatever changes it: vCPUs, vhost, we.  Main thread.
 *
 * vm_dump_begin() - paused, with no request of a device's under way.
 *	@changes: only what changed since the last one
 *	@size: (bytes) of RAM, as for vm_save()
 * vm_dump_some() - from @at on, which it advances, up to @size; as much as takes
 *	some milliseconds.
 * vm_dump_changes() - a bit for each page that this dump, or vm_save(), has written or
 *	found to be zero, into its place in an image of @memory bytes.
 */
int vm_dump_begin(struct vm *vm, bool changes, uint64_t size, struct err *err);
int vm_dump_some(struct vm *vm, int fd, uint64_t *at, uint64_t size, struct err *err);
int vm_dump_changes(struct vm *vm, int fd, uint64_t memory, struct err *err);

/*
 * vm_ram_mark_hot() - note in @fd, into which vm_save() has written, which pieces of RAM
 * were changed much since.  Main thread; the vCPUs may run.
 */
int vm_ram_mark_hot(const struct vm *vm, int fd, struct err *err);

const struct guest_memory *vm_memory(const struct vm *vm);

/* vm_ram_size() - (bytes) */
uint64_t vm_ram_size(const struct vm *vm);

/*
 * vm_hotplug() - where RAM lies of which the guest is not told at its start, for a device
 * that plugs it: params.more bytes of memory, which cost nothing until they are touched.
 * @ret_room: (bytes) from there up to the end of what may be RAM
 */
struct guest_region vm_hotplug(const struct vm *vm, uint64_t *ret_room);

/*
 * Address spaces.  A handler is called on a vCPU thread; @offset is relative to
 * the range and offset + len lies within it; len is 1, 2, 4 or 8.  Reads of
 * nobody's addresses give all ones, writes there are dropped.
 */
struct vm_range_ops {
	void (*read)(void *opaque, uint64_t offset, void *data, uint32_t len);
	void (*write)(void *opaque, uint64_t offset, const void *data, uint32_t len);
};

/* vm_add_mmio() / vm_add_pio() - -EEXIST when it overlaps another range. */
int vm_add_mmio(struct vm *vm, gpa_t gpa, uint64_t size, const struct vm_range_ops *ops,
		void *opaque, struct err *err);
int vm_add_pio(struct vm *vm, uint16_t port, uint16_t size,
	       const struct vm_range_ops *ops, void *opaque, struct err *err);
/* vm_remove_mmio() - also for a BAR that moves. */
void vm_remove_mmio(struct vm *vm, gpa_t gpa);

/*
 * vm_ioeventfd() - a guest write of any value to [gpa, gpa + len) signals @fd
 * without leaving the kernel. @add false removes it. len: 0 (any), 1, 2, 4, 8
 */
int vm_ioeventfd(struct vm *vm, gpa_t gpa, uint32_t len, int fd, bool add,
		 struct err *err);

/*
 * MSI routes.  Each vector of a device owns one gsi from vm_gsi_alloc(); an
 * irqfd ties the gsi to an eventfd for good, vm_msi_route() follows what the
 * guest writes into the vector's table entry. Any thread.
 */
int vm_gsi_alloc(struct vm *vm, struct err *err); /* gsi >= 24 */
int vm_msi_route(struct vm *vm, int gsi, uint64_t address, uint32_t data,
		 struct err *err);
int vm_irqfd(struct vm *vm, int gsi, int fd, bool add, struct err *err);

/*
 * A further memory slot (a DAX window).  Only before vm_run().
 * @host: mapped by the caller for the life of the VM
 */
int vm_add_memory(struct vm *vm, gpa_t gpa, void *host, uint64_t size, bool readonly,
		  struct err *err);

/*
 * vm_set_rom() - the guest reads @host at @gpa without an exit; its writes go to the
 * handler of that address (vm_add_mmio()). Devices find no memory there. Any thread.
 * @i: which of VM_MAX_ROMS
 * @host: mapped by the caller until @i is set anew
 * @size: (bytes) whole pages; 0: there is none any more
 */
#define VM_MAX_ROMS 32u
int vm_set_rom(struct vm *vm, unsigned int i, gpa_t gpa, void *host, uint64_t size,
	       struct err *err);

/* The kernel's log, as far as the ring holds it: what came from the UART.
 * Any thread. @max: (bytes) room in @dst; returns the length, always
 * terminated. */
size_t vm_console_tail(struct vm *vm, char *dst, size_t max);

/* Counters (vmm/control.h). */
uint64_t vm_exits(const struct vm *vm);
uint64_t vm_kvm_exits(const struct vm *vm);

/* (CLOCK_MONOTONIC ns) when the first KVM_RUN began. */
int64_t vm_first_run_ns(const struct vm *vm);

#endif
