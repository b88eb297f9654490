/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the program itself share: main.c (the machine's parts, in the order
 * of trust), main_devices.c (the bus), main_fs.c (the file server), main_template.c (that it
 * goes on from a template, or becomes one), main_checkpoint.c (that it is saved with its
 * container, and goes on so), main_lazy.c (before its memory is there), main_sockets.c
 * (sockets of the host's) and main_notices.c (changes on the host).
 */
#ifndef HULL_VMM_MAIN_H
#define HULL_VMM_MAIN_H

#include <pthread.h>
#include <stdbool.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/fs/fs.h"
#include "vmm/loop.h"
#include "vmm/snapshot/image.h"
#include "vmm/snapshot/machine.h"
#include "vmm/snapshot/sections.h"
#include "vmm/vm.h"
#include "vmm/vm_config.h"

struct container;
struct guest_memory;
struct lazy;
struct net_cards;
struct pci_bus;
struct resolver;
struct saved_ram;
struct notices;
struct sockets;
struct virtio_device;
struct virtio_pci;
struct vsock;

struct vmm {
	const struct vm_config *config;
	const char *spec;
	struct loop *loop;
	struct vm *vm;
	struct pci_bus *bus;
	struct virtio_device *fs[VM_FS_DEVICES]; /* NULL: no root of that kind */
	struct vsock *vsock;
	struct net_cards *cards;
	struct virtio_device *mem; /* virtio-mem */
	struct resolver *resolver;
	struct sockets *sockets; /* NULL: nothing is shared */
	struct notices *notices; /* likewise */
	int *placed_roots; /* borrowed descriptors of roots that have a place in the jail */
	unsigned int n_placed_roots;
	struct container *container;
	/* All that plug() has put on the bus before the guest ran, in that order. */
	struct virtio_pci *devices[LAYOUT_PCI_SLOTS];
	unsigned int n_devices;
	struct buf state; /* of the template or saved container, when there is one */
	struct sections sections; /* what is still to be read of it */
	bool restored; /* the machine goes on from the template, */
	bool resumes; /* or with the container that was saved */
	uint32_t image_flags; /* enum image_machine_flags: of that */
	bool saved; /* it has become one */
	struct saved_ram *ram; /* where it is copied from, while the VM is made; or NULL */
	uint8_t dumped[IMAGE_ID_SIZE]; /* the last dump, of which changes are known */
	bool has_dumped; /* there is one */
	struct image_machine dump; /* the one that is being written */
	uint64_t dump_at; /* (bytes) of RAM that it has so far, */
	uint64_t dump_size; /* and in all */
	struct lazy *lazy; /* reads its memory; NULL: it is there */
	bool made; /* under gate_lock: the container is, and sync_fd is not ours any more */
	int oom_fd; /* of vmm/host_oom.h, or -1 */

	struct loop_source signals;
	struct loop_source stopped; /* an eventfd: the guest ended by itself */
	struct loop_source gate; /* an eventfd: a write gate has moved */

	/* The vCPU threads wait here until the main thread's filter is loaded. */
	pthread_mutex_t gate_lock;
	pthread_cond_t gate_open;
	bool open; /* under gate_lock */

	/* Written once by a vCPU thread before it signals `stopped`. */
	enum vm_stop_reason stop_reason;
	struct err stop_err;
};

/* main_on_stop() - the guest ended by itself; any thread, once (vm_params.on_stop). */
void main_on_stop(void *opaque, enum vm_stop_reason reason, const struct err *err);

/* ---- main_devices.c ----------------------------------------------------------------- */

/* main_plug() - put a device on the bus; @opaque: struct vmm */
int main_plug(void *opaque, struct virtio_device *dev, struct err *err);

/* main_plug_small() - rng, balloon, memory: devices that need no roots and no network. */
int main_plug_small(struct vmm *v, struct err *err);

/* ---- main_fs.c ---------------------------------------------------------------------- */

/* main_make_fs() - the device of one kind of roots, if there are any. */
int main_make_fs(struct vmm *v, const struct guest_memory *mem, enum vm_fs_device device,
		 struct err *err);

/*
 * container_params: main_set_gate(); main_gate(): closed or open when that of all devices is;
 * main_fs_waiting(), main_relax_sync().  vm_params: main_mend_fs(), on a vCPU thread.
 */
void main_set_gate(void *opaque, bool closed);
int main_gate(void *opaque);
unsigned int main_fs_waiting(void *opaque);
void main_relax_sync(void *opaque);
bool main_mend_fs(void *opaque);

/* main_fs_requests() - that were answered so far. */
uint64_t main_fs_requests(const struct vmm *v);

/* ---- main_template.c ---------------------------------------------------------------- */

/* main_look_at_template() - read its state, if there is one that is whole. */
void main_look_at_template(struct vmm *v);

/* main_new_vm() - from the template, or if that does not fit this host, without. */
int main_new_vm(struct vmm *v, struct vm_params *params, struct err *err);

/* main_load_template() - what the machine's parts were; they stand. */
int main_load_template(struct vmm *v, struct err *err);

/* main_on_ready() - the agent is there: is this machine to become a template? */
bool main_on_ready(void *opaque);

/* main_on_made() - what the guest did since it was saved others will do as well. */
void main_on_made(void *opaque);

/* ---- main_checkpoint.c --------------------------------------------------------------- */

/* main_machine() - the parts, as they stand now. */
struct machine main_machine(const struct vmm *v);

/* main_look_at_image() - of the container that is to go on, if that is so. */
int main_look_at_image(struct vmm *v, struct err *err);

/* main_close_image() - its files, unless its memory is still read from there. */
void main_close_image(const struct vmm *v);

/* main_resume() - devices and container as they were; the jail stands but for filters. */
int main_resume(struct vmm *v, struct err *err);

/* main_save(), main_let_go(), main_dump_begin(), main_dump_some() - of container_params. */
int main_save(void *opaque, int fd, const uint8_t *parent, struct err *err);
int main_dump_begin(void *opaque, int fd, const uint8_t *parent, struct err *err);
int main_dump_some(void *opaque, int fd, struct err *err);
void main_let_go(void *opaque);

/* ---- main_lazy.c: nothing to do where all memory is there ------------------------------ */

/* main_make_lazy() - for the image @id, before its VM is made. */
int main_make_lazy(struct vmm *v, const uint8_t id[IMAGE_ID_SIZE], const int *fds,
		   unsigned int n_fds, struct err *err);

/* main_stop_lazy(), main_start_lazy() - around what the jail does with one thread. */
void main_stop_lazy(struct vmm *v);
int main_start_lazy(struct vmm *v, struct err *err);

/* main_go_on_lazy() - the container is made: the rest of its memory has time now. */
void main_go_on_lazy(struct vmm *v);

/* main_memory_is_there() - container_params.whole. */
bool main_memory_is_there(void *opaque);

/* ---- main_sockets.c ------------------------------------------------------------------ */

/* main_on_socket(), main_on_connected() - fs_params.on_socket and .on_connected. */
bool main_on_socket(void *opaque, unsigned int root, uint64_t node, int type);
void main_on_connected(void *opaque, uint64_t token, int fd);

/* main_make_sockets() - once the file systems are there. */
int main_make_sockets(struct vmm *v, struct err *err);

/*
 * main_place_root() - where the jail will have @root, if that is no directory.
 * Return: @place, filled; NULL: it has none
 */
const char *main_place_root(struct vmm *v, const struct vm_root *root,
			    char place[FS_PLACE_SIZE]);

/* ---- main_notices.c ------------------------------------------------------------------ */

/* main_on_notices() - fs_params.on_notices. */
void main_on_notices(void *opaque);

/* main_make_notices() - once the file systems are there. */
int main_make_notices(struct vmm *v, struct err *err);

#endif
