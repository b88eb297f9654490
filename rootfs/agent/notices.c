/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/agent/notices.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "rootfs/agent/agent.h"

int notices_next(const char *payload, size_t len, size_t *at, struct agent_notice *ret,
		 const char **ret_name)
{
	size_t left = len - *at;
	const char *name;
	size_t size;

	if (!left)
		return 0;
	if (left < sizeof(*ret))
		return -EPROTO;
	memcpy(ret, payload + *at, sizeof(*ret));
	if (ret->name_len > NAME_MAX)
		return -EPROTO;
	size = agent_notice_size(ret->name_len);
	name = payload + *at + sizeof(*ret);
	if (left < size ||
	    (ret->name_len && strnlen(name, size - sizeof(*ret)) != ret->name_len))
		return -EPROTO;
	*ret_name = ret->name_len ? name : "";
	*at += size;
	return 1;
}

/* tell() - all of them, and into @out which of them nobody watches.  0; -errno */
static int tell(struct agent *a, const char *payload, size_t len, struct buf *out)
{
	struct agent_notice n;
	const char *name;
	size_t at = 0;
	int ret;

	while ((ret = notices_next(payload, len, &at, &n, &name)) > 0) {
		const struct agent_unwatched u = { .node = n.node, .asked = n.asked };

		ret = a->params->raise_event(a->params->opaque, &n, name);
		if (ret < 0)
			return ret;
		if (ret == 0 && buf_append(out, &u, sizeof(u)) < 0)
			return -ENOMEM;
	}
	return ret;
}

void notices_request(struct agent *a, const struct agent_frame *f, const char *payload)
{
	auto_buf struct buf out = BUF_INIT;
	struct err err = ERR_INIT;
	int ret = a->params->raise_event ? tell(a, payload, f->len, &out) : -ENOTSUP;

	if (ret == 0) {
		agent_result_data(a, f->seq, out.data, (uint32_t)out.len);
		return;
	}
	(void)err_set(&err, -ret, "tell of changes on the host");
	agent_result_err(a, f->seq, &err);
}
