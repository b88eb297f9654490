/* SPDX-License-Identifier: Apache-2.0 */
/* Changes on the host, as they are told to the guest's kernel. */
#include "rootfs/agent/notices.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "rootfs/agent/agent.h"
#include "tests/unit/tap.h"

static struct {
	struct agent_notice n;
	char name[256];
} raised[8];
static unsigned int n_raised;

/* raise_event() - odd nodes are watched; node 100 cannot be told of. */
static int raise_event(void *opaque, const struct agent_notice *n, const char *name)
{
	(void)opaque;
	if (n->node == 100)
		return -ENOTTY;
	raised[n_raised].n = *n;
	(void)snprintf(raised[n_raised++].name, sizeof(raised[0].name), "%s", name);
	return n->node % 2;
}

static struct agent_params params = { .raise_event = raise_event };
static struct agent agent = { .params = &params };
static int control; /* where the agent's answers come out */
static struct agent_unwatched unwatched[8];

static void put(struct buf *b, uint64_t node, uint32_t asked, const char *name)
{
	static const char zeros[8];
	const struct agent_notice n = { .node = node,
					.asked = asked,
					.mask = IN_CREATE,
					.name_len = (uint32_t)strlen(name) };

	(void)buf_append(b, &n, sizeof(n));
	(void)buf_append(b, name, n.name_len);
	(void)buf_append(b, zeros,
			 agent_notice_size(n.name_len) - sizeof(n) - n.name_len);
}

/* request() - Return: (bytes) of payload in `unwatched`; -errno */
static int request(const char *payload, size_t len)
{
	const struct agent_frame f = { .type = AGENT_NOTICES,
				       .seq = 5,
				       .len = (uint32_t)len };
	struct agent_frame answer = { 0 };
	char text[512];

	n_raised = 0;
	notices_request(&agent, &f, payload);
	if (read(control, &answer, sizeof(answer)) != sizeof(answer) || answer.seq != 5 ||
	    answer.len > sizeof(text) ||
	    (answer.len && read(control, text, answer.len) != (ssize_t)answer.len))
		return -EIO;
	if (answer.arg)
		return -(int)answer.arg;
	memcpy(unwatched, text, answer.len < sizeof(unwatched) ? answer.len : 0);
	return (int)answer.len;
}

static void test_told(void)
{
	auto_buf struct buf b = BUF_INIT;

	put(&b, 1, 7, "name");
	put(&b, 2, 8, "");
	put(&b, 3, 9, "exactly8");
	put(&b, 4, 10, "seven77");
	is_int(request(b.data, b.len), 2 * (int)sizeof(struct agent_unwatched),
	       "four notices, two that nobody waits for");
	is_int(n_raised, 4, "all are told");
	is_str(raised[0].name, "name", "with a name");
	is_str(raised[1].name, "", "without");
	is_str(raised[2].name, "exactly8", "of eight bytes");
	is_str(raised[3].name, "seven77", "of seven");
	ok(raised[0].n.node == 1 && raised[0].n.mask == IN_CREATE, "with what happened");
	ok(unwatched[0].node == 2 && unwatched[0].asked == 8 && !unwatched[0].reserved,
	   "the first that nobody watches");
	ok(unwatched[1].node == 4 && unwatched[1].asked == 10, "the second");
	is_int(request(b.data, 0), 0, "none");
}

static void test_broken(void)
{
	auto_buf struct buf b = BUF_INIT;
	struct agent_notice n;

	put(&b, 1, 7, "name");
	is_int(request(b.data, b.len - 1), -EPROTO, "a name that is cut");
	is_int(request(b.data, sizeof(n) - 1), -EPROTO, "a notice that is cut");
	b.data[sizeof(n) + 1] = 0;
	is_int(request(b.data, b.len), -EPROTO, "a name that ends before");
	b.data[sizeof(n) + 1] = 'a';
	b.data[sizeof(n) + 4] = 'x';
	is_int(request(b.data, b.len), -EPROTO, "a name that is longer than it says");
	memcpy(&n, b.data, sizeof(n));
	n.name_len = 256;
	memcpy(b.data, &n, sizeof(n));
	is_int(request(b.data, b.len), -EPROTO, "a name that is too long");
	is_int(n_raised, 0, "none of these is told");
	b.len = 0;
	put(&b, 100, 1, "");
	is_int(request(b.data, b.len), -ENOTTY, "a kernel that cannot be told");
	params.raise_event = NULL;
	is_int(request(b.data, b.len), -ENOTSUP, "nobody to tell");
}

int main(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return 1;
	agent.writer.fd = pair[0];
	control = pair[1];
	test_told();
	test_broken();
	return tap_done();
}
