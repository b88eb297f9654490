/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of the control connection, as the agent takes them apart: split
 * into chunks of the input's choosing, every frame's payload touched to its end.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rootfs/agent/frame.h"
#include "rootfs/agent/notices.h"
#include "tests/fuzz/input.h"

/* notices() - each is where it says, and ends where the next one begins. */
static void notices(const char *payload, size_t len)
{
	struct agent_notice n;
	const char *name;
	size_t at = 0;
	int ret;

	while ((ret = notices_next(payload, len, &at, &n, &name)) > 0)
		if (at > len || strlen(name) != n.name_len)
			abort();
	if (ret == 0 && at != len)
		abort();
}

/* use() - what request.c does with a frame before it knows more. */
static void use(const struct agent_frame *f, const char *payload)
{
	const char *config;
	const char *id;
	char cgroup[PATH_MAX];
	unsigned int sum = 0;
	size_t len;

	if (f->container >= AGENT_MAX_CONTAINERS || f->len > AGENT_MAX_PAYLOAD || !f->seq)
		abort(); /* frame_check() let it pass */
	for (uint32_t i = 0; i < f->len; i++)
		sum += (unsigned char)payload[i];
	if (f->type == AGENT_CREATE &&
	    frame_split_create(payload, f->len, &id, &config, &len) == 0 &&
	    (strlen(id) + 1 + len != f->len || config + len != payload + f->len))
		abort();
	if (f->type == AGENT_EXEC &&
	    frame_split_exec(payload, f->len, &len, cgroup) == 0 &&
	    len + !!*cgroup + strlen(cgroup) != f->len)
		abort();
	if (f->type == AGENT_NOTICES)
		notices(payload, f->len);
	(void)sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .data = data, .left = size };
	struct frame_reader r = { 0 };
	struct agent_frame f;
	const char *payload;
	char chunk[4096];
	int pair[2];
	int ret = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
	while (in.left && ret >= 0) {
		size_t len = input_u16(&in) % sizeof(chunk) + 1;

		len = len < in.left ? len : in.left;
		input_bytes(&in, chunk, len);
		if (len && write(pair[1], chunk, len) != (ssize_t)len)
			abort();
		if (len && frame_reader_fill(&r, pair[0]) != (ssize_t)len)
			abort();
		while ((ret = frame_reader_next(&r, &f, &payload)) > 0) {
			use(&f, payload);
			frame_reader_drop(&r);
		}
	}
	frame_reader_release(&r);
	(void)close(pair[0]);
	(void)close(pair[1]);
	return 0;
}
