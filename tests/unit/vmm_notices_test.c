/* SPDX-License-Identifier: Apache-2.0 */
/* Notices between the file server and the agent: one request at a time, and its answer. */
#include "vmm/notices.h"

#include <errno.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "tests/unit/tap.h"
#include "vmm/loop.h"

static struct loop *loop;
static struct notices *notices;

static unsigned int n_waiting; /* notices to be taken, a byte each */
static unsigned int n_asked;
static size_t asked_len;
static int ask_ret;
static agent_done_fn under_way;
static void *under_way_opaque;
static struct agent_unwatched ended[4];
static size_t n_ended;

static int ask_agent(void *opaque, const void *payload, size_t len, agent_done_fn fn,
		     void *fn_opaque)
{
	(void)opaque;
	(void)payload;
	n_asked++;
	asked_len = len;
	under_way = fn;
	under_way_opaque = fn_opaque;
	loop_quit(loop);
	return ask_ret;
}

static int take(void *opaque, struct buf *out)
{
	(void)opaque;
	while (n_waiting) {
		(void)buf_append(out, "n", 1);
		n_waiting--;
	}
	loop_quit(loop);
	return 0;
}

static void unwatched(void *opaque, const struct agent_unwatched *u, size_t n)
{
	(void)opaque;
	n_ended = n;
	memcpy(ended, u, n * sizeof(*u));
}

/* come() - @n notices, and the loop runs until they are taken. */
static void come(unsigned int n)
{
	n_waiting += n;
	notices_told(notices);
	(void)loop_run(loop, NULL);
}

static void answer(uint32_t code, const void *payload, size_t len)
{
	const struct agent_result r = { .code = code,
					.msg = code ? "no" : "",
					.payload = payload,
					.payload_len = len };

	under_way(under_way_opaque, &r);
}

int main(void)
{
	const struct notices_params params = {
		.ask_agent = ask_agent,
		.take = take,
		.unwatched = unwatched,
	};
	struct notices_params p = params;
	const struct agent_unwatched u[2] = { { .node = 3, .asked = 1 },
					      { .node = 5, .asked = 2 } };
	char odd[sizeof(u[0]) + 3] = { 0 };

	is_int(loop_new(&loop, NULL), 0, "a loop");
	p.loop = loop;
	is_int(notices_new(&p, &notices, NULL), 0, "made");
	come(0);
	is_int(n_asked, 0, "nothing there: nobody is asked");
	come(3);
	is_int(n_asked, 1, "three notices are one request");
	is_int((long)asked_len, 3, "with all of them");
	n_waiting = 2;
	notices_told(notices);
	answer(0, u, sizeof(u));
	is_int((long)n_ended, 2, "two that nobody watches");
	ok(ended[1].node == 5 && ended[1].asked == 2, "as the agent said");
	is_int(n_asked, 2, "what came meanwhile follows the answer");
	is_int((long)asked_len, 2, "as one request");
	n_ended = 0;
	memcpy(odd, u, sizeof(u[0]));
	answer(0, odd, sizeof(odd));
	is_int((long)n_ended, 1, "what is no whole number is left out");
	ask_ret = -ECONNRESET;
	come(1);
	is_int(n_asked, 3, "an agent that cannot be asked");
	ask_ret = 0;
	come(1);
	is_int(n_asked, 4, "is asked the next time");
	answer(EIO, NULL, 0);
	come(1);
	is_int(n_asked, 5, "one that failed, too");
	n_waiting = 1;
	answer(ECONNRESET, NULL, 0);
	is_int(n_asked, 5, "one that is gone is not");
	notices_free(notices);
	notices_free(NULL);
	loop_free(loop);
	return tap_done();
}
