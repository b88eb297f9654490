/* SPDX-License-Identifier: Apache-2.0 */
/* The file server's devices, as the rest of the machine has them: all as one. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "vmm/container.h"
#include "vmm/fs/fs.h"
#include "vmm/jail/jail.h"
#include "vmm/main.h"
#include "vmm/vm.h"
#include "vmm/vm_config.h"

/* ---- made ------------------------------------------------------------------------------ */

static int on_fs_thread(void *opaque, struct err *err)
{
	(void)opaque; /* it needs nothing but its filter */
	return jail_thread(JAIL_FS, err);
}

/* on_gate() - on any thread. */
static void on_gate(void *opaque)
{
	struct vmm *v = opaque;

	(void)eventfd_write(v->gate.fd, 1); /* fails only when it is full: told anyway */
}

static void on_mapped(void *opaque)
{
	struct vmm *v = opaque;

	vm_poll_faults(v->vm);
}

int main_make_fs(struct vmm *v, const struct guest_memory *mem, enum vm_fs_device device,
		 struct err *err)
{
	static const char *const tags[] = {
		[VM_FS_PRIVATE] = "private",
		[VM_FS_SHARED] = "shared",
	};
	const struct vm_config *c = v->config;
	auto_free struct fs_root_params *roots = calloc(c->n_roots, sizeof(*roots));
	auto_free char(*places)[FS_PLACE_SIZE] = calloc(c->n_roots, sizeof(*places));
	struct fs_params params = {
		.mem = mem,
		.tag = tags[device],
		.shared = device == VM_FS_SHARED,
		/* A kernel with modules is not hull's own (rootfs/kernel/patches/0012). */
		.locks = c->modules_fd < 0,
		.roots = roots,
		.dax_size = c->dax_size,
		.on_thread = on_fs_thread,
		.on_mapped = on_mapped,
		.on_mapped_arg = v,
		.on_gate = on_gate,
		.on_gate_arg = v,
		.on_socket = device == VM_FS_SHARED ? main_on_socket : NULL,
		.on_connected = main_on_connected,
		.on_socket_arg = v,
		.on_notices = device == VM_FS_SHARED ? main_on_notices : NULL,
		.on_notices_arg = v,
	};

	if (!roots || !places)
		return err_set(err, ENOMEM, "virtio-fs");
	for (uint32_t i = 0; i < c->n_roots; i++) {
		if (c->roots[i].device != device)
			continue;
		roots[params.n_roots++] = (struct fs_root_params){
			.fd = c->roots[i].fd,
			.data_fd = -1,
			.index = i,
			.readonly = c->roots[i].readonly,
			.place = main_place_root(v, &c->roots[i], places[i]),
		};
	}
	/* All machines of a template have the same devices. */
	return params.n_roots || c->has_template ? fs_new(&params, &v->fs[device], err)
						 : 0;
}

/* ---- used ------------------------------------------------------------------------------ */

void main_set_gate(void *opaque, bool closed)
{
	struct vmm *v = opaque;

	for (unsigned int i = 0; i < VM_FS_DEVICES; i++)
		if (v->fs[i])
			(closed ? fs_freeze : fs_thaw)(v->fs[i]);
}

int main_gate(void *opaque)
{
	const struct vmm *v = opaque;
	bool open = true, closed = true;
	int error = 0;

	for (unsigned int i = 0; i < VM_FS_DEVICES; i++) {
		int is = v->fs[i] ? fs_gate(v->fs[i]) : 0;

		if (!v->fs[i])
			continue;
		open &= is < 0 || is == FS_GATE_IS_OPEN;
		closed &= is == FS_GATE_IS_CLOSED;
		error = is < 0 ? is : error;
	}
	if (error < 0)
		return error;
	if (closed)
		return CONTAINER_GATE_CLOSED;
	return open ? CONTAINER_GATE_OPEN : CONTAINER_GATE_MOVING;
}

unsigned int main_fs_waiting(void *opaque)
{
	const struct vmm *v = opaque;
	unsigned int n = 0;

	for (unsigned int i = 0; i < VM_FS_DEVICES; i++)
		n += v->fs[i] ? fs_waiting(v->fs[i]) : 0;
	return n;
}

uint64_t main_fs_requests(const struct vmm *v)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < VM_FS_DEVICES; i++)
		n += v->fs[i] ? fs_requests(v->fs[i]) : 0;
	return n;
}

bool main_mend_fs(void *opaque)
{
	struct vmm *v = opaque;
	bool mended = false;

	for (unsigned int i = 0; i < VM_FS_DEVICES; i++)
		mended |= v->fs[i] && fs_mend(v->fs[i]);
	return mended;
}

/* A container's end flushes no disks, as a process' end does not: the guest's pages
 * only have to get here. */
void main_relax_sync(void *opaque)
{
	struct vmm *v = opaque;

	for (unsigned int i = 0; i < VM_FS_DEVICES; i++)
		if (v->fs[i])
			fs_relax_sync(v->fs[i]);
}
