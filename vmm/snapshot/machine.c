/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/snapshot/machine.h"

#include <errno.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "vmm/fs/fs.h"
#include "vmm/net_cards.h"
#include "vmm/snapshot/sections.h"
#include "vmm/virtio/pci.h"
#include "vmm/virtio/vsock.h"
#include "vmm/vm.h"

#define TAG_DEVICES SECTION_TAG('d', 'e', 'v', 's')

int machine_hold(const struct machine *m, struct err *err)
{
	int ret = vm_pause(m->vm);
	bool busy = false;

	/* First the vCPUs, who ask for more. */
	for (unsigned int i = 0; i < MACHINE_FS; i++)
		if (m->fs[i])
			busy |= fs_hold(m->fs[i]) < 0;
	net_cards_hold(m->cards);
	vsock_hold(m->vsock);
	if (ret == 0 && !busy)
		return 0;
	machine_let_go(m);
	return ret < 0 ? err_set(err, -ret, "stop the vCPUs")
		       : err_msg(err, EAGAIN, "requests to file systems are under way");
}

void machine_let_go(const struct machine *m)
{
	vsock_let_go(m->vsock);
	net_cards_let_go(m->cards);
	for (unsigned int i = 0; i < MACHINE_FS; i++)
		if (m->fs[i])
			fs_let_go(m->fs[i]);
	vm_resume(m->vm);
}

static int save_devices(const struct machine *m, struct buf *out, struct err *err)
{
	uint32_t n = m->n_devices;
	int ret = 0;

	section_put(out, TAG_DEVICES, &n, sizeof(n));
	for (unsigned int i = 0; ret == 0 && i < n; i++)
		ret = virtio_pci_save(m->devices[i], out, err);
	return ret == 0 && buf_ok(out) < 0 ? err_set(err, ENOMEM, "devices") : ret;
}

int machine_save(const struct machine *m, int fd, uint64_t ram_size, bool changes,
		 struct buf *out, struct err *err)
{
	auto_buf struct buf devices = BUF_INIT;
	int ret;

	/* They may be busy: to be known before all of RAM is written.  They stand behind
	 * what that puts, as a VM is made before its devices. */
	ret = save_devices(m, &devices, err);
	if (ret == 0)
		ret = vm_save(m->vm, fd, ram_size, changes, out, err);
	(void)buf_append(out, devices.data, devices.len);
	return ret == 0 && buf_ok(out) < 0 ? err_set(err, ENOMEM, "the machine's state")
					   : ret;
}

int machine_load(const struct machine *m, struct sections *in, struct err *err)
{
	uint32_t n;
	int ret = section_get(in, TAG_DEVICES, &n, sizeof(n), err);

	if (ret == 0 && n != m->n_devices)
		ret = err_msg(err, EPROTO, "the saved machine has %u devices, not %u", n,
			      m->n_devices);
	for (unsigned int i = 0; ret == 0 && i < n; i++)
		ret = virtio_pci_load(m->devices[i], in, err);
	return ret;
}
