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
#include "vmm/fs/fs.h"
#include "vmm/snapshot/image.h"
#include "vmm/timeline.h"
#include "vmm/timer.h"
#include "vmm/vm.h"
#include "vmm/vm_config.h"

#define LOOK_MS 10u
#define MAX_LOOKS 50u

struct template
{
	struct template_params params;
	struct timer timer;
	unsigned int looks;
};

/* is_idle() - nothing of the guest's is to be done, and no file of the container's known. */
static bool is_idle(const struct template *t)
{
	const struct machine *m = &t->params.machine;
	bool idle = vm_is_idle(m->vm) && container_is_quiet(t->params.container);

	for (unsigned int i = 0; i < MACHINE_FS; i++)
		idle &= !m->fs[i] || fs_untouched(m->fs[i]);
	return idle;
}

/* save() - the machine, which is held.  -EAGAIN: it has something to do */
static int save(const struct template *t, struct err *err)
{
	const struct machine *m = &t->params.machine;
	uint64_t ram_size = vm_ram_size(m->vm);
	auto_buf struct buf state = BUF_INIT;
	int ret;

	if (!is_idle(t))
		return err_msg(err, EAGAIN, "the guest has something to do");
	ret = machine_save(m, t->params.image_fd, ram_size, false, &state, err);
	return ret < 0 ? ret : image_write(t->params.image_fd, &state, ram_size, err);
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
	struct err err = ERR_INIT;
	int ret = machine_hold(&t->params.machine, &err);

	if (ret == 0) {
		ret = save(t, &err);
		machine_let_go(&t->params.machine);
	}
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
