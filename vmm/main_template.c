/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"
#include "vmm/container.h"
#include "vmm/main.h"
#include "vmm/net_cards.h"
#include "vmm/snapshot/image.h"
#include "vmm/snapshot/saved_ram.h"
#include "vmm/template.h"

/* refuse_template() - the machine boots; hull takes the template away. */
static void refuse_template(struct vmm *v, const struct err *why)
{
	const struct vm_sync sync = { .type = VM_SYNC_TEMPLATE, .err = *why };

	v->restored = false;
	log_warn("the template is not used: %s", why->msg);
	/* If this does not arrive, the next one refuses it as well. */
	(void)sock_send(v->config->sync_fd, &sync, sizeof(sync), NULL, 0);
}

void main_look_at_template(struct vmm *v)
{
	const struct vm_config *c = v->config;
	struct err err = ERR_INIT;

	if (c->template_fd < 0)
		return;
	v->restored = image_read(c->template_fd, c->boot_memory, &v->state, &err) == 0;
	v->sections = (struct sections){ v->state.data, v->state.len };
	if (!v->restored)
		refuse_template(v, &err);
}

int main_new_vm(struct vmm *v, struct vm_params *params, struct err *err)
{
	struct vm_image image = {
		.fd = v->resumes ? v->config->restore_fd : v->config->template_fd,
		.state = &v->sections,
		.is_template = !v->resumes,
		.lazy = v->lazy,
		.ram = v->ram,
	};
	struct err why = ERR_INIT;
	int ret;

	params->image = v->resumes || v->restored ? &image : NULL;
	ret = vm_new(params, &v->vm, &why, err);
	saved_ram_free(v->ram);
	v->ram = NULL;
	if (ret > 0)
		refuse_template(v, &why);
	return ret < 0 ? ret : 0;
}

int main_load_template(struct vmm *v, struct err *err)
{
	const struct machine machine = main_machine(v);
	int ret = machine_load(&machine, &v->sections, err);

	buf_release(&v->state);
	return ret < 0 ? err_wrap(err, ret, "template") : 0;
}

/* on_template() - saved, or given up. */
static void on_template(void *opaque, bool saved)
{
	struct vmm *v = opaque;

	v->saved = saved;
	net_cards_go_on(v->cards);
	container_go_on(v->container);
}

bool main_on_ready(void *opaque)
{
	struct vmm *v = opaque;
	struct err err = ERR_INIT;
	const struct template_params params = {
		.loop = v->loop,
		.machine = main_machine(v),
		.container = v->container,
		.image_fd = v->config->template_new_fd,
		.sync_fd = v->config->sync_fd,
		.done = on_template,
		.opaque = v,
	};

	if (params.image_fd < 0 || v->restored)
		return false;
	if (template_save(&params, &err) < 0) {
		log_warn("no template is made: %s", err.msg);
		on_template(v, false);
	}
	return true;
}

void main_on_made(void *opaque)
{
	struct vmm *v = opaque;
	struct err err = ERR_INIT;

	main_go_on_lazy(v);
	if (v->saved && vm_ram_mark_hot(v->vm, v->config->template_new_fd, &err) < 0)
		log_warn("template: %s", err.msg);
	close_fd(v->config->template_new_fd);
}
