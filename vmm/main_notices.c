/* SPDX-License-Identifier: Apache-2.0 */
/* Changes on the host of what the guest watches: from the shared file system to the agent. */
#include "vmm/container.h"
#include "vmm/fs/fs.h"
#include "vmm/main.h"
#include "vmm/notices.h"

void main_on_notices(void *opaque)
{
	notices_told(((struct vmm *)opaque)->notices);
}

static int ask_agent(void *opaque, const void *payload, size_t len, agent_done_fn done,
		     void *done_opaque)
{
	return container_notices(((struct vmm *)opaque)->container, payload, len, done,
				 done_opaque, NULL);
}

static int take(void *opaque, struct buf *out)
{
	return fs_take_notices(((struct vmm *)opaque)->fs[VM_FS_SHARED], out);
}

static void unwatched(void *opaque, const struct agent_unwatched *u, size_t n)
{
	fs_unwatched(((struct vmm *)opaque)->fs[VM_FS_SHARED], u, n);
}

int main_make_notices(struct vmm *v, struct err *err)
{
	const struct notices_params params = {
		.loop = v->loop,
		.ask_agent = ask_agent,
		.take = take,
		.unwatched = unwatched,
		.opaque = v,
	};

	return v->fs[VM_FS_SHARED] ? notices_new(&params, &v->notices, err) : 0;
}
