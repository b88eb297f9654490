/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates: a machine whose agent is ready is saved, and others go on from there instead
 * of booting.
 *
 * The one that is saved is a container's own: it boots, is saved when its guest has
 * nothing to do, and goes on.  So there is no machine that only makes templates, and the
 * guest has seen nothing of the container by then: virtio-fs is mounted, but no file was
 * looked up.  Main thread.
 */
#ifndef HULL_VMM_TEMPLATE_H
#define HULL_VMM_TEMPLATE_H

#include <stdbool.h>

#include "vmm/snapshot/machine.h"

struct container;
struct err;
struct loop;

struct template_params {
	struct loop *loop;
	struct machine machine;
	struct container *container;
	int image_fd; /* borrowed: empty, and as long as an image */
	int sync_fd; /* borrowed: VM_SYNC_TEMPLATE goes out there */
	/* done() - @saved, or given up: the container may go on */
	void (*done)(void *opaque, bool saved);
	void *opaque;
};

/* template_save() - begin; done() comes later, from the loop, whatever happens. */
int template_save(const struct template_params *params, struct err *err);

#endif
