/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DOC: at rest
 *
 * What a guest still has to do when its agent is ready (work queues, grace periods) each
 * machine that goes on from the template would do again.  So the first look comes after a
 * while, the vCPUs are stopped for it, and if one of them does not wait for an
 * interrupt, or a request is under way, they go on and are looked at again.  A guest
 * that never rests costs a bounded wait and has no template.
 */
#include "vmm/template.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/container_of.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "vmm/container.h"
#include "vmm/snapshot/image.h"
#include "vmm/snapshot/sections.h"
#include "vmm/timeline.h"
#include "vmm/timer.h"
#include "vmm/virtio/pci.h"
#include "vmm/vm.h"
#include "vmm/vm_config.h"

#define LOOK_MS 10u
#define MAX_LOOKS 50u

#define TAG_DEVICES SECTION_TAG('d', 'e', 'v', 's')

struct template {
	struct template_params params;
	struct timer timer;
	unsigned int looks;
};

static int save_devices(const struct template_parts *p, struct buf *out, struct err *err)
{
	uint32_t n = p->n_devices;
	int ret = 0;

	section_put(out, TAG_DEVICES, &n, sizeof(n));
	for (unsigned int i = 0; ret == 0 && i < n; i++)
		ret = virtio_pci_save(p->devices[i], out, err);
	return ret == 0 && buf_ok(out) < 0 ? err_set(err, ENOMEM, "devices") : ret;
}

/* save() - the machine, which is paused.  -EAGAIN: it has something to do */
static int save(const struct template *t, struct err *err)
{
	const struct template_parts *p = &t->params.parts;
	auto_buf struct buf devices = BUF_INIT;
	auto_buf struct buf state = BUF_INIT;
	int ret;

	if (!vm_is_idle(p->vm) || !container_is_quiet(p->container))
		return err_msg(err, EAGAIN, "the guest has something to do");
	/* They may be busy: to be known before all of RAM is written.  They stand behind
	 * what that puts, as a VM is made before its devices. */
	ret = save_devices(p, &devices, err);
	if (ret == 0)
		ret = vm_save(p->vm, t->params.image_fd, &state, err);
	(void)buf_append(&state, devices.data, devices.len);
	if (ret == 0 && buf_ok(&state) < 0)
		ret = err_set(err, ENOMEM, "the machine's state");
	return ret < 0 ? ret
		       : image_write(t->params.image_fd, &state, vm_ram_size(p->vm), err);
}

/* hand_over() - to hull, which makes a file of it that only it could have written to. */
static int hand_over(const struct template *t, struct err *err)
{
	struct vm_sync sync = { .type = VM_SYNC_TEMPLATE };
	ssize_t n;
	int ret = sock_send(t->params.sync_fd, &sync, sizeof(sync), NULL, 0);

	if (ret < 0)
		return err_set(err, -ret, "hand over the template");
	/* Nothing else can happen here meanwhile: the guest is at rest. */
	n = sock_recv(t->params.sync_fd, &sync, sizeof(sync), NULL, NULL);
	if (n < 0)
		return err_set(err, (int)-n, "hand over the template");
	if (n != sizeof(sync) || sync.type != VM_SYNC_TEMPLATE)
		return err_msg(err, EPROTO, "the creating command went away");
	return 0;
}

static void end(struct template *t, bool saved)
{
	const struct template_params params = t->params;

	timer_stop(&t->timer);
	free(t);
	params.done(params.opaque, saved);
}

static void look(struct timer *timer)
{
	struct template *t = container_of(timer, struct template, timer);
	struct vm *vm = t->params.parts.vm;
	struct err err = ERR_INIT;
	int ret = vm_pause(vm);

	if (ret == 0)
		ret = save(t, &err);
	vm_resume(vm);
	if (ret == 0) {
		timeline_mark("template saved");
		ret = hand_over(t, &err);
		timeline_mark("template handed over");
	} else if (ret == -EAGAIN && ++t->looks < MAX_LOOKS &&
		   timer_start(&t->timer, t->params.loop, LOOK_MS, look, NULL) == 0) {
		return;
	}
	if (ret < 0)
		log_warn("no template is made: %s", err.msg);
	end(t, ret == 0);
}

int template_save(const struct template_params *params, struct err *err)
{
	struct template *t = calloc(1, sizeof(*t));
	int ret;

	if (!t)
		return err_set(err, ENOMEM, "template");
	t->params = *params;
	t->timer = TIMER_INIT;
	ret = timer_start(&t->timer, params->loop, LOOK_MS, look, err);
	if (ret < 0)
		free(t);
	return ret;
}

int template_load(const struct template_parts *parts, struct sections *in,
		  struct err *err)
{
	uint32_t n;
	int ret = section_get(in, TAG_DEVICES, &n, sizeof(n), err);

	if (ret == 0 && n != parts->n_devices)
		ret = err_msg(err, EPROTO, "the saved machine has %u devices, not %u", n,
			      parts->n_devices);
	for (unsigned int i = 0; ret == 0 && i < n; i++)
		ret = virtio_pci_load(parts->devices[i], in, err);
	return ret < 0 ? err_wrap(err, ret, "template") : 0;
}
