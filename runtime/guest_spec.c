/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/guest_spec.h"

#include <errno.h>

#include "lib/err.h"
#include "oci/honoured.h"
#include "oci/spec.h"
#include "oci/unified.h"
#include "vmm/agent_proto.h"

/* tell() - the agent, by an annotation of hull's own. */
static int tell(struct oci_spec *spec, const char *key, const char *value)
{
	struct oci_pair *pair = oci_list_add(spec, &spec->annotations);

	if (!pair)
		return -ENOMEM;
	pair->key = oci_strdup(spec, key);
	pair->value = oci_strdup(spec, value);
	return pair->key && pair->value ? 0 : -ENOMEM;
}

void guest_resources(struct oci_resources *res)
{
	if (!res)
		return;
	if (res->block_io)
		*res->block_io = (struct oci_block_io){ .weight = res->block_io->weight };
	res->rdma.n = 0;
	unified_keep(&res->unified, OCI_BY_AGENT);
}

int guest_spec_write(struct oci_spec *spec, const char *bundle, const char *freeze_hooks,
		     struct buf *b, struct err *err)
{
	struct oci_hooks *hooks = spec->hooks;
	struct oci_hooks in_guest = { 0 };
	int ret;

	guest_resources(spec->linux_->resources);
	spec->vm = NULL;
	spec->linux_->mount_label = NULL;
	spec->linux_->intel_rdt = NULL;
	if (spec->process)
		spec->process->selinux_label = NULL;
	spec->linux_->cgroups_path = NULL;
	if (hooks)
		in_guest.start_container = hooks->start_container;
	/* For the state that hooks in the guest read. */
	if (in_guest.start_container.n && tell(spec, AGENT_BUNDLE_ANNOTATION, bundle) < 0)
		return err_set(err, ENOMEM, "the guest's configuration");
	if (freeze_hooks && tell(spec, AGENT_FREEZE_HOOKS_ANNOTATION, freeze_hooks) < 0)
		return err_set(err, ENOMEM, "the guest's configuration");
	spec->hooks = hooks ? &in_guest : NULL;
	ret = oci_spec_write(spec, b, err);
	spec->hooks = hooks;
	return ret;
}
