/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine as a whole, saved into a file (image.h) and loaded from one: vCPUs, clocks, RAM,
 * devices.  What its container is, is the container's (container.h).
 *
 * Calling sequence: machine_hold(), machine_save(), machine_let_go(); the first two in one turn
 * of the loop.  Main thread.
 */
#ifndef HULL_VMM_SNAPSHOT_MACHINE_H
#define HULL_VMM_SNAPSHOT_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct err;
struct net_cards;
struct sections;
struct virtio_device;
struct virtio_pci;
struct vm;
struct vsock;

#define MACHINE_FS 2u

/* The parts of the machine, devices in the order in which they were made; borrowed. */
struct machine {
	struct vm *vm;
	struct virtio_pci *const *devices;
	unsigned int n_devices;
	struct virtio_device *fs[MACHINE_FS]; /* NULL: there is none */
	struct net_cards *cards;
	struct vsock *vsock;
};

/*
 * machine_hold() - stop all that touches guest memory or device state besides the caller.
 * Return: 0; -EAGAIN: something is under way, and all goes on; -ESRCH: a vCPU has ended
 */
int machine_hold(const struct machine *m, struct err *err);
void machine_let_go(const struct machine *m);

/*
 * machine_save() - held: RAM into @fd, everything else into @out.
 * @ram_size: (bytes) of it, from the beginning of what vm.h calls all RAM
 * @changes: only what changed since the last dump (vm.h)
 * Errors: EAGAIN (a device is busy), what write() says
 */
int machine_save(const struct machine *m, int fd, uint64_t ram_size, bool changes,
		 struct buf *out, struct err *err);

/* machine_load() - the devices of a saved machine; the VM was made of it. */
int machine_load(const struct machine *m, struct sections *in, struct err *err);

#endif
